"""Asks whether an ordinary day holds its objective, hour by hour and action by action.

A day is compressed to seconds. Its actions arrive open-loop at the rate of the hour, in the mix that is published for
Mattermost; four classes of users share them. They read what the data set holds of them, and write into conversations
that the run makes of its own users, so that every delivery is in the ledger.

    locust -f scenarios/load/mixed_day.py --host http://127.0.0.1:8000 --headless
"""

import time
from collections import Counter
from random import Random
from typing import Any
from uuid import UUID

import gevent

from fixtures.errors import InputError
from reference_server.frames import PresenceStatus
from scenarios.catalogue import SCENARIOS
from scenarios.client.day_groups import DayGroups, make_day_groups
from scenarios.client.day_person import Person
from scenarios.client.day_typing import DayTyping
from scenarios.client.gateway_socket import ConnectFailedError
from scenarios.client.group_traffic import GroupTraffic, WithGroupTraffic
from scenarios.client.http_client import Response
from scenarios.client.load_scenario import ChatUser, LoadScenario, install
from scenarios.client.locust_requests import report_request
from scenarios.client.made_groups import MadeGroup
from scenarios.client.run_options import add_option, positive
from scenarios.client.run_session import RunSession
from scenarios.day_shape import day_arrivals, hour_label
from scenarios.day_workload import DAY, WORKLOAD, day_behaviour, value
from scenarios.page_walk import depth_label
from scenarios.run_records import LedgerTotals
from scenarios.schedules import ARRIVALS, DrawnArrivals

Finding = tuple[int, int, str]  # actions, of these within the objective, last hour
STATUSES: tuple[PresenceStatus, ...] = ("online", "away")


