"""Index strategies applied to and dropped from a live system: sends go on, and nothing half made stays."""

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import asyncpg
import httpx
import pytest

from fixtures.database import app_url
from fixtures.errors import InputError
from reference_server.errors import ConflictError, UnavailableError
from reference_server.index_builds import IndexBuilds, IndexState, Step, index_commands, steps_to_apply, steps_to_drop
from reference_server.metrics import Metrics
from reference_server.statement_times import timed_statements
from reference_server.statements import Strategy, shipped_strategies

WAIT_SECONDS = 30
ROADMAP = shipped_strategies()["roadmap"]
NAMES = ["idx_conversations_user_activity", "idx_conversations_user2_activity", "idx_active_group_members"]
KEY = {"Operator-Key": "chatbench"}


class Session:
    """One administrator's connection, driven from a test."""

    def __init__(self, url: str) -> None:
        self._runner = asyncio.Runner()
        self._connection = self._runner.run(asyncpg.connect(url))

    def run(self, query: str, *arguments: Any) -> Any:
        """The rows of a statement."""
        return self._runner.run(self._connection.fetch(query, *arguments))

    def indexes(self) -> dict[str, bool]:
        """Which of the roadmap's indexes are there, and whether they are valid."""
        rows = self.run(
            "SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
            "WHERE c.relname = ANY ($1)",
            NAMES,
        )
        return dict(rows)

    def until(self, holds: Callable[[], Any]) -> Any:
        """What holds, once it does."""
        deadline, pause = time.monotonic() + WAIT_SECONDS, threading.Event()
        while not (found := holds()):
            assert time.monotonic() < deadline
            pause.wait(0.02)
        return found

    def builder(self) -> int:
        """The process id of the backend that builds an index and waits for a writer, once there is one."""
        query = "SELECT pid FROM pg_stat_progress_create_index WHERE phase LIKE 'waiting for writers%'"
        return int(self.until(lambda: self.run(query))[0]["pid"])

    def close(self) -> None:
        """Ends the connection."""
        self._runner.run(self._connection.close())
        self._runner.close()


def builds(url: str) -> IndexBuilds:
    """The index work on a database, without a server."""
    return IndexBuilds(url, timed_statements(Metrics()))


@pytest.fixture
def session(tiny_url: str) -> Iterator[Session]:
    """Looks at the database from outside."""
    with closing(Session(tiny_url)) as opened:
        yield opened


@pytest.fixture
def bare_url(tiny_url: str) -> str:
    """A database without the roadmap's indexes."""
    asyncio.run(builds(tiny_url).drop(ROADMAP))
    return tiny_url


@contextmanager
def open_write(url: str) -> Iterator[Session]:
    """A transaction that has written to conversations and does not end: a build waits for it, in the middle."""
    with closing(Session(url)) as writer:
        writer.run("BEGIN")
        writer.run("LOCK TABLE conversations IN ROW EXCLUSIVE MODE")
        yield writer
        writer.run("COMMIT")


def report(server: Any) -> Any:
    """What operators are told of the indexes."""
    answer = server.http.get("/v1/operator/indexes", headers=KEY)
    assert answer.status_code == 200, answer.text
    return answer.json()


def order(server: Any, method: str, strategy: str = "roadmap") -> httpx.Response:
    """The answer to a PUT or DELETE of a strategy."""
    answer: httpx.Response = server.http.request(method, f"/v1/operator/indexes/{strategy}", headers=KEY)
    return answer


def wait_for_work(server: Any, state: str) -> Any:
    """The work's record once it is in a state."""
    deadline, pause = time.monotonic() + WAIT_SECONDS, threading.Event()
    while (work := report(server)["work"])["state"] != state:
        assert time.monotonic() < deadline, work
        pause.wait(0.02)
    return work


def state(name: str, *, is_valid: bool) -> IndexState:
    return IndexState(name, is_valid, 0, "", is_being_built=False)


def test_only_what_is_missing_is_built() -> None:
    """A valid index is kept, an invalid one dropped and built again, a missing one built."""
    commands = {"a": "CREATE a", "b": "CREATE b", "c": "CREATE c"}
    states = {"a": state("a", is_valid=True), "b": state("b", is_valid=False)}
    assert steps_to_apply(commands, states) == [
        Step("drop", "b", 'DROP INDEX CONCURRENTLY IF EXISTS public."b"'),
        Step("build", "b", "CREATE b"),
        Step("build", "c", "CREATE c"),
    ]
    assert [step.index for step in steps_to_drop(commands, states)] == ["b", "a"]


