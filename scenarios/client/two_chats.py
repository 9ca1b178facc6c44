"""What the users of a migration do in either chat, and whether both show what they acknowledged."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from fixtures.errors import InputError
from scenarios.client.http_client import Response
from scenarios.client.legacy_client import LegacyClient
from scenarios.client.message_lengths import content_length
from scenarios.client.run_session import RunSession
from scenarios.completeness import completeness
from scenarios.markers import Marker, marked_content
from scenarios.run_records import LedgerTotals

_PAGE_MAX = 200


@dataclass
class Person:
    """What one user of both chats knows."""

    token: str
    connections: list[UUID] = field(default_factory=list)
    conversations: dict[UUID, UUID] = field(default_factory=dict)  # connection → what it has become


@dataclass(frozen=True)
class ChatFindings:
    """What the users of one process, or of several, had acknowledged and were told."""

    sent: dict[str, set[str]]  # chat → ids of acknowledged messages
    # Connection → conversation as any user was told: after a way back, the server may not tell any more.
    conversations: dict[UUID, UUID]

    def add(self, other: "ChatFindings") -> None:
        """Takes up another process's; one's own changes nothing."""
        for chat, ids in other.sent.items():
            self.sent[chat].update(ids)
        self.conversations.update(other.conversations)


class TwoChats:
    """Reads, lists and sends in the older chat or in the new one; keeps the ids of what was acknowledged."""

    def __init__(self, session: RunSession, page_size: int) -> None:
        self.legacy = LegacyClient(session.pool, session.options.host, session.options.login_key)
        self.found = ChatFindings({"old": set(), "new": set()}, {})
        self._session = session
        self._page_size = page_size
        self._sent_count = 0

    def connect(self, one: Person, other: Person, other_id: UUID, history_messages: int) -> None:
        """Connects two users in the older chat, with a history, unmeasured; nothing when they are connected already."""
        connection = self.legacy.connect_legacy(one.token, other.token, other_id)
        if connection is None:
            return
        one.connections.append(connection)
        other.connections.append(connection)
        for _ in range(history_messages):
            self.in_old(one, connection, "send")

    def in_old(self, person: Person, connection: UUID, action: str) -> Response:
        """One action in the older chat."""
        page_size = self._page_size
        if action == "read":
            return self.legacy.get_legacy_messages(person.token, connection, page_size)
        if action == "list":
            return self.legacy.get_legacy_connections(person.token, page_size)
        response = self._send(person, connection)
        self._note("old", self.legacy.parse_legacy_message(response))
        return response

    def in_new(self, person: Person, connection: UUID, action: str) -> Response | None:
        """One action in the new chat; None when the connection has no conversation there."""
        page_size, chat = self._page_size, self._session.chat
        if action == "list":
            return chat.get_conversations(person.token, page_size, None)
        conversation = self._conversation(person, connection)
        if conversation is None:
            return None
        if action == "read":
            return chat.get_messages(person.token, conversation, page_size, None)
        response = chat.send_message(person.token, conversation, self._content(), uuid4())
        message = chat.parse_message(response)
        self._note("new", UUID(message.id) if message else None)
        return response

    def _conversation(self, person: Person, connection: UUID) -> UUID | None:
        """What the connection has become, asked for once; asking migrates it."""
        if connection not in person.conversations:
            found = self.legacy.parse_legacy_conversation(self.legacy.get_legacy_conversation(person.token, connection))
            if found is None:
                return None
            person.conversations[connection] = self.found.conversations[connection] = found
        return person.conversations[connection]

    def _send(self, person: Person, connection: UUID) -> Response:
        return self.legacy.send_legacy_message(person.token, connection, self._content())

    def _content(self) -> str:
        self._sent_count += 1
        marker = Marker(self._session.token, self._sent_count, time.time_ns())
        return marked_content(marker, content_length(self._session.random))

    def _note(self, chat: str, message_id: UUID | None) -> None:
        if message_id is not None:
            self.found.sent[chat].add(str(message_id))

    # --- the books --------------------------------------------------------------------------------------

    def reconcile(self, people: Iterable[Person], *, is_complete: bool) -> list[LedgerTotals]:
        """What each chat should show against what it shows; InputError when one does not answer.

        The older one has everything; the new one what was sent there, and all of it once the migration is complete.
        """
        shown: dict[str, list[str]] = {"old": [], "new": []}
        owners = {connection: person for person in people for connection in person.connections}
        for connection, person in owners.items():
            shown["old"] += self._shown_in_old(person, connection)
            conversation = self.found.conversations.get(connection) or self._conversation(person, connection)
            if conversation is not None:
                shown["new"] += self._session.chat.all_message_ids(person.token, conversation)
        everything = self.found.sent["old"] | self.found.sent["new"]
        in_new = everything if is_complete else self.found.sent["new"]
        return [
            completeness(self._session.scenario, {"chat": "old"}, everything, shown["old"]),
            completeness(self._session.scenario, {"chat": "new"}, in_new, shown["new"]),
        ]

    def _shown_in_old(self, person: Person, connection: UUID) -> list[str]:
        ids: list[str] = []
        before = None
        while True:
            response = self.legacy.get_legacy_messages(person.token, connection, _PAGE_MAX, before)
            page = self.legacy.parse_legacy_messages(response)
            if page is None:
                raise InputError(f"the older chat does not show {connection}: {response.problem()}")
            ids += [str(message.id) for message in page]
            if len(page) < _PAGE_MAX:
                return ids
            before = page[-1].created_at
