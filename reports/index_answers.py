"""Several statements for one question: which give the right rows, and whose cost grows with what."""

from collections import defaultdict

from reports.index_record import IndexRecord
from reports.numbers import Column, Number, Table, format_number, number_key
from reports.section import Section, and_list
from scenarios.study import Growth, Order, Rung, Scale, Walk

NAME = "index_answers"
TITLE = "One question, several statements"
QUESTION = "Which ways of asking give the right rows, and how does each one's cost grow?"

_HOW = (
    "Every statement's rows were compared with those of a plain statement that no index and no policy has a part in; "
    "lists were walked page by page to their end, on messages with ties, quietly and with a message coming in after "
    "each page, all taken back; growth is by buffers of single executions, which are exact, over full pages."
)
ORDER_WORDS: dict[Order, str] = {
    "flat": "stays flat",
    "falling": "falls",
    "logarithmic": "grows (a logarithm fits best)",
    "linear": "grows (a line fits best)",
    "unknown": "has too few sizes to tell",
}
_GROWING: tuple[Order, ...] = ("logarithmic", "linear")


def answers_section(record: IndexRecord) -> Section | None:
    """The section; None when the run asked no question in more than one way."""
    study = record.study
    if not study.walks and not study.growths:
        return None
    tables = [_walk_table(study.walks), _growth_table(study.growths), _scale_table(study.scales)]
    tables = [table for table in tables if table.rows]
    reading = " ".join([
        *_wrong_sentences(record),
        *_walk_sentences(study.walks),
        *_growth_sentences(study.growths),
        *_scale_sentences(study.scales, study.growths),
    ])  # fmt: skip
    return Section(NAME, TITLE, QUESTION, reading, _HOW, measured=True, tables=tuple(tables))


def _wrong_sentences(record: IndexRecord) -> list[str]:
    classes: dict[str, list[str]] = defaultdict(list)
    for statement, parameter_class in record.wrong:
        classes[statement].append(parameter_class)
    if not classes:
        return ["Every statement gave the rows that it should."] if record.questions else []
    return [f"{statement} gave wrong rows for {and_list(names)}." for statement, names in classes.items()]


def _walk_sentences(walks: tuple[Walk, ...]) -> list[str]:
    """What each incomplete way of paging did to its rows, over the strategies under which it did worst."""
    worst: dict[tuple[str, bool], Walk] = {}
    for walk in walks:
        key = (walk.statement, walk.with_inserts)
        if key not in worst or walk.lost + walk.repeated > worst[key].lost + worst[key].repeated:
            worst[key] = walk
    told = [_walk_sentence(walk) for walk in worst.values() if not walk.complete]
    complete = sorted({name for name, _ in worst if all(w.complete for key, w in worst.items() if key[0] == name)})
    if complete:
        told.append(f"{and_list(complete)} {'gives' if len(complete) == 1 else 'give'} every row once.")
    return told


def _walk_sentence(walk: Walk) -> str:
    faults = [
        f"{what} {format_number(count)}" for what, count in (("loses", walk.lost), ("repeats", walk.repeated)) if count
    ]
    when = "when messages come in between" if walk.with_inserts else "on ties alone"
    return (
        f"Walked in pages of {walk.page_limit}, {walk.statement} {and_list(faults)} of {format_number(walk.rows)} rows "
        f"{when}."
    )


def _growth_sentences(growths: tuple[Growth, ...]) -> list[str]:
    """Per question, those that grow against those that do not, under the strategy with which most do not."""
    groups: dict[tuple[str, str, str | None], dict[str, list[Growth]]] = defaultdict(lambda: defaultdict(list))
    for growth in growths:
        if growth.question is not None:
            groups[growth.question, growth.along, growth.parameter_class][growth.strategy].append(growth)
    told = []
    for (_, along, parameter_class), strategies in groups.items():
        contrasts = {name: own for name, own in strategies.items() if _flat(own) and _growing(own)}
        if not contrasts:
            continue
        strategy = max(contrasts, key=lambda name, own=contrasts: len(_flat(own[name])))  # type: ignore[misc]
        growing, flat = _growing(contrasts[strategy]), _flat(contrasts[strategy])
        where = f"With the {along} ({parameter_class})" if parameter_class else f"With the {along}"
        told.append(
            f"{where}, under “{strategy}”, {and_list([_span(one) for one in growing])} "
            f"{'grows' if len(growing) == 1 else 'grow'} while {and_list([_span(one) for one in flat])} "
            f"{'stays' if len(flat) == 1 else 'stay'} flat."
        )
    return told


def _growing(growths: list[Growth]) -> list[Growth]:
    return [one for one in growths if one.order in _GROWING]


def _flat(growths: list[Growth]) -> list[Growth]:
    return [one for one in growths if one.order == "flat"]


def _span(growth: Growth) -> str:
    """`inbox_or (26 to 5 700 buffers)`, from the smallest to the largest size that can be compared."""
    first, last = growth.compared[0], growth.compared[-1]
    return f"{growth.statement} ({format_number(first.buffers)} to {format_number(last.buffers)} buffers)"