class MixedDay(WithGroupTraffic, LoadScenario):
    """Lives one day."""

    entry = SCENARIOS["mixed_day"]
    workload = WORKLOAD
    plan_type = DayGroups
    findings_type = Finding

    def __init__(self, session: RunSession, options: Any) -> None:
        super().__init__(session, options)
        self.rate = float(options.rate)
        self.day_seconds = float(options.day_seconds)
        self.objective_us = float(options.objective_ms) * 1000
        self.objective_share = float(options.objective_share)
        self.behaviour = day_behaviour()
        self.user_count = session.options.user_count
        smallest = int(value("team_size"))
        if self.user_count < smallest:
            raise InputError(f"--users {self.user_count} make no team of {smallest}; use {smallest} or more")
        self.members = self.behaviour.members(self.user_count)
        self.traffic = GroupTraffic(
            session,
            deadline_ms=value("deadline_ms"),
            settle_seconds=value("settle_seconds"),
        )
        self.typing = DayTyping(session, value("typing_seconds"))
        self.people: dict[int, Person] = {}
        self.begin_realtime_ns = 0
        self.acting = 0
        self.begun = 0
        self.met = 0
        self.hours: Counter[str] = Counter()
        self.is_over = False

    @staticmethod
    def add_options(parser: Any) -> None:
        """The day's own options."""
        texts = SCENARIOS["mixed_day"].options
        for option, row in (
            ("--rate", "rate"),
            ("--day-seconds", "day_seconds"),
            ("--objective-ms", "objective_ms"),
            ("--objective-share", "objective_share_percent"),
        ):
            add_option(parser, option, texts[option], type=positive, default=WORKLOAD[row].value)

    @staticmethod
    def own_options(options: Any) -> dict[str, Any]:
        """As the run's record keeps them."""
        if options.objective_share > 100:
            raise InputError(f"--objective-share {options.objective_share:g} is above 100 %; use 100 or less")
        return {name: getattr(options, name) for name in ("rate", "day_seconds", "objective_ms", "objective_share")}

    def plan(self) -> DayGroups:
        """Makes the room, the teams and the pairs in which people will write."""
        return make_day_groups(
            self.session,
            colleagues=[number for number in range(self.user_count) if number not in self.members["lurker"]],
            team_size=int(value("team_size")),
            chatters=list(self.members["chatter"]),
            partner_count=int(value("direct_partners")),
        )

    def adopt(self, plan: DayGroups) -> None:
        """Opens the books of every conversation."""
        session, self.room = self.session, plan.room
        for group in (plan.room, *plan.teams, *plan.pairs):
            self.traffic.open_books(group)
        if session.seat.keeps_the_run:
            for name, numbers in self.members.items():
                session.count("day_users", len(numbers), user_class=name)
        session.pool.warm(int(value("http_connections")))

    def user_started(self, user: ChatUser) -> None:
        """Connects, and looks at the list of conversations, unmeasured."""
        self.traffic.join(user)
        assert user.gateway is not None
        self.typing.listen(user.gateway)
        user_class = next(name for name, numbers in self.members.items() if user.number in numbers)
        person = Person(user, self.session.login(user.user_id), user_class)
        self._take_list(person, self._fetch_list(person, time.time_ns()))
        self.people[user.number] = person

    def measure(self, begin_ns: int) -> None:
        """Starts the day."""
        self.begin_realtime_ns = self.session.probe.clock.realtime_ns(begin_ns)
        unit = ARRIVALS[self.session.options.arrivals](1.0, f"{self.session.options.seed} day")
        random = Random(f"{self.session.options.seed} actions")
        actions = DrawnArrivals(
            day_arrivals(DAY, unit, self.rate * self.day_seconds, self.day_seconds),
            lambda: self.behaviour.draw(random, self.user_count),
            is_own=lambda drawn: self.session.is_own(drawn[1]),
        )
        drive = self.session.open_loop("day_action").drive_drawn
        gevent.spawn(drive, actions, begin_ns, lambda drawn, at_ns: self.act(drawn[0], drawn[1], at_ns))

    def oversee(self, begin_ns: int) -> None:
        """Ends the run with the day."""
        gevent.spawn(self._end_the_day, begin_ns + round(self.day_seconds * 1e9))

    def _end_the_day(self, end_ns: int) -> None:
        self.is_over = self.session.timer.wait_until(end_ns)
        self.session.end()

    def user_lives(self, user: ChatUser, begin_ns: int) -> None:  # noqa: ARG002 - the day decides who acts
        """Receives."""
        self.traffic.stay_connected(user)

    def user_stopped(self, user: ChatUser) -> None:
        """Who leaves acts no more, and misses nothing."""
        self.people.pop(user.number, None)
        self.traffic.leave(user)

    def act(self, action: str, number: int, intended_ns: int) -> None:
        """One timed action of somebody."""
        person = self.people.get(number)
        if person is None:
            self.session.failures[f"{action}: its user is not connected"] += 1
            return
        if action == "edit" and person.last_sent is None:
            action = "send"  # there is nothing to edit yet
        group = self._choose_group(person) if action == "send" else None
        if group is not None:
            # Beside whatever else they do meanwhile; the message is timed from the moment when it is written.
            intended_ns = self.typing.type_first(person.user.gateway, group.conversation_id, intended_ns)
        hour = hour_label((intended_ns - self.begin_realtime_ns) / 1e9, self.day_seconds)
        self.begun += 1
        self.hours[hour] += 1
        self.session.count("day_actions", action=action, hour=hour)
        self.session.count("day_class_actions", user_class=person.user_class)
        self.acting += 1
        try:
            with person.turn:
                if group is not None:
                    ended_ns = self._send(person, group, intended_ns)
                else:
                    ended_ns = getattr(self, f"_{action}")(person, intended_ns)
        finally:
            self.acting -= 1
        if ended_ns is None:
            return
        took_us = max(0, (ended_ns - intended_ns) // 1000)
        is_met = took_us <= self.objective_us
        self.met += is_met
        self.session.recorder.series("day_action_us", action=action, hour=hour)(took_us)
        self.session.count("day_actions_within_objective", int(is_met), action=action, hour=hour)
        report_request("DAY", action, took_us / 1000, 0)

    def unanswered_count(self) -> int:
        """Actions not yet answered, sends among them."""
        return self.acting

    def outstanding(self) -> int:
        """Actions not yet answered, and deliveries not yet here."""
        return self.acting + self.traffic.outstanding()

    def finish(self) -> list[LedgerTotals]:
        """Closes the books."""
        return self.traffic.finish()

    def findings(self) -> Finding:
        """Actions begun, those that met the objective, and the last hour in which one began."""
        return self.begun, self.met, max(self.hours, default="00")

    def tell(self, findings: list[Finding]) -> list[LedgerTotals]:
        """Whether the objective was held."""
        warnings, begun, met = self.session.warnings, sum(one[0] for one in findings), sum(one[1] for one in findings)
        if begun and 100 * met < self.objective_share * begun:
            warnings.append(
                f"objective missed: {met} of {begun} actions ({100 * met / begun:.2f} %) took at most "
                f"{self.objective_us / 1000:g} ms, and {self.objective_share:g} % should"
            )
        if not self.is_over:
            last = max((hour for _, _, hour in findings), default="00")
            warnings.append(f"the day ended early, at hour {last}; use a longer --run-time or shorter --day-seconds")
        return []

    # --- actions: each returns when its last answer came, None when it failed ---------------------------

    def _open(self, person: Person, intended_ns: int) -> int | None:
        """Reads the newest page of a conversation, and marks it as read."""
        self._choose(person)
        response, newest = self._read_page(person, intended_ns)
        if response is None or newest is None or person.open is None:
            return response.arrived_ns if response is not None else None
        kind = person.open.type
        read = self.session.chat.mark_read(person.token, person.open.id, newest)
        self.typing.look_at(person.user.number, person.user.gateway, UUID(person.open.id))
        self.session.note_response("mark_read", read, weight=kind, depth="new")
        return read.arrived_ns if read.ok else None

    def _scroll(self, person: Person, intended_ns: int) -> int | None:
        """The next older page; at the beginning of a conversation, the newest page of another one."""
        if person.cursor is None:
            self._choose(person)
        response, _ = self._read_page(person, intended_ns)
        return response.arrived_ns if response is not None else None

    def _list(self, person: Person, intended_ns: int) -> int | None:
        response = self._fetch_list(person, intended_ns)
        self.session.note_response("get_conversations", response, weight="list", depth="1")
        return self._take_list(person, response)

    def _choose_group(self, person: Person) -> MadeGroup:
        """Where to write: into a pair, the team or the room."""
        number = person.user.number
        mine = [group for group in self.traffic.groups if number in group.member_set]
        kinds: dict[str, list[MadeGroup]] = {
            "direct": [group for group in mine if group.size == 2],
            "team": [group for group in mine if group.size > 2 and group is not self.room],
            "room": [self.room],
        }
        there = [kind for kind, groups in kinds.items() if groups]
        kind = self.session.random.choices(there, [value(f"{one}_send_share") for one in there])[0]
        return self.session.random.choice(kinds[kind])

    def _send(self, person: Person, group: MadeGroup, intended_ns: int) -> int | None:
        """Writes what was typed."""
        response, message = self.traffic.send(group, person.user.number, intended_ns)
        self.typing.stop(person.user.gateway, group.conversation_id)
        if message is None:
            return None
        person.last_sent = (group.conversation_id, message.seq)
        return int(response.arrived_ns)

    def _edit(self, person: Person, intended_ns: int) -> int | None:
        assert person.last_sent is not None
        response = self.session.chat.edit_message(person.token, *person.last_sent, "on second thought", intended_ns)
        self.session.note_response("edit_message", response, weight="own", depth="new")
        return response.arrived_ns if response.ok else None

    def _direct(self, person: Person, intended_ns: int) -> int | None:
        """Opens the conversation with somebody of the run, which is mostly there already."""
        other = (person.user.number + self.session.random.randrange(1, self.user_count)) % self.user_count
        other_id = self.session.user_id(other)
        response = self.session.chat.open_direct_conversation(person.token, other_id, intended_ns)
        self.session.note_response("create_direct_conversation", response, weight="direct", depth="new")
        return response.arrived_ns if response.ok else None

    def _reconnect(self, person: Person, intended_ns: int) -> int | None:  # noqa: ARG002 - ends when the gateway answered
        """Loses the gateway connection and comes back with resume; timed until the subscription stands."""
        if not self.traffic.reconnect(person.user):
            return None
        ended_ns = time.time_ns()
        self.typing.look_again(person.user.number, person.user.gateway)
        return ended_ns

    def _status(self, person: Person, intended_ns: int) -> int | None:  # noqa: ARG002 - the same
        """Away, and back; timed until the gateway confirms."""
        client = person.user.gateway
        person.status = STATUSES[person.status == "online"]
        try:
            if client is None or not client.is_open:
                raise ConnectFailedError("the gateway connection is lost")  # noqa: TRY301 - told with the others
            client.change_presence(person.status)
        except ConnectFailedError as error:
            self.session.failures[f"status: {error}"] += 1
            return None
        return time.time_ns()

    # --- reading ----------------------------------------------------------------------------------------

    def _choose(self, person: Person) -> None:
        """Opens a conversation of the list; who lurks, a group."""
        wanted = [one for one in person.conversations if one.type == "group" or person.user_class != "lurker"]
        person.open = self.session.random.choice(wanted) if wanted else None
        person.cursor = None
        person.page = 1

    def _read_page(self, person: Person, intended_ns: int) -> tuple[Response | None, int | None]:
        """The page at the reader's place, and its newest seq; (None, None) when it failed."""
        if person.open is None:
            self.session.failures["get_messages: there is no conversation to open"] += 1
            return None, None
        limit = int(value("page_size"))
        response = self.session.chat.get_messages(person.token, person.open.id, limit, person.cursor, intended_ns)
        self.session.note_response("get_messages", response, weight=person.open.type, depth=depth_label(person.page))
        page = self.session.chat.parse_page(response)
        if page is None:
            person.cursor = None
            return None, None
        person.cursor = page.next_cursor if page.has_more else None
        person.page += 1
        return response, page.messages[0].seq if page.messages else None

    def _fetch_list(self, person: Person, intended_ns: int) -> Response:
        return self.session.chat.get_conversations(person.token, int(value("list_size")), None, intended_ns)

    def _take_list(self, person: Person, response: Response) -> int | None:
        page = self.session.chat.parse_conversations(response)
        if page is None:
            return None
        person.conversations = list(page.conversations)
        return response.arrived_ns


class MixedDayUser(ChatUser):
    """Idles, reads, chats or lurks."""


install(MixedDay)
