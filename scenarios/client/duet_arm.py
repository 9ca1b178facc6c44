"""One of the two servers of a duet, as the generator knows it: its connections, tokens, conversations and cursors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from fixtures.errors import InputError
from fixtures.manifest import DatasetManifest
from scenarios.client.chat_client import ChatClient
from scenarios.client.gateway_client import EventHandler, GatewayClient
from scenarios.client.gateway_socket import ArrivalCounts
from scenarios.client.http_client import HttpPool, Response


@dataclass(frozen=True)
class Request:
    """What both arms are asked for."""

    operation: str
    bookmark: int  # modulo how many there are
    sender: UUID
    content: str
    page_size: int


@dataclass(frozen=True)
class Bookmark:
    """A conversation of the data set, somebody who reads it, and a place far back in it."""

    conversation_id: UUID
    reader: UUID
    cursor: str


@dataclass
class DuetArm:
    """Everything that one arm needs; both arms of a duet are prepared alike."""

    name: str  # base or head
    host: str
    login_key: str
    counts: ArrivalCounts
    pool: HttpPool = field(init=False)
    chat: ChatClient = field(init=False)
    dataset: DatasetManifest = field(init=False)
    bookmarks: list[Bookmark] = field(default_factory=list)
    group_id: UUID = field(init=False)
    gateway_url: str = field(init=False)
    _tokens: dict[UUID, str] = field(default_factory=dict)
    _clients: list[GatewayClient] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pool = HttpPool(self.host)
        self.chat = ChatClient(self.pool, self.host, self.login_key)
        self.dataset = self.chat.dataset()

    def token(self, user: UUID) -> str:
        """A user's access token."""
        found = self._tokens.get(user)
        if found is None:
            found = self._tokens[user] = self.chat.login(user)
        return found

    def prepare(self, members: Sequence[UUID], *, page_size: int, pages: int, connections: int) -> None:
        """A group of `members`, and a bookmark `pages` pages back in each of the data set's heavy conversations.

        InputError when the server refuses or its data set has none.
        """
        self.gateway_url = self.chat.gateway(self.token(members[0])).url
        made = self.chat.create_group_conversation(self.token(members[0]), "duet", list(members[1:]))
        self.group_id = UUID(made.id)
        for sample in self.dataset.conversations:
            if sample.weight == "heavy" and sample.member_ids:
                reader = sample.member_ids[0]
                cursor = self._cursor(sample.conversation_id, reader, page_size, pages)
                if cursor is not None:
                    self.bookmarks.append(Bookmark(sample.conversation_id, reader, cursor))
        if not self.bookmarks:
            raise InputError(
                f"no conversation of the data set behind {self.host} is {pages * page_size} messages long; "
                "use a larger --size"
            )
        self.pool.warm(connections)

    def _cursor(self, conversation_id: UUID, reader: UUID, page_size: int, pages: int) -> str | None:
        cursor: str | None = None
        for _ in range(pages):
            page = self.chat.parse_page(self.chat.get_messages(self.token(reader), conversation_id, page_size, cursor))
            if page is None or page.next_cursor is None:
                return None
            cursor = page.next_cursor
        return cursor

    def listen(self, member: UUID, on_message: EventHandler, on_close: Callable[[int, str], None]) -> None:
        """Connects one member of the group to the gateway."""
        client = GatewayClient(counts=self.counts)
        client.on_message, client.on_close = on_message, on_close
        client.connect(self.gateway_url, self.token(member))
        client.subscribe_messages()
        self._clients.append(client)

    def perform(self, request: Request, intended_ns: int) -> Response:
        """One request of this arm."""
        if request.operation == "send_message":
            token = self.token(request.sender)
            return self.chat.send_message(token, self.group_id, request.content, uuid4(), intended_ns)
        place = self.bookmarks[request.bookmark % len(self.bookmarks)]
        token = self.token(place.reader)
        if request.operation == "list_conversations":
            return self.chat.get_conversations(token, request.page_size, None, intended_ns)
        cursor = place.cursor if request.operation == "deep_page" else None
        return self.chat.get_messages(token, place.conversation_id, request.page_size, cursor, intended_ns)

    def close(self) -> None:
        """Ends every connection."""
        for client in self._clients:
            client.on_close = lambda _code, _reason: None
            client.close()
        self.pool.close()
