"""What makes a plan change: values or none, small or large, and the form of the policies."""

from collections import defaultdict
from statistics import median
from urllib.parse import quote

from reports.index_record import IndexRecord, buffers_of
from reports.intervals import judge, median_interval
from reports.numbers import Column, Number, Table, format_number, number_key
from reports.section import Section, and_list
from reports.strategies import LATENCY_WORDS
from scenarios.run_records import QueryLine
from scenarios.study import PlanModes

NAME = "index_plans"
TITLE = "When plans change"
QUESTION = "Which statements are planned otherwise for other values, as generic plans, or under other policies?"

RLS_OFF = "rls_off"  # the form that others are compared with
OWN_FORM = "scalar_subquery"  # the server's own, which the others would have to beat

_HOW = (
    "Both plan modes were forced on the prepared statements that the server's driver makes, and executed once under "
    "EXPLAIN. Policies were laid over copies of the same data with the same indexes, and their executions alternated "
    "within blocks as the application's role; ratios are medians over blocks."
)
_NO_DIFFERENCE = 1.0


def plans_section(record: IndexRecord) -> Section | None:
    """The section; None when the run compared neither plan modes nor policies."""
    if not record.study.plan_modes and not record.policy_lines:
        return None
    tables = [_mode_table(record.study.plan_modes), _class_table(record), _policy_table(record)]
    reading = " ".join(
        sentence for sentence in (_mode_sentence(record.study.plan_modes), *_policy_sentences(record)) if sentence
    )
    return Section(
        NAME, TITLE, QUESTION, reading, _HOW, measured=True, tables=tuple(table for table in tables if table.rows)
    )


def _mode_sentence(modes: tuple[PlanModes, ...]) -> str:
    if not modes:
        return ""
    changed = [mode for mode in modes if not mode.same_plan]
    if not changed:
        return f"All {format_number(len(modes))} cells have the same plan in both modes."
    worst = max(changed, key=lambda mode: abs(mode.generic_buffers - mode.custom_buffers))
    return (
        f"{format_number(len(changed))} of {format_number(len(modes))} cells are planned otherwise for all values than "
        f"for their own; the largest difference is {worst.statement} ({worst.parameter_class}) under "
        f"“{worst.strategy}”: "
        f"{format_number(worst.custom_buffers)} buffers custom, {format_number(worst.generic_buffers)} generic."
    )


def _mode_table(modes: tuple[PlanModes, ...]) -> Table:
    columns = (Column("statement"), Column("class"), Column("strategy"), Column("custom"), Column("generic"))
    rows = []
    for mode in modes:
        if mode.custom_plan is None or mode.generic_plan is None:
            continue
        labels = {
            "strategy": mode.strategy, "statement": mode.statement, "parameter_class": mode.parameter_class
        }  # fmt: skip
        rows.append((
            mode.statement,
            mode.parameter_class,
            mode.strategy,
            Number(
                number_key(NAME, "custom_buffers", labels), mode.custom_buffers, link=f"plans/{quote(mode.custom_plan)}"
            ),
            Number(
                number_key(NAME, "generic_buffers", labels),
                mode.generic_buffers,
                link=f"plans/{quote(mode.generic_plan)}",
            ),
        ))  # fmt: skip
    return Table("Buffers of cells with two plans", columns, tuple(rows))


def _class_table(record: IndexRecord) -> Table:
    """Statements whose plan depends on the class of their values."""
    plans: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for (strategy, cell), lines in record.grouped().items():
        plans[cell[0], strategy][lines[-1].plan_hash].append(cell[1])
    rows = tuple(
        (statement, strategy, " | ".join(", ".join(sorted(classes)) for classes in by_plan.values()))
        for (statement, strategy), by_plan in sorted(plans.items())
        if len(by_plan) > 1
    )
    return Table(
        "Statements planned otherwise for other classes",
        (Column("statement"), Column("strategy"), Column("classes that share a plan")),
        rows,
    )


PolicyGroups = dict[tuple[str, str], dict[str, list[QueryLine]]]


def _policy_groups(record: IndexRecord) -> PolicyGroups:
    groups: PolicyGroups = defaultdict(lambda: defaultdict(list))
    for line in record.policy_lines:
        groups[line.statement, line.parameter_class][line.policy or ""].append(line)
    return groups


