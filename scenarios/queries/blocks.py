"""The measuring itself: every unit tried out under every strategy, then block after block of timed executions."""

from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

import asyncpg

from fixtures.errors import InputError
from fixtures.progress import Progress
from reference_server.statements import server_statements
from scenarios.queries.arm import Arm, Executed, Explained
from scenarios.queries.block_order import shuffled, visits
from scenarios.queries.findings import Findings
from scenarios.queries.one_core import on_one_core
from scenarios.queries.parameter_classes import Unit
from scenarios.queries.results import difference, is_ordered, masked
from scenarios.queries.truths import lies
from scenarios.queries.variants import Variant
from scenarios.run_folder import RunFolder
from scenarios.run_records import QueryLine

# What a session says when its server goes away.
LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InterfaceError,
    OSError,
)
# How often a unit is tried out before it is measured: a prepared statement has then settled for custom or generic
# plans, which PostgreSQL decides after five executions, and catalog and data are warm.
TRY_OUTS = 6
# A unit may take this long per strategy and block; slower ones are executed less often, under all strategies alike.
# Measured on a busy machine: with 100 executions instead of 20, the ratio of a strategy to its twin scatters over
# blocks by 3 % instead of 14 (median of 24 cells), and most statements take less than 0.4 ms.
UNIT_SECONDS = 0.04
FEWEST_EXECUTIONS = 10

T = TypeVar("T")


@dataclass(frozen=True)
class MeasuredUnit:
    """A unit that works under every strategy, and how it will be executed."""

    unit: Unit
    executions: int  # per block and strategy
    writes: bool  # seen in the database: the text does not tell what a function does

    def spare_execution(self, block_count: int) -> int:
        """The number of an execution whose values no block has stored: of one that is taken back."""
        return (block_count + 1) * self.executions + block_count


