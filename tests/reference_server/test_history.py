"""Pages of messages from a real streaming replica: who serves them, and that no reader misses a write it may expect."""

import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from clusters import ask, running_process, wait_for

from fixtures.postgres import EmbeddedPostgres
from fixtures.replica import EmbeddedReplica

WAIT_SECONDS = 30
LONG = 20.0  # a bound that no healthy replica meets
POLICIES = ["primary", "wait", "eventual"]


@pytest.fixture(scope="module")
def primary(own_postgres_of_module: Any) -> EmbeddedPostgres:
    """A cluster of this file's own, with the data set `tiny` in its database `chat`."""
    cluster: EmbeddedPostgres = own_postgres_of_module.cluster
    return cluster


@pytest.fixture(scope="module")
def replica(primary: EmbeddedPostgres) -> Iterator[EmbeddedReplica]:
    """A standby that streams from it."""
    with EmbeddedReplica(primary) as standby:
        yield standby


@pytest.fixture
def serve(launch: Any, primary: EmbeddedPostgres, replica: EmbeddedReplica) -> Any:
    """Starts a server that reads pages from the replica."""
    return lambda **settings: launch(primary.url("chat"), replica_url=replica.url("chat"), **settings)


@contextmanager
def paused(replica: EmbeddedReplica) -> Iterator[None]:
    """While the block lasts, the replica receives and does not replay."""
    ask(replica, "SELECT pg_wal_replay_pause()")
    wait_for(replica, "SELECT pg_get_wal_replay_pause_state()", "paused")
    try:
        yield
    finally:
        ask(replica, "SELECT pg_wal_replay_resume()")


def page(user: Any, conversation: Any, **parameters: Any) -> tuple[list[str], str]:
    """The contents of a page, and who served it."""
    answer = user.get(f"/conversations/{conversation}/messages", **parameters)
    assert answer.status_code == 200, answer.text
    return [message["content"] for message in answer.json()["messages"]], answer.headers["chat-served-by"]


def test_pages_are_the_same(serve: Any, launch: Any, primary: EmbeddedPostgres) -> None:
    """Every page of every conversation of a user reads alike from both, and says where it comes from."""
    users = [serve().user(0), launch(primary.url("chat")).user(0)]
    sources = set()
    for membership in users[0].get("/memberships").json()["memberships"]:
        cursor: dict[str, str] = {}
        while cursor is not None:
            path = f"/conversations/{membership['conversation_id']}/messages"
            answers = [user.get(path, limit=20, **cursor) for user in users]
            assert answers[0].content == answers[1].content
            sources.add(tuple(answer.headers["chat-served-by"] for answer in answers))
            following = answers[0].json()["next_cursor"]
            cursor = {"before": following} if following else None  # type: ignore[assignment]
    assert sources == {("replica", "primary")}


def test_without_a_replica_the_primary_serves(server: Any) -> None:
    """The header and the counter are there all the same, under the policy `none`."""
    user = server.user(0)
    conversation = server.group(user)
    before = server.metric("chat_history_reads_total", policy="none", source="primary")
    assert page(user, conversation) == ([], "primary")
    assert server.metric("chat_history_reads_total", policy="none", source="primary") == before + 1


def test_what_is_asked_about_the_replica_is_counted(serve: Any) -> None:
    """Both servers' identity at the start, then their positions, again and again."""
    server = serve()
    assert server.metric("chat_statement_seconds_count", statement="cluster_identity") == 2
    for side in ("primary", "replica"):
        server.wait_for_metric(lambda count: count > 0, "chat_statement_seconds_count", statement=f"{side}_position")


@pytest.mark.parametrize(
    ("policy", "served", "reason"),
    [
        ("eventual", ([], "replica"), None),
        ("primary", (["mine"], "primary"), "behind"),
        ("wait", (["mine"], "primary"), "late"),
    ],
)
def test_what_the_replica_lacks(
    serve: Any, replica: EmbeddedReplica, policy: str, served: tuple[list[str], str], reason: str | None
) -> None:
    """While nothing is replayed, `eventual` misses the writer's own message; the others read it from the primary."""
    server = serve(read_your_writes=policy, replica_wait_seconds=0.2)
    user = server.user(0)
    conversation, untouched = server.group(user), server.group(user)
    for each in (conversation, untouched):  # made before the pause
        server.wait_for_metric(lambda lag: lag == 0, "chat_replica_lag_bytes")
        page_when_served_by(user, each, "replica")
    with paused(replica):
        user.send(conversation, "mine")
        assert page(user, conversation) == served
        assert page(user, untouched) == ([], "replica"), "what nobody wrote to is served as before"
        if reason:
            assert server.metric("chat_replica_fallbacks_total", reason=reason) >= 1
    assert server.metric("chat_history_reads_total", policy=policy, source="replica") >= 1
    assert page_when_served_by(user, conversation, "replica", ["mine"]) == ["mine"]