def _policy_sentences(record: IndexRecord) -> list[str]:
    """Per statement, which forms of the policies change places between classes beyond doubt."""
    classes: dict[str, dict[str, dict[str, list[QueryLine]]]] = defaultdict(dict)
    for (statement, parameter_class), forms in _policy_groups(record).items():
        classes[statement][parameter_class] = forms
    told: list[str] = []
    steady: list[str] = []
    for statement, by_class in classes.items():
        told += _counter_sentence(statement, by_class)
        others = sorted({form for forms in by_class.values() for form in forms} - {RLS_OFF, OWN_FORM})
        pairs = [(form, OWN_FORM) for form in others]
        turned = [pair for pair in pairs if len(set(_winners(pair, by_class).values())) > 1]
        told += [_turn_sentence(statement, pair, _winners(pair, by_class)) for pair in turned]
        steady += [statement] if not turned else []
    if steady:
        told.append(f"By time, no policy changes places with the server's own on {and_list(steady)} beyond doubt.")
    return told


def _counter_sentence(statement: str, by_class: dict[str, dict[str, list[QueryLine]]]) -> list[str]:
    """Which forms read least in each class, when none does in all: buffers are exact, and rank before times do."""
    least: dict[str, tuple[set[str], float]] = {}
    for parameter_class, forms in by_class.items():
        counts = {form: buffers_of(lines) for form, lines in forms.items() if form != RLS_OFF}
        if counts:
            fewest = min(counts.values())
            least[parameter_class] = ({form for form, count in counts.items() if count == fewest}, fewest)
    if len(least) < 2 or set.intersection(*(forms for forms, _ in least.values())):
        return []
    named = and_list(
        [
            f"{' or '.join(sorted(forms))} for {name} ({format_number(count, 0)})"
            for name, (forms, count) in least.items()
        ]
    )
    return [f"The policy that reads the fewest buffers for {statement} changes with the memberships: {named}."]


def _winners(pair: tuple[str, str], by_class: dict[str, dict[str, list[QueryLine]]]) -> dict[str, str]:
    """Parameter class → the form of the two that is faster there; classes that leave doubt are left out."""
    first, second = pair
    found = {}
    for parameter_class, forms in by_class.items():
        ratios = _ratios(forms.get(first, []), forms.get(second, []))
        judgement = judge(median_interval(ratios), _NO_DIFFERENCE) if ratios else "unsure"
        if judgement in ("lower", "higher"):
            found[parameter_class] = first if judgement == "lower" else second
    return found


def _turn_sentence(statement: str, pair: tuple[str, str], winners: dict[str, str]) -> str:
    named = and_list([f"{form} is faster for {parameter_class}" for parameter_class, form in winners.items()])
    return f"By time, {pair[0]} and {pair[1]} change places on {statement}: {named}."


def _policy_table(record: IndexRecord) -> Table:
    columns = (
        Column("statement"),
        Column("class"),
        Column("policy"),
        Column("buffers"),
        Column("p50", "µs"),
        Column("÷ no policy", "×"),
        Column("latency is"),
    )
    rows = []
    for (statement, parameter_class), forms in sorted(_policy_groups(record).items()):
        for form in sorted(forms, key=lambda name: (name != RLS_OFF, name)):
            lines = forms[form]
            labels = {"statement": statement, "parameter_class": parameter_class, "policy": form}
            ratios = _ratios(lines, forms.get(RLS_OFF, [])) if form != RLS_OFF else []
            interval = median_interval(ratios) if ratios else None
            rows.append((
                statement,
                parameter_class,
                form,
                Number(
                    number_key(NAME, "buffers", labels),
                    buffers_of(lines),
                    digits=0,
                    link=f"plans/{quote(lines[-1].plan)}",
                ),
                Number(number_key(NAME, "p50_us", labels), _latency_us(lines), digits=0),
                "–" if interval is None else Number(number_key(NAME, "ratio", labels), interval.estimate),
                "baseline" if interval is None else LATENCY_WORDS[judge(interval, _NO_DIFFERENCE)],
            ))  # fmt: skip
    return Table("Each form of row-level security, by the caller's memberships", columns, tuple(rows))


def _latency_us(lines: list[QueryLine]) -> float:
    return float(median([median(line.latency_us) for line in lines]))


def _ratios(lines: list[QueryLine], base: list[QueryLine]) -> list[float]:
    theirs = {line.block: median(line.latency_us) for line in base}
    return [median(line.latency_us) / theirs[line.block] for line in lines if line.block in theirs]
