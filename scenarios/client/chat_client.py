"""What a simulated user can do over HTTP: the abilities, and the shapes of the answers."""

from typing import Any, TypeVar
from urllib.parse import quote, urlencode
from uuid import UUID

import msgspec

from fixtures.errors import InputError
from fixtures.manifest import DatasetManifest
from scenarios.client.http_client import HttpPool, Response
from scenarios.server_metrics import Samples, parse_samples

T = TypeVar("T")

_PAGE_MAX = 200  # messages; what the server gives at most


# Counted by the server per kind of event; and one that it always has.
_WRITTEN = ("chat_gateway_events_total", "chat_gateway_event_bytes_total")
_CONNECTIONS = "chat_gateway_connections"


class Conversation(msgspec.Struct):
    """As much of a conversation as load needs."""

    id: str
    type: str
    last_seq: int


class Message(msgspec.Struct):
    """As much of a message as load needs."""

    id: str
    conversation_id: str
    seq: int


class MessagePage(msgspec.Struct):
    """One page of a conversation, newest first."""

    messages: list[Message]
    has_more: bool
    next_cursor: str | None = None


class ConversationPage(msgspec.Struct):
    """One page of a user's conversations, newest first."""

    conversations: list[Conversation]
    has_more: bool
    next_cursor: str | None = None


class ListedConversation(Conversation):
    """A conversation as its participant's list shows it."""

    last_read_seq: int
    unread_count: int
    participant1_id: str | None = None  # of a direct conversation
    participant2_id: str | None = None

    def partner_id(self, user_id: UUID) -> UUID | None:
        """Whom a user talks to in it; None in a group."""
        ids = [UUID(id_) for id_ in (self.participant1_id, self.participant2_id) if id_ is not None]
        return next((id_ for id_ in ids if id_ != user_id), None)


class Inbox(msgspec.Struct):
    """The same page with what a list shows of each conversation."""

    conversations: list[ListedConversation]
    has_more: bool
    next_cursor: str | None = None


class ReadState(msgspec.Struct):
    """How far a user has read a conversation."""

    last_read_seq: int
    unread_count: int
    last_seq: int


class Gateway(msgspec.Struct):
    """Where the gateway listens and what it speaks."""

    url: str
    subprotocols: list[str]


class Login(msgspec.Struct):
    """A bearer token, and for how many seconds it is good; None when the server does not say."""

    access_token: str
    expires_in: float | None = None


class _OneConversation(msgspec.Struct):
    conversation: Conversation


class _OneMessage(msgspec.Struct):
    message: Message


_encode = msgspec.json.Encoder().encode


