import io
import json
import logging
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from fixtures.errors import InputError
from reference_server import logs
from reference_server.tokens import Tokens

LOG = logging.getLogger("reference_server.test")
TOKEN = Tokens("0123456789abcdef0123456789abcdef", 60)


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Logging as it was."""
    root, ours = logging.getLogger(), logging.getLogger("reference_server")
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:], root.level, ours.level = before


def written(log_format: logs.LogFormat, secrets: tuple[str, ...] = (), **fields: Any) -> str:
    """What an event becomes."""
    stream = io.StringIO()
    logs.set_up(log_format, stream, secrets)
    logs.event(LOG, logging.WARNING, "something_happened", **fields)
    return stream.getvalue()


def test_an_event_is_one_json_object() -> None:
    """Time in UTC, level, logger, name and fields; nothing else."""
    line = json.loads(written("json", host="0.0.0.0", count=3))  # noqa: S104 - a value
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "logger": "reference_server.test",
        "event": "something_happened",
        "fields": {"host": "0.0.0.0", "count": 3},  # noqa: S104 - the same
    }


def test_an_exception_is_a_field() -> None:
    """A traceback keeps to its line."""
    (line,) = written("json", error=ValueError("no\nway")).splitlines()
    assert json.loads(line)["exception"] == "ValueError: no\nway"


def test_text_is_for_people() -> None:
    """A terminal gets a sentence, and the traceback below."""
    first, *below = written("text", code=4408, error=ValueError("no way")).splitlines()
    assert first.endswith("WARNING something_happened (code: 4408)")
    assert below == ["ValueError: no way"]


def test_text_leaves_out_what_has_parts() -> None:
    """All settings in one line are nobody's to read; JSON has them."""
    text = written("text", http_url="http://127.0.0.1:1", settings={"host": "127.0.0.1"})
    assert text.rstrip().endswith("something_happened (http_url: http://127.0.0.1:1)")


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_neither_tokens_nor_secrets_are_written(log_format: logs.LogFormat) -> None:
    """Wherever in an event they turn up, deep in its fields or in an exception."""
    token = TOKEN.issue(UUID(int=7))
    text = written(
        log_format,
        ("sesame", 'with "quotes"'),
        settings={"url": ["postgresql://me:sesame@host", {"why": f'{token} with "quotes"'}]},
        error=ValueError(f"sesame {token}"),
    )
    for secret in ("sesame", "quotes", token, token.split(".")[1]):
        assert secret not in text
    assert "[concealed]" in text


def test_others_are_heard_from_warnings_on() -> None:
    """Libraries' warnings are events too; their chatter is not."""
    stream = io.StringIO()
    logs.set_up("json", stream)
    logging.getLogger("uvicorn.error").info("chatter")
    logging.getLogger("uvicorn.error").warning("Invalid %s", "request")
    assert json.loads(stream.getvalue())["event"] == "Invalid request"


def test_a_format_that_is_none_is_refused() -> None:
    """The sentence names those there are."""
    assert logs.named_format("text") == "text"
    assert logs.named_format(None) is None
    with pytest.raises(InputError, match="'xml'; choose json or text"):
        logs.named_format("xml")