class Blocks:
    """A series of blocks over the same arms; the first arm is the baseline."""

    def __init__(
        self,
        arms: Sequence[Arm],
        folder: RunFolder,
        findings: Findings,
        *,
        count: int,
        seed: int,
        variants: Sequence[Variant] = (),  # what is known of the statements' questions
    ) -> None:
        self._arms = arms
        self._variants = {variant.name: variant for variant in variants}
        self._folder = folder
        self._findings = findings
        self._count = count
        self._seed = seed
        self._servers: dict[int, str] = {}  # process id → database, once something has been tried out
        self.on_one_core = False  # client and server processes, while they are timed
        self._forbidden: set[str] = set()  # statements that write in some class, and may not in any
        self._plan_files: dict[tuple[str, str, str], dict[str, str]] = {}

    async def try_out(self, units: Sequence[Unit], executions: int, progress: Progress) -> list[MeasuredUnit]:
        """The units that work, after comparing what they return; what does not goes into the findings."""
        self._servers = dict([await arm.server_process() for arm in self._arms])
        with on_one_core(self._servers) as self.on_one_core:
            return await self._try_out(units, executions, progress)

    async def _try_out(self, units: Sequence[Unit], executions: int, progress: Progress) -> list[MeasuredUnit]:
        measured = []
        row_counts: dict[str, int] = {}
        failures: dict[tuple[str, str], list[str]] = {}  # (statement, how it fails) → its classes
        for number, unit in enumerate(units):
            progress(f"trying out {unit.title}", number / len(units))
            try:
                tried = await self._try_out_unit(unit)
            except _StatementError as error:
                failures.setdefault((unit.statement.name, str(error)), []).append(unit.case.parameter_class)
                continue
            most = max(result.row_count for results in tried.values() for result in results)
            row_counts[unit.statement.name] = max(row_counts.get(unit.statement.name, 0), most)
            if not await self._is_right(unit, {arm.name: results[0] for arm, results in tried.items()}):
                continue
            slowest = max(median(result.seconds for result in results[1:]) for results in tried.values())
            affordable = min(executions, max(FEWEST_EXECUTIONS, int(UNIT_SECONDS / slowest)))
            writes = any(result.wrote for results in tried.values() for result in results)
            # A write's supply must last for all blocks, one EXPLAIN in each, and the spare one after them; a read may
            # ask the same again.
            if writes and unit.supply is not None:
                affordable = min(affordable, (unit.supply - self._count - 1) // (self._count + 1))
            if affordable < 1:
                self._findings.warning(
                    f"{unit.title} is left out: the data has {unit.supply} values for it and "
                    f"{self._count} blocks need at least {2 * self._count + 2}; choose a larger size"
                )
                continue
            measured.append(MeasuredUnit(unit, executions=affordable, writes=writes))
        for (name, how), classes in failures.items():
            self._findings.reason(f"{name} ({', '.join(classes)}) is left out: it fails {how}")
        failing = {name for name, _ in failures}
        return [
            item
            for item in measured
            if item.unit.statement.name not in self._forbidden
            and (row_counts[item.unit.statement.name] or self._may_be_empty(item.unit, failing))
        ]

    def _may_be_empty(self, unit: Unit, failing: set[str]) -> bool:
        """The server's statements may find nothing in a small data set; of others nobody knows whether they can.

        One that fails in some class was told so already, and may find its rows there.
        """
        if unit.statement.name in server_statements():
            return True
        if unit.statement.name in failing:
            return False
        self._findings.reason(
            f"statement {unit.statement.name!r} is left out: it gives no row for any parameter class; "
            "check its conditions and the names of its parameters"
        )
        return False

    async def run(self, block: int, units: list[MeasuredUnit], progress: Progress) -> int:
        """Measures one block and appends its lines; returns the executions. A unit that fails leaves `units`."""
        for arm in self._arms:
            await arm.settle()
        await self._arms[0].checkpoint()
        lines: list[QueryLine] = []
        order = self._order(block, units)
        with on_one_core(self._servers):
            for number, measured in enumerate(order):
                title = measured.unit.title
                progress(f"block {block + 1}: {title}", (block + number / len(order)) / self._count)
                try:
                    lines += await self._measure(block, measured)
                except _StatementError as error:
                    self._findings.reason(f"{title} failed in block {block + 1} {error}; it was left out from there on")
                    units.remove(measured)
        self._folder.append_queries(lines)
        return sum(len(line.latency_us) for line in lines)

    def know_plans(self, lines: Iterable[QueryLine]) -> None:
        """Takes up what earlier sittings have kept: a plan keeps its file, and no other plan gets it."""
        for line in lines:
            strategy = line.strategy if line.policy is None else f"{line.strategy}+{line.policy}"
            key = (strategy, line.statement, line.parameter_class)
            self._plan_files.setdefault(key, {})[line.plan_hash] = line.plan

    async def write_again(self, block: int, units: Sequence[MeasuredUnit], progress: Progress) -> None:
        """Writes what a finished block has written, untimed, to copies that have not seen it.

        InputError when a statement fails that worked before.
        """
        progress(f"writing again what block {block + 1} wrote", block / self._count)
        for arm in self._arms:
            await arm.settle()
        for measured in self._order(block, units):
            for arm, number in visits(self._forward(block, measured), measured.executions) if measured.writes else ():
                try:
                    await _guarded(arm, arm.execute(measured.unit, block * measured.executions + number))
                except _StatementError as error:
                    raise InputError(
                        f"{measured.unit.title} fails {error}, and did not in block {block + 1}; "
                        "the run cannot be continued, start it anew"
                    ) from error

    def _order(self, block: int, units: Sequence[MeasuredUnit]) -> list[MeasuredUnit]:
        # Writes last: what they leave on the pages would be part of the reads' cost, in an order left to chance.
        return sorted(shuffled(units, self._seed, block), key=lambda item: item.writes)

    def _forward(self, block: int, measured: MeasuredUnit) -> list[Arm]:
        return shuffled(self._arms, self._seed, block, measured.unit.title)

    async def _try_out_unit(self, unit: Unit) -> dict[Arm, list[Executed]]:
        return {arm: [await _guarded(arm, arm.try_out(unit, number)) for number in range(TRY_OUTS)]
                for arm in self._arms}  # fmt: skip

    async def _is_right(self, unit: Unit, results: dict[str, Executed]) -> bool:
        """Compares the rows with the truth, or without one between strategies; False when it must not be measured."""
        variant = self._variants.get(unit.statement.name)
        if variant is None or variant.truth is None:
            self._compare_results(unit, results)
            return True
        if unit.statement.writes or any(executed.wrote for executed in results.values()):
            self._forbidden.add(variant.name)
            self._findings.reason(
                f"statement {variant.name!r} is left out: it writes, and only reads answer {variant.question!r}"
            )
            return False
        try:
            found = await lies(self._arms[0], variant, unit, results)
        except asyncpg.PostgresError as error:
            self._findings.reason(f"the truth of {unit.title} fails: {' '.join(str(error).split())}")
            return False
        for lie in found:
            self._findings.wrong |= {(variant.name, unit.case.parameter_class, name) for name in lie.strategies}
            where = "" if len(lie.strategies) == len(results) else f" under {', '.join(lie.strategies)}"
            self._findings.warning(f"{unit.title} gives other rows than the truth{where}: {lie.difference}")
        return True

    def _compare_results(self, unit: Unit, results: dict[str, Executed]) -> None:
        baseline, *others = results
        ordered = is_ordered(unit.statement.text)
        for other in others:
            rows = [
                masked(results[name].rows, unit.arguments(0)) if results[name].wrote else results[name].rows
                for name in (baseline, other)
            ]
            differs = difference(rows[0], rows[1], ordered=ordered)
            if differs:
                self._report_wrong(unit, other, f"returns other rows than {baseline} for {unit.title}: {differs}")

    def _report_wrong(self, unit: Unit, strategy: str, what: str) -> None:
        self._findings.wrong.add((unit.statement.name, unit.case.parameter_class, strategy))
        self._findings.reason(f"index strategy {strategy!r} is wrong: it {what}")

    async def _measure(self, block: int, measured: MeasuredUnit) -> list[QueryLine]:
        unit = measured.unit
        forward = self._forward(block, measured)
        first_execution = block * measured.executions
        after_all = self._count * measured.executions + block
        for arm in forward:
            await _guarded(arm, arm.try_out(unit, after_all))  # warm again after other units and the vacuum
        updates_before = {arm: await arm.update_counts() for arm in forward} if measured.writes else {}
        latencies: dict[Arm, list[float]] = {arm: [] for arm in forward}
        row_counts: dict[Arm, int] = {}
        for arm, number in visits(forward, measured.executions):
            latency_us, row_counts[arm] = await _guarded(arm, arm.execute(unit, first_execution + number))
            latencies[arm].append(latency_us)
        hot_shares = {arm: _hot_share(before, await arm.update_counts()) for arm, before in updates_before.items()}
        self._compare_row_counts(block, unit, row_counts)
        lines = []
        for position, arm in enumerate(forward):
            explained = await _guarded(arm, arm.explain(unit, after_all))
            summary = explained.summary
            lines.append(
                QueryLine(
                    block=block,
                    position=position,
                    strategy=arm.strategy.name,
                    statement=unit.statement.name,
                    parameter_class=unit.case.parameter_class,
                    latency_us=tuple(latencies[arm]),
                    rows=row_counts[arm],
                    buffers_hit=summary.buffers_hit,
                    buffers_read=summary.buffers_read,
                    buffers_dirtied=summary.buffers_dirtied,
                    wal_bytes=summary.wal_bytes,
                    wal_records=summary.wal_records,
                    wal_full_page_images=summary.wal_full_page_images,
                    policy=arm.policy,
                    planning_buffers=summary.planning_buffers,
                    plan=self.save_plan(arm.name, unit, explained),
                    plan_hash=summary.plan_hash,
                    indexes=summary.indexes,
                    hot_share=hot_shares.get(arm),
                    plan_mode=explained.plan_mode,
                )
            )
        return lines

    def _compare_row_counts(self, block: int, unit: Unit, row_counts: dict[Arm, int]) -> None:
        baseline = self._arms[0]
        for arm, count in row_counts.items():
            if count != row_counts[baseline]:
                self._report_wrong(
                    unit,
                    arm.name,
                    f"gives {count} rows for {unit.title} in block {block + 1} and {baseline.name} "
                    f"{row_counts[baseline]}",
                )

    def save_plan(self, strategy: str, unit: Unit, explained: Explained) -> str:
        """The name of the file that holds the plan; another plan in a later block gets a file of its own."""
        key = (strategy, unit.statement.name, unit.case.parameter_class)
        files = self._plan_files.setdefault(key, {})
        plan_hash = explained.summary.plan_hash
        if plan_hash not in files:
            files[plan_hash] = f"{'__'.join(key)}{f'__{plan_hash[:8]}' if files else ''}.json"
            self._folder.plans.mkdir(exist_ok=True)
            (self._folder.plans / files[plan_hash]).write_text(explained.document, encoding="utf-8")
        if len(files) > 1:
            self._findings.warning(
                f"{unit.title} changed its plan between blocks under {strategy}: see {'__'.join(key)}* in plans/"
            )
        return files[plan_hash]


class _StatementError(Exception):
    """A statement that PostgreSQL refused or that took too long; reads as `under none: …`."""


async def _guarded(arm: Arm, action: Awaitable[T]) -> T:
    try:
        return await action
    except asyncpg.QueryCanceledError as error:
        raise _StatementError(f"under {arm.name}: it took longer than the statement timeout") from error
    except LOST:
        raise
    except asyncpg.PostgresError as error:
        raise _StatementError(f"under {arm.name}: {' '.join(str(error).split())}") from error


def _hot_share(before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]]) -> float | None:
    """HOT updates ÷ updates, of the table where it is least: one that stays HOT must not hide one that does not."""
    shares = []
    for table, (updates, hot_updates) in after.items():
        updates_before, hot_before = before.get(table, (0, 0))
        if updates > updates_before:
            shares.append((hot_updates - hot_before) / (updates - updates_before))
    return min(shares, default=None)
