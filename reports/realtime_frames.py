"""What Supabase Realtime's published frames of a chat message weigh: the yardstick of the gateway's own.

Pure: frames are made from an event and measured, nothing is sent. The format is that of protocol version 1.0.0, the
default, at https://supabase.com/docs/guides/realtime/protocol: one JSON object in a text frame, with the members
`topic`, `event`, `payload` and `ref`. Whatever the page calls optional is left out and `commit_timestamp` and `ids` are
as long as in its example, so these are lower bounds.
"""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
from websockets.frames import Frame, Opcode

from reference_server.frames import MessageEvent

SOURCE = "https://supabase.com/docs/guides/realtime/protocol"

# The table's columns with the types that PostgreSQL calls them by, in its order.
COLUMNS = {
    "id": "uuid",
    "conversation_id": "uuid",
    "seq": "int8",
    "sender_id": "uuid",
    "content": "text",
    "client_id": "uuid",
    "created_at": "timestamptz",
    "edited_at": "timestamptz",
    "deleted_at": "timestamptz",
}
_SUBSCRIPTION_ID = 104868189  # the page's example
ANY_ID = UUID("018f2c4e-7a10-7000-8000-000000000001")  # any: all are as long


def broadcast_bytes(event: MessageEvent) -> int:
    """Bytes on the wire of the event as a `broadcast`, frame header included.

    The topic names the conversation; the payload holds what the gateway's own event holds, by the columns' names.
    """
    payload = {
        "seq": event.seq,
        "sender_id": event.sender_id,
        "created_at": _moment(event.created_at_ms),
        "content": event.content,
    }
    return _frame_bytes(event, "broadcast", {"event": "message", "type": "broadcast", "payload": payload})


def insert_bytes(event: MessageEvent) -> int:
    """Bytes on the wire of the event as `postgres_changes` tells of its row's INSERT, frame header included."""
    record = {
        **dict.fromkeys(COLUMNS),
        "id": ANY_ID,
        "conversation_id": event.conversation_id,
        "seq": event.seq,
        "sender_id": event.sender_id,
        "content": event.content,
        "client_id": ANY_ID,
        "created_at": _moment(event.created_at_ms),
    }
    change = {
        "schema": "public",
        "table": "chat_messages",
        "commit_timestamp": _moment(event.created_at_ms),
        "type": "INSERT",
        "columns": [{"name": name, "type": kind} for name, kind in COLUMNS.items()],
        "record": record,
        "errors": None,
    }
    return _frame_bytes(event, "postgres_changes", {"ids": [_SUBSCRIPTION_ID], "data": change})


def bytes_beyond_content() -> dict[str, int]:
    """By the name of the frame's event: its bytes beside a message's content, whose length does not change them."""
    event = MessageEvent(
        conversation_id=ANY_ID, seq=1, sender_id=ANY_ID, created_at_ms=1_735_689_600_001, content="x" * 100
    )
    weighed = {"broadcast": broadcast_bytes(event), "postgres_changes": insert_bytes(event)}
    return {name: total - len(event.content) for name, total in weighed.items()}


def _moment(milliseconds: int) -> str:
    """As in the page's examples: to the millisecond, with a Z."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _frame_bytes(event: MessageEvent, name: str, payload: dict[str, object]) -> int:
    message = {"topic": f"realtime:{event.conversation_id}", "event": name, "payload": payload, "ref": None}
    return len(Frame(Opcode.TEXT, msgspec.json.encode(message)).serialize(mask=False))
