"""report.html as a document: what it holds, and what it must not."""

import re
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from reports.numbers import NOT_MEASURED, format_number
from reports.page import render_page, unbroken
from reports.report import Report, render, summarise
from scenarios.run_folder import RunFolder

VOID = {"meta", "br", "link", "img", "input", "hr"}
HOSTILE = '<script>alert("x")</script>&\'"><img src=x onerror=alert(1)>'


class Document(HTMLParser):
    """The elements of a page, with their attributes and text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._open: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.source = source
        self.feed(source)
        assert not self._open, f"never closed: {[tag for tag, _, _ in self._open]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        element = (tag, dict(attrs), list[str]())
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element without content."""
        self.elements.append((tag, dict(attrs), []))

    def handle_endtag(self, tag: str) -> None:
        """The innermost open element ends, and no other."""
        assert self._open, f"</{tag}> closes nothing"
        assert self._open[-1][0] == tag, f"</{tag}> closes <{self._open[-1][0]}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        """Text belongs to every open element."""
        for _, _, text in self._open:
            text.append(data)

    def find(self, *tags: str) -> list[tuple[str, dict[str, str | None], str]]:
        """The elements of these tags, in the page's order, with their text on one line."""
        return [(tag, attrs, " ".join("".join(text).split())) for tag, attrs, text in self.elements if tag in tags]


@pytest.fixture(scope="module")
def tour_page(rendered_tour: Report) -> Document:
    """The page of a tour."""
    return Document(rendered_tour.page.read_text(encoding="utf-8"))


def page_of(run: RunFolder) -> Document:
    """The page without its drawings, which take most of the time."""
    return Document(render_page(summarise(run.path), figures={}))


def whole_page_of(run: RunFolder) -> Document:
    return Document(render(run.path).page.read_text(encoding="utf-8"))


def test_every_number_of_the_summary_is_on_the_page_once(rendered_tour: Report, tour_page: Document) -> None:
    """Under its key, with its exact value and its readable text."""
    shown = {
        attributes["data-key"]: (attributes.get("value"), text.removeprefix("~"))
        for _, attributes, text in tour_page.find("data", "span")
        if "data-key" in attributes and attributes["data-key"] != "run.verdict"
    }
    expected = {
        key: (None, NOT_MEASURED) if number.value is None else (str(number.value), " ".join(number.text.split()))
        for key, number in rendered_tour.summary.numbers.items()
    }
    assert shown == expected


def test_known_numbers_stand_in_the_tables(known_run: RunFolder) -> None:
    """The golden value of one row of each family, read from the page alone."""
    page = page_of(known_run)
    values = {attributes.get("data-key"): attributes.get("value") for _, attributes, _ in page.find("data")}
    assert values["pagination.page_ms_p99.depth=10-99,weight=heavy"] == "1.5"
    assert values["fanout.delivery_last_ms_p50.group_size=100"] == "1.6"
    assert values["bytes.wire_bytes.group_size=10"] == "250.0"
    assert values["presence.frames_per_change.watchers=10"] == "10.0"
    assert (
        values["strategies.latency_ratio.parameter_class=heavy,statement=list_conversations,strategy=roadmap"] == "0.5"
    )
    assert values["health.generator_cpu_percent_max"] == "32.7"
    assert values["ledger.missing.group_size=100,scenario=fanout"] == "3"


def test_every_reading_is_on_the_page(rendered_tour: Report, tour_page: Document) -> None:
    """One per measured section."""
    shown = [text for _, attributes, text in tour_page.find("p") if attributes.get("class") == "reading"]
    assert shown == [" ".join(section.reading.split()) for section in rendered_tour.summary.sections]


