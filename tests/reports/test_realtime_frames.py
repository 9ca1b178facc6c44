import asyncio
import json

import asyncpg
import pytest

from reference_server.frames import MessageEvent
from reports.realtime_frames import ANY_ID, COLUMNS, broadcast_bytes, bytes_beyond_content, insert_bytes

HEADER_BYTES = 4  # of a server's frame from 126 bytes on
ROW_ID = str(ANY_ID)
AT = "2025-01-01T00:00:00.001Z"


def event(content: str, seq: int = 1) -> MessageEvent:
    return MessageEvent(
        conversation_id=ANY_ID, seq=seq, sender_id=ANY_ID, created_at_ms=1_735_689_600_001, content=content
    )


def test_a_broadcast_weighs_as_the_published_frame() -> None:
    """Written out by hand, as the page shows it."""
    text = (
        f'{{"topic":"realtime:{ROW_ID}","event":"broadcast","payload":{{"event":"message","type":"broadcast","payload":'
        f'{{"seq":1,"sender_id":"{ROW_ID}","created_at":"{AT}","content":"hello"}}}},"ref":null}}'
    )
    json.loads(text)
    assert broadcast_bytes(event("hello")) == len(text) + HEADER_BYTES


def test_an_insert_weighs_as_the_published_frame() -> None:
    """The same for postgres_changes: the whole row, and every column's name and type."""
    columns = ",".join(f'{{"name":"{name}","type":"{kind}"}}' for name, kind in COLUMNS.items())
    text = (
        f'{{"topic":"realtime:{ROW_ID}","event":"postgres_changes","payload":{{"ids":[104868189],"data":{{'
        f'"schema":"public","table":"chat_messages","commit_timestamp":"{AT}","type":"INSERT","columns":[{columns}],'
        f'"record":{{"id":"{ROW_ID}","conversation_id":"{ROW_ID}","seq":1,"sender_id":"{ROW_ID}","content":"hello",'
        f'"client_id":"{ROW_ID}","created_at":"{AT}","edited_at":null,"deleted_at":null}},"errors":null}}}},"ref":null}}'
    )
    json.loads(text)
    assert insert_bytes(event("hello")) == len(text) + HEADER_BYTES


def test_the_row_is_that_of_the_table(tiny_url: str) -> None:
    """Names, types and order of the columns are those of chat_messages."""

    async def read() -> list[tuple[str, str]]:
        connection = await asyncpg.connect(tiny_url)
        try:
            rows = await connection.fetch(
                "SELECT column_name, udt_name FROM information_schema.columns WHERE table_name = 'chat_messages'"
                " ORDER BY ordinal_position"
            )
        finally:
            await connection.close()
        return [tuple(row) for row in rows]

    assert asyncio.run(read()) == list(COLUMNS.items())


@pytest.mark.parametrize("length", [1, 100, 2000])
def test_what_lies_beyond_the_content_does_not_depend_on_it(length: int) -> None:
    """A mean of contents may be added to it."""
    found = {"broadcast": broadcast_bytes(event("x" * length)), "postgres_changes": insert_bytes(event("x" * length))}
    assert {name: total - length for name, total in found.items()} == bytes_beyond_content()
