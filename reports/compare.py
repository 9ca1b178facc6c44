"""Two stored runs side by side: every number of both reports by its key, and what else differs. Nothing is judged."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from fixtures.errors import InputError
from reports.benchmark_file import BenchmarkRun, benchmark_differences, both_benchmark_files, read_benchmarks
from reports.deliveries import NAME as LEDGER
from reports.differences import DRIFT, Difference, differences
from reports.figure_notes import closed_loop_scenarios
from reports.headline import NAME as HEADLINE
from reports.headline import Headline, RunVerdict
from reports.measurements import read_measurements
from reports.numbers import Number, format_number, number_key
from reports.section import Section
from reports.summary import RunSummary, summarise_run

DOCUMENT_VERSION = 1
MOST_CHANGED = 12  # named before the tables, which hold everything

_EXACT = re.compile(
    r"buffers$|wire_bytes|content_bytes|frames_per_change|hot_percent|^(missing|duplicate|leaked|reordered)$"
)
_EXACT_SHARE = 0.02  # measured: texts of random length moved a mean size by 1.4 % between two runs of one seed
_TIMED = re.compile(r"_p(50|95|99)$")
# cited: this project's facts on noisy machines; a smaller difference is none that anybody feels. Nobody waits for µs.
_FLOORS = {"ms": 0.2, "µs": 0.0}


# The reports show it before their sections.
_LEDGER = Section(
    LEDGER, "Expected against observed", "What was expected at every recipient, and what came?", "", "", measured=True
)


_BENCHMARKS = Section("benchmarks", "Benchmarks", "How long does one iteration take?", "", "", measured=True)


@dataclass(frozen=True)
class Side:
    """One of the two runs."""

    letter: str  # "A" is the earlier one
    name: str  # the run's own
    started_at: str
    commit: str | None
    verdict: RunVerdict
    ran: tuple[str, ...]
    headlines: tuple[Headline, ...]
    sections: tuple[Section, ...]
    numbers: dict[str, Number]
    closed_loops: frozenset[str] = frozenset()  # scenarios whose users waited for answers


@dataclass(frozen=True)
class ComparedNumber:
    """One number of both reports; None where one of them has none."""

    base: Number | None
    head: Number | None

    @property
    def number(self) -> Number:
        """Whichever is there, for its key and unit."""
        found = self.head or self.base
        assert found is not None, "a compared number is somebody's"
        return found

    @property
    def section(self) -> str:
        """Of the reports."""
        return self.number.key.split(".", 1)[0]

    @property
    def measure(self) -> str:
        """Without section and labels."""
        return self.number.key.split(".", 2)[1]

    @property
    def labels(self) -> str:
        """`group size 100`, for people."""
        parts = self.number.key.split(".", 2)[2:]
        pairs = [pair.partition("=") for pair in parts[0].split(",")] if parts else []
        return ", ".join(f"{_plain(name)} {_plain(value, spaces=False)}" for name, _, value in pairs)

    @property
    def name(self) -> str:
        """`fanout: delivery ms p99, group size 100`."""
        labels = f", {self.labels}" if self.labels else ""
        return f"{_plain(self.section)}: {_plain(self.measure)}{labels}"

    @property
    def short_name(self) -> str:
        """`delivery ms p99, 100`, where there is little room."""
        labels = [pair.partition("=")[2] for part in self.number.key.split(".", 2)[2:] for pair in part.split(",")]
        return ", ".join([_plain(self.measure), *(_plain(value, spaces=False) for value in labels)])

    @property
    def ratio(self) -> float | None:
        """B ÷ A; None where either is missing or A is zero."""
        if self.base is None or self.head is None or not self.base.value or self.head.value is None:
            return None
        return self.head.value / self.base.value

    @property
    def is_notable(self) -> bool:
        """Counted and changed, or timed, strong and further apart than runs of identical code."""
        if self.base is None or self.head is None or self.base.value is None or self.head.value is None:
            return False
        before, after = self.base.value, self.head.value
        if _EXACT.search(self.measure):
            return abs(after - before) > _EXACT_SHARE * abs(before)
        if self.number.unit not in _FLOORS or not _TIMED.search(self.measure) or self.base.weak or self.head.weak:
            return False
        low, high = sorted((before, after))
        return high - low >= _FLOORS[self.number.unit] and high > low * (1 + DRIFT)

    @property
    def distance(self) -> float:
        """How far apart, in either direction alike."""
        ratio = self.ratio
        return float("inf") if not ratio or ratio < 0 else max(ratio, 1 / ratio)


@dataclass(frozen=True)
class RunComparison:
    """Everything that a comparison shows."""

    base: Side
    head: Side
    differences: tuple[Difference, ...]
    numbers: tuple[ComparedNumber, ...]  # in the order of the reports

    @property
    def sides(self) -> tuple[Side, Side]:
        """A and B."""
        return self.base, self.head

    @property
    def notable(self) -> tuple[ComparedNumber, ...]:
        """What changed most, the greatest first."""
        found = [one for one in self.numbers if one.is_notable and one.section != HEADLINE]
        return tuple(sorted(found, key=lambda one: -one.distance)[:MOST_CHANGED])

    @property
    def headlines(self) -> tuple[tuple[str, ComparedNumber, str], ...]:
        """(title, number, what it is of) of the numbers that matter to either run."""
        titles = {one.number.key: one.title for side in self.sides for one in side.headlines}
        details = [{one.number.key: one.detail for one in side.headlines} for side in self.sides]
        by_key = {one.number.key: one for one in self.numbers}
        return tuple((title, by_key[key], _detail(*(one.get(key) for one in details))) for key, title in titles.items())

    @property
    def sections(self) -> tuple[tuple[Section, tuple[ComparedNumber, ...]], ...]:
        """The sections that hold numbers of either run, each with them."""
        named = {section.name: section for side in self.sides for section in (_LEDGER, *side.sections)}
        groups: dict[str, list[ComparedNumber]] = {name: [] for name in named}
        for one in self.numbers:
            if one.section in groups:
                groups[one.section].append(one)
        return tuple((named[name], tuple(found)) for name, found in groups.items() if found)

    @property
    def one_sided(self) -> tuple[str, ...]:
        """What only one of the two measured, by section."""
        found = []
        for side, other in ((self.base, self.head), (self.head, self.base)):
            own = {section.name: section.title for section in side.sections if section.measured}
            foreign = {section.name for section in other.sections if section.measured}
            found += [f"{title}: measured in {side.letter} alone" for name, title in own.items() if name not in foreign]
        return tuple(found)

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why either run must not be believed."""
        return tuple(f"{side.letter}: {reason}" for side in self.sides for reason in side.verdict.reasons)


