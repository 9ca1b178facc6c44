"""reference_server.routes.operator: the migration under an operator's key."""

from typing import Any

import pytest

ROUTES = [
    ("GET", ""),
    *(("POST", f"/{command}") for command in ("start", "pause", "resume", "abort", "roll_back", "verify")),
    ("PUT", "/pace"),
]


@pytest.mark.parametrize("key", [None, "guess", "chatbenc\u00e9"])
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_route_needs_the_operator_s_key(server: Any, method: str, path: str, key: str | None) -> None:
    """Without it, or with another one, the answer is 401; a user's token is no help."""
    headers = {"Authorization": f"Bearer {server.user(0).token}", **({"Operator-Key": key} if key else {})}
    encoded = {name: value.encode() for name, value in headers.items()}
    body = {} if method == "PUT" else None
    answer = server.http.request(method, f"/v1/operator/migration{path}", headers=encoded, json=body)
    told = "is not the operator's key; send the one that the server was started with"
    told = f"this {told}" if key else "this needs the operator's key; send it as `Operator-Key: …`"
    assert (answer.status_code, answer.json()) == (401, {"code": "unauthenticated", "message": told})


@pytest.mark.parametrize(("path", "body"), [("migration/start", b"{"), ("migration/rollout", b'{"percentage": 101}')])
def test_the_key_is_looked_at_before_the_body(server: Any, path: str, body: bytes) -> None:
    """Who may not ask is not told what would be wrong with the question."""
    method = "POST" if path.endswith("start") else "PUT"

    def status(headers: dict[str, str]) -> int:
        answer: int = server.http.request(method, f"/v1/operator/{path}", content=body, headers=headers).status_code
        return answer

    assert status({"Operator-Key": "chatbench"}) == 400
    assert status({"Operator-Key": "guess"}) == status({}) == 401


def test_the_key_is_the_server_s_own(database: str, launch: Any) -> None:
    """A server with another key takes that one only, and does not tell it."""
    server = launch(database, operator_key="another")
    path = "/v1/operator/migration"
    assert server.http.get(path, headers={"Operator-Key": "chatbench"}).status_code == 401
    assert server.http.get(path, headers={"Operator-Key": "another"}).status_code == 200
    assert "operator_key" not in server.record["settings"]


def test_a_migration_from_beginning_to_end(world: Any, launch: Any, operator: Any) -> None:
    """Started, complete, verified, rolled out, rolled back; what does not fit is a conflict in words."""
    world.pair(messages=5)
    server = launch(world.url)
    desk = operator(server)
    assert desk.get()["phase"] == "off"
    refused = desk.post("pause")
    assert (refused.status_code, refused.json()) == (
        409,
        {"code": "conflict", "message": "the migration is off; it cannot pause now"},
    )
    assert desk.post("start", batch_messages=0).status_code == 400
    started = desk.post("start", batch_messages=10, pause_seconds=0.001).json()
    assert (started["phase"], started["batch_messages"], started["pause_seconds"]) == ("running", 10, 0.001)
    world.wait_for_phase("complete")
    assert desk.post("start", batch_messages=77).status_code == 409
    state = desk.get()
    assert state["batch_messages"] == 10
    assert (state["messages_copied"], state["connections_copied"]) == (5, 31)
    verified = desk.post("verify").json()
    assert verified["is_ok"] is True
    assert {check["check_name"] for check in verified["checks"]} >= {"counts", "order", "checksums", "orphans"}
    assert desk.put("rollout", percentage=25).json()["rollout_percentage"] == 25
    for percentage in (-1, 101, "many"):
        assert desk.put("rollout", percentage=percentage).status_code == 400
    rolled_back = desk.post("roll_back").json()
    assert (rolled_back["phase"], rolled_back["rollout_percentage"]) == ("rolled_back", 0)
    assert desk.put("rollout", percentage=25).status_code == 409


def test_damage_is_told(world: Any, launch: Any, operator: Any) -> None:
    """A verification that finds something says what and gives an example."""
    _, _, connection = world.pair(messages=5)
    server = launch(world.url)
    operator(server).post("start")
    world.wait_for_phase("complete")
    world.script("SET session_replication_role = replica")
    world.sql(
        "UPDATE messages SET content = 'x' WHERE connection_request_id = $1 AND content = 'message 1'", connection
    )
    found = operator(server).post("verify").json()
    assert found["is_ok"] is False
    (check,) = [check for check in found["checks"] if not check["is_ok"]]
    assert (check["check_name"], check["mismatches"]) == ("checksums", 1)
    assert check["example"]


def test_the_log_tells_what_operators_do_and_what_comes_of_it(world: Any, launch: Any, operator: Any) -> None:
    """Each command, roll-out and pace, and the backfill from its start to its end; refusals change nothing."""
    world.pair(messages=2)
    server = launch(world.url)
    desk = operator(server)
    assert desk.post("resume").status_code == 409
    with world.copying_elsewhere():
        desk.post("start", pause_seconds=0)
        desk.put("rollout", percentage=30)
        desk.post("pause")
    desk.post("resume")
    world.wait_for_phase("complete")
    server.wait_for_event("backfill_finished")
    desk.check()
    desk.post("roll_back")
    told = [event for event in server.events() if event["event"].startswith(("migration", "rollout", "pace"))]
    assert [(event["event"], *event["fields"].values()) for event in told] == [
        ("pace_changed", 500, 0),
        ("migration_changed", "start", "running", 0),
        ("rollout_changed", "running", 30),
        ("migration_changed", "pause", "paused", 30),
        ("migration_changed", "resume", "running", 30),
        ("migration_verified", []),
        ("migration_changed", "roll_back", "rolled_back", 0),
    ]
    accepted = world.value("SELECT count(*) FROM connection_requests WHERE status = 'accepted'")
    (finished,) = server.events("backfill_finished")
    assert finished["fields"] == {"phase": "complete", "connections": accepted, "messages": 2}


def test_what_operators_and_the_backfill_execute_is_counted(world: Any, launch: Any, operator: Any) -> None:
    """By statement, as users' requests are: a migration is the server's heaviest work."""
    world.pair(messages=2)
    server = launch(world.url, validator_seconds=0.05)
    desk = operator(server)

    def executed(name: str) -> float:
        return float(server.metric("chat_statement_seconds_count", statement=name))

    assert desk.post("pause").status_code == 409
    assert server.metric("chat_statement_errors_total", statement="change_migration") == 1
    desk.post("start", pause_seconds=0)
    world.wait_for_phase("complete")
    server.wait_for_event("backfill_finished")
    assert executed("backfill_connection") == server.metric("chat_migration_connections_total")
    assert executed("set_migration_pace") == executed("finish_backfill") == executed("take_backfill_turn") == 1
    desk.post("verify")
    assert executed("verify_migration") == 1
    server.wait_for_metric(lambda count: count > 0, "chat_statement_seconds_count", statement="validate_users")