class ChatClient:
    """The HTTP API, spoken by any of many users over shared keep-alive connections.

    `login`, `gateway`, `dataset` and the `create_…` calls prepare a run: they return the answer or raise InputError
    that says what the server answered. The others are what load consists of: they return the Response, whatever it
    is, for its times; `parse_…` reads its body.
    """

    def __init__(self, pool: HttpPool, base_url: str, login_key: str) -> None:
        self.pool = pool
        self._base_url = base_url
        self._login_key = login_key

    def login(self, user_id: UUID) -> str:
        """The access token of a user."""
        return self.login_answer(user_id).access_token

    def login_answer(self, user_id: UUID) -> Login:
        """The same, with its lifetime."""
        body = {"user_id": user_id, "login_key": self._login_key}
        return self._required("POST", "/v1/login", Login, body=body)

    def gateway(self, token: str) -> Gateway:
        """Where the gateway is."""
        return self._required("GET", "/v1/gateway", Gateway, token=token)

    def dataset(self) -> DatasetManifest:
        """What the server's database was seeded with."""
        response = self.pool.request("GET", "/v1/dataset")
        if response.status == 404:
            raise InputError(
                f"the database behind {self._base_url} holds no data set of chatbench; "
                "fill it with `chatbench seed` and start the server again"
            )
        return self._parsed("GET /v1/dataset", response, DatasetManifest)

    def server_metrics(self, *names: str) -> Samples | None:
        """Series of the server's own metrics; None when it does not tell, which only the reference server need do.

        By name: the server takes 9 ms of its event loop to write all of them.
        """
        query = urlencode([("name[]", name) for name in names])
        response = self.pool.request("GET", f"/metrics?{query}")
        return parse_samples(response.body.decode("utf-8", "replace"), names) if response.ok else None

    def written_events(self, kind: str) -> tuple[int, int] | None:
        """How many events of a kind the server has written to gateway connections so far, and their bytes.

        None when it does not tell.
        """
        samples = self.server_metrics(*_WRITTEN, _CONNECTIONS)
        if samples is None or samples.total(_CONNECTIONS) is None:
            return None
        events, event_bytes = (round(samples.by_label(name).get(kind, 0.0)) for name in _WRITTEN)
        return events, event_bytes

    def create_direct_conversation(self, token: str, user_id: UUID) -> Conversation:
        """The one direct conversation with `user_id`."""
        answer = self._required(
            "POST", "/v1/conversations/direct", _OneConversation, token=token, body={"user_id": user_id}
        )
        return answer.conversation

    def create_group_conversation(self, token: str, name: str, user_ids: list[UUID]) -> Conversation:
        """A new group of the caller and `user_ids`."""
        body = {"name": name, "user_ids": user_ids}
        return self._required("POST", "/v1/conversations/group", _OneConversation, token=token, body=body).conversation

    def get_conversations(self, token: str, limit: int, cursor: str | None, intended_ns: int | None = None) -> Response:
        """A page of the caller's conversations."""
        after = f"&cursor={quote(cursor)}" if cursor else ""
        return self.pool.request("GET", f"/v1/conversations?limit={limit}{after}", token=token, intended_ns=intended_ns)

    def open_direct_conversation(self, token: str, user_id: UUID, intended_ns: int) -> Response:
        """Opens the one direct conversation with `user_id`, which may exist already."""
        path = "/v1/conversations/direct"
        return self.pool.request("POST", path, token=token, body=_encode({"user_id": user_id}), intended_ns=intended_ns)

    def edit_message(
        self, token: str, conversation_id: UUID | str, seq: int, content: str, intended_ns: int
    ) -> Response:
        """Gives a message of one's own new content."""
        path = f"/v1/conversations/{conversation_id}/messages/{seq}"
        return self.pool.request(
            "PATCH", path, token=token, body=_encode({"content": content}), intended_ns=intended_ns
        )

    def all_message_ids(self, token: str, conversation_id: UUID | str) -> list[str]:
        """The ids of a conversation's messages, newest first, page after page; InputError when one does not come."""
        ids: list[str] = []
        cursor: str | None = None
        while True:
            response = self.get_messages(token, conversation_id, _PAGE_MAX, cursor)
            page = self._parsed(f"GET the messages of {conversation_id}", response, MessagePage)
            ids += [message.id for message in page.messages]
            cursor = page.next_cursor
            if not page.has_more:
                return ids

    def server_metric(self, name: str) -> float | None:
        """The value of one of the server's own metrics without labels; None when it has none of that name."""
        samples = self.server_metrics(name)
        return None if samples is None else samples.total(name)

    def get_messages(
        self, token: str, conversation_id: UUID | str, limit: int, before: str | None, intended_ns: int | None = None
    ) -> Response:
        """A page of messages, older than the cursor `before`."""
        older = f"&before={quote(before)}" if before else ""
        path = f"/v1/conversations/{conversation_id}/messages?limit={limit}{older}"
        return self.pool.request("GET", path, token=token, intended_ns=intended_ns)

    def send_message(
        self, token: str, conversation_id: UUID | str, content: str, client_id: UUID, intended_ns: int | None = None
    ) -> Response:
        """Sends a message; sent again with the same `client_id`, it stays one message."""
        body = _encode({"content": content, "client_id": client_id})
        path = f"/v1/conversations/{conversation_id}/messages"
        return self.pool.request("POST", path, token=token, body=body, intended_ns=intended_ns)

    def mark_read(self, token: str, conversation_id: UUID | str, seq: int, intended_ns: int | None = None) -> Response:
        """Marks everything up to message `seq` as read."""
        path = f"/v1/conversations/{conversation_id}/messages/{seq}/read"
        return self.pool.request("POST", path, token=token, intended_ns=intended_ns)

    @staticmethod
    def parse_page(response: Response) -> MessagePage | None:
        """The page in an answer to `get_messages`; None when it is not one."""
        return _parsed_or_none(response, MessagePage)

    @staticmethod
    def parse_inbox(response: Response) -> Inbox | None:
        """The page in an answer to `get_conversations`, unread counts included; None when it is not one."""
        return _parsed_or_none(response, Inbox)

    @staticmethod
    def parse_message(response: Response) -> Message | None:
        """The message in an answer to `send_message`; None when it is not one."""
        answer = _parsed_or_none(response, _OneMessage)
        return answer.message if answer else None

    @staticmethod
    def parse_read_state(response: Response) -> ReadState | None:
        """How far the caller has read, in an answer to `mark_read`; None when it is not one."""
        return _parsed_or_none(response, ReadState)

    @staticmethod
    def parse_conversations(response: Response) -> ConversationPage | None:
        """The page in an answer to `get_conversations`; None when it is not one."""
        return _parsed_or_none(response, ConversationPage)

    @staticmethod
    def parse(response: Response, type_: type[T]) -> T | None:
        """An answer of another shape; None when it is not one."""
        return _parsed_or_none(response, type_)

    def _required(self, method: str, path: str, type_: type[T], *, token: str | None = None, body: Any = None) -> T:
        response = self.pool.request(method, path, token=token, body=_encode(body) if body is not None else b"")
        return self._parsed(f"{method} {path}", response, type_)

    def _parsed(self, request: str, response: Response, type_: type[T]) -> T:
        if response.status == 0:
            raise InputError(
                f"no answer from {self._base_url} to {request} ({response.error}); "
                "start a server there (`chatbench serve`) or name another one with --host"
            )
        if not response.ok:
            raise InputError(
                f"{self._base_url} refused {request} with {response.problem()}; "
                "is it a chat server with this API, and is --login-key its key?"
            )
        try:
            return msgspec.json.decode(response.body, type=type_)
        except msgspec.DecodeError as error:
            raise InputError(
                f"{self._base_url} answered {request} with something else ({error}); is it a chat server with this API?"
            ) from error


def _parsed_or_none(response: Response, type_: type[T]) -> T | None:
    if not response.ok:
        return None
    try:
        return msgspec.json.decode(response.body, type=type_)
    except msgspec.DecodeError:
        return None