@pytest.mark.parametrize("name", sorted(shipped_strategies()))
def test_every_shipped_strategy_can_be_laid_over_a_live_system(name: str) -> None:
    """Each command is a concurrent build with a name."""
    strategy = shipped_strategies()[name]
    assert list(index_commands(strategy).values()) == list(strategy.commands)


@pytest.mark.parametrize(
    "command", ["CREATE INDEX i ON users (id)", "CREATE INDEX CONCURRENTLY ON users (id)", "DROP INDEX i"]
)
def test_what_would_block_or_has_no_name_is_refused(command: str) -> None:
    """The sentence shows the command and what to write instead."""
    with pytest.raises(InputError, match="CREATE INDEX CONCURRENTLY name ON"):
        index_commands(Strategy("mine", "Mine.", ("*",), (command,)))


def test_applied_twice_it_is_built_once(bare_url: str, session: Session) -> None:
    """The second time there is nothing to do; after a drop there is nothing left."""
    steps = asyncio.run(builds(bare_url).apply(ROADMAP))
    assert [(step.action, step.index) for step in steps] == [("build", name) for name in NAMES]
    assert session.indexes() == dict.fromkeys(NAMES, True)
    assert asyncio.run(builds(bare_url).apply(ROADMAP)) == []
    assert len(asyncio.run(builds(bare_url).drop(ROADMAP))) == 3
    assert session.indexes() == {}


def test_a_killed_backend_s_build_is_cleared_up_by_the_next(bare_url: str, session: Session) -> None:
    """pg_terminate_backend in the middle leaves an invalid index, which the next apply drops and builds again."""

    async def killed() -> None:
        building = asyncio.create_task(builds(bare_url).apply(ROADMAP))
        pid = await asyncio.to_thread(session.builder)
        await asyncio.to_thread(session.run, "SELECT pg_terminate_backend($1)", pid)
        with pytest.raises(UnavailableError, match="'roadmap'"):
            await building

    with open_write(bare_url):
        asyncio.run(killed())
    assert session.indexes() == {NAMES[0]: False}
    steps = asyncio.run(builds(bare_url).apply(ROADMAP))
    assert [(step.action, step.index) for step in steps[:2]] == [("drop", NAMES[0]), ("build", NAMES[0])]
    assert session.indexes() == dict.fromkeys(NAMES, True)


def test_a_cancelled_build_leaves_nothing_half_made(bare_url: str, session: Session) -> None:
    """What had been begun is dropped, as soon as whoever stands in the way has ended."""

    async def cancelled(writer: Session) -> None:
        building = asyncio.create_task(builds(bare_url).apply(ROADMAP))
        await asyncio.to_thread(session.builder)
        building.cancel()
        waiting = "SELECT FROM pg_stat_activity WHERE query LIKE 'DROP INDEX%' AND wait_event_type = 'Lock'"
        await asyncio.to_thread(session.until, lambda: session.run(waiting))
        await asyncio.to_thread(writer.run, "COMMIT")
        with pytest.raises(asyncio.CancelledError):
            await building

    with open_write(bare_url) as writer:
        asyncio.run(cancelled(writer))
    assert session.indexes() == {}


def test_a_build_that_fails_leaves_nothing_half_made(bare_url: str, session: Session) -> None:
    """A unique index over what is not unique is dropped again, and the reason is told."""
    command = f"CREATE UNIQUE INDEX CONCURRENTLY {NAMES[0]} ON conversations (type)"
    with pytest.raises(ConflictError, match="could not create unique index"):
        asyncio.run(builds(bare_url).apply(Strategy("mine", "Mine.", ("*",), (command,))))
    assert session.indexes() == {}


