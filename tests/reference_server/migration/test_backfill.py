"""reference_server.backfill: resumable, throttled, under load from both chats, killed and continued."""

import signal
import threading
from typing import Any
from uuid import UUID

import asyncpg
import pytest

CONNECTIONS = 24
MESSAGES = 20
NEW_MESSAGES = 25


def world_of_pairs(world: Any, count: int = CONNECTIONS, messages: int = MESSAGES) -> list[tuple[UUID, UUID, UUID]]:
    return [world.pair(messages=messages, unread=3) for _ in range(count)]


def check_independently(world: Any, connection: UUID, sent_ids: list[str]) -> None:
    """By plain statements: every message once in both, gap-free, and in the order of time."""
    conversation = world.conversation(connection)
    old, new = world.legacy_rows(connection), world.chat_rows(conversation)
    assert sorted(old) == sorted(new)
    assert world.seqs(conversation) == list(range(1, len(new) + 1))
    ids = [str(row[0]) for row in new]
    assert set(sent_ids) <= set(ids)
    assert len(ids) == len(set(ids)) == MESSAGES + len(sent_ids)


class Writing:
    """A pair that writes in both chats at once; what was stored is kept, what was refused is missing in the count."""

    def __init__(self, one: Any, other: Any, connection: UUID) -> None:
        self.connection = connection
        self.sent: list[str] = []
        self._threads = [
            threading.Thread(target=self._write_old, args=(one,)),
            threading.Thread(target=self._write_new, args=(other,)),
        ]

    def start(self) -> None:
        """Begins."""
        for thread in self._threads:
            thread.start()

    def finish(self) -> list[str]:
        """The ids of what was stored, at the end."""
        for thread in self._threads:
            thread.join(60)
        return self.sent

    def _write_old(self, user: Any) -> None:
        for turn in range(NEW_MESSAGES):
            self._keep(user.post(f"/legacy/connections/{self.connection}/messages", content=f"old {turn}"))

    def _write_new(self, user: Any) -> None:
        found = user.get(f"/legacy/connections/{self.connection}/conversation").json()
        for turn in range(NEW_MESSAGES):
            self._keep(user.post_message(found["conversation_id"], f"new {turn}"))

    def _keep(self, answer: Any) -> None:
        if answer.status_code == 201:
            self.sent.append(answer.json()["message"]["id"])


def test_nothing_is_lost_or_doubled_while_both_chats_are_written(
    world: Any, launch: Any, log_in: Any, operator: Any
) -> None:
    """Four pairs write in both chats while everything is copied; in the end both hold everything, in order."""
    pairs = world_of_pairs(world)
    server = launch(world.url, pool_size_max=8)
    busy, quiet = pairs[::6], [pair for index, pair in enumerate(pairs) if index % 6]
    writing = [Writing(log_in(server, one), log_in(server, other), connection) for one, other, connection in busy]
    operator(server).post("start", batch_messages=2 * MESSAGES, pause_seconds=0.05)
    for each in writing:
        each.start()
    for each in writing:
        assert len(each.finish()) == 2 * NEW_MESSAGES
    world.wait_for_phase("complete")
    operator(server).check()
    for each in writing:
        check_independently(world, each.connection, each.sent)
        # From one lock come both orders: as by seq, so by time.
        assert world.chat_rows(world.conversation(each.connection)) == world.legacy_rows(each.connection)
    for _, _, connection in quiet:
        check_independently(world, connection, [])


def test_a_conversation_that_is_written_before_its_history_comes_loses_nothing(
    world: Any, launch: Any, log_in: Any, operator: Any
) -> None:
    """Who makes the direct conversation in the new chat and writes on while the history is copied behind them."""
    one_id, other_id, connection = world.pair(messages=MESSAGES)
    server = launch(world.url)
    one, other = log_in(server, one_id), log_in(server, other_id)
    made = one.post("/conversations/direct", user_id=str(other_id)).json()["conversation"]
    sent = [one.send(made["id"], "before")["id"]]
    gateway = other.connect()
    gateway.subscribe()
    operator(server).post("start")
    world.wait_for_phase("complete")
    sent.append(one.send(made["id"], "after")["id"])
    check_independently(world, connection, sent)
    operator(server).check()
    # Listeners are given the history as well: seqs have no gaps.
    assert [gateway.receive().seq for _ in range(MESSAGES + 1)] == list(range(2, MESSAGES + 3))


