"""What the server and its database did while the load was on: whose time a latency is made of."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from msgspec import structs

from reports.health import Span, average, highest
from reports.measurements import Measurements
from reports.numbers import Cell, Column, Number, Table, format_number, number_key
from reports.section import Section, and_list, missing
from scenarios.run_records import ServerSecond, StatementTotal

NAME = "server"
TITLE = "What the server did"
QUESTION = "Where does the time go: the server's CPU, the database's, a pool, a lock?"

TOP_STATEMENTS = 12  # per scenario in the table; what the others took together is its last row

_HOW = (
    "Observed once per second beside the load. CPU of the chat server's process and of PostgreSQL's processes for its "
    "database is of one core, the machine's of all its cores; waits for a connection and statements are the server's "
    "own counts; backends are looked at ten times a second. WAL is the whole cluster's, buffers and commits are the "
    "database's, which counts them up to a second late. A statement's time runs from its sending to its rows."
)


@dataclass(frozen=True)
class Quantity:
    """One figure per second."""

    title: str
    measure: str  # of its numbers' keys
    unit: str
    read: Callable[[ServerSecond], float | None]


def _per_second(name: str, factor: float = 1.0) -> Callable[[ServerSecond], float | None]:
    def read(line: ServerSecond) -> float | None:
        value = getattr(line, name)
        return None if value is None else factor * value / line.seconds

    return read


def _plain(name: str, factor: float = 1.0) -> Callable[[ServerSecond], float | None]:
    def read(line: ServerSecond) -> float | None:
        value = getattr(line, name)
        return None if value is None else factor * value

    return read


def _pool_wait_ms(line: ServerSecond) -> float | None:
    """The mean wait of those who asked for a connection in this second."""
    if line.pool_waits is None or line.pool_wait_ms_sum is None:
        return None
    return line.pool_wait_ms_sum / line.pool_waits if line.pool_waits else 0.0


QUANTITIES = (
    Quantity("chat server CPU", "cpu_percent", "%", _plain("server_cpu_percent")),
    Quantity("PostgreSQL CPU", "database_cpu_percent", "%", _plain("database_cpu_percent")),
    Quantity("machine CPU, of all cores", "host_cpu_percent", "%", _plain("host_cpu_percent")),
    Quantity("chat server memory", "memory_megabytes", "MB", _plain("server_memory_bytes", 1e-6)),
    Quantity("PostgreSQL memory, unshared", "database_memory_megabytes", "MB", _plain("database_memory_bytes", 1e-6)),
    Quantity("server event-loop lag", "loop_lag_ms", "ms", _plain("loop_lag_ms")),
    Quantity("wait for a connection, mean", "pool_wait_ms", "ms", _pool_wait_ms),
    Quantity("connections asked for", "pool_waits_per_second", "/s", _per_second("pool_waits")),
    Quantity("requests waiting for a connection", "pool_waiting", "", _plain("pool_waiting")),
    Quantity("backends in a statement", "active_backends", "", _plain("active")),
    Quantity("backends waiting for a lock", "lock_waiting_backends", "", _plain("lock_waiting")),
    Quantity("WAL", "wal_kilobytes_per_second", "kB/s", _per_second("wal_bytes", 1e-3)),
    Quantity("buffers hit", "buffers_hit_per_second", "/s", _per_second("buffers_hit")),
    Quantity("buffers read", "buffers_read_per_second", "/s", _per_second("buffers_read")),
    Quantity("commits", "commits_per_second", "/s", _per_second("commits")),
)


@dataclass(frozen=True)
class ServerSummary:
    """Everything that was observed of the server."""

    seconds: tuple[int, ...] = ()  # every second between the first and the last one observed
    series: dict[str, tuple[float | None, ...]] | None = None  # by a quantity's measure; one value per second
    spans: tuple[Span, ...] = ()
    statements: tuple[StatementTotal, ...] = ()  # per scenario in its order, the dearest first
    waits: tuple[tuple[str, float], ...] = ()  # what backends waited for, and how many of them in the mean
    arms: dict[str, dict[str, float | None]] = field(default_factory=dict)  # of a comparison: arm → measure → mean

    def of(self, measure: str) -> tuple[float | None, ...]:
        """The values of one quantity."""
        return (self.series or {}).get(measure, ())

    def share(self, statement: StatementTotal) -> float | None:
        """Its share of its server's time in the scenario's statements."""
        total = sum(one.seconds for one in self.statements if _server_of(one) == _server_of(statement))
        return statement.seconds / total if total else None


def summarise_server(measurements: Measurements) -> ServerSummary:
    """What was observed within the measured time of each scenario; empty when nobody observed."""
    records = measurements.manifest.scenarios
    spans = tuple(
        Span(record.arm or record.name, record.started_second, record.started_second + record.seconds)
        for record in records
    )
    measured: dict[tuple[str, str | None], list[Span]] = defaultdict(list)
    for record, span in zip(records, spans, strict=True):
        measured[record.name, record.arm].append(span)
    lines = {
        line.second: line
        for line in measurements.server
        if isinstance(line, ServerSecond) and any(_is_within(line, span) for span in measured[_server_of(line)])
    }
    statements = _of_all_blocks(line for line in measurements.server if isinstance(line, StatementTotal))
    order = {name: number for number, name in enumerate(dict.fromkeys(_server_of(one) for one in statements))}
    statements.sort(key=lambda one: (order[_server_of(one)], -one.seconds, one.statement))
    seconds = tuple(range(min(lines), max(lines) + 1)) if lines else ()
    return ServerSummary(
        seconds=seconds,
        series={
            quantity.measure: tuple(quantity.read(lines[second]) if second in lines else None for second in seconds)
            for quantity in QUANTITIES
        },
        spans=spans,
        statements=tuple(statements),
        waits=_waits(lines.values()),
        arms={arm: _means(found) for arm, found in _by_arm(measurements, lines.values()).items()},
    )


def _is_within(line: ServerSecond, span: Span) -> bool:
    """Whether a second was measured; of a short turn, whose end weighs more, only those that were so to their end."""
    if line.arm is None:
        return line.second < span.end
    # An observer begins with a turn, in the second that the turn may be said to begin after.
    return span.start - 1 <= line.second <= span.end - 1


def _server_of(line: ServerSecond | StatementTotal) -> tuple[str, str | None]:
    """A scenario, and of a comparison's servers the one that was observed."""
    return line.scenario, line.arm