def page_when_served_by(user: Any, conversation: Any, source: str, wanted: list[str] | None = None) -> list[str]:
    """A page once the given database serves it (with the given contents)."""
    deadline, pause = time.monotonic() + WAIT_SECONDS, threading.Event()
    while True:
        answer = user.get(f"/conversations/{conversation}/messages")
        if answer.is_success and answer.headers["chat-served-by"] == source:
            contents = [message["content"] for message in answer.json()["messages"]]
            if wanted is None or contents == wanted:
                return contents
        assert time.monotonic() < deadline, answer.text
        pause.wait(0.01)


def test_a_reader_waits_for_the_replica(serve: Any, replica: EmbeddedReplica) -> None:
    """Under `wait` the page comes from the replica as soon as it has the message."""
    server = serve(read_your_writes="wait", replica_wait_seconds=LONG)
    user = server.user(0)
    conversation = server.group(user)
    pages: list[Any] = []
    with paused(replica):
        user.send(conversation, "mine")
        reader = threading.Thread(target=lambda: pages.append(page(user, conversation)))
        reader.start()
    reader.join(WAIT_SECONDS)
    assert pages == [(["mine"], "replica")]
    assert server.metric("chat_replica_wait_seconds_count") >= 1


def test_after_one_wait_in_vain_nobody_waits(serve: Any, replica: EmbeddedReplica) -> None:
    """A replica that stands still is waited for once: until it moves, the primary serves at once."""
    server = serve(read_your_writes="wait", replica_wait_seconds=0.2)
    user = server.user(0)
    conversation = server.group(user)
    page_when_served_by(user, conversation, "replica")
    before = server.metric("chat_replica_wait_seconds_count")
    with paused(replica):
        user.send(conversation, "mine")
        for _ in range(5):
            assert page(user, conversation) == (["mine"], "primary")
        assert server.metric("chat_replica_wait_seconds_count") == before + 1
        assert server.metric("chat_replica_fallbacks_total", reason="late") == 5
    page_when_served_by(user, conversation, "replica", ["mine"])


@pytest.mark.parametrize("policy", ["primary", "wait"])
def test_no_reader_misses_what_it_knows_of(serve: Any, policy: str) -> None:
    """A sender after its answer, and a member after the event, read the message, however busy the conversation is."""
    server = serve(read_your_writes=policy, replica_wait_seconds=LONG)
    sender, member = server.user(0), server.user(1)
    conversation = server.group(sender, member)
    gateway = member.connect()
    gateway.subscribe()
    sources = set()
    for seq in range(1, 101):
        sender.send(conversation, str(seq))
        contents, source = page(sender, conversation, limit=1)
        assert contents == [str(seq)]
        assert gateway.receive().seq == seq  # type: ignore[union-attr]
        assert page(member, conversation, limit=1)[0] == [str(seq)]
        sources.add(source)
    assert sources == {"replica"} if policy == "wait" else sources <= {"primary", "replica"}


@pytest.mark.parametrize("policy", ["primary", "eventual"])
def test_a_new_conversation_is_found_by_its_members(serve: Any, replica: EmbeddedReplica, policy: str) -> None:
    """Not even its existence is replayed yet, and its members may read it: reads that may be old are no exception."""
    server = serve(read_your_writes=policy)
    owner, member = server.user(0), server.user(1)
    with paused(replica):
        conversation = server.group(owner, member)
        assert page(member, conversation) == ([], "primary")
        reason = {"primary": "behind", "eventual": "missing"}[policy]
        assert server.metric("chat_replica_fallbacks_total", reason=reason) == 1
        direct = owner.post("/conversations/direct", user_id=str(server.user(2).id)).json()["conversation"]["id"]
        assert page(owner, direct)[1] in ("primary", "replica")


