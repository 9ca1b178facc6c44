"""Asks what scrolling back costs, and whether it stays flat with depth while others write.

Users scroll back through heavy, median and light conversations of the data set, page after page, open-loop; others
write into the same conversations. Every page is timed from its intended start, by depth and by the conversation's
weight; every walk is checked to return each message exactly once. Peers of the target that page otherwise, by OFFSET
or by created_at, get walks of their own in between: the same conversations, readers and writers.

    locust -f scenarios/load/pagination.py --host http://127.0.0.1:8000 --headless
"""

import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID, uuid4

import gevent
import msgspec
from gevent.lock import BoundedSemaphore

from fixtures.errors import InputError
from fixtures.manifest import ConversationSample
from scenarios.catalogue import SCENARIOS
from scenarios.client.chat_client import MessagePage
from scenarios.client.compared_server import ComparedServer, checked_peers, peer_clients
from scenarios.client.load_scenario import ChatUser, LoadScenario, install
from scenarios.client.locust_requests import report_response
from scenarios.client.message_lengths import content_length
from scenarios.client.run_options import add_option, positive
from scenarios.client.run_session import RunSession
from scenarios.markers import Marker, marked_content
from scenarios.page_walk import PageWalk, depth_label
from scenarios.run_records import LedgerTotals
from scenarios.schedules import ARRIVALS
from scenarios.workload import Row

WORKLOAD = {
    "rate": Row(5, "pages/s per user", "guess: someone scrolling fast"),
    "write_rate": Row(
        10, "messages/s", "cited: Mattermost's behaviour weights, 1.99 scrolls per post, at less reading"
    ),
    "think_seconds": Row(0, "s", "guess: open loop, whose latencies hold the waiting; above 0 the readers wait"),
    "page_size": Row(50, "messages", "cited: the roadmap's getMessages default"),
    "heavy_share": Row(0.6, "of walks", "guess: where people scroll is where much was said"),
    "median_share": Row(0.25, "of walks", "guess"),
    "light_share": Row(0.15, "of walks", "guess"),
    "deep_share": Row(0.5, "of walks", "guess: so that deep pages are measured as often as shallow ones"),
    "peers_share": Row(0.5, "of walks", "guess: for all peers; what the server itself costs has to stay precise"),
    "walk_pages_max": Row(6, "pages", "guess: then another conversation; a tour needs ten first pages in each block"),
    "survey_seconds": Row(3, "s", "guess: how long the unmeasured look for deep cursors may take"),
    "survey_page_size": Row(100, "messages", "guess: the largest page the server gives"),
    "http_connections": Row(30, "connections", "guess: opened ahead, so that connecting is not measured"),
}


class Bookmark(msgspec.Struct, frozen=True):
    """A place deep in a conversation from which a walk may begin."""

    page: int
    cursor: str
    before_seq: int | None  # None: not known, because messages that came later move the place


OWN = "own cursor"  # how the target pages


@dataclass(eq=False)
class Way(ComparedServer):
    """A server and its way of paging."""

    bookmarks: dict[str, list[Bookmark]] = field(default_factory=dict)  # conversation → deep places


class Reader:
    """One user's place in one conversation."""

    def __init__(self, seed: str, way: Way) -> None:
        self.way = way
        self.random = Random(seed)
        self.turn = BoundedSemaphore(1)  # a page needs the cursor of the page before it
        self.sample: ConversationSample | None = None
        self.walk = PageWalk()
        self.cursor: str | None = None
        self.pages_left = 0
        self.user_id = UUID(int=0)  # whom to read as: a member of the conversation


