"""Receipts and typing against a server that tells each one at once to everyone else who listens."""

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any, Literal

from scenarios.client.gateway_client import GatewayClient
from scenarios.client.http_client import Response
from scenarios.client.made_groups import MadeGroup
from scenarios.client.run_session import RunSession
from scenarios.run_records import LedgerTotals

Signal = Literal["receipts", "typing"]


class TimedSignals:
    """Marks as read and begins of typing in groups, timed from their intended start to every other member.

    The n-th signal of a user in a group is the n-th that a member hears of: the server keeps their order. In a run of
    several processes, the members of the sender's process are those that count.
    """

    def __init__(self, session: RunSession) -> None:
        self._session = session
        self.on_delivery: Callable[[int], None] = lambda _intended_ns: None  # beside what is recorded
        self._clients: dict[int, GatewayClient] = {}
        self._groups: dict[Any, MadeGroup] = {}  # by wire id
        # (signal, group, user) → intended times; (…, who hears) → how many of them were heard.
        self._sent: defaultdict[tuple[Signal, Any, Any], list[int]] = defaultdict(list)
        self._heard: Counter[tuple[Signal, Any, Any, int]] = Counter()
        self._expected: Counter[Signal] = Counter()
        self._delivered: Counter[Signal] = Counter()
        self._unknown: Counter[Signal] = Counter()

    def open(self, group: MadeGroup) -> None:
        """Takes up a group."""
        self._groups[self._session.wire_id(group.conversation_id)] = group

    def join(self, number: int, client: GatewayClient) -> None:
        """Takes up a connected user, who hears of the typing in every group of theirs."""
        own_id = self._session.wire_id(self._session.user_id(number))
        self._clients[number] = client

        def hears(signal: Signal) -> Callable[[Any, int, int, int], None]:
            def on_event(event: Any, _wire_bytes: int, arrival_ns: int, _observed_ns: int) -> None:
                if event.u != own_id:  # one's own receipt comes back
                    self._told(signal, event.c, event.u, number, arrival_ns)

            return on_event

        client.on_receipt, client.on_typing = hears("receipts"), hears("typing")
        for group in self._groups.values():
            if number in group.member_set:
                client.subscribe_typing(group.conversation_id)

    def mark_read(self, group: MadeGroup, number: int, intended_ns: int) -> Response:
        """One mark as read; the server of noop tells of every one."""
        session = self._session
        seq = self._expect("receipts", group, number, intended_ns)
        token = session.login(session.user_id(number))
        response = session.chat.mark_read(token, group.conversation_id, seq, intended_ns)
        session.note_response("mark_read", response, weight=f"group of {group.size}", depth="new")
        return response

    def start_typing(self, group: MadeGroup, number: int, intended_ns: int) -> None:
        """One begin of typing."""
        self._expect("typing", group, number, intended_ns)
        self._clients[number].start_typing(group.conversation_id)

    def outstanding(self) -> int:
        """Events that have not come."""
        return self._expected.total() - self._delivered.total()

    def totals(self, signal: Signal) -> LedgerTotals:
        """What was to come against what came."""
        expected, delivered = self._expected[signal], self._delivered[signal]
        return LedgerTotals(
            scenario=self._session.scenario,
            labels={"signal": signal},
            messages=sum(len(times) for (kind, _, _), times in self._sent.items() if kind == signal),
            expected=expected,
            delivered=delivered,
            missing=expected - delivered,
            duplicate=0,
            reordered=0,
            late=0,
            leaked=self._unknown[signal],
        )

    def _expect(self, signal: Signal, group: MadeGroup, number: int, intended_ns: int) -> int:
        """Notes a signal; its number among those of this user in this group, from 1."""
        session = self._session
        key = (signal, session.wire_id(group.conversation_id), session.wire_id(session.user_id(number)))
        self._sent[key].append(intended_ns)
        self._expected[signal] += sum(1 for one in group.members if one != number and one in self._clients)
        return len(self._sent[key])

    def _told(self, signal: Signal, group_id: Any, user_id: Any, number: int, arrival_ns: int) -> None:
        group, times = self._groups.get(group_id), self._sent.get((signal, group_id, user_id), [])
        key = (signal, group_id, user_id, number)
        if group is None or self._heard[key] >= len(times):
            # Of a sender in another process, who is timed there, or of nobody.
            self._unknown[signal] += self._session.seat.count == 1
            return
        intended_ns = times[self._heard[key]]
        self._heard[key] += 1
        self._delivered[signal] += 1
        took_us = (arrival_ns - intended_ns) // 1000
        series = self._session.recorder.series
        if signal == "receipts":
            series("receipt_us", group_size=str(group.size))(took_us)
        else:
            series("typing_us", typists="1", audience=str(group.size - 1))(took_us)
        self.on_delivery(intended_ns)