@pytest.mark.parametrize(("policy", "people"), [("primary", (90, 91)), ("wait", (92, 93))])
def test_a_migrated_conversation_is_found_by_who_is_told_of_it(
    serve: Any, replica: EmbeddedReplica, policy: str, people: tuple[int, int]
) -> None:
    """Nobody has sent to it, and its copying is not replayed: whom the server has told of it may read it."""
    server = serve(read_your_writes=policy, replica_wait_seconds=0.2)
    user, other = (server.user(index) for index in people)
    asker = server.user(94)

    def operate(command: str, **body: Any) -> None:
        path, key = f"/v1/operator/migration/{command}", {"Operator-Key": "chatbench"}
        assert server.http.post(path, json=body or None, headers=key).status_code == 200

    asked, late = (
        one.post("/legacy/connections", user_id=str(other.id)).json()["connection"]["id"] for one in (user, asker)
    )
    assert other.request("POST", f"/legacy/connections/{asked}/accept").status_code == 200
    assert user.post(f"/legacy/connections/{asked}/messages", content="earlier").status_code == 201
    operate("start", batch_messages=1, pause_seconds=60)  # the backfill begins with others, and rests
    try:
        server.wait_for_metric(lambda lag: lag == 0, "chat_replica_lag_bytes")
        with paused(replica):
            copied = user.get(f"/legacy/connections/{asked}/conversation").json()["conversation_id"]
            assert page(user, copied) == (["earlier"], "primary")
            assert other.request("POST", f"/legacy/connections/{late}/accept").status_code == 200
            made = asker.get("/conversations", limit=1).json()["conversations"][0]["id"]
            assert page(asker, made) == ([], "primary")
        assert page_when_served_by(user, copied, "replica", ["earlier"]) == ["earlier"]
    finally:
        operate("roll_back")


def test_row_level_security_binds_on_the_replica(serve: Any, replica: EmbeddedReplica) -> None:
    """Who is not in a conversation reads nothing of it there either."""
    server = serve(read_your_writes="wait", replica_wait_seconds=LONG)
    owner, stranger = server.user(0), server.user(1)
    conversation = server.group(owner)
    owner.send(conversation, "private")
    assert page(owner, conversation) == (["private"], "replica")
    assert stranger.get(f"/conversations/{conversation}/messages").status_code == 404
    assert server.metric("chat_history_reads_total", policy="wait", source="primary") == 0


def test_the_lag_and_the_pools_are_visible(serve: Any, replica: EmbeddedReplica) -> None:
    """Bytes behind while paused, none afterwards; each pool counts its own connections and waits."""
    server = serve(pool_size_min=2, replica_pool_size_min=3, read_your_writes="eventual")
    user = server.user(0)
    conversation = server.group(user)
    page_when_served_by(user, conversation, "replica")
    with paused(replica):
        user.send(conversation, "mine")
        server.wait_for_metric(lambda lag: lag > 0, "chat_replica_lag_bytes")
    server.wait_for_metric(lambda lag: lag == 0, "chat_replica_lag_bytes")
    assert server.metric("chat_pool_connections", pool="primary", state="resting") == 2
    assert server.metric("chat_pool_connections", pool="replica", state="resting") == 3
    for pool in ("primary", "replica"):
        assert server.metric("chat_pool_connections", pool=pool, state="busy") == 0
        assert server.metric("chat_pool_waiting", pool=pool) == 0
        assert server.metric("chat_pool_wait_seconds_count", pool=pool) >= 1


@pytest.mark.parametrize("policy", POLICIES)
def test_a_replica_that_dies_is_done_without_and_comes_back(
    launch: Any, primary: EmbeddedPostgres, replica: EmbeddedReplica, policy: str
) -> None:
    """Every read is answered while it is away; when it is there again it serves again."""
    server = launch(primary.url("chat"), replica_url=replica.url("chat"), read_your_writes=policy)
    user = server.user(0)
    conversation = server.group(user)
    page_when_served_by(user, conversation, "replica")
    statuses: list[tuple[int, str]] = []
    finish = threading.Event()

    def read_on() -> None:
        while not finish.is_set():
            answer = user.get(f"/conversations/{conversation}/messages")
            statuses.append((answer.status_code, answer.headers.get("chat-served-by", "nobody")))

    reader = threading.Thread(target=read_on)
    with ExitStack() as stack:
        stack.callback(reader.join, WAIT_SECONDS)
        stack.callback(finish.set)
        reader.start()
        server.wait_for_metric(lambda reads: reads > 20, "chat_history_reads_total", policy=policy, source="replica")
        process = running_process(replica.data)
        process.send_signal(signal.SIGQUIT)
        process.wait(WAIT_SECONDS)
        server.wait_for_metric(lambda falls: falls > 20, "chat_replica_fallbacks_total", reason="down")
        server.wait_for_metric(math.isnan, "chat_replica_lag_bytes")
        assert server.metric("chat_replica_up") == 0
        user.send(conversation, "meanwhile")
        replica._start()
        page_when_served_by(user, conversation, "replica", ["meanwhile"])
    server.wait_for_metric(lambda up: up == 1, "chat_replica_up")
    assert server.metric("chat_replica_lag_bytes") >= 0
    assert [event["event"] for event in server.events("replica_lost", "replica_back")] == [
        "replica_lost",
        "replica_back",
    ]
    assert all("exception" not in event for event in server.events())
    assert {status for status, _ in statuses} == {200}
    assert {source for _, source in statuses} == {"primary", "replica"}