def _of_all_blocks(totals: Iterable[StatementTotal]) -> list[StatementTotal]:
    """A server's turns added up, statement by statement."""
    found: dict[tuple[str, str | None, str], StatementTotal] = {}
    for one in totals:
        key = (*_server_of(one), one.statement)
        before = found.get(key)
        calls, seconds = (before.calls, before.seconds) if before is not None else (0, 0.0)
        found[key] = structs.replace(one, calls=calls + one.calls, seconds=seconds + one.seconds)
    return list(found.values())


def _by_arm(measurements: Measurements, lines: Iterable[ServerSecond]) -> dict[str, list[ServerSecond]]:
    """The seconds of each server of a comparison, the baseline first; by its scenario too if there are several."""
    compared = measurements.manifest.arms
    names = {
        (scenario, arm.name): arm.name if len(compared) == 1 else f"{scenario} {arm.name}"
        for scenario, arms in compared.items()
        for arm in arms
    }
    found: dict[str, list[ServerSecond]] = {name: [] for name in names.values()}
    for line in lines:
        if line.arm is not None and (line.scenario, line.arm) in names:
            found[names[line.scenario, line.arm]].append(line)
    return {name: seconds for name, seconds in found.items() if seconds}


def _means(lines: Sequence[ServerSecond]) -> dict[str, float | None]:
    return {quantity.measure: average([quantity.read(line) for line in lines]) for quantity in QUANTITIES}


def _waits(lines: Iterable[ServerSecond]) -> tuple[tuple[str, float], ...]:
    looked = [line for line in lines if line.active is not None]
    sums: dict[str, float] = defaultdict(float)
    for line in looked:
        for wait, backends in line.waits.items():
            sums[wait] += backends
    return tuple(sorted(((wait, total / len(looked)) for wait, total in sums.items()), key=lambda item: -item[1]))


def server_section(summary: ServerSummary) -> Section:
    """The section of a report."""
    if not summary.seconds and not summary.statements:
        return missing(NAME, TITLE, QUESTION, "Not measured: nobody observed the server of this run.")
    made = (_seconds_table(summary), _arms_table(summary), _statements_table(summary), _waits_table(summary))
    tables = [table for table in made if table]
    return Section(NAME, TITLE, QUESTION, _reading(summary), _HOW, measured=True, tables=tuple(tables))


def _seconds_table(summary: ServerSummary) -> Table | None:
    rows = tuple(
        (
            quantity.title,
            quantity.unit,
            Number(number_key(NAME, f"{quantity.measure}_mean"), average(values), quantity.unit),
            Number(number_key(NAME, f"{quantity.measure}_max"), highest(values), quantity.unit),
        )
        for quantity in QUANTITIES
        if highest(values := summary.of(quantity.measure)) is not None
    )
    columns = (Column("quantity"), Column("unit"), Column("mean"), Column("highest second"))
    return Table("Per second of the measured time", columns, rows) if rows else None


