"""What /metrics exposes, and that docs/operations.md describes exactly that."""

import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from reference_server.frames import (
    PresenceState,
    SubscribeMessages,
    SubscribePresence,
    UnsubscribeMessages,
    UpdatePresence,
)
from reference_server.statement_times import COMMANDS
from reference_server.statements import SQL_FOLDER, STRATEGIES_FOLDER

PAGE = (Path(__file__).parent.parent.parent / "docs" / "operations.md").read_text(encoding="utf-8")
METRICS = PAGE.split("## Metrics")[1].split("\n## ")[0]
# Name → labels.
DOCUMENTED = {
    name: set(re.findall(r"`(\w+)`", labels))
    for name, labels in re.findall(r"^\| `(\w+)` \|([^|]*)\|", METRICS, re.MULTILINE)
}


def exposed(server: Any) -> dict[str, set[str]]:
    """Name → labels of every family, as far as it has series."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(server.http.get("/metrics").text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = {label for sample in family.samples for label in sample.labels} - {"le"}
    return found


def test_every_metric_is_documented_and_the_other_way_round(server: Any) -> None:
    """Names and labels in the table are those of the exposition."""
    user = server.user(20)
    user.post_message(server.group(user))
    user.connect().subscribe()
    found = exposed(server)
    assert found.keys() == DOCUMENTED.keys()
    for name, labels in found.items():
        assert labels in (set(), DOCUMENTED[name]), name


def test_every_statement_has_its_series(server: Any) -> None:
    """Each file below sql/, and what strategies do, executed or not: a rate from nothing needs a zero to start at."""
    text = server.http.get("/metrics").text
    named = set(re.findall(r'^chat_statement_seconds_count\{statement="(\w+)"\}', text, re.MULTILINE))
    files = [path for path in SQL_FOLDER.glob("*/*.sql") if path.parent != STRATEGIES_FOLDER]
    assert len(named) == len(files) + len(COMMANDS), "no two of the same name"
    assert named == {path.stem for path in files} | set(COMMANDS)


def test_statements_are_counted_and_timed(database: str, launch: Any) -> None:
    """Each execution by its name; a refusal by the database as an error as well."""
    server = launch(database)
    user = server.user(20)

    def executed(name: str) -> float:
        return float(server.metric("chat_statement_seconds_count", statement=name))

    assert executed("list_memberships") == 0
    user.get("/memberships")
    user.get("/memberships")
    assert executed("list_memberships") == 2
    assert executed("set_claims") >= 1
    assert server.metric("chat_statement_seconds_sum", statement="list_memberships") > 0
    user.post("/conversations/group", name="x", user_ids=["00000000-0000-0000-0000-000000000001"])
    assert server.metric("chat_statement_errors_total", statement="create_group_conversation") == 1


def test_what_looks_after_the_database_is_counted(tiny_url: str, launch: Any) -> None:
    """From the start on, and when operators ask; a turn that another server has is a refusal."""
    server = launch(tiny_url)

    def executed(name: str) -> float:
        return float(server.metric("chat_statement_seconds_count", statement=name))

    assert executed("get_dataset") == executed("take_server_turn") == 1
    assert executed("index_states") == executed("index_progress") == executed("take_index_turn") == 0
    operator = {"Operator-Key": "chatbench"}
    assert server.http.get("/v1/operator/indexes", headers=operator).status_code == 200
    assert executed("index_states") == executed("index_progress") == 1
    assert server.http.delete("/v1/operator/indexes/roadmap", headers=operator).status_code == 202
    assert executed("take_index_turn") == 1
    assert server.metric("chat_statement_errors_total", statement="take_server_turn") == 0
    second = launch(tiny_url)
    assert second.metric("chat_statement_errors_total", statement="take_server_turn") == 1


@pytest.mark.parametrize("subprotocol", ["chat.v1.json", "chat.v1.msgpack"])
def test_every_event_counts_with_its_bytes(database: str, launch: Any, subprotocol: str) -> None:
    """Answers, replays and deliveries: what the client reads is what was counted, frame headers included."""
    server = launch(database)
    user = server.user(20)
    conversation = server.group(user)
    for length in (1, 200, 4000):
        user.send(conversation, "x" * length)
    gateway = user.connect(subprotocol)
    counts: dict[str, int] = {"ready": 1}
    sizes: dict[str, int] = {}

    def receive(kind: str) -> Any:
        payload = gateway.websocket.recv(20, decode=False)
        head = 2 if len(payload) < 126 else 4
        counts[kind] = counts.get(kind, 0) + 1
        sizes[kind] = sizes.get(kind, 0) + head + len(payload)
        return gateway.codec.decode_event(payload)

    gateway.send(SubscribeMessages(resume={conversation: 0}))
    assert [receive("m").seq for _ in range(3)] == [1, 2, 3]
    receive("subscribed")
    user.send(conversation)
    assert receive("m").seq == 4
    gateway.send(SubscribePresence(user_ids=(user.id,)))
    assert isinstance(receive("presence_state"), PresenceState)
    gateway.send(UnsubscribeMessages())
    receive("unsubscribed")
    for kind, count in counts.items():
        assert server.metric("chat_gateway_events_total", kind=kind) == count, kind
    for kind, size in sizes.items():
        assert server.metric("chat_gateway_event_bytes_total", kind=kind) == size, kind
    commands = {"authenticate": 1, "subscribe_messages": 1, "subscribe_presence": 1, "unsubscribe_messages": 1}
    for kind, count in commands.items():
        assert server.metric("chat_gateway_commands_total", kind=kind) == count, kind


def test_a_queue_is_seen_while_it_is_there(database: str, launch: Any) -> None:
    """Bytes that a client does not read are in the gauges, the sum and the largest."""
    server = launch(database, send_queue_bytes=1 << 28, shutdown_seconds=0.5)
    stuck, other = server.user(20), server.user(21)
    conversation = server.group(other, stuck)
    gateway, reader = server.connect_narrow(stuck), other.connect()
    gateway.subscribe()
    reader.subscribe()
    for _ in range(300):
        other.send(conversation, "🌍" * 4000)
        reader.receive()
    server.wait_for_metric(lambda value: value > 0, "chat_gateway_queued_bytes")
    assert server.metric("chat_gateway_queued_bytes_max") == server.metric("chat_gateway_queued_bytes")


def test_closes_are_those_of_the_server(server: Any) -> None:
    """A client that says goodbye is not counted as closed by the server."""
    gateway = server.user(20).connect()
    gateway.ask(UpdatePresence(status="away"))
    gateway.close()
    assert server.metric("chat_gateway_closes_total", code="1000") == 0


def test_single_series_can_be_asked_for(server: Any) -> None:
    """`name[]` leaves everything else out, of counters, histograms and gauges alike."""
    names = {"chat_pool_wait_seconds_sum", "chat_pool_waiting", "chat_sends_under_way"}
    text = server.http.get("/metrics", params=[("name[]", name) for name in sorted(names)]).text
    assert set(re.findall(r"^(\w+)[ {]", text, re.MULTILINE)) == names