def test_a_killed_server_s_backfill_is_continued(world: Any, launch: Any, operator: Any) -> None:
    """After kill -9 in the middle, the next server goes on where it was, and copies nothing twice."""
    pairs = world_of_pairs(world)
    server = launch(world.url)
    operator(server).post("start", batch_messages=1, pause_seconds=0.05)
    server.wait_for_metric(lambda copied: copied >= 5, "chat_migration_connections_total")
    server.stop(signal.SIGKILL)
    copied = world.value("SELECT connections_copied FROM chatbench.migration_state")
    assert world.value("SELECT phase FROM chatbench.migration_state") == "running"
    assert world.value("SELECT count(*) FROM chatbench.migrated_connections WHERE is_current") == copied
    again = launch(world.url)
    world.wait_for_phase("complete")
    accepted = world.value("SELECT count(*) FROM connection_requests WHERE status = 'accepted'")
    assert 5 <= copied < accepted
    assert again.metric("chat_migration_connections_total") == accepted - copied
    assert operator(again).get()["connections_copied"] == accepted
    assert world.failed_checks() == set()
    for _, _, connection in pairs:
        check_independently(world, connection, [])


def test_a_lost_connection_is_continued(world: Any, launch: Any, operator: Any) -> None:
    """The database ends the backfill's connection in the middle of a copy: the copy never was, and is made again."""
    _, _, connection = world.pair(messages=MESSAGES)
    server = launch(world.url)
    world.script("BEGIN; LOCK TABLE conversations IN SHARE MODE")  # a copy gets as far as its conversation
    operator(server).post("start")
    backfill = (
        "SELECT {what} FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'chatbench backfill' AND wait_event_type = 'Lock'"
    )
    world.wait_for(backfill.format(what="count(*) = 1"))
    world.sql(backfill.format(what="pg_terminate_backend(pid)"))
    world.script("COMMIT")
    world.wait_for_phase("complete")
    assert server.events("backfill_interrupted")
    check_independently(world, connection, [])
    assert world.failed_checks() == set()


def test_a_crash_of_the_database_is_continued(own_postgres: Any, launch: Any, operator: Any) -> None:
    """The right to copy is gone with it, and taken again by the same server, which goes on where it was."""
    server = launch(own_postgres.url)
    operator(server).post("start", batch_messages=1, pause_seconds=0.05)
    server.wait_for_metric(lambda copied: copied >= 2, "chat_migration_connections_total")
    own_postgres.kill()
    server.wait_for_event("backfill_interrupted")
    own_postgres.start()
    server.wait_for_event("backfill_finished")
    assert len(server.events("backfill_started")) == 2
    assert operator(server).get()["phase"] == "complete"
    operator(server).check()


def test_a_locked_connection_is_passed_over_and_visited_again(world: Any, launch: Any, operator: Any) -> None:
    """Somebody's open transaction delays its own connection, not the others."""
    pairs = world_of_pairs(world, count=3)
    server = launch(world.url)
    world.sql("BEGIN")
    world.sql("SELECT FROM connection_requests WHERE id = $1 FOR SHARE", pairs[0][2])
    operator_thread = threading.Thread(target=lambda: operator(server).post("start"))
    operator_thread.start()
    operator_thread.join()
    server.wait_for_metric(lambda passed: passed >= 1, "chat_migration_passed_over_total")
    accepted = world.value("SELECT count(*) FROM connection_requests WHERE status = 'accepted'")
    world.wait_for("SELECT count(*) = $1 FROM chatbench.migrated_connections", accepted - 1)
    assert world.value("SELECT phase FROM chatbench.migration_state") == "running"
    world.sql("COMMIT")
    world.wait_for_phase("complete")
    assert world.failed_checks() == set()


