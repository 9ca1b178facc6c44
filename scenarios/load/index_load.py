"""Asks whether an index strategy still pays when reads and writes come mixed.

Users open lists of conversations, read newest and older pages, send, and mark as read, open-loop in one published mix.
`chatbench run index_load` puts the same load on several index strategies in interleaved blocks and takes WAL and HOT
updates from the database's own counters; under plain Locust it loads the one server that is there.

    locust -f scenarios/load/index_load.py --host http://127.0.0.1:8000 --headless
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import gevent

from fixtures.errors import InputError
from scenarios.catalogue import SCENARIOS
from scenarios.client.http_client import Response
from scenarios.client.load_scenario import ChatUser, LoadScenario, install
from scenarios.client.locust_requests import report_response
from scenarios.client.message_lengths import content_length
from scenarios.client.run_options import add_option, positive
from scenarios.client.run_session import RunSession
from scenarios.markers import Marker, marked_content
from scenarios.run_records import LedgerTotals
from scenarios.schedules import ARRIVALS
from scenarios.workload import Row

_MATTERMOST = "cited: Mattermost's load-test weights, relative to a post"
WORKLOAD = {
    "rate": Row(60, "operations/s", "guess: a third of what one core serves of this mix, so that queues stay short"),
    "list_weight": Row(0.98, "of the mix", f"{_MATTERMOST}: open direct or group"),
    "newest_page_weight": Row(6.52, "of the mix", f"{_MATTERMOST}: switch channel"),
    "older_page_weight": Row(1.99, "of the mix", f"{_MATTERMOST}: scroll channel"),
    "mark_read_weight": Row(1.0, "of the mix", f"{_MATTERMOST}: unread check"),
    "send_weight": Row(1.0, "of the mix", f"{_MATTERMOST}: a post; --write-factor multiplies it"),
    "write_factor": Row(3, "×", "guess: three posts to 6.5 switched channels, so that a short block counts enough WAL"),
    "page_size": Row(50, "messages", "cited: the roadmap's getMessages default"),
    "list_size": Row(20, "conversations", "guess: the first screen of a chat"),
    "http_connections": Row(30, "connections", "guess: opened ahead, so that connecting is not measured"),
}


@dataclass
class Member:
    """One user of the run, and what they know."""

    number: int  # of the run's users
    conversations: list[UUID]
    weight: str  # "many" conversations, or "few": all of them on the first page of the list
    newest_seq: dict[UUID, int] = field(default_factory=dict)  # conversation → highest seq seen
    older: dict[UUID, str] = field(default_factory=dict)  # conversation → cursor of the page after the newest


class IndexLoad(LoadScenario):
    """Puts a mix of reads and writes on a server."""

    entry = SCENARIOS["index_load"]
    workload = WORKLOAD
    plan_type = list[Member]

    def __init__(self, session: RunSession, options: Any) -> None:
        super().__init__(session, options)
        self.rate = float(options.rate)
        weights = {
            name: float(WORKLOAD[f"{name}_weight"].value)
            for name in ("list", "newest_page", "older_page", "mark_read", "send")
        }
        weights["send"] *= float(options.write_factor)
        self.weights = weights
        self.operations: dict[str, Callable[[Member, int], None]] = {
            "list": self.list_conversations,
            "newest_page": self.read_newest_page,
            "older_page": self.read_older_page,
            "mark_read": self.mark_read,
            "send": self.send,
        }
        self.members: list[Member] = []
        self.sent_count = 0
        self.unanswered = 0

    @staticmethod
    def add_options(parser: Any) -> None:
        """The mix's own options."""
        texts = SCENARIOS["index_load"].options
        add_option(parser, "--rate", texts["--rate"], type=positive, default=WORKLOAD["rate"].value)
        add_option(
            parser, "--write-factor", texts["--write-factor"], type=positive, default=WORKLOAD["write_factor"].value
        )

    @staticmethod
    def own_options(options: Any) -> dict[str, Any]:
        """As the run's record keeps them."""
        return {name: getattr(options, name) for name in ("rate", "write_factor")}

    def plan(self) -> list[Member]:
        """Reads everyone's list of conversations, unmeasured: users act in conversations that they have."""
        session = self.session
        members = []
        for number in range(session.options.user_count):
            token = session.login(session.user_id(number))
            response = session.chat.get_conversations(token, int(WORKLOAD["list_size"].value), None, 0)
            page = session.chat.parse_conversations(response)
            if page is None:
                raise InputError(
                    f"{session.options.host} does not list the conversations of {session.user_id(number)} "
                    f"({response.problem()}); is it a chat server with this API?"
                )
            if page.conversations:
                newest_seq = {UUID(one.id): one.last_seq for one in page.conversations}
                weight = "many" if page.has_more else "few"
                members.append(Member(number, list(newest_seq), weight, newest_seq))
        if not members:
            raise InputError(
                f"none of {session.options.user_count} users has a conversation; use more --users or a larger data set"
            )
        return members

    def adopt(self, plan: list[Member]) -> None:
        """Takes up this process's users, or all where it has none of them, and opens connections."""
        self.members = [member for member in plan if self.session.is_own(member.number)] or plan
        for member in self.members:
            self._token(member)
        self.session.pool.warm(int(WORKLOAD["http_connections"].value))

    def user_started(self, user: ChatUser) -> None:
        """Reads and writes go over HTTP: no gateway is needed."""

    def measure(self, begin_ns: int) -> None:
        """Starts the one open loop of the whole mix."""
        arrivals = ARRIVALS[self.session.options.arrivals](self.rate, f"{self.session.options.seed} mix")
        gevent.spawn(self.session.open_loop("mix").drive, self.session.share(arrivals), begin_ns, self.act)

    def user_lives(self, user: ChatUser, begin_ns: int) -> None:
        """Acts when the mix draws this user."""

    def act(self, intended_ns: int) -> None:
        """One timed operation, by one of the users."""
        random = self.session.random
        (name,) = random.choices(list(self.weights), list(self.weights.values()))
        self.unanswered += 1
        try:
            self.operations[name](random.choice(self.members), intended_ns)
        finally:
            self.unanswered -= 1

    def list_conversations(self, member: Member, intended_ns: int) -> None:
        """The first screen: whom the roadmap's first two indexes are for."""
        response = self.session.chat.get_conversations(
            self._token(member), int(WORKLOAD["list_size"].value), None, intended_ns
        )
        self._note("get_conversations", response, member, "1")
        page = self.session.chat.parse_conversations(response)
        for one in page.conversations if page is not None else ():
            self._saw(member, UUID(one.id), one.last_seq)

    def read_newest_page(self, member: Member, intended_ns: int) -> None:
        """Opens a conversation."""
        self._read(member, self.session.random.choice(member.conversations), None, "1", intended_ns)

    def read_older_page(self, member: Member, intended_ns: int) -> None:
        """Scrolls back in a conversation that was opened before; opens one where none has an older page."""
        if not member.older:
            self.read_newest_page(member, intended_ns)
            return
        conversation_id = self.session.random.choice(list(member.older))
        self._read(member, conversation_id, member.older[conversation_id], "2", intended_ns)

    def mark_read(self, member: Member, intended_ns: int) -> None:
        """Has read what the user has seen last; in an empty conversation, there is nothing to mark."""
        seen = [(conversation_id, seq) for conversation_id, seq in member.newest_seq.items() if seq]
        if not seen:
            self.list_conversations(member, intended_ns)
            return
        conversation_id, seq = self.session.random.choice(seen)
        response = self.session.chat.mark_read(self._token(member), conversation_id, seq, intended_ns)
        self._note("mark_read", response, member, "new")

    def send(self, member: Member, intended_ns: int) -> None:
        """A message into one of the user's conversations."""
        session = self.session
        self.sent_count += 1
        conversation_id = session.random.choice(member.conversations)
        content = marked_content(Marker(session.token, self.sent_count, intended_ns), content_length(session.random))
        response = session.chat.send_message(self._token(member), conversation_id, content, uuid4(), intended_ns)
        self._note("send_message", response, member, "new")
        message = session.chat.parse_message(response)
        if message is not None:
            self._saw(member, conversation_id, message.seq)

    def unanswered_count(self) -> int:
        """Requests not yet answered."""
        return self.unanswered

    def outstanding(self) -> int:
        """The same."""
        return self.unanswered

    def finish(self) -> list[LedgerTotals]:
        """Nothing is delivered here: what was written is counted by the database."""
        return []

    def _read(self, member: Member, conversation_id: UUID, before: str | None, depth: str, intended_ns: int) -> None:
        chat = self.session.chat
        limit = int(WORKLOAD["page_size"].value)
        response = chat.get_messages(self._token(member), conversation_id, limit, before, intended_ns)
        self._note("get_messages", response, member, depth)
        page = chat.parse_page(response)
        if page is None or before is not None:
            return
        for message in page.messages[:1]:  # the newest
            self._saw(member, conversation_id, message.seq)
        if page.next_cursor is not None:
            member.older[conversation_id] = page.next_cursor

    def _token(self, member: Member) -> str:
        return self.session.login(self.session.user_id(member.number))

    @staticmethod
    def _saw(member: Member, conversation_id: UUID, seq: int) -> None:
        member.newest_seq[conversation_id] = max(seq, member.newest_seq.get(conversation_id, 0))

    def _note(self, request: str, response: Response, member: Member, depth: str) -> None:
        self.session.note_response(request, response, weight=member.weight, depth=depth)
        report_response(f"{request} {depth} {member.weight}", request, response)


class IndexLoadUser(ChatUser):
    """Somebody whose conversations are read and written."""


install(IndexLoad)
