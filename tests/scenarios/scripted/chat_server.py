"""A small chat server on real sockets that misbehaves as scripted and keeps a log of everything it sent.

    chat_server.py '{"drop_every": 7, ...}' [ADDRESS]

Prints its HTTP port; serves until standard input ends. Faults are applied to marked messages only, per recipient and
delivery, by counting them: every n-th is dropped, doubled, held back behind the next one of its conversation, or
delayed; every n-th message is also sent to someone who is no member; every n-th of a resume is lost or repeated, and
every n-th newest page lacks its newest message. At the `stall_at`-th marked message or page of messages, whichever it
is, the whole server stands still for `stall_seconds`. With `service_seconds`, marked messages are served one after the
other, each for exactly this long: the server's capacity is one over it, however late a busy machine wakes the server.
With `hoard_bytes`, each message leaves as much memory and one descriptor behind.

`GET /log` returns what was really sent, and between which two moments each marked message was answered.
"""

import asyncio
import json
import os
import socket
import sys
import time
from typing import Any
from uuid import UUID, uuid4

import msgspec
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from fixtures.identifiers import user_id
from fixtures.manifest import ConversationSample, DatasetManifest
from reference_server import frames
from scenarios.markers import read_marker

SEED, USERS = 7, 60
FAULTS: dict[str, float] = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
ADDRESS = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1"
CODEC = frames.CODECS["chat.v1.json"]


class World:
    """Everything the server knows."""

    def __init__(self) -> None:
        self.members: dict[UUID, list[UUID]] = {}
        self.seqs: dict[UUID, int] = {}
        self.connections: dict[UUID, ServerConnection] = {}  # subscribed to messages
        self.versions: dict[UUID, int] = {}
        self.watchers: dict[UUID, set[UUID]] = {}
        self.presence: dict[UUID, ServerConnection] = {}
        self.held: dict[tuple[UUID, UUID], frames.MessageEvent] = {}
        self.events: dict[UUID, list[frames.MessageEvent]] = {}
        self.deliveries = 0
        self.replayed = 0
        self.replays: list[tuple[str, str, int, int]] = []  # (recipient, conversation, seq, copies)
        self.messages = 0
        self.log: list[tuple[str, str, int]] = []  # (recipient, conversation, seq), in order of sending
        self.receipts: list[tuple[str, str, str, int]] = []  # (recipient, conversation, reader, seq)
        self.acknowledged: list[tuple[str, int]] = []
        self.delayed = 0
        self.requests = 0  # timed ones: marked messages and pages
        self.answers: list[tuple[int, int, int]] = []  # intended, just before and just after the answer was written
        self.first_pages = 0
        self.stale = 0
        self.hoard: list[Any] = []
        self.gateway_port = 0
        self.free_at = 0.0  # when the single worker has served what came before, by the event loop's clock
        self.tasks: set[Any] = set()
        weights = (("heavy", 3000), ("median", 200), ("light", 10))
        for number, (_, last_seq) in enumerate(weights):
            conversation = UUID(int=number + 1)
            self.members[conversation] = [user_id(SEED, number * 2), user_id(SEED, number * 2 + 1)]
            self.seqs[conversation] = last_seq
        self.dataset = DatasetManifest(
            size="scripted",
            seed=SEED,
            sha256="0" * 64,
            user_count=USERS,
            rows={},
            conversations=tuple(
                ConversationSample(
                    conversation_id=UUID(int=number + 1),
                    type="direct",
                    weight=weight,
                    last_seq=last_seq,
                    member_ids=tuple(self.members[UUID(int=number + 1)]),
                )
                for number, (weight, last_seq) in enumerate(weights)
            ),
        )

    def due(self, fault: str, count: int) -> bool:
        """Whether the count-th occasion is one of every n-th."""
        every = int(FAULTS.get(fault, 0))
        return every > 0 and count % every == 0


WORLD = World()


def stall_when_due() -> None:
    """Stands still, event loop and all, once, at the scripted request."""
    WORLD.requests += 1
    if FAULTS.get("stall_at") == WORLD.requests:
        time.sleep(FAULTS["stall_seconds"])


async def put(recipient: UUID, event: frames.MessageEvent) -> None:
    """Really sends an event, and logs it."""
    connection = WORLD.connections.get(recipient)
    if connection is not None:
        WORLD.log.append((str(recipient), str(event.conversation_id), event.seq))
        try:
            await connection.send(CODEC.encode(event).decode())
        except ConnectionClosed:
            WORLD.connections.pop(recipient, None)


async def deliver(recipient: UUID, event: frames.MessageEvent) -> None:
    """Sends an event to one recipient, or does to it what the script says."""
    if not event.content.startswith("cb1."):
        await put(recipient, event)
        return
    WORLD.deliveries += 1
    count = WORLD.deliveries
    key = (recipient, event.conversation_id)
    if WORLD.due("drop_every", count):
        return
    if WORLD.due("hold_every", count) and key not in WORLD.held:
        WORLD.held[key] = event
        return
    if WORLD.due("delay_every", count):
        WORLD.delayed += 1
        task = asyncio.create_task(later(recipient, event))
        WORLD.tasks.add(task)
        task.add_done_callback(WORLD.tasks.discard)
        return
    await put(recipient, event)
    if WORLD.due("double_every", count):
        await put(recipient, event)
    held = WORLD.held.pop(key, None)
    if held is not None:
        await put(recipient, held)