def test_a_paused_backfill_copies_nothing_until_it_is_resumed(world: Any, launch: Any, operator: Any) -> None:
    """The pause is in the database: a restart does not end it, and resuming does."""
    world_of_pairs(world)
    server = launch(world.url)
    operator(server).post("start", batch_messages=1, pause_seconds=0.05)
    server.wait_for_metric(lambda copied: copied >= 2, "chat_migration_connections_total")
    assert operator(server).post("pause").json()["phase"] == "paused"
    server.stop()
    copied = world.value("SELECT count(*) FROM chatbench.migrated_connections")
    again = launch(world.url)
    assert operator(again).get()["phase"] == "paused"
    assert world.value("SELECT count(*) FROM chatbench.migrated_connections") == copied
    operator(again).put("pace", pause_seconds=0)
    assert operator(again).post("resume").json()["phase"] == "running"
    world.wait_for_phase("complete")
    assert world.failed_checks() == set()


def test_aborted_in_the_middle_nothing_is_lost(world: Any, launch: Any, log_in: Any, operator: Any) -> None:
    """The backfill stops, everyone is in the older chat, which has every message; started again, it completes."""
    pairs = world_of_pairs(world)
    server = launch(world.url)
    operator(server).post("start", batch_messages=1, pause_seconds=0.05)
    operator(server).put("rollout", percentage=100)
    one_id, other_id, connection = pairs[-1]
    one, other = log_in(server, one_id), log_in(server, other_id)
    conversation = one.get(f"/legacy/connections/{connection}/conversation").json()["conversation_id"]
    sent = [one.send(conversation, "in the new chat")["id"]]
    server.wait_for_metric(lambda copied: copied >= 3, "chat_migration_connections_total")
    state = operator(server).post("abort").json()
    assert (state["phase"], state["rollout_percentage"]) == ("rolled_back", 0)
    assert one.get("/chat_route").json()["uses_new_chat"] is False
    messages = other.get(f"/legacy/connections/{connection}/messages").json()["messages"]
    assert messages[0]["id"] == sent[0]
    answer = other.post(f"/legacy/connections/{connection}/messages", content="back in the older chat")
    sent.append(answer.json()["message"]["id"])
    assert world.failed_checks() == set()
    operator(server).post("start", batch_messages=1000, pause_seconds=0)
    world.wait_for_phase("complete")
    operator(server).check()
    check_independently(world, connection, sent)


def test_a_user_with_sql_in_hand_cannot_hold_it_up(world: Any, launch: Any, operator: Any) -> None:
    """Neither by a lock on the table that stands for the right to copy, nor by any advisory lock."""
    user, _, connection = world.pair(messages=MESSAGES)
    session = world.run(world.app_connection(user))
    for mode in ("ACCESS SHARE", "ROW SHARE", "SHARE UPDATE EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            world.run(session.execute(f"BEGIN; LOCK TABLE chatbench.backfill_turn IN {mode} MODE"))
        world.run(session.execute("ROLLBACK"))
    world.run(session.execute("SELECT pg_advisory_lock(hashtext('chatbench backfill'))"))
    server = launch(world.url)
    operator(server).post("start")
    world.wait_for_phase("complete")
    check_independently(world, connection, [])
    world.run(session.close())


def test_one_server_copies_at_a_time(world: Any, launch: Any, operator: Any) -> None:
    """While somebody holds the right to copy nothing is copied; when they are gone, it is."""
    world.pair(messages=MESSAGES)
    server = launch(world.url)
    with world.copying_elsewhere():
        operator(server).post("start")
        server.wait_for_event("backfill_elsewhere")
        assert world.value("SELECT count(*) FROM chatbench.migrated_connections") == 0
    operator(server).post("pause")
    operator(server).post("resume")  # it looks again at once
    world.wait_for_phase("complete")
    assert world.failed_checks() == set()
