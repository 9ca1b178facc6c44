"""`python -m scenarios.stand_in`: a chat server that does next to nothing, so that what it takes is the generator's.

It speaks as much of the HTTP API and of the gateway as the fan-out, the reading of pages, presence, receipts and typing
need, keeps nothing but who is in which group and who watches whom, and answers at once: pages are one prepared text,
events are framed once and written to everyone.
Prints one line of JSON when it is ready, and serves until it is asked to end.
"""

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any, cast
from uuid import UUID, uuid4

import msgspec
import uvloop
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from fixtures.identifiers import user_id
from fixtures.manifest import ConversationSample, DatasetManifest
from reference_server import frames

SEED = 1
USER_COUNT = 10_000
PAGE_MESSAGES = 50  # the roadmap's getMessages default
CONTENT_CHARACTERS = 60  # the median of scenarios/client/message_lengths.py
_encode = msgspec.json.Encoder().encode


class Chat:
    """Everything that it knows."""

    def __init__(self) -> None:
        self.members: dict[str, list[UUID]] = {}
        self.seqs: dict[str, int] = {}
        self.listeners: dict[UUID, Gateway] = {}
        self.watchers: defaultdict[UUID, set[Gateway]] = defaultdict(set)  # of a user
        self.typing_watchers: defaultdict[UUID, set[Gateway]] = defaultdict(set)  # of a conversation
        self.versions: Counter[UUID] = Counter()  # changes of a user's presence so far
        self.gateway_url = ""
        conversation = UUID(int=1)
        sample = ConversationSample(
            conversation_id=conversation,
            type="direct",
            weight="heavy",
            last_seq=PAGE_MESSAGES,
            member_ids=(user_id(SEED, 0), user_id(SEED, 1)),
        )
        self.dataset = _encode(
            DatasetManifest(
                size="stand-in", seed=SEED, sha256="0" * 64, user_count=USER_COUNT, rows={}, conversations=(sample,)
            )
        )
        messages = [
            {
                "id": str(UUID(int=seq)),
                "conversation_id": str(conversation),
                "seq": seq,
                "sender_id": str(sample.member_ids[seq % 2]),
                "content": "x" * CONTENT_CHARACTERS,
                "created_at": "2026-01-01T00:00:00Z",
            }
            for seq in range(PAGE_MESSAGES, 0, -1)
        ]
        self.page = _encode({"messages": messages, "has_more": False, "next_cursor": None})

    def answer(self, method: str, path: str, token: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of one request; tokens are user ids."""
        parts = path.partition("?")[0].strip("/").split("/")
        status = 200
        match (method, parts):
            case ("GET", ["v1", "conversations", _, "messages"]):
                answer = self.page
            case ("POST", ["v1", "conversations", conversation, "messages"]) if conversation in self.members:
                status, answer = 201, self.send(UUID(token), conversation, json.loads(body)["content"])
            case ("POST", ["v1", "conversations", conversation, "messages", seq, "read"]) if (
                conversation in self.members
            ):
                answer = self.mark_read(UUID(token), conversation, int(seq))
            case ("POST", ["v1", "conversations", "group"]):
                status, answer = 201, self.make_group([UUID(token), *map(UUID, json.loads(body)["user_ids"])])
            case ("POST", ["v1", "login"]):
                answer = _encode({"access_token": json.loads(body)["user_id"]})
            case ("GET", ["v1", "gateway"]):
                answer = _encode({"url": self.gateway_url, "subprotocols": list(frames.SUBPROTOCOLS)})
            case ("GET", ["v1", "dataset"]):
                answer = self.dataset
            case ("GET", ["healthz"]):
                answer = b"{}"
            case _:
                status = 404
                answer = _encode({"code": "not_found", "message": f"the stand-in has no {method} {path}"})
        return status, answer

    def make_group(self, members: list[UUID]) -> bytes:
        """A new group; the answer to who made it."""
        conversation = str(uuid4())
        self.members[conversation] = members
        self.seqs[conversation] = 0
        return _encode({"conversation": {"id": conversation, "type": "group", "last_seq": 0}})

    def send(self, sender: UUID, conversation: str, content: str) -> bytes:
        """Writes the event to every member who listens; the answer to the sender."""
        self.seqs[conversation] = seq = self.seqs[conversation] + 1
        event = frames.MessageEvent(
            conversation_id=UUID(conversation),
            seq=seq,
            sender_id=sender,
            created_at_ms=time.time_ns() // 1_000_000,
            content=content,
        )
        publish(event, self._listeners_in(conversation))
        return _encode({"message": {"id": str(uuid4()), "conversation_id": conversation, "seq": seq}})

    def mark_read(self, reader: UUID, conversation: str, seq: int) -> bytes:
        """Writes the receipt to every member who listens, whatever was read before; the answer to the reader."""
        event = frames.ReceiptEvent(conversation_id=UUID(conversation), user_id=reader, seq=seq)
        publish(event, self._listeners_in(conversation))
        return _encode({"last_read_seq": seq, "unread_count": 0, "last_seq": seq})

    def _listeners_in(self, conversation: str) -> list["Gateway"]:
        return [self.listeners[member] for member in self.members[conversation] if member in self.listeners]


class Http(asyncio.Protocol):
    """One keep-alive connection, whose requests come one at a time."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._received = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        request, *lines = self._received[:end].decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        whole = end + 4 + int(headers.get("content-length", 0))
        if len(self._received) < whole:
            return
        method, path, _ = request.split(" ")
        token = headers.get("authorization", "").removeprefix("bearer ")
        status, body = self._chat.answer(method, path, token, self._received[end + 4 : whole])
        self._received = self._received[whole:]
        self._transport.write(b"HTTP/1.1 %d \r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))


def publish(event: frames.Event, connections: Iterable["Gateway"]) -> None:
    """Writes an event to all of them; framed once per encoding."""
    made: dict[str, bytes] = {}
    for connection in connections:
        codec = connection.codec
        if codec.subprotocol not in made:
            frame = Frame(Opcode.TEXT if codec.is_text else Opcode.BINARY, codec.encode(event))
            made[codec.subprotocol] = frame.serialize(mask=False)
        connection.transport.write(made[codec.subprotocol])


class Gateway(asyncio.Protocol):
    """One gateway connection; events are written past the protocol, by the chat."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._protocol = ServerProtocol(subprotocols=[Subprotocol(name) for name in frames.SUBPROTOCOLS])
        self._user: UUID | None = None
        self.codec = frames.CODECS[frames.SUBPROTOCOLS[0]]
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by class

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._protocol.send_response(self._protocol.accept(event))
                self.codec = frames.CODECS[self._protocol.subprotocol or frames.SUBPROTOCOLS[0]]
            elif isinstance(event, Frame) and event.opcode in {Opcode.TEXT, Opcode.BINARY}:
                self._command(self.codec.decode_command(bytes(event.data)))
        self.transport.writelines(self._protocol.data_to_send())
        if self._protocol.close_expected():
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - however it ended
        """Called by asyncio."""
        for watching in self._chat.watchers.values():
            watching.discard(self)
        for watching in self._chat.typing_watchers.values():
            watching.discard(self)
        if self._user is not None and self._chat.listeners.get(self._user) is self:
            del self._chat.listeners[self._user]

    def _command(self, command: frames.Command) -> None:
        answer: frames.Event
        match command:
            case frames.Authenticate():
                self._user = UUID(command.token)
                answer = frames.Ready(user_id=self._user, heartbeat_seconds=3600)
            case frames.SubscribeMessages() if self._user is not None:
                self._chat.listeners[self._user] = self
                answer = frames.Subscribed(topic="messages")
            case frames.SubscribePresence():
                for user in command.user_ids:
                    self._chat.watchers[user].add(self)
                answer = frames.PresenceState(users=tuple(map(self._presence, command.user_ids)))
            case frames.UpdatePresence() if self._user is not None:
                self._chat.versions[self._user] += 1
                event = self._presence(self._user, command.status)
                publish(event, self._chat.watchers[self._user])
                answer = frames.PresenceUpdated(status=command.status, version=event.version)
            case frames.SubscribeTyping():
                self._chat.typing_watchers[command.conversation_id].add(self)
                answer = frames.TypingState(conversation_id=command.conversation_id, user_ids=())
            case frames.StartTyping() if self._user is not None:
                typing = frames.TypingEvent(conversation_id=command.conversation_id, user_id=self._user, is_typing=True)
                publish(typing, self._chat.typing_watchers[command.conversation_id] - {self})
                return  # as every chat server's
            case _:
                answer = frames.ErrorEvent(code="bad_request", message="the stand-in does not know this")
        send = self._protocol.send_text if self.codec.is_text else self._protocol.send_binary
        send(self.codec.encode(answer))

    def _presence(self, user: UUID, status: frames.PresenceStatus = "online") -> frames.PresenceEvent:
        return frames.PresenceEvent(user_id=user, status=status, version=self._chat.versions[user])


async def _serve(announce: Callable[[dict[str, Any]], None]) -> None:
    loop, chat = asyncio.get_running_loop(), Chat()
    http = await loop.create_server(lambda: Http(chat), "127.0.0.1", 0)
    gateway = await loop.create_server(lambda: Gateway(chat), "127.0.0.1", 0)
    ports = [server.sockets[0].getsockname()[1] for server in (http, gateway)]
    chat.gateway_url = f"ws://127.0.0.1:{ports[1]}"
    announce({"http_url": f"http://127.0.0.1:{ports[0]}", "settings": {}})
    await asyncio.Event().wait()


def main() -> None:
    """Serves until it is interrupted."""
    try:
        uvloop.run(_serve(lambda record: print(json.dumps(record), flush=True)))  # noqa: T201 - whoever started it waits
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
