"""What a simulated user can do in the older chat, and how it learns which of the two chats to use."""

from datetime import datetime
from urllib.parse import quote
from uuid import UUID

import msgspec

from scenarios.client.chat_client import ChatClient
from scenarios.client.http_client import Response


class LegacyConnection(msgspec.Struct):
    """As much of a connection as load needs."""

    id: UUID
    sender_id: UUID
    receiver_id: UUID
    status: str


class LegacyMessage(msgspec.Struct):
    """As much of an older message as load needs."""

    id: UUID
    created_at: datetime


class LegacyMessages(msgspec.Struct):
    """One page of a connection, newest first."""

    messages: list[LegacyMessage]


class ChatRoute(msgspec.Struct):
    """Which chat a user is sent to."""

    uses_new_chat: bool
    percentage: int


class _OneConnection(msgspec.Struct):
    connection: LegacyConnection


class _OneMessage(msgspec.Struct):
    message: LegacyMessage


class _ConversationOfConnection(msgspec.Struct):
    conversation_id: UUID | None


_encode = msgspec.json.Encoder().encode


class LegacyClient(ChatClient):
    """Both chats' HTTP API; what is named legacy here is the older one's."""

    # --- preparing --------------------------------------------------------------------------------------

    def connect_legacy(self, token: str, other_token: str, other_id: UUID) -> UUID | None:
        """A new connection of two users, asked for and accepted; None when they have one, of whatever kind."""
        asked = self.pool.request("POST", "/v1/legacy/connections", token=token, body=_encode({"user_id": other_id}))
        if asked.status == 409:
            return None
        made = self._parsed("POST /v1/legacy/connections", asked, _OneConnection).connection
        self._required("POST", f"/v1/legacy/connections/{made.id}/accept", _OneConnection, token=other_token)
        return made.id

    # --- load -------------------------------------------------------------------------------------------

    def get_chat_route(self, token: str, intended_ns: int | None = None) -> Response:
        """Which chat the caller is sent to."""
        return self.pool.request("GET", "/v1/chat_route", token=token, intended_ns=intended_ns)

    def get_legacy_connections(self, token: str, limit: int) -> Response:
        """The caller's connections with their unread counts."""
        return self.pool.request("GET", f"/v1/legacy/connections?limit={limit}", token=token)

    def get_legacy_messages(
        self, token: str, connection_id: UUID, limit: int, before: datetime | None = None
    ) -> Response:
        """A page of a connection's messages, older than a moment."""
        older = f"&before={quote(before.isoformat())}" if before else ""
        path = f"/v1/legacy/connections/{connection_id}/messages?limit={limit}{older}"
        return self.pool.request("GET", path, token=token)

    def send_legacy_message(self, token: str, connection_id: UUID, content: str) -> Response:
        """Sends a message over a connection."""
        path = f"/v1/legacy/connections/{connection_id}/messages"
        return self.pool.request("POST", path, token=token, body=_encode({"content": content}))

    def get_legacy_conversation(self, token: str, connection_id: UUID) -> Response:
        """The conversation that a connection has become; while a migration runs, asking migrates it."""
        return self.pool.request("GET", f"/v1/legacy/connections/{connection_id}/conversation", token=token)

    @staticmethod
    def parse_route(response: Response) -> ChatRoute | None:
        """The route in an answer to `get_chat_route`; None when it is not one."""
        return ChatClient.parse(response, ChatRoute)

    @staticmethod
    def parse_legacy_messages(response: Response) -> list[LegacyMessage] | None:
        """The messages in an answer to `get_legacy_messages`; None when it is not one."""
        page = ChatClient.parse(response, LegacyMessages)
        return page.messages if page else None

    @staticmethod
    def parse_legacy_message(response: Response) -> UUID | None:
        """The id of the message in an answer to `send_legacy_message`; None when it is not one."""
        answer = ChatClient.parse(response, _OneMessage)
        return answer.message.id if answer else None

    @staticmethod
    def parse_legacy_conversation(response: Response) -> UUID | None:
        """The conversation in an answer to `get_legacy_conversation`; None when there is none."""
        answer = ChatClient.parse(response, _ConversationOfConnection)
        return answer.conversation_id if answer else None
