"""Timed sends of marked messages, entered into a ledger once they are acknowledged."""

from collections.abc import Hashable
from uuid import UUID, uuid4

from scenarios.client.chat_client import Message
from scenarios.client.http_client import Response
from scenarios.client.locust_requests import report_response
from scenarios.client.message_lengths import content_length
from scenarios.client.run_session import RunSession
from scenarios.ledger import Ledger
from scenarios.markers import Marker, marked_content


class MarkedSends:
    """The sends of one run."""

    def __init__(self, session: RunSession, ledger: Ledger) -> None:
        self.unanswered = 0
        self._session = session
        self._ledger = ledger
        self._count = 0

    def send(
        self, sender: UUID, conversation_id: UUID | str, key: Hashable, intended_ns: int, *, weight: str, name: str
    ) -> tuple[Response, Message | None]:
        """One timed send; its acknowledgement opens the expectation of its deliveries under `key`. Answer, and message.

        `weight` labels its latency, `name` is what Locust shows.
        """
        session = self._session
        self._count += 1
        content = marked_content(Marker(session.token, self._count, intended_ns), content_length(session.random))
        token = session.login(sender)
        self.unanswered += 1
        try:
            response = session.chat.send_message(token, conversation_id, content, uuid4(), intended_ns)
        finally:
            self.unanswered -= 1
        session.note_response("send_message", response, weight=weight, depth="new")
        report_response(name, "POST", response)
        message = session.chat.parse_message(response)
        if message is not None:
            self._ledger.sent(key, message.seq, intended_ns, len(content))
        return response, message
