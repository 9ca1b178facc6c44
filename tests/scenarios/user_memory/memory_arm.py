"""Locust users that are connected to a gateway, many in one process; prints its memory as JSON lines.

    memory_arm.py PORT USERS

Real users of Locust, each with its greenlet, a chat user's gateway connection and its stream in the ledger; only the
run around them is missing, which a process has once. One line when a few are there, one when all are.
"""

import json
import os
import sys
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import gevent
import psutil
from gevent.event import AsyncResult, Event
from gevent.lock import BoundedSemaphore
from locust.env import Environment

from scenarios.catalogue import SCENARIOS
from scenarios.client.active_run import CONNECTING_MOST
from scenarios.client.delivery_books import DeliveryBooks
from scenarios.client.gateway_client import GatewayClient
from scenarios.client.gateway_socket import ArrivalCounts
from scenarios.client.load_scenario import ACTIVE, ChatUser, LoadScenario
from scenarios.ledger import Ledger
from scenarios.run_records import LedgerTotals

CONVERSATION = "01980000-0000-7000-8000-000000000001"
USERS_BEFORE = 50  # there before the first look: whatever is made once exists by then
USERS_PER_SECOND = 400


class Listening(LoadScenario):
    """Users that connect, and listen until they are stopped."""

    entry = SCENARIOS["fanout"]

    def __init__(self, session: Any, options: Any) -> None:
        super().__init__(session, options)
        self.ledger = Ledger("benchmark", deadline_ns=10**9, settle_after_ns=10**9)
        self.conversation = self.ledger.add_conversation(CONVERSATION, {"group_size": "many"})
        self.books = DeliveryBooks(self.ledger, "0badcafe")

    @staticmethod
    def add_options(parser: Any) -> None:
        """None."""

    @staticmethod
    def own_options(options: Any) -> dict[str, Any]:  # noqa: ARG004 - there are none
        """None."""
        return {}

    def prepare(self) -> None:
        """Nothing to make."""

    def user_started(self, user: ChatUser) -> None:
        """As fan-out's users do."""
        client = user.gateway = GatewayClient(counts=self.session.counts)
        recipient = self.ledger.add_recipient(str(user.number))
        recipient.join(self.conversation, 0)
        client.last_seq[CONVERSATION] = 0
        client.on_message = self.books.receiver(recipient)
        client.on_close = lambda code, reason: sys.exit(f"{user.number} was closed: {code} {reason}")
        client.connect(self.session.url, "a token")

    def measure(self, begin_ns: int) -> None:
        """Nothing of its own."""

    def user_lives(self, user: ChatUser, begin_ns: int) -> None:  # noqa: ARG002 - they only listen
        """Until they are stopped."""
        self.session.stopping.wait()

    def finish(self) -> list[LedgerTotals]:
        """Closes the books."""
        return self.ledger.reconcile()


class Listener(ChatUser):
    """One of them."""


def main(port: int, user_count: int) -> None:
    """Spawns, waits until all are connected, and tells the memory."""
    session = SimpleNamespace(
        url=f"ws://127.0.0.1:{port}",
        stopping=Event(),
        counts=ArrivalCounts(),
        user_id=lambda number: UUID(int=number),
    )
    environment = Environment(user_classes=[Listener])
    run: Any = SimpleNamespace(
        session=session,
        scenario=Listening(session, None),
        connected=0,
        connecting=BoundedSemaphore(CONNECTING_MOST),
        extra_users=0,
        measuring=AsyncResult(),
        free_numbers=list(range(user_count)),
    )
    ACTIVE[environment] = run
    runner = environment.create_local_runner()
    run.measuring.set(0)
    for count in (USERS_BEFORE, user_count):
        runner.start(count, spawn_rate=USERS_PER_SECOND)
        while run.connected < count:
            gevent.sleep(0.05)
        gevent.sleep(0.2)  # the last ones on to where they wait
        told = {"users": run.connected, "resident_bytes": psutil.Process().memory_info().rss}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


main(int(sys.argv[1]), int(sys.argv[2]))
os._exit(0)  # thousands of greenlets still listen, and nobody waits for them