def compare_runs(base: Path, head: Path) -> RunComparison:
    """Two stored runs side by side; InputError when one cannot be read or they have no number in common.

    Both are run folders, or both JSON files of pytest-benchmark.
    """
    if both_benchmark_files(base, head):
        before, after = read_benchmarks(base), read_benchmarks(head)
        return _compared(_of_benchmarks("A", before), _of_benchmarks("B", after), benchmark_differences(before, after))
    one, other = (summarise_run(read_measurements(path)) for path in (base, head))
    return _compared(_of_run("A", one), _of_run("B", other), differences(one.manifest, other.manifest))


def _compared(base: Side, head: Side, found: tuple[Difference, ...]) -> RunComparison:
    keys = (*head.numbers, *(base.numbers.keys() - head.numbers.keys()))
    numbers = tuple(ComparedNumber(base.numbers.get(key), head.numbers.get(key)) for key in keys)
    if not any(_both_measured(one) for one in numbers):
        ran = [", ".join(side.ran) or "nothing" for side in (base, head)]
        raise InputError(
            f"{base.name} and {head.name} have no number in common: the one ran {ran[0]}, the other {ran[1]}; "
            "name two runs of one scenario"
        )
    return RunComparison(base, head, found, _in_order(numbers))


def _of_run(letter: str, summary: RunSummary) -> Side:
    manifest = summary.manifest
    return Side(
        letter=letter,
        name=manifest.run_id,
        started_at=manifest.started_at,
        commit=manifest.commit,
        verdict=summary.verdict,
        ran=tuple(record.part for record in manifest.scenarios),
        headlines=summary.headlines,
        sections=summary.sections,
        numbers=summary.numbers,
        closed_loops=frozenset(closed_loop_scenarios([manifest])),
    )


