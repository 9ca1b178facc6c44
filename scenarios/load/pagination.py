"""Asks what scrolling back costs, and whether it stays flat with depth while others write.

Users scroll back through heavy, median and light conversations of the data set, page after page, open-loop; others
write into the same conversations. Every page is timed from its intended start, by depth and by the conversation's
weight; every walk is checked to return each message exactly once.

    locust -f scenarios/load/pagination.py --host http://127.0.0.1:8000 --headless
"""

import time
from collections import Counter
from random import Random
from typing import Any
from uuid import UUID, uuid4

import gevent
import msgspec
from gevent.lock import BoundedSemaphore

from fixtures.errors import InputError
from fixtures.manifest import ConversationSample
from scenarios.catalogue import SCENARIOS
from scenarios.client.load_scenario import ChatUser, LoadScenario, install
from scenarios.client.locust_requests import report_response
from scenarios.client.message_lengths import content_length
from scenarios.client.run_options import add_option, positive
from scenarios.client.run_session import RunSession
from scenarios.markers import Marker, marked_content
from scenarios.page_walk import PageWalk, depth_label
from scenarios.run_folder import LedgerTotals
from scenarios.schedules import ARRIVALS
from scenarios.workload import Row

WORKLOAD = {
    "rate": Row(3, "pages/s per user", "guess: someone scrolling fast"),
    "write_rate": Row(
        10, "messages/s", "cited: Mattermost's behaviour weights, 1.99 scrolls per post, at less reading"
    ),
    "think_seconds": Row(0, "s", "guess: open loop, whose latencies hold the waiting; above 0 the readers wait"),
    "page_size": Row(50, "messages", "cited: the roadmap's getMessages default"),
    "heavy_share": Row(0.6, "of walks", "guess: where people scroll is where much was said"),
    "median_share": Row(0.25, "of walks", "guess"),
    "light_share": Row(0.15, "of walks", "guess"),
    "deep_share": Row(0.5, "of walks", "guess: so that deep pages are measured as often as shallow ones"),
    "walk_pages_max": Row(15, "pages", "guess: then the user looks at another conversation"),
    "survey_seconds": Row(3, "s", "guess: how long the unmeasured look for deep cursors may take"),
    "survey_page_size": Row(100, "messages", "guess: the largest page the server gives"),
    "http_connections": Row(30, "connections", "guess: opened ahead, so that connecting is not measured"),
}


class Bookmark(msgspec.Struct, frozen=True):
    """A place deep in a conversation from which a walk may begin."""

    page: int
    cursor: str
    before_seq: int


class Reader:
    """One user's place in one conversation."""

    def __init__(self, seed: str) -> None:
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
    distributed = True
    plan_type = dict[str, list[Bookmark]]

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
        self.bookmarks: dict[str, list[Bookmark]] = {}  # conversation → deep places
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
        add_option(
            parser, "--think-seconds", texts["--think-seconds"], type=float, default=WORKLOAD["think_seconds"].value
        )

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
        return {name: getattr(options, name) for name in ("rate", "write_rate", "page_size", "think_seconds")}

    def plan(self) -> dict[str, list[Bookmark]]:
        """Looks for deep cursors, unmeasured."""
        end = time.monotonic() + float(WORKLOAD["survey_seconds"].value)
        heavy = self.samples.get("heavy", [])
        for number, sample in enumerate(heavy):
            share = (end - time.monotonic()) / (len(heavy) - number)
            self._survey(sample, time.monotonic() + share)
        return self.bookmarks

    def adopt(self, plan: dict[str, list[Bookmark]]) -> None:
        """Takes the deep cursors, logs in whoever reads and writes, and opens connections."""
        self.bookmarks = plan
        for user in {user for samples in self.samples.values() for sample in samples for user in sample.member_ids}:
            self.session.login(user)
        self.session.pool.warm(int(WORKLOAD["http_connections"].value))

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
        reader = Reader(seed)
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
        return totals

    def _fetch(self, reader: Reader, intended_ns: int) -> None:
        if reader.sample is None or reader.walk.is_over or reader.pages_left <= 0:
            self._open_somewhere(reader)
        sample = reader.sample
        assert sample is not None
        response = self.session.chat.get_messages(
            self.session.login(reader.user_id), sample.conversation_id, self.page_size, reader.cursor, intended_ns
        )
        depth = depth_label(reader.walk.page)
        self.session.note_response("get_messages", response, weight=sample.weight, depth=depth)
        report_response(f"page {depth} {sample.weight}", "GET", response)
        page = self.session.chat.parse_page(response)
        reader.pages_left -= 1
        if page is None:
            reader.sample = None
            return
        self._enter(reader.walk, sample.weight, [message.seq for message in page.messages], has_more=page.has_more)
        reader.cursor = page.next_cursor

    def _enter(self, walk: PageWalk, weight: str, seqs: list[int], *, has_more: bool) -> None:
        before = (walk.expected, walk.lost, walk.repeated)
        walk.take(seqs, has_more=has_more)
        self.expected[weight] += walk.expected - before[0]
        self.lost[weight] += walk.lost - before[1]
        self.repeated[weight] += walk.repeated - before[2]

    def _open_somewhere(self, reader: Reader) -> None:
        """The next conversation, at its newest page or at a deep place."""
        sample = self._choose(reader.random)
        reader.sample = sample
        reader.user_id = reader.random.choice(sample.member_ids)
        reader.walk = PageWalk()
        reader.cursor = None
        reader.pages_left = int(WORKLOAD["walk_pages_max"].value)
        bookmarks = self.bookmarks.get(str(sample.conversation_id))
        if bookmarks and reader.random.random() < float(WORKLOAD["deep_share"].value):
            bookmark = reader.random.choice(bookmarks)
            reader.walk = PageWalk(bookmark.page, bookmark.before_seq)
            reader.cursor = bookmark.cursor

    def _choose(self, random: Random) -> ConversationSample:
        weights = list(self.samples)
        shares = [float(WORKLOAD[f"{weight}_share"].value) for weight in weights]
        return random.choice(self.samples[random.choices(weights, shares)[0]])

    def _survey(self, sample: ConversationSample, until: float) -> None:
        """Walks a conversation fast, remembers places in each depth bucket, and checks the walk, all unmeasured."""
        session = self.session
        token = session.login(sample.member_ids[0])
        walk = PageWalk()
        cursor: str | None = None
        found: dict[str, Bookmark] = {}
        limit = int(WORKLOAD["survey_page_size"].value)
        while not walk.is_over and time.monotonic() < until:
            response = session.chat.get_messages(token, sample.conversation_id, limit, cursor)
            page = session.chat.parse_page(response)
            if page is None:
                raise InputError(
                    f"{session.options.host} does not give the messages of {sample.conversation_id} to its member "
                    f"{sample.member_ids[0]} ({response.problem()}); seed the database again"
                )
            self._enter(walk, sample.weight, [message.seq for message in page.messages], has_more=page.has_more)
            cursor = page.next_cursor
            if walk.is_over or cursor is None or walk.before_seq is None:
                break
            # In pages of the size that will be measured, the next one is this deep.
            place = (walk.page - 1) * limit // self.page_size + 1
            found.setdefault(depth_label(place), Bookmark(place, cursor, walk.before_seq))
        self.bookmarks[str(sample.conversation_id)] = list(found.values())


class PaginationUser(ChatUser):
    """Scrolls back."""


install(Pagination)
