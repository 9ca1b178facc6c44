"""Asks what the list of conversations and its unread counts cost for light and heavy users.

Users with few, some and many conversations ask for their list, open-loop, while others write to them and they mark
messages as read. Every unread count of every answer is checked against what can be true at that moment, and at the end,
when all is quiet, against what must be.

    locust -f scenarios/load/inbox.py --host http://127.0.0.1:8000 --headless
"""

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID

import gevent
from gevent.pool import Pool

from fixtures.errors import InputError
from scenarios.catalogue import SCENARIOS
from scenarios.client.chat_client import ListedConversation
from scenarios.client.load_scenario import ChatUser, LoadScenario, install
from scenarios.client.locust_requests import report_response
from scenarios.client.made_groups import make_group, write_opening
from scenarios.client.marked_sends import MarkedSends
from scenarios.client.run_options import add_option, parse_sizes, positive, sizes
from scenarios.client.run_session import RunSession
from scenarios.run_records import LedgerTotals
from scenarios.schedules import ARRIVALS
from scenarios.unread_books import UnreadBooks
from scenarios.workload import Row

WORKLOAD = {
    "rate": Row(30, "lists/s", "guess: somebody who switches between conversations looks at the list in between"),
    "write_rate": Row(20, "messages/s", "guess: there is nearly always something new to count"),
    "mark_rate": Row(
        10, "marks/s", "cited: Mattermost's behaviour weights, one unread check per post, at less reading"
    ),
    "conversations": Row(
        "20,50,150",
        "of one user",
        "measured: the data set small's median user has 23, a tenth over 52, a hundredth over 148",
    ),
    "readers": Row(1, "users per class", "guess: what they lack is made before each run, and that takes its time"),
    "made_min": Row(2, "conversations", "guess: each reader has some that others certainly write to"),
    "page_size": Row(20, "conversations", "cited: the reference server's default page"),
    "survey_page_size": Row(100, "conversations", "guess: the largest page the server gives"),
    "drafts": Row(8, "at once", "guess: conversations are made in parallel before the run, as fast as the server will"),
    "http_connections": Row(30, "connections", "guess: opened ahead, so that connecting is not measured"),
}


@dataclass
class Reader:
    """One user who looks at the list."""

    number: int  # of the run's users
    user_id: UUID
    conversations: list[ListedConversation]
    label: str = ""  # its class: how many conversations it has
    writers: list[tuple[UUID, UUID]] = field(default_factory=list)  # conversation, and who may write there


