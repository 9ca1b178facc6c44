"""The gate's verdict in the report of a duet: its section, its figure, and the numbers of the first screen."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from reports.figure_style import INK, SERIES, Drawing, name_rows, shared_legend, value_axis
from reports.gate.decisions import CONFIDENCE, Finding
from reports.gate.duet import DUET, DuetData, duet_of, judge_duet
from reports.gate.outputs import Outcome, reading, things_to_look_at
from reports.headline import COUNT, Headline
from reports.measurements import Measurements
from reports.numbers import Cell, Column, Number, Table, format_number, number_key
from reports.section import Section, missing
from scenarios.run_records import RunManifest

NAME = "gate"
TITLE = "Base against head"
_QUESTION = "Is head slower than base, when both meet the same arrivals at the same time?"
_HOW = (
    "Every arrival was a pair: the same operation with the same parameters on both servers, in random order, timed "
    "from its intended start. Each round of a few seconds gives one ratio per metric; the rounds are tested by the "
    "exact signed-rank test against 1 + margin, over all metrics by Holm's method at 0.01, and a failure is confirmed "
    "on blocks of fresh servers at 0.05. The estimate is that of Hodges and Lehmann. Noise is how far the ratio of "
    "one round lies from the estimate, median. Counters are exact and compared as such."
)


def summarise_gate(measurements: Measurements) -> Outcome | None:
    """The verdict on a duet; None when the run was none."""
    if DUET not in measurements.manifest.arms:
        return None
    data: DuetData = duet_of(measurements)
    blocks = measurements.manifest.options.get("blocks")
    return judge_duet(data, blocks if isinstance(blocks, int) else len(measurements.manifest.scenarios))


def gate_section(outcome: Outcome) -> Section:
    """Every metric and counter with all that its verdict rests on."""
    if not any(finding.rounds for finding in outcome.decision.findings) and not outcome.counters:
        return missing(NAME, TITLE, _QUESTION, "Not measured: the run holds no whole round of both arms.")
    tables = [_metrics_table(outcome.decision.findings)]
    if outcome.counters:
        tables.append(_counters_table(outcome))
    return Section(
        NAME,
        TITLE,
        _QUESTION,
        f"{outcome.verdict}: {outcome.title}. {reading(outcome)}",
        _HOW,
        measured=True,
        tables=tuple(tables),
    )


def gate_headlines(outcome: Outcome) -> tuple[Headline, ...]:
    """The ratios that matter most: of the gravest verdicts, then the greatest."""
    gravest = sorted(
        (finding for finding in outcome.decision.findings if finding.ratio is not None),
        key=lambda one: (one.verdict != "REGRESSED", one.verdict != "UNCERTAIN", -_ratio(one)),
    )
    return tuple(
        Headline(
            _title(finding),
            Number(
                number_key("headline", f"{finding.metric.name}_ratio"),
                _ratio(finding),
                "×",
                bad=finding.verdict == "REGRESSED",
                digits=3,
            ),
            _detail(finding),
        )
        for finding in gravest[:COUNT]
    )


def gate_surprises(outcome: Outcome, manifest: RunManifest) -> tuple[str, ...]:
    """What to look at, but for what the page says of the run anyway."""
    told = {warning for record in manifest.scenarios for warning in record.warnings}
    told |= {f"the run: {reason}" for reason in outcome.reasons}
    return tuple(sentence for sentence in things_to_look_at(outcome) if sentence not in told)


def gate_drawing(outcome: Outcome) -> Drawing | None:
    """Ratios with their intervals beside the margins; None without any."""
    found = [finding for finding in outcome.decision.findings if finding.ratio is not None]
    if not found:
        return None

    def draw(panels: Sequence[Axes]) -> None:
        axes = panels[0]
        ends = [1.0]
        for place, finding in enumerate(found):
            assert finding.ratio is not None
            ends += [finding.ratio.low, finding.ratio.high, 1 + finding.metric.margin]
            axes.plot([finding.ratio.low, finding.ratio.high], [place, place], color=SERIES[0], linewidth=1.6)
        places = range(len(found))
        axes.plot(
            [_ratio(finding) for finding in found],
            list(places),
            linestyle="none",
            marker="o",
            color=SERIES[0],
            label=f"head ÷ base, with {CONFIDENCE:.0%} interval",
        )
        axes.plot(
            [1 + finding.metric.margin for finding in found],
            list(places),
            linestyle="none",
            marker="|",
            markersize=11,
            color=SERIES[1],
            label="margin: slower than this is a regression",
        )
        value_axis(axes, ends, horizontal=True)
        room = 0.05 * (max(ends) - min(ends))
        axes.set_xlim(min(ends) - room, max(ends) + room)  # ratios are not compared with 0
        axes.axvline(1.0, color=INK, linewidth=1.0, linestyle="--", label="the same")
        name_rows(axes, [_title(finding) for finding in found])
        axes.set_xlabel("head ÷ base (×)")
        shared_legend(panels, 1)

    return Drawing(NAME, 1, draw, panel_inches=1.2 + 0.36 * len(found))


def _title(finding: Finding) -> str:
    """`first page p50`: words, which break on a narrow page."""
    return finding.metric.name.replace("_ms_", " ").replace("_", " ")


def _ratio(finding: Finding) -> float:
    assert finding.ratio is not None
    return finding.ratio.value


def _detail(finding: Finding) -> str:
    assert finding.ratio is not None
    effect = "none" if finding.smallest_effect is None else f"{finding.smallest_effect:+.1%}"
    return (
        f"{finding.verdict}, {CONFIDENCE:.0%} interval {format_number(finding.ratio.low, 3)}–"
        f"{format_number(finding.ratio.high, 3)}; would have found {effect}"
    )


def _metrics_table(findings: Sequence[Finding]) -> Table:
    columns = (
        Column("metric"), Column("verdict"), Column("base", "ms"), Column("head", "ms"), Column("head ÷ base", "×"),
        Column("low", "×"), Column("high", "×"), Column("would have found", "%"), Column("noise of a round", "%"),
        Column("p"), Column("rounds"),
    )  # fmt: skip
    return Table("Times, one row per metric", columns, tuple(_metric_row(finding) for finding in findings))


def _metric_row(finding: Finding) -> tuple[Cell, ...]:
    ratio = finding.ratio
    values: dict[str, tuple[float | int | None, int | None]] = {
        "base_ms": (finding.base, None),
        "head_ms": (finding.head, None),
        "ratio": (None if ratio is None else ratio.value, 3),
        "ratio_low": (None if ratio is None else ratio.low, 3),
        "ratio_high": (None if ratio is None else ratio.high, 3),
        "smallest_effect_percent": (_percent(finding.smallest_effect), 1),
        "noise_percent": (_percent(finding.noise), 1),
        "p": (finding.p, 4),
        "rounds": (finding.rounds, None),
    }
    labels = {"metric": finding.metric.name}
    numbers = [
        Number(number_key(NAME, name, labels), value, digits=None if value is None else digits)
        for name, (value, digits) in values.items()
    ]
    return (finding.metric.name, finding.verdict, *numbers)


def _counters_table(outcome: Outcome) -> Table:
    columns = (Column("counter"), Column("verdict"), Column("base"), Column("head"), Column("unit"))
    rows = []
    for one in outcome.counters:
        labels = {"counter": one.counter.name}
        base, head = (
            Number(number_key(NAME, f"counter_{arm}", labels), value)
            for arm, value in (("base", one.base), ("head", one.head))
        )
        rows.append((one.counter.name, one.verdict, base, head, one.counter.unit))
    return Table("Counters, exact", columns, tuple(rows))


def _percent(share: float | None) -> float | None:
    return None if share is None else share * 100
