"""Several statements for one question: which give the right rows, and whose cost grows with what."""

from collections import defaultdict

from reports.index_record import IndexRecord
from reports.numbers import Column, Number, Table, format_number, number_key
from reports.section import Section, and_list
from scenarios.study import Growth, Order, Walk

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
    tables = [table for table in (_walk_table(study.walks), _growth_table(study.growths)) if table.rows]
    reading = " ".join([*_wrong_sentences(record), *_walk_sentences(study.walks), *_growth_sentences(study.growths)])
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
    columns = ("statement", "class", "strategy", "with", "it", "smallest", "buffers", "largest", "buffers")
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
        ))  # fmt: skip
    caption = "Buffers from the smallest to the largest size"
    return Table(caption, tuple(Column(name) for name in columns), tuple(rows))