async def later(recipient: UUID, event: frames.MessageEvent) -> None:
    """Sends an event well after its deadline."""
    await asyncio.sleep(FAULTS["delay_seconds"])
    await put(recipient, event)


async def wait_to_be_served() -> None:
    """The queue of a single worker: service begins when the one before has ended, not when somebody wakes up."""
    now = asyncio.get_running_loop().time()
    WORLD.free_at = max(now, WORLD.free_at) + FAULTS.get("service_seconds", 0)
    await asyncio.sleep(WORLD.free_at - now)


async def send_message(sender: UUID, conversation: UUID, content: str) -> dict[str, Any]:
    """Stores and fans out a message."""
    if content.startswith("cb1.") and "service_seconds" in FAULTS:
        await wait_to_be_served()
    WORLD.seqs[conversation] += 1
    seq = WORLD.seqs[conversation]
    event = frames.MessageEvent(
        conversation_id=conversation, seq=seq, sender_id=sender, created_at_ms=time.time_ns() // 10**6, content=content
    )
    WORLD.events.setdefault(conversation, []).append(event)
    for member in WORLD.members[conversation]:
        await deliver(member, event)
    if content.startswith("cb1."):
        WORLD.acknowledged.append((str(conversation), seq))
        WORLD.messages += 1
        if WORLD.due("leak_every", WORLD.messages):
            outsiders = [user for user in WORLD.connections if user not in WORLD.members[conversation]]
            await put(outsiders[0], event)
        if "hoard_bytes" in FAULTS:
            WORLD.hoard.append(bytearray(b"x") * int(FAULTS["hoard_bytes"]))
            WORLD.hoard.append(socket.socket())
        if FAULTS.get("die_after") == WORLD.messages:
            sys.exit(9)
    return {"message": {"id": message_id(conversation, seq), "conversation_id": str(conversation), "seq": seq}}


def message_id(conversation: UUID, seq: int) -> str:
    """Different for every message, and always the same for one."""
    return str(UUID(int=conversation.int ^ seq))


async def replay(recipient: UUID, resume: dict[UUID, int]) -> None:
    """Sends what was missed, or does to it what the script says."""
    missed = [event for key, held_seq in resume.items() for event in WORLD.events.get(key, []) if event.seq > held_seq]
    for event in missed:
        WORLD.replayed += 1
        copies = 0 if WORLD.due("lose_resumed_every", WORLD.replayed) else 1
        copies += WORLD.due("repeat_resumed_every", WORLD.replayed)
        WORLD.replays.append((str(recipient), str(event.conversation_id), event.seq, copies))
        for _ in range(copies):
            await put(recipient, event)


async def mark_read(reader: UUID, conversation: UUID, seq: int) -> dict[str, Any]:
    """Tells everyone, the reader included, unless the script drops it; receipts are logged under their reader."""
    event = frames.ReceiptEvent(conversation_id=conversation, user_id=reader, seq=seq)
    for member in WORLD.members[conversation]:
        WORLD.deliveries += member != reader
        if member == reader or not WORLD.due("drop_every", WORLD.deliveries):
            WORLD.receipts.append((str(member), str(conversation), str(reader), seq))
            await WORLD.connections[member].send(CODEC.encode(event).decode())
    WORLD.acknowledged.append((str(reader), seq))
    return {"last_read_seq": seq, "unread_count": WORLD.seqs[conversation] - seq, "last_seq": WORLD.seqs[conversation]}


def page(conversation: UUID, limit: int, before: str | None) -> dict[str, Any]:
    """A page, newest first; with the script's `lose_seq`, one message is never shown."""
    top = int(before) - 1 if before else WORLD.seqs[conversation]
    is_marked = any(one == str(conversation) for one, _ in WORLD.acknowledged)
    if before is None and limit < 200 and is_marked:
        WORLD.first_pages += 1
        if WORLD.due("stale_every", WORLD.first_pages):
            WORLD.stale += 1
            top -= 1
    shown = [seq for seq in range(top, max(0, top - limit), -1) if seq != FAULTS.get("lose_seq")]
    bottom = max(0, top - limit) + 1
    messages = [
        {"id": message_id(conversation, seq), "conversation_id": str(conversation), "seq": seq} for seq in shown
    ]
    return {"messages": messages, "has_more": bottom > 1, "next_cursor": str(bottom) if bottom > 1 else None}