def _walk_table(walks: tuple[Walk, ...]) -> Table:
    columns = ("statement", "strategy", "messages come in", "pages", "rows", "lost", "repeated", "such as")
    rows = []
    for walk in walks:
        labels = {"statement": walk.statement, "strategy": walk.strategy, "inserts": str(walk.with_inserts).lower()}
        rows.append((
            walk.statement,
            walk.strategy,
            "after each page" if walk.with_inserts else "no",
            Number(number_key(NAME, "walk_pages", labels), walk.pages),
            Number(number_key(NAME, "walk_rows", labels), walk.rows),
            Number(number_key(NAME, "walk_lost", labels), walk.lost, bad=walk.lost > 0),
            Number(number_key(NAME, "walk_repeated", labels), walk.repeated, bad=walk.repeated > 0),
            walk.example or "–",
        ))  # fmt: skip
    return Table("Every way of paging, walked to the end", tuple(Column(name) for name in columns), tuple(rows))


def _growth_table(growths: tuple[Growth, ...]) -> Table:
    columns = (
        "statement",
        "class",
        "strategy",
        "with",
        "it",
        "smallest",
        "buffers",
        "largest",
        "buffers",
        "of them read",
    )
    rows = []
    for growth in growths:
        if not growth.rungs:
            continue
        labels = {
            "statement": growth.statement,
            "strategy": growth.strategy,
            "along": growth.along,
            "parameter_class": growth.parameter_class or "all",
        }
        first, last = growth.compared[0], growth.compared[-1]
        rows.append((
            growth.statement,
            growth.parameter_class or "all",
            growth.strategy,
            growth.along,
            ORDER_WORDS[growth.order],
            Number(number_key(NAME, "smallest_size", labels), first.size),
            Number(number_key(NAME, "smallest_buffers", labels), first.buffers),
            Number(number_key(NAME, "largest_size", labels), last.size),
            Number(number_key(NAME, "largest_buffers", labels), last.buffers),
            "–"
            if last.buffers_read is None
            else Number(number_key(NAME, "largest_buffers_read", labels), last.buffers_read),
        ))  # fmt: skip
    caption = "Buffers from the smallest to the largest size"
    return Table(caption, tuple(Column(name) for name in columns), tuple(rows))


def _scale_sentences(scales: tuple[Scale, ...], growths: tuple[Growth, ...]) -> list[str]:
    """Which data sets were too large for the memory that PostgreSQL had, and what had to be read there."""
    if not scales:
        return []
    memory = f"shared buffers ({_megabytes(scales[0].shared_buffers_bytes)} MB)"
    exceeding = [scale for scale in scales if scale.exceeds_shared_buffers]
    if not exceeding:
        return [f"Every data set fits into the {memory}."]
    names = and_list([f"{scale.size} ({_megabytes(scale.database_bytes)} MB)" for scale in exceeding])
    told = [f"Of {len(scales)} data sets {names} {'is' if len(exceeding) == 1 else 'are'} larger than the {memory}."]
    sizes = {scale.messages for scale in exceeding}
    beyond = [(rung.buffers_read or 0, growth, rung) for growth in growths for rung in _rungs_of(growth, sizes)]
    if beyond:
        read = sum(count for count, _, _ in beyond)
        touched = sum(rung.buffers for _, _, rung in beyond)
        most, growth, rung = max(beyond, key=lambda item: item[0])
        told.append(
            f"There the statements, one after the other, read {format_number(read)} of {format_number(touched)} "
            f"buffers from outside of them; most of them {growth.statement} ({growth.parameter_class}) under "
            f"“{growth.strategy}”, {format_number(most)} of {format_number(rung.buffers)}."
        )
    return told


def _rungs_of(growth: Growth, sizes: set[int]) -> list[Rung]:
    return [rung for rung in growth.rungs if rung.buffers_read is not None and rung.size in sizes]


def _scale_table(scales: tuple[Scale, ...]) -> Table:
    columns = (
        Column("data set"),
        Column("messages"),
        Column("database", "MB"),
        Column("shared buffers", "MB"),
        Column("larger than shared buffers"),
    )
    rows = []
    for scale in scales:
        labels = {"size": scale.size}
        rows.append((
            scale.size,
            Number(number_key(NAME, "messages", labels), scale.messages),
            Number(number_key(NAME, "database_megabytes", labels), scale.database_bytes / 1e6, "MB", digits=1),
            Number(
                number_key(NAME, "shared_buffers_megabytes", labels), scale.shared_buffers_bytes / 1e6, "MB", digits=1
            ),
            "yes" if scale.exceeds_shared_buffers else "no",
        ))  # fmt: skip
    return Table("The data sets over which growth was followed", columns, tuple(rows))


def _megabytes(size: int) -> str:
    return format_number(size / 1e6)