@pytest.mark.parametrize("policy", ["primary", "wait"])
def test_a_server_that_starts_again_waits_for_what_it_had_written(
    serve: Any, replica: EmbeddedReplica, policy: str
) -> None:
    """It has forgotten its writes, and what is not replayed yet is not read from the replica all the same."""
    server = serve(read_your_writes=policy, replica_wait_seconds=0.2)
    user = server.user(0)
    conversation = server.group(user)
    page_when_served_by(user, conversation, "replica")
    with paused(replica):
        user.send(conversation, "mine")
        server.process.kill()
        server.process.wait(WAIT_SECONDS)
        again = serve(read_your_writes=policy, replica_wait_seconds=0.2).user(0)
        assert page(again, conversation) == (["mine"], "primary")
    assert page_when_served_by(again, conversation, "replica") == ["mine"]


@pytest.mark.parametrize("policy", ["primary", "wait"])
def test_a_replica_that_crashes_serves_nothing_that_it_lost(serve: Any, replica: EmbeddedReplica, policy: str) -> None:
    """PostgreSQL starts itself again within a moment, and opens before it has replayed what it had."""
    server = serve(read_your_writes=policy)
    user = server.user(0)
    conversation = server.group(user)
    user.send(conversation, "mine")
    page_when_served_by(user, conversation, "replica", ["mine"])
    process_id = ask(
        replica, "SELECT pid FROM pg_stat_activity WHERE application_name = 'chatbench replica watch' LIMIT 1"
    )
    os.kill(process_id, signal.SIGKILL)
    sources = []
    deadline = time.monotonic() + WAIT_SECONDS
    while "primary" not in sources or sources[-1] != "replica":
        assert time.monotonic() < deadline, sources[-1]
        contents, source = page(user, conversation)
        assert contents == ["mine"], source
        sources.append(source)


def test_a_promoted_replica_serves_nothing(launch: Any, primary: EmbeddedPostgres) -> None:
    """From its promotion on it has a history of its own, which is not the chat's."""
    copy = EmbeddedReplica(primary)
    copy.folder = primary.folder / "promoted"
    copy.data = copy.folder / "data"
    copy.socket_folder = copy.socket_folder.with_name(copy.socket_folder.name + "p")
    with copy:
        server = launch(primary.url("chat"), replica_url=copy.url("chat"), read_your_writes="eventual")
        user = server.user(0)
        conversation = server.group(user)
        page_when_served_by(user, conversation, "replica")
        ask(copy, "SELECT pg_promote()")
        user.send(conversation, "mine")
        assert page_when_served_by(user, conversation, "primary") == ["mine"]


def refusal(database_url: str, replica_url: str) -> str:
    """What a server that does not start says, as its one line."""
    command = [sys.executable, "-m", "reference_server", "--database-url", database_url, "--replica-url", replica_url]
    result = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_SECONDS, check=False)
    assert (result.returncode, result.stdout) == (2, ""), result.stderr
    (line,) = result.stderr.splitlines()
    return line


def test_a_primary_is_refused_as_replica(primary: EmbeddedPostgres) -> None:
    """The sentence says what to name instead."""
    url = primary.url("chat")
    assert refusal(url, url) == (
        f"{url} is no standby; name a streaming replica of the database with --replica, or leave it out"
    )


def test_another_server_s_standby_is_refused(
    primary: EmbeddedPostgres, replica: EmbeddedReplica, database: str
) -> None:
    """Neither another cluster nor another database of the same one will do."""
    assert refusal(database, replica.url("chat")).endswith("name one of that server and database")
    assert "is no replica of" in refusal(primary.url("chat"), replica.url("postgres"))


def test_an_unreachable_replica_is_refused(primary: EmbeddedPostgres) -> None:
    """The sentence names the URL, without its password."""
    line = refusal(primary.url("chat"), "postgresql://me:secret@127.0.0.1:1/chat")
    assert re.match(r"cannot reach PostgreSQL at postgresql://me@127\.0\.0\.1:1/chat ", line)
