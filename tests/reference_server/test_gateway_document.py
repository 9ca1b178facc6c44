"""docs/gateway.md names every frame, field, close code and bound."""

import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from reference_server.frames import CODECS, SUBPROTOCOLS, CloseCode, Command, Event
from reference_server.settings import Settings

PAGE = (Path(__file__).parent.parent.parent / "docs" / "gateway.md").read_text(encoding="utf-8")
COMMANDS, EVENTS = (PAGE.split(f"### {heading}")[1].split("\n#")[0] for heading in ("Commands", "Events"))
FRAMES = [(frame, COMMANDS) for frame in get_args(Command)] + [(frame, EVENTS) for frame in get_args(Event)]
CODES = {name: code for name, code in vars(CloseCode).items() if name.isupper()}


def tag_of(frame: type[msgspec.Struct]) -> str:
    return str(frame.__struct_config__.tag)


@pytest.mark.parametrize(("frame", "section"), FRAMES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_frame_has_its_line_with_every_field(frame: type[msgspec.Struct], section: str) -> None:
    """Tag and wire names stand in one line of the table."""
    line = re.search(rf"^\| `{tag_of(frame)}` \|.*$", section, re.MULTILINE)
    assert line, f"no line for {tag_of(frame)}"
    for field in msgspec.structs.fields(frame):
        assert f"`{field.encode_name}`" in line[0], field.encode_name


def test_the_tables_name_no_frame_that_is_not_there() -> None:
    """What the page promises, the wire has."""
    for section, union in ((COMMANDS, Command), (EVENTS, Event)):
        tags = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) - {"t"}
        assert tags == {tag_of(frame) for frame in get_args(union)}


def test_the_examples_are_frames() -> None:
    """Every example decodes, and there is one of each frame."""
    codec = CODECS["chat.v1.json"]
    for section, union, decode in (
        (COMMANDS, Command, codec.decode_command),
        (EVENTS, Event, codec.decode_event),
    ):
        lines = section.split("```json\n")[1].split("```")[0].splitlines()
        assert {type(decode(line.encode())) for line in lines} == set(get_args(union))


@pytest.mark.parametrize("name", CODES)
def test_a_close_code_has_its_line(name: str) -> None:
    """Every code that the server closes with is explained."""
    assert re.search(rf"^\| {CODES[name]} \| {name.lower().replace('_', '.')}", PAGE, re.MULTILINE)


@pytest.mark.parametrize("subprotocol", SUBPROTOCOLS)
def test_a_subprotocol_has_its_line(subprotocol: str) -> None:
    """Every encoding is explained."""
    assert re.search(rf"^\s*\| `{subprotocol}` \|", PAGE, re.MULTILINE)


def test_the_bounds_are_the_settings() -> None:
    """Names and defaults in the table of bounds are those of the settings."""
    defaults = {field.name: field.default for field in fields(Settings)}
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", PAGE.split("## Bounds")[1], re.MULTILINE)
    assert len(rows) == PAGE.split("## Bounds")[1].count("\n| `")
    assert {name for name, _ in rows} >= {
        name for name in defaults if re.search(r"queue|frame|watched|resume|presence|heartbeat|authentic", name)
    }
    for name, value in rows:
        assert float(value) == defaults[name], name