def _of_benchmarks(letter: str, run: BenchmarkRun) -> Side:
    numbers = {}
    for name, found in run.benchmarks.items():
        for measure, value, unit in (("us_p50", found.us_p50, "µs"), ("rounds", len(found.rounds_us), "")):
            key = _benchmark_key(measure, name)
            numbers[key] = Number(key, value, unit)
    return Side(
        letter=letter,
        name=run.name,
        started_at=run.started_at,
        commit=run.commit,
        verdict=RunVerdict("VALID", (), finished=True, cut_short=False),
        ran=tuple(run.benchmarks),
        headlines=tuple(
            Headline(name, numbers[_benchmark_key("us_p50", name)], f"median of {len(found.rounds_us)} rounds")
            for name, found in run.benchmarks.items()
        ),
        sections=(_BENCHMARKS,),
        numbers=numbers,
    )


def _benchmark_key(measure: str, name: str) -> str:
    return number_key(_BENCHMARKS.name, measure, {"benchmark": name})


def comparison_document(comparison: RunComparison) -> dict[str, Any]:
    """Plain JSON values: what differs, and every number of both by key."""
    document = {
        "document_version": DOCUMENT_VERSION,
        "runs": {side.letter: {"run_id": side.name, "verdict": side.verdict} for side in comparison.sides},
        "differences": comparison.differences,
        "one_sided": comparison.one_sided,
        "notable": [one.number.key for one in comparison.notable],
        "numbers": {
            one.number.key: {
                "unit": one.number.unit,
                "A": one.base.value if one.base else None,
                "B": one.head.value if one.head else None,
                "ratio": one.ratio,
            }
            for one in comparison.numbers
        },
    }
    plain: dict[str, Any] = msgspec.to_builtins(document)
    return plain


def change_text(one: ComparedNumber) -> str:
    """`+12 %`; empty where nothing can be divided."""
    return "" if one.ratio is None else f"{(one.ratio - 1) * 100:+.1f} %"


def value_text(number: Number | None) -> str:
    """The value with its unit."""
    if number is None or number.value is None:
        return format_number(None)
    return f"{number.text} {number.unit}".strip()


def comparison_text(comparison: RunComparison) -> str:
    """For a terminal: what differs, the numbers that matter, what changed most."""
    lines = [
        f"{side.letter}  {side.name}: {side.verdict.verdict}, commit {side.commit or '–'}" for side in comparison.sides
    ]
    rows = [(f"{title} ({detail})" if detail else title, one) for title, one, detail in comparison.headlines]
    tables = (
        ("Do not rely on these numbers", list(comparison.doubts)),
        ("What differs beside the numbers", [one.sentence for one in comparison.differences]),
        ("What only one of them measured", list(comparison.one_sided)),
        ("The numbers that matter (A, B, change)", _rows(rows)),
        ("What changed most (A, B, change)", _rows([(one.name, one) for one in comparison.notable])),
    )
    for title, told in tables:
        if told:
            lines += ["", title, *(f"  {line}" for line in told)]
    return "\n".join([*lines, "", CAVEAT])


CAVEAT = (
    "Two stored runs, not measured side by side: times of identical code were measured to lie up to "
    f"{DRIFT * 100:.0f} % apart. To compare two versions on the same arrivals, use chatbench ab."
)


def _rows(rows: list[tuple[str, ComparedNumber]]) -> list[str]:
    width = max((len(name) for name, _ in rows), default=0)
    return [
        f"{name:{width}}  {value_text(one.base):>14}  {value_text(one.head):>14}  {change_text(one):>9}".rstrip()
        for name, one in rows
    ]


def _detail(base: str | None, head: str | None) -> str:
    """What a headline is of; both, where the runs' own headlines are of different things."""
    if base is None or head is None or base == head:
        return head or base or ""
    return f"A: {base}; B: {head}"


def _both_measured(one: ComparedNumber) -> bool:
    return all(number is not None and number.value is not None for number in (one.base, one.head))


def _in_order(numbers: tuple[ComparedNumber, ...]) -> tuple[ComparedNumber, ...]:
    """Numbers that only A has go where their section is."""
    places: dict[str, int] = {}
    for one in numbers:
        places.setdefault(one.section, len(places))
    return tuple(sorted(numbers, key=lambda one: places[one.section]))


def _plain(text: str, *, spaces: bool = True) -> str:
    """A key's part for people: quoting undone."""
    unquoted = text.replace("%2C", ",").replace("%3D", "=").replace("%25", "%")
    return unquoted.replace("_", " ") if spaces else unquoted


def of_side(number: Number | None, key: str, unit: str, letter: str) -> Number:
    """The number as that of one of two runs, its key saying of which."""
    labelled = f"{key}{',' if '=' in key else '.'}run={letter}"
    return replace(number, key=labelled, link=None) if number is not None else Number(labelled, None, unit)