def _arms_table(summary: ServerSummary) -> Table | None:
    """The means of a comparison's servers side by side."""
    rows: list[tuple[Cell, ...]] = []
    for quantity in QUANTITIES:
        means = {arm: found[quantity.measure] for arm, found in summary.arms.items()}
        if any(mean is not None for mean in means.values()):
            key = f"{quantity.measure}_mean"
            numbers = (Number(number_key(NAME, key, {"arm": arm}), mean, quantity.unit) for arm, mean in means.items())
            rows.append((quantity.title, quantity.unit, *numbers))
    columns = (Column("mean per second"), Column("unit"), *(Column(f"“{arm}”") for arm in summary.arms))
    return Table("Each server in its own turns", columns, tuple(rows)) if rows else None


def _statements_table(summary: ServerSummary) -> Table | None:
    rows: list[tuple[Cell, ...]] = []
    for server in dict.fromkeys(_server_of(one) for one in summary.statements):
        found = [one for one in summary.statements if _server_of(one) == server]
        rows += [_statement_row(one.statement, [one], summary) for one in found[:TOP_STATEMENTS]]
        if rest := found[TOP_STATEMENTS:]:
            rows.append(_statement_row(f"{len(rest)} others", rest, summary))
    columns = (
        Column("scenario"),
        Column("statement"),
        Column("calls"),
        Column("mean", "ms"),
        Column("share of the time", "%"),
    )
    return Table("The server's statements, the dearest first", columns, tuple(rows)) if rows else None


def _statement_row(name: str, statements: Sequence[StatementTotal], summary: ServerSummary) -> tuple[Cell, ...]:
    scenario, arm = _server_of(statements[0])
    labels = {"scenario": scenario, "statement": name, **({} if arm is None else {"arm": arm})}
    calls, seconds = sum(one.calls for one in statements), sum(one.seconds for one in statements)
    share = sum(summary.share(one) or 0.0 for one in statements)
    return (
        scenario if arm is None else f"{scenario}, “{arm}”",
        name,
        Number(number_key(NAME, "statement_calls", labels), calls),
        Number(number_key(NAME, "statement_ms_mean", labels), 1000 * seconds / calls if calls else None, "ms"),
        Number(number_key(NAME, "statement_share_percent", labels), 100 * share, "%"),
    )


def _waits_table(summary: ServerSummary) -> Table | None:
    rows = tuple(
        (wait, Number(number_key(NAME, "waiting_backends", {"wait": wait}), backends))
        for wait, backends in summary.waits[:TOP_STATEMENTS]
    )
    columns = (Column("PostgreSQL's wait event"), Column("backends, mean"))
    return Table("What backends in a statement waited for", columns, rows) if rows else None


def _reading(summary: ServerSummary) -> str:
    parts = []
    busy = [
        f"{who} {format_number(value)} %"
        for who, measure in (("the chat server used", "cpu_percent"), ("PostgreSQL", "database_cpu_percent"))
        if (value := average(summary.of(measure))) is not None
    ]
    if busy:
        parts.append(f"{and_list(busy)} of a core")
    if (wait := average(summary.of("pool_wait_ms"))) is not None:
        parts.append(f"a request waited {format_number(wait)} ms for a database connection")
    if (locks := average(summary.of("lock_waiting_backends"))) is not None:
        parts.append(f"{format_number(locks)} backends waited for a lock")
    if summary.arms:
        told = [
            f"{format_number(means['database_cpu_percent'])} % on “{arm}”"
            for arm, means in summary.arms.items()
            if means["database_cpu_percent"] is not None
        ]
        if told:
            parts.append(f"PostgreSQL's part was {and_list(told)}")
    if summary.statements:
        dearest = max(summary.statements, key=lambda one: one.seconds)
        share = format_number(100 * (summary.share(dearest) or 0.0))
        several = len({one.scenario for one in summary.statements}) > 1
        whose = f" of {dearest.scenario}" if several else "" if dearest.arm is None else f" on “{dearest.arm}”"
        parts.append(f"{dearest.statement} took {share} % of the time in statements{whose}")
    if not parts:
        return "The server was observed, and none of its figures could be read."
    sentence = "; ".join(parts)
    return f"In the mean {sentence}." if busy or len(parts) > 1 else f"{sentence[0].upper()}{sentence[1:]}."