def test_somebody_else_s_build_is_left_alone(bare_url: str, session: Session) -> None:
    """An invalid index that is being built, by hand and without our lock, is no leftover."""

    async def twice() -> None:
        connection = await asyncpg.connect(bare_url)
        by_hand = asyncio.create_task(connection.execute(ROADMAP.commands[0]))
        pid = await asyncio.to_thread(session.builder)
        with pytest.raises(ConflictError, match=f"somebody else is building {NAMES[0]}"):
            await builds(bare_url).apply(ROADMAP)
        await asyncio.to_thread(session.run, "SELECT pg_cancel_backend($1)", pid)
        with pytest.raises(asyncpg.QueryCanceledError):
            await by_hand
        await connection.close()

    with open_write(bare_url):
        asyncio.run(twice())


def test_a_user_with_sql_in_hand_cannot_hold_builds_up(bare_url: str, session: Session) -> None:
    """Neither by a lock on the view that stands for the right to build, nor by any advisory lock."""
    with closing(Session(app_url(bare_url))) as user:
        for mode in ("ACCESS SHARE", "ROW SHARE", "SHARE UPDATE EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE"):
            user.run("BEGIN")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                user.run(f"LOCK TABLE chatbench.index_turn IN {mode} MODE")
            user.run("ROLLBACK")
        user.run("SELECT pg_advisory_lock(hashtextextended('chatbench index builds', 0))")
        assert len(asyncio.run(builds(bare_url).apply(ROADMAP))) == 3
    assert session.indexes() == dict.fromkeys(NAMES, True)


def test_without_its_right_a_build_takes_no_further_step(bare_url: str, session: Session) -> None:
    """The index under way is finished, since nobody else can touch it; the next one is left to whoever comes next."""

    async def deprived(writer: Session) -> None:
        building = asyncio.create_task(builds(bare_url).apply(ROADMAP, on_step=told.append))
        await asyncio.to_thread(session.builder)
        query = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND "
        await asyncio.to_thread(session.run, query + "application_name = 'chatbench index turn'")
        await asyncio.to_thread(writer.run, "COMMIT")
        with pytest.raises(UnavailableError, match="ended the right to change indexes"):
            await building

    told: list[Step | None] = []
    with open_write(bare_url) as writer:
        asyncio.run(deprived(writer))
    assert [step and step.index for step in told] == [None, NAMES[0]]
    assert session.indexes() == {NAMES[0]: True}


def test_data_of_an_older_version_is_told(bare_url: str, session: Session) -> None:
    """A database that knows no such right is named, with the way out."""
    session.run("DROP VIEW chatbench.index_turn")
    with pytest.raises(ConflictError, match=r"filled by another version .* fill it again with"):
        asyncio.run(builds(bare_url).apply(ROADMAP))


def test_a_database_that_is_away_is_told() -> None:
    """Index work that cannot begin may be asked for again."""
    with pytest.raises(UnavailableError, match="the database does not answer"):
        asyncio.run(builds("postgresql://postgres@127.0.0.1:1/chat").apply(ROADMAP))


def test_sends_and_reads_go_on_while_indexes_are_built_and_dropped(
    launch: Any, bare_url: str, session: Session
) -> None:
    """The build waits in the middle, and meanwhile everything is answered; then it is whole, and dropped as live."""
    server = launch(bare_url)
    user = server.user(0)
    conversation = server.group(user)
    statuses: list[tuple[int, int]] = []
    finish = threading.Event()

    def talk() -> None:
        while not finish.is_set():
            sent = user.post_message(conversation).status_code
            statuses.append((sent, user.get(f"/conversations/{conversation}/messages").status_code))

    def talked_on() -> None:
        count = len(statuses)
        session.until(lambda: len(statuses) > count + 20)

    talker = threading.Thread(target=talk)
    talker.start()
    try:
        with open_write(bare_url):
            answer = order(server, "PUT")
            assert (answer.status_code, answer.json()["state"]) == (202, "running")
            session.builder()
            talked_on()
            (progress,) = report(server)["progress"]
            assert progress["index"] == NAMES[0]
            # The open write, and the send that was under way when the build looked, if there was one.
            assert progress["lockers_total"] in {1, 2}
            assert report(server)["work"]["step"] == f"build {NAMES[0]}"
            assert order(server, "PUT").json()["state"] == "running", "asked twice, done once"
            assert order(server, "PUT", "roadmap_membership").status_code == 409
        wait_for_work(server, "done")
        assert session.indexes() == dict.fromkeys(NAMES, True)
        assert {item["name"]: item["is_applied"] for item in report(server)["strategies"]}["roadmap"]
        talked_on()
        assert order(server, "DELETE").status_code == 202
        wait_for_work(server, "done")
        assert session.indexes() == {}
        talked_on()
    finally:
        finish.set()
        talker.join(WAIT_SECONDS)
    assert set(statuses) == {(201, 200)}
    newest = user.get(f"/conversations/{conversation}/messages", limit=1).json()["messages"][0]
    assert newest["seq"] == len(statuses)