class Inbox(LoadScenario):
    """Lists, writes, reads, and checks every count."""

    entry = SCENARIOS["inbox"]
    workload = WORKLOAD
    plan_type = list[Reader]

    def __init__(self, session: RunSession, options: Any) -> None:
        super().__init__(session, options)
        self.options = options
        self.books = UnreadBooks()
        self.classes: dict[str, list[Reader]] = {}
        self.places: dict[str, list[int]] = {}  # class → where its readers are, of the run's processes
        self.counts: Counter[tuple[str, str]] = Counter()  # what was counted, class
        self.sends = MarkedSends(session)
        self.unanswered = 0

    @staticmethod
    def add_options(parser: Any) -> None:
        """The inbox's own options."""
        for name, text in SCENARIOS["inbox"].own_options.items():
            row = name.removeprefix("--").replace("-", "_")
            add_option(
                parser, name, text, type=sizes if row == "conversations" else positive, default=WORKLOAD[row].value
            )

    @staticmethod
    def own_options(options: Any) -> dict[str, Any]:
        """As the run's record keeps them."""
        parse_sizes(options.conversations)
        return {name: getattr(options, name) for name in ("rate", "write_rate", "mark_rate", "conversations")}

    def plan(self) -> list[Reader]:
        """Finds a class of readers for each size, and gives them what they lack."""
        session = self.session
        users = [self._survey(number) for number in range(session.options.user_count)]
        chosen = self._choose(users)
        if not chosen:
            raise InputError(
                f"none of {session.options.user_count} users has few enough conversations for --conversations "
                f"{self.options.conversations}; use more --users or larger numbers"
            )
        readers = {reader.number for _, reader in chosen}
        others = [user for user in users if user.number not in readers]
        for target, reader in chosen:
            self._fill(reader, target, others)
        return [self._final(reader, {user.user_id for user in others}) for _, reader in chosen]

    def adopt(self, plan: list[Reader]) -> None:
        """Opens the books of this process's readers: whatever is written to them is written from here."""
        session = self.session
        for rank, reader in enumerate(plan):
            place = rank % session.seat.count
            places = self.places.setdefault(reader.label, [])
            if place not in places:
                places.append(place)
            if place == session.seat.index and session.seat.is_generator:
                self._open(reader)
        session.pool.warm(int(WORKLOAD["http_connections"].value))

    def user_started(self, user: ChatUser) -> None:
        """Readers need no gateway: lists come over HTTP."""

    def measure(self, begin_ns: int) -> None:
        """Starts the lists, one open loop per class, and the writes and marks."""
        session = self.session
        arrivals = ARRIVALS[session.options.arrivals]
        rate = float(self.options.rate) / len(self.places)
        for label, readers in self.classes.items():
            random = Random(f"{session.options.seed} lists {label}")
            gevent.spawn(
                session.open_loop("get_conversations").drive,
                session.share(arrivals(rate, f"{session.options.seed} {label}"), self.places[label]),
                begin_ns,
                lambda at_ns, readers=readers, random=random: self.look(random.choice(readers), at_ns),
            )
        for operation, rate, act in (
            ("send_message", float(self.options.write_rate), self.write),
            ("mark_read", float(self.options.mark_rate), self.mark),
        ):
            everywhere = sorted({place for places in self.places.values() for place in places})
            times = session.share(arrivals(rate, f"{session.options.seed} {operation}"), everywhere)
            gevent.spawn(session.open_loop(operation).drive, times, begin_ns, act)

    def user_lives(self, user: ChatUser, begin_ns: int) -> None:
        """Classes have the schedule."""

    def look(self, reader: Reader, intended_ns: int) -> None:
        """One timed list; every count in it is held to its bounds."""
        session = self.session
        token = session.login(reader.user_id)
        before = self.books.before(reader.number)
        self.unanswered += 1
        response = session.chat.get_conversations(token, int(WORKLOAD["page_size"].value), None, intended_ns)
        self.unanswered -= 1
        session.note_response("get_conversations", response, weight=reader.label, depth="1")
        report_response(f"list of {reader.label}", "GET", response)
        page = session.chat.parse_inbox(response)
        for listed in page.conversations if page is not None else ():
            bounds = self.books.bounds(reader.number, before, listed.id)
            if bounds is not None:
                self.counts["checked", reader.label] += 1
                self.counts["mismatches", reader.label] += not bounds[0] <= listed.unread_count <= bounds[1]

    def write(self, intended_ns: int) -> None:
        """One timed message to a reader."""
        reader, conversation_id, writer = self._pick()
        key = str(conversation_id)
        self.books.send_begins(key)
        _, message = self.sends.send(
            writer, conversation_id, key, intended_ns, weight=reader.label, name=f"send to one of {reader.label}"
        )
        if message is not None:
            self.books.send_acknowledged(key, message.seq)

    def mark(self, intended_ns: int) -> None:
        """One timed mark of everything that a reader may know of in one conversation."""
        session = self.session
        reader, conversation_id, _ = self._pick(holding_messages=True)
        key = str(conversation_id)
        seq = self.books.last_seq(key)
        self.books.mark_begins(reader.number, key, seq)
        self.unanswered += 1
        response = session.chat.mark_read(session.login(reader.user_id), conversation_id, seq, intended_ns)
        self.unanswered -= 1
        session.note_response("mark_read", response, weight=reader.label, depth="new")
        report_response(f"mark read of {reader.label}", "POST", response)
        state = session.chat.parse_read_state(response)
        if state is not None:
            self.books.mark_acknowledged(reader.number, key, state.last_read_seq)

    def unanswered_count(self) -> int:
        """Requests not yet answered."""
        return self.unanswered + self.sends.unanswered

    def outstanding(self) -> int:
        """The same."""
        return self.unanswered_count()

    def finish(self) -> list[LedgerTotals]:
        """Checks every count of every reader once more, now that all is quiet."""
        session = self.session
        for reader in [reader for readers in self.classes.values() for reader in readers]:
            self._check_at_rest(reader)
        for label in self.classes:
            for name in ("checked", "mismatches", "checked_at_rest", "mismatches_at_rest"):
                session.count(f"unread_{name}", self.counts[name, label], conversations=label)
            wrong = self.counts["mismatches", label] + self.counts["mismatches_at_rest", label]
            if wrong:
                session.warnings.append(f"{wrong} unread counts were wrong for users with {label} conversations")
            if self.counts["doubtful", label]:
                session.warnings.append(
                    f"{self.counts['doubtful', label]} unread counts of users with {label} conversations could not be "
                    "checked at rest: a write to them was never answered"
                )
        return []

    # --- before and after -------------------------------------------------------------------------------

    def _survey(self, number: int) -> Reader:
        """A user and all conversations it has; InputError when the server does not tell."""
        user_id = self.session.user_id(number)
        listed = self._list_all(user_id)
        if listed is None:
            raise InputError(f"{self.session.options.host} does not give user {user_id} their conversations")
        return Reader(number, user_id, listed)

    def _list_all(self, user_id: UUID) -> list[ListedConversation] | None:
        """Every page of a user's list, unmeasured; None when one does not come."""
        chat, token = self.session.chat, self.session.login(user_id)
        found: list[ListedConversation] = []
        cursor: str | None = None
        while True:
            page = chat.parse_inbox(chat.get_conversations(token, int(WORKLOAD["survey_page_size"].value), cursor))
            if page is None:
                return None
            found += page.conversations
            cursor = page.next_cursor
            if not page.has_more or cursor is None:
                return found

    def _choose(self, users: list[Reader]) -> list[tuple[int, Reader]]:
        """For each size the users that come nearest to it from below; sizes without any are told."""
        free = sorted(users, key=lambda user: -len(user.conversations))
        chosen = []
        for target in parse_sizes(self.options.conversations):
            room = target - int(WORKLOAD["made_min"].value)
            fitting = [user for user in free if len(user.conversations) <= room][: int(WORKLOAD["readers"].value)]
            # Somebody has to write to them.
            if not fitting or len(free) - len(fitting) < 1:
                self.session.warnings.append(f"left out: no user with at most {room} conversations for {target}")
                continue
            for user in fitting:
                free.remove(user)
                chosen.append((target, user))
        return chosen

    def _fill(self, reader: Reader, target: int, others: list[Reader]) -> None:
        """Makes the conversations that a reader lacks: direct ones with others, then groups of two."""
        session = self.session
        partners = {listed.partner_id(reader.user_id) for listed in reader.conversations}
        strangers = [other for other in others if other.user_id not in partners]
        lacking = target - len(reader.conversations)

        def make(place: int) -> None:
            if place < len(strangers):
                other = strangers[place]
                token = session.login(other.user_id)
                made_id = UUID(session.chat.create_direct_conversation(token, reader.user_id).id)
            else:
                other = others[place % len(others)]
                token = session.login(other.user_id)
                made_id = make_group(session, f"inbox {target}", (other.number, reader.number), 0).conversation_id
            if place >= lacking - int(WORKLOAD["page_size"].value):
                write_opening(session, token, made_id)  # the newest ones, which a list shows
            reader.writers.append((made_id, other.user_id))

        makers = Pool(int(WORKLOAD["drafts"].value))
        for _ in makers.imap_unordered(make, range(lacking)):
            pass

    def _final(self, reader: Reader, others: set[UUID]) -> Reader:
        """A reader with its whole list as it is before the run, and everyone who writes to it."""
        reader.conversations = self._survey(reader.number).conversations
        reader.label = str(len(reader.conversations))
        for one in reader.conversations:
            partner = one.partner_id(reader.user_id)
            if partner in others and (UUID(one.id), partner) not in reader.writers:
                reader.writers.append((UUID(one.id), partner))
        return reader

    def _open(self, reader: Reader) -> None:
        """Opens a reader's books."""
        for one in reader.conversations:
            self.books.open(reader.number, one.id, one.last_seq, one.last_read_seq)
        self.classes.setdefault(reader.label, []).append(reader)

    def _pick(self, *, holding_messages: bool = False) -> tuple[Reader, UUID, UUID]:
        """A reader of any class, one of its conversations, and who writes there."""
        random = self.session.random
        reader = random.choice(self.classes[random.choice(list(self.classes))])
        places = reader.writers
        if holding_messages:  # the newest have some from the beginning
            places = [place for place in places if self.books.last_seq(str(place[0]))]
        return (reader, *random.choice(places))

    def _check_at_rest(self, reader: Reader) -> None:
        listed = self._list_all(reader.user_id)
        if listed is None:
            self.session.reasons.append("the unread counts at rest did not come, and could not be checked")
            return
        for one in listed:
            truth = self.books.at_rest(reader.number, one.id)
            if truth is None:
                self.counts["doubtful", reader.label] += 1
                continue
            self.counts["checked_at_rest", reader.label] += 1
            self.counts["mismatches_at_rest", reader.label] += one.unread_count != truth


class InboxUser(ChatUser):
    """Looks at the list, or writes to those who do."""


install(Inbox)