def test_the_page_needs_nothing_from_elsewhere(tour_page: Document) -> None:
    """No script, no file, no address that is not an anchor of its own."""
    references = [
        value
        for _, attributes, _ in tour_page.elements
        for name, value in attributes.items()
        if name in {"src", "href", "xlink:href", "srcset", "action", "data", "poster"} and value is not None
    ]
    assert references
    assert [value for value in references if not value.startswith("#")] == []
    assert not {"script", "link", "img", "iframe", "object", "base"} & {tag for tag, _, _ in tour_page.elements}
    assert [
        url for url in re.findall(r"url\(([^)]*)\)", tour_page.source) if not url.strip("\"'").startswith("#")
    ] == []
    assert "@import" not in tour_page.source


def test_every_anchor_has_its_place(tour_page: Document) -> None:
    """And no id is used twice."""
    identifiers = Counter(attributes["id"] for _, attributes, _ in tour_page.elements if "id" in attributes)
    assert {name: count for name, count in identifiers.items() if count > 1} == {}
    targets = {(attributes["href"] or "").removeprefix("#") for _, attributes, _ in tour_page.find("a")}
    assert targets <= set(identifiers)


def test_headings_are_in_order(tour_page: Document) -> None:
    """One h1, and no level is skipped."""
    levels = [int(tag[1]) for tag, _, _ in tour_page.find("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_every_figure_is_told_to_those_who_cannot_see_it(rendered_tour: Report, tour_page: Document) -> None:
    """By its section's reading."""
    figures = tour_page.find("figure")
    assert len(figures) == len(rendered_tour.figures) == len(rendered_tour.summary.sections) > 5
    for (_, attributes, _), section in zip(figures, rendered_tour.summary.sections, strict=True):
        assert attributes["role"] == "img"
        assert section.reading in (attributes["aria-label"] or "")


def test_axes_carry_units(tour_page: Document) -> None:
    """Every figure's axis titles stand in its drawing as text."""
    texts = {" ".join(text.split()) for _, _, text in tour_page.find("text")}
    assert {
        "latency (ms)",
        "page, counted from the newest",
        "delivery latency (ms)",
        "group size (members)",
        "bytes per delivery, mean (B)",
        "since the change (ms)",
        "frames per change, mean",
        "watchers of the user",
        "buffers per execution",
        "latency (ms), with interval",
        "begun per second",
        "received per second",
        "delay (ms)",
        "% of one core",
        "seconds since the run began",
    } <= texts


def test_an_empty_run_says_that_it_measured_nothing(build_run: Any) -> None:
    """The page still opens, without figures."""
    page = whole_page_of(build_run())
    assert "This run holds no measurement." in page.source
    assert page.find("figure") == []
    assert {text for _, attributes, text in page.find("span") if attributes.get("class") == "none"} == {NOT_MEASURED}
    assert page.find("h2")[0][2].startswith("INVALID")


def test_a_killed_run_is_marked(build_run: Any, parts: SimpleNamespace) -> None:
    """INVALID, because it never finished, with what it had measured."""
    lines = [
        parts.line(0, "request_us", [500] * 20, scenario="pagination", request="get_messages", weight="a", depth="1")
    ]
    page = page_of(build_run(parts.manifest([parts.record("pagination", 0)], finished_at=None), lines))
    assert "INVALID" in page.find("title")[0][2]
    assert "the run never finished" in page.source
    assert 'data-key="pagination.page_ms_p50.depth=1,weight=a"' in page.source


def test_a_run_that_was_cut_short_is_marked(build_run: Any, parts: SimpleNamespace) -> None:
    """It is no failure, but the reader must know."""
    page = page_of(build_run(parts.manifest([parts.record("fanout", 0)], cut_short=True)))
    assert "Cut short:" in page.source
    assert "VALID" in page.find("title")[0][2]


def test_an_invalid_run_shows_every_reason(build_run: Any, parts: SimpleNamespace) -> None:
    """At the top, in the run's words."""
    reasons = ["fanout: the generator used 97 % of its core", "fanout: 12 % of the starts were late"]
    run = build_run(parts.manifest([parts.record("fanout", 0)], verdict="INVALID", reasons=reasons))
    page = page_of(run)
    items = [text for _, _, text in page.find("li")]
    assert items[:2] == reasons
    assert "do not rely on these numbers" in page.source


def test_unmeasured_sections_close_the_page(build_run: Any, parts: SimpleNamespace) -> None:
    """They are named, after everything that was measured."""
    lines = [parts.line(0, "delivery_wire_bytes", [100], scenario="fanout", group_size="5")]
    page = page_of(build_run(parts.manifest([parts.record("fanout", 0)]), lines))
    identifiers = [
        attributes["id"] for tag, attributes, _ in page.elements if tag in {"section", "li"} and "id" in attributes
    ]
    unmeasured = ["pagination", "fanout", "presence", "strategies", "server"]
    assert identifiers == ["bytes", "health", "unmeasured", *unmeasured, "facts"]


def test_repeated_warnings_are_folded(build_run: Any, parts: SimpleNamespace) -> None:
    """One line with a count; all of them behind it."""
    record = parts.record("queries", 0)
    record.warnings = [f"list ({name}) changed its plan between blocks" for name in "abcdef"]
    page = page_of(build_run(parts.manifest([record])))
    assert "queries: 6 times: list … changed its plan between blocks" in page.source
    assert all(warning in page.source for warning in record.warnings)


def test_hostile_strings_stay_text(build_run: Any, parts: SimpleNamespace) -> None:
    """Whatever a run folder holds, wherever the page shows it, it makes no element and no attribute."""
    record = parts.record("fanout", 0)
    record.warnings, record.reasons = [HOSTILE], [HOSTILE]
    record.options = {HOSTILE: HOSTILE}
    lines = [
        parts.line(0, metric, [500] * 20, scenario="fanout", group_size=HOSTILE)
        for metric in ("delivery_us", "delivery_last_us", "delivery_wire_bytes")
    ]
    lines += [
        parts.line(0, "request_us", [9], scenario="pagination", request="get_messages", weight=HOSTILE, depth=HOSTILE),
        parts.line(0, "presence_convergence_us", [9], scenario="presence", watchers=HOSTILE),
        parts.line(0, "start_delay_us", [9], scenario=HOSTILE, operation="x"),
    ]
    run = build_run(
        parts.manifest(
            [record],
            title=HOSTILE,
            run_id=HOSTILE,
            started_at=HOSTILE,
            host={"cpu": HOSTILE},
            postgres_settings={HOSTILE: HOSTILE},
        ),
        lines,
        [parts.ledger(HOSTILE, {HOSTILE: HOSTILE}, 5)],
        [parts.query(0, strategy, HOSTILE, HOSTILE, indexes=(HOSTILE,)) for strategy in (HOSTILE, "none")],
    )
    page = whole_page_of(run)
    assert not {"script", "img"} & {tag for tag, _, _ in page.elements}
    assert not any(name.startswith("on") for _, attributes, _ in page.elements for name in attributes)
    assert page.find("h1")[0][2] == HOSTILE
    assert any(attributes.get("id") == "facts" for _, attributes, _ in page.elements)


def test_numbers_keep_their_units_on_one_line() -> None:
    """A unit alone on the next line reads badly; other words wrap as they will."""
    assert (
        unbroken("1.36 × of 12 ms, 5 % and 7 deliveries")
        == "1.36\N{NO-BREAK SPACE}× of 12\N{NO-BREAK SPACE}ms, 5\N{NO-BREAK SPACE}% and 7 deliveries"
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "not measured"),
        (float("nan"), "not measured"),
        (0, "0"),
        (0.0, "0"),
        (1.0, "1.00"),
        (0.012345, "0.0123"),
        (9.996, "10.0"),
        (99.96, "100"),
        (1234.5, "1\N{NARROW NO-BREAK SPACE}234"),
        (1234567, "1\N{NARROW NO-BREAK SPACE}234\N{NARROW NO-BREAK SPACE}567"),
    ],
)
def test_numbers_show_three_significant_digits(value: float | None, expected: str) -> None:
    """Whole numbers stay whole, thousands are grouped, nothing measured is no zero."""
    assert format_number(value) == expected