def test_a_delete_cancels_the_build(launch: Any, bare_url: str, session: Session) -> None:
    """Afterwards none of the strategy's indexes is there, whole or half made."""
    server = launch(bare_url)
    with open_write(bare_url):
        order(server, "PUT")
        session.builder()
        answer = order(server, "DELETE")
        assert (answer.status_code, answer.json()["action"]) == (202, "drop")
    wait_for_work(server, "done")
    assert session.indexes() == {}
    told = [event for event in server.events() if event["event"].startswith("index_")]
    assert [(event["event"], event["fields"].get("action")) for event in told] == [
        ("index_work_begun", "apply"),
        ("index_step_begun", "apply"),
        ("index_cleaned_up", None),
        ("index_work_cancelled", "apply"),
        ("index_work_begun", "drop"),
        ("index_work_done", "drop"),
    ]
    assert told[1]["fields"] == {"step": "build", "index": NAMES[0], "action": "apply", "strategy": "roadmap"}
    assert told[2]["fields"] == {"index": NAMES[0]}


def test_a_killed_server_s_build_is_cleared_up_by_the_next(launch: Any, bare_url: str, session: Session) -> None:
    """After kill -9 PostgreSQL ends the build by itself; the next server drops what it left and builds it whole."""
    server = launch(bare_url)
    with open_write(bare_url):
        order(server, "PUT")
        session.builder()
        assert server.stop(signal.SIGKILL) == -signal.SIGKILL
        session.until(lambda: not session.run("SELECT FROM pg_stat_progress_create_index"))
    assert session.indexes() == {NAMES[0]: False}
    successor = launch(bare_url)
    listed = {item["name"]: item for item in report(successor)["strategies"]}["roadmap"]
    assert [index["state"] for index in listed["indexes"]] == ["invalid", "missing", "missing"]
    assert order(successor, "PUT").status_code == 202
    wait_for_work(successor, "done")
    assert session.indexes() == dict.fromkeys(NAMES, True)


def test_two_servers_do_not_build_at_once(launch: Any, bare_url: str, session: Session) -> None:
    """The second one is told that a build is under way."""
    first, second = launch(bare_url), launch(bare_url)
    with open_write(bare_url):
        order(first, "PUT")
        session.builder()
        answer = order(second, "PUT")
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    wait_for_work(first, "done")
    (failed,) = second.events("index_work_failed")  # both servers write to one file
    assert (failed["level"], failed["fields"]["reason"]) == ("warning", answer.json()["message"])
    assert session.indexes() == dict.fromkeys(NAMES, True)


def test_a_stopping_server_clears_up(launch: Any, bare_url: str, session: Session) -> None:
    """A build under way is cancelled, and its index dropped, before the server ends."""
    server = launch(bare_url, shutdown_seconds=WAIT_SECONDS)
    with open_write(bare_url):
        order(server, "PUT")
        session.builder()
        server.process.send_signal(signal.SIGTERM)
        session.until(lambda: not session.run("SELECT FROM pg_stat_progress_create_index"))
    assert server.wait() == 0
    assert session.indexes() == {}


@pytest.mark.parametrize("header", [{}, {"Operator-Key": "guess"}, {"Operator-Key": "schlüssel".encode()}])
@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("PUT", "/roadmap"), ("DELETE", "/roadmap")])
def test_operators_need_their_key(server: Any, method: str, path: str, header: Any) -> None:
    """Without it, nothing is done or told."""
    answer = server.http.request(method, f"/v1/operator/indexes{path}", headers=header)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert ("this needs the operator's key" in answer.json()["message"]) == (not header)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_an_unknown_strategy_is_not_found(server: Any, method: str) -> None:
    """The sentence names those that there are."""
    answer = order(server, method, "nosuch")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "roadmap_membership" in answer.json()["message"]
