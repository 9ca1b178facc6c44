"""Typing in an ordinary day: who writes is seen typing by whoever has the conversation open."""

from typing import Any
from uuid import UUID

from scenarios.client.gateway_client import GatewayClient
from scenarios.client.gateway_socket import ConnectFailedError
from scenarios.client.run_session import RunSession


class DayTyping:
    """Subscribes readers to the conversation that they have open, and lets writers type before they send."""

    def __init__(self, session: RunSession, typing_seconds: float) -> None:
        self._session = session
        self._typing_ns = int(typing_seconds * 1e9)
        self._looking_at: dict[int, UUID] = {}  # user → conversation

    def listen(self, client: GatewayClient) -> None:
        """Counts the typing events of a connection."""
        client.on_typing = self._heard

    def look_at(self, number: int, client: GatewayClient | None, conversation_id: UUID) -> None:
        """The user has this conversation open now, and hears of its typists alone; after a reconnect, call it again."""
        if client is None or not client.is_open:
            return
        before = self._looking_at.pop(number, None)
        try:
            if before is not None and before != conversation_id:
                client.unsubscribe_typing(before)
            client.subscribe_typing(conversation_id)
        except ConnectFailedError:
            return  # the connection's own end is counted where it is noticed
        self._looking_at[number] = conversation_id

    def look_again(self, number: int, client: GatewayClient | None) -> None:
        """A new connection of a user hears of what the old one did."""
        conversation_id = self._looking_at.get(number)
        if conversation_id is not None:
            self.look_at(number, client, conversation_id)

    def type_first(self, client: GatewayClient | None, conversation_id: UUID, intended_ns: int) -> int:
        """Types for a while; when the message is intended, CLOCK_REALTIME. When the run stops, it is sent as it is."""
        if client is not None and client.is_open:
            client.start_typing(conversation_id)
            self._session.count("day_typing_starts")
        intended_ns += self._typing_ns
        if not self._session.timer.wait_until(self._session.probe.clock.monotonic_ns(intended_ns)):
            return intended_ns - self._typing_ns
        return intended_ns

    def stop(self, client: GatewayClient | None, conversation_id: UUID) -> None:
        """The message is written."""
        if client is not None and client.is_open:
            client.stop_typing(conversation_id)

    def _heard(self, _event: Any, _wire_bytes: int, _arrival_ns: int, _observed_ns: int) -> None:
        self._session.count("day_typing_events")