class Pagination(LoadScenario):
    """Scrolls back and checks what it reads."""

    entry = SCENARIOS["pagination"]
    workload = WORKLOAD
    plan_type = dict[str, dict[str, list[Bookmark]]]

    def __init__(self, session: RunSession, options: Any) -> None:
        super().__init__(session, options)
        self.rate = float(options.rate)
        self.write_rate = float(options.write_rate)
        self.page_size = int(options.page_size)
        self.think_seconds = float(options.think_seconds)
        self.samples: dict[str, list[ConversationSample]] = {}
        for sample in session.dataset.conversations:
            if sample.member_ids and sample.last_seq:
                self.samples.setdefault(sample.weight, []).append(sample)
        if not self.samples:
            raise InputError(f"the data set {session.dataset.size!r} names no conversations; seed it again")
        self.own = Way(OWN, session.chat)
        self.peers = [Way(name, chat) for name, chat in peer_clients(session, options.peers).items()]
        self.expected: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.repeated: Counter[str] = Counter()
        self.sent_count = 0
        self.reading = 0

    @staticmethod
    def add_options(parser: Any) -> None:
        """Pagination's own options."""
        texts = SCENARIOS["pagination"].options
        add_option(parser, "--rate", texts["--rate"], type=positive, default=WORKLOAD["rate"].value)
        add_option(parser, "--write-rate", texts["--write-rate"], type=float, default=WORKLOAD["write_rate"].value)
        add_option(parser, "--page-size", texts["--page-size"], type=int, default=WORKLOAD["page_size"].value)
        think = WORKLOAD["think_seconds"].value
        add_option(parser, "--think-seconds", texts["--think-seconds"], type=float, default=think)
        add_option(parser, "--peers", texts["--peers"], default="", metavar="<servers>")

    @staticmethod
    def own_options(options: Any) -> dict[str, Any]:
        """As the run's record keeps them."""
        if not 1 <= options.page_size <= int(WORKLOAD["survey_page_size"].value):
            raise InputError(
                f"--page-size {options.page_size} is no size the server gives; choose 1 … "
                f"{WORKLOAD['survey_page_size'].value}"
            )
        if options.write_rate < 0:
            raise InputError(f"--write-rate {options.write_rate:g} is below 0; use 0 for no writers")
        if options.think_seconds < 0:
            raise InputError(f"--think-seconds {options.think_seconds:g} is below 0; use 0 for an open loop")
        peers = checked_peers(options.peers, {OWN}, allow_remote=options.allow_remote)
        names = ("rate", "write_rate", "page_size", "think_seconds")
        return {**{name: getattr(options, name) for name in names}, "peers": peers}

    def plan(self) -> dict[str, dict[str, list[Bookmark]]]:
        """Looks for deep cursors, unmeasured."""
        for peer in self.peers:
            peer.check_dataset(self.session)
        end = time.monotonic() + float(WORKLOAD["survey_seconds"].value)
        todo = [(way, sample) for sample in self.samples.get("heavy", []) for way in self._ways]
        for number, (way, sample) in enumerate(todo):
            share = (end - time.monotonic()) / (len(todo) - number)
            self._survey(way, sample, time.monotonic() + share)
        return {way.name: way.bookmarks for way in self._ways}

    def adopt(self, plan: dict[str, dict[str, list[Bookmark]]]) -> None:
        """Takes the deep cursors, logs in whoever reads and writes, and opens connections."""
        users = {user for samples in self.samples.values() for sample in samples for user in sample.member_ids}
        for way in self._ways:
            way.bookmarks = plan[way.name]
            for user in users:
                self._token(way, user)
            way.chat.pool.warm(int(WORKLOAD["http_connections"].value))

    def user_started(self, user: ChatUser) -> None:
        """Readers need no gateway: history comes over HTTP."""

    def measure(self, begin_ns: int) -> None:
        """Starts the writers."""
        if self.write_rate > 0:
            arrivals = ARRIVALS[self.session.options.arrivals](self.write_rate, f"{self.session.options.seed} writers")
            arrivals = self.session.share(arrivals)
            gevent.spawn(self.session.open_loop("send_message").drive, arrivals, begin_ns, self.write)

    def user_lives(self, user: ChatUser, begin_ns: int) -> None:
        """Scrolls at its own pace until the run stops; with think time, at that of the answers."""
        seed = f"{self.session.options.seed} reader {user.number}"
        reader = Reader(seed, self.own)
        if self.think_seconds:
            loop = self.session.closed_loop("get_messages", think_seconds=self.think_seconds, seed=seed)
            loop.drive(begin_ns, lambda intended_ns: self.turn_page(reader, intended_ns))
            return
        arrivals = ARRIVALS[self.session.options.arrivals](self.rate, seed)
        self.session.open_loop("get_messages").drive(
            arrivals, begin_ns, lambda intended_ns: self.turn_page(reader, intended_ns)
        )

    def turn_page(self, reader: Reader, intended_ns: int) -> None:
        """One timed page; it waits for the page before it, and that wait is part of its latency."""
        self.reading += 1
        try:
            with reader.turn:
                self._fetch(reader, intended_ns)
        finally:
            self.reading -= 1

    def write(self, intended_ns: int) -> None:
        """One timed message into a conversation that others read."""
        session = self.session
        sample = self._choose(session.random)
        self.sent_count += 1
        self.reading += 1
        content = marked_content(Marker(session.token, self.sent_count, intended_ns), content_length(session.random))
        token = session.login(session.random.choice(sample.member_ids))
        response = session.chat.send_message(token, sample.conversation_id, content, uuid4(), intended_ns)
        self.reading -= 1
        session.note_response("send_message", response, weight=sample.weight, depth="new")
        report_response(f"send {sample.weight}", "POST", response)

    def unanswered_count(self) -> int:
        """Requests not yet answered."""
        return self.reading

    def outstanding(self) -> int:
        """Requests not yet answered."""
        return self.reading

    def finish(self) -> list[LedgerTotals]:
        """What the walks should have returned against what they did, by weight."""
        totals = [
            LedgerTotals(
                scenario="pagination",
                labels={"weight": weight},
                messages=self.expected[weight],
                expected=self.expected[weight],
                delivered=self.expected[weight] - self.lost[weight],
                missing=self.lost[weight],
                duplicate=self.repeated[weight],
                reordered=0,
                late=0,
                leaked=0,
            )
            for weight in self.expected
        ]
        for one in totals:
            if one.missing or one.duplicate:
                self.session.warnings.append(
                    f"paging lost {one.missing} and repeated {one.duplicate} of {one.expected} messages "
                    f"in {one.labels['weight']} conversations"
                )
        for peer in self.peers:
            peer.chat.pool.close()
        return totals

    @property
    def _ways(self) -> list[Way]:
        return [self.own, *self.peers]

    def _token(self, way: Way, user: UUID) -> str:
        return self.session.login(user) if way is self.own else way.token(user)

    def _fetch(self, reader: Reader, intended_ns: int) -> None:
        if reader.sample is None or reader.walk.is_over or reader.pages_left <= 0:
            self._open_somewhere(reader)
        sample, way = reader.sample, reader.way
        assert sample is not None
        response = way.chat.get_messages(
            self._token(way, reader.user_id), sample.conversation_id, self.page_size, reader.cursor, intended_ns
        )
        depth = depth_label(reader.walk.page)
        request = "get_messages" if way is self.own else f"get_messages by {way.name}"
        self.session.note_response(request, response, weight=sample.weight, depth=depth)
        report_response(f"page {depth} {sample.weight}", "GET", response)
        if self.peers and response.ok:
            labels = {"paging": way.name, "weight": sample.weight, "depth": depth}
            self.session.recorder.series("paging_page_us", **labels)(response.request_us)
        page = way.chat.parse_page(response)
        reader.pages_left -= 1
        if page is None:
            reader.sample = None
            return
        self._enter(way, reader.walk, sample.weight, page)
        reader.cursor = page.next_cursor

    def _enter(self, way: Way, walk: PageWalk, weight: str, page: MessagePage) -> None:
        before = (walk.expected, walk.lost, walk.repeated)
        walk.take([message.seq for message in page.messages], has_more=page.has_more)
        found = (walk.expected - before[0], walk.lost - before[1], walk.repeated - before[2])
        if way is self.own:
            # What a peer loses is the peer's way to page, and the question: the run's ledger is of its target.
            for books, amount in zip((self.expected, self.lost, self.repeated), found, strict=True):
                books[weight] += amount
        if self.peers:
            names = ("paging_pages", "paging_messages", "paging_lost", "paging_repeated")
            for name, amount in zip(names, (1, *found), strict=True):
                self.session.count(name, amount, paging=way.name, weight=weight)

    def _open_somewhere(self, reader: Reader) -> None:
        """The next conversation, at its newest page or at a deep place, by one of the ways to page."""
        sample = self._choose(reader.random)
        reader.sample = sample
        reader.user_id = reader.random.choice(sample.member_ids)
        reader.walk = PageWalk()
        reader.cursor = None
        reader.pages_left = int(WORKLOAD["walk_pages_max"].value)
        reader.way = self.own
        if self.peers and reader.random.random() < float(WORKLOAD["peers_share"].value):
            reader.way = reader.random.choice(self.peers)
        bookmarks = reader.way.bookmarks.get(str(sample.conversation_id))
        if bookmarks and reader.random.random() < float(WORKLOAD["deep_share"].value):
            bookmark = reader.random.choice(bookmarks)
            reader.walk = PageWalk(bookmark.page, bookmark.before_seq)
            reader.cursor = bookmark.cursor

    def _choose(self, random: Random) -> ConversationSample:
        weights = list(self.samples)
        shares = [float(WORKLOAD[f"{weight}_share"].value) for weight in weights]
        return random.choice(self.samples[random.choices(weights, shares)[0]])

    def _survey(self, way: Way, sample: ConversationSample, until: float) -> None:
        """Walks a conversation fast, remembers places in each depth bucket, and checks the walk, all unmeasured."""
        token = self._token(way, sample.member_ids[0])
        walk = PageWalk()
        cursor: str | None = None
        found: dict[str, Bookmark] = {}
        limit = int(WORKLOAD["survey_page_size"].value)
        while not walk.is_over and time.monotonic() < until:
            response = way.chat.get_messages(token, sample.conversation_id, limit, cursor)
            page = way.chat.parse_page(response)
            if page is None:
                server = self.session.options.host if way is self.own else f"the server {way.name!r}"
                raise InputError(
                    f"{server} does not give the messages of {sample.conversation_id} to its member "
                    f"{sample.member_ids[0]} ({response.problem()}); seed the database again"
                )
            self._enter(way, walk, sample.weight, page)
            cursor = page.next_cursor
            if walk.is_over or cursor is None or walk.before_seq is None:
                break
            # In pages of the size that will be measured, the next one is this deep.
            place = (walk.page - 1) * limit // self.page_size + 1
            # What a peer's cursor stands for may have moved when the walk begins.
            before_seq = walk.before_seq if way is self.own else None
            found.setdefault(depth_label(place), Bookmark(place, cursor, before_seq))
        way.bookmarks[str(sample.conversation_id)] = list(found.values())


class PaginationUser(ChatUser):
    """Scrolls back."""


install(Pagination)