async def answer(  # noqa: C901, PLR0911 - the whole API in one table
    method: str, path: str, token: str, body: bytes
) -> tuple[int, Any]:
    """One HTTP request; tokens are the user's id."""
    path, _, query = path.partition("?")
    values = dict(pair.split("=", 1) for pair in query.split("&") if pair)
    parts = path.strip("/").split("/")
    data = json.loads(body) if body else {}
    match (method, parts):
        case ("GET", ["healthz"]):
            return 200, {}
        case ("GET", ["log"]):
            members = {str(one): [str(user) for user in users] for one, users in WORLD.members.items()}
            log = {"log": WORLD.log, "acknowledged": WORLD.acknowledged, "members": members, "delayed": WORLD.delayed}
            log |= {"answers": WORLD.answers, "replays": WORLD.replays, "receipts": WORLD.receipts}
            return 200, {**log, "stale": WORLD.stale}
        case ("POST", ["v1", "login"]):
            if data["login_key"] != "chatbench":
                return 401, {"code": "unauthenticated", "message": "wrong key"}
            return 200, {"access_token": data["user_id"], "expires_in": 3600}
        case ("GET", ["v1", "gateway"]):
            return 200, {"url": f"ws://{ADDRESS}:{WORLD.gateway_port}", "subprotocols": ["chat.v1.json"]}
        case ("GET", ["v1", "dataset"]):
            if FAULTS.get("no_dataset"):
                return 404, {"code": "not_found", "message": "no data set"}
            await asyncio.sleep(FAULTS.get("preparing_seconds", 0))
            return 200, msgspec.to_builtins(WORLD.dataset)
        case ("POST", ["v1", "conversations", "group"]):
            conversation = uuid4()
            WORLD.members[conversation] = [UUID(token), *(UUID(one) for one in data["user_ids"])]
            WORLD.seqs[conversation] = 0
            return 201, {"conversation": {"id": str(conversation), "type": "group", "last_seq": 0}}
        case ("GET", ["v1", "conversations", conversation, "messages"]):
            stall_when_due()
            return 200, page(UUID(conversation), int(values["limit"]), values.get("before"))
        case ("POST", ["v1", "conversations", conversation, "messages", seq, "read"]):
            return 200, await mark_read(UUID(token), UUID(conversation), int(seq))
        case ("POST", ["v1", "conversations", conversation, "messages"]):
            if data["content"].startswith("cb1."):
                stall_when_due()
            return 201, await send_message(UUID(token), UUID(conversation), data["content"])
    return 404, {"code": "not_found", "message": path}


async def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One keep-alive HTTP connection."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            request, *lines = head.split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            method, path, _ = request.split(" ")
            status, data = await answer(method, path, headers.get("authorization", "").removeprefix("Bearer "), body)
            payload = json.dumps(data).encode()
            marker = read_marker(json.loads(body).get("content", "")) if path.endswith("/messages") and body else None
            before_ns = time.time_ns()
            writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(payload)}\r\n\r\n".encode() + payload)
            if marker is not None:
                WORLD.answers.append((marker.intended_ns, before_ns, time.time_ns()))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def gateway(connection: ServerConnection) -> None:
    """One gateway connection."""
    user: UUID | None = None
    try:
        async for payload in connection:
            command = CODEC.decode_command(payload.encode() if isinstance(payload, str) else payload)
            match command:
                case frames.Authenticate():
                    user = UUID(command.token)
                    answer_frame: frames.Event = frames.Ready(
                        user_id=user, heartbeat_seconds=30, coalescing_seconds=FAULTS.get("coalescing_seconds", 0.0)
                    )
                case frames.SubscribeMessages():
                    assert user is not None
                    WORLD.connections[user] = connection
                    await replay(user, command.resume)
                    answer_frame = frames.Subscribed(topic="messages")
                case frames.SubscribePresence():
                    assert user is not None
                    WORLD.presence[user] = connection
                    for one in command.user_ids:
                        WORLD.watchers.setdefault(one, set()).add(user)
                    answer_frame = frames.PresenceState(
                        users=tuple(
                            frames.PresenceEvent(user_id=one, status="online", version=WORLD.versions.get(one, 0))
                            for one in command.user_ids
                        )
                    )
                case frames.UpdatePresence():
                    assert user is not None
                    WORLD.versions[user] = WORLD.versions.get(user, 0) + 1
                    event = frames.PresenceEvent(user_id=user, status=command.status, version=WORLD.versions[user])
                    for watcher in WORLD.watchers.get(user, set()):
                        WORLD.deliveries += 1
                        if not WORLD.due("drop_every", WORLD.deliveries):
                            WORLD.log.append((str(watcher), str(user), event.version))
                            await WORLD.presence[watcher].send(CODEC.encode(event).decode())
                    WORLD.acknowledged.append((str(user), event.version))
                    answer_frame = frames.PresenceUpdated(status=command.status, version=event.version)
                case _:
                    raise AssertionError(command)
            await connection.send(CODEC.encode(answer_frame).decode())
    except ConnectionClosed:
        return


async def main() -> None:
    """Serves until standard input ends."""
    http_server = await asyncio.start_server(http, ADDRESS, 0, backlog=1024)
    async with serve(gateway, ADDRESS, 0, compression=None, subprotocols=["chat.v1.json"]) as server:
        WORLD.gateway_port = server.sockets[0].getsockname()[1]
        sys.stdout.write(f"{http_server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        await reader.read()
        os._exit(0)  # connections are still open, and nobody waits for a goodbye


asyncio.run(main())
