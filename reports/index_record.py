"""The query laboratory's part of a run, as its report sections need it."""

from collections import defaultdict
from dataclasses import dataclass
from statistics import median
from typing import Any

from fixtures.errors import InputError
from reports.measurements import Measurements
from scenarios.run_records import QueryLine
from scenarios.study import OPTION, SCENARIO, WRONG_RESULTS, Study, study_of

Cell = tuple[str, str]  # statement, parameter class


@dataclass(frozen=True)
class IndexRecord:
    """What the laboratory built and measured, by the server's own policies unless said otherwise."""

    lines: tuple[QueryLine, ...]
    policy_lines: tuple[QueryLine, ...]  # under other forms of row-level security
    strategies: tuple[str, ...]  # the baseline first
    built: dict[str, dict[str, Any]]  # strategy → what its commands made
    questions: dict[str, str]  # statement → question
    wrong: tuple[Cell, ...]  # that gave other rows than the truth, under some strategy
    study: Study

    @property
    def baseline(self) -> str:
        """The strategy that others are compared with."""
        return self.strategies[0]

    def grouped(self) -> dict[tuple[str, Cell], list[QueryLine]]:
        """The lines by strategy, then statement and class."""
        groups: dict[tuple[str, Cell], list[QueryLine]] = defaultdict(list)
        for line in self.lines:
            groups[line.strategy, (line.statement, line.parameter_class)].append(line)
        return dict(groups)

    def index_bytes(self, strategy: str) -> int:
        """What the strategy's own indexes take up when they are fresh."""
        made = self.built.get(strategy, {})
        return sum(made.get("index_bytes", {}).get(name, 0) for name in made.get("new_indexes", ()))


def read_index_record(measurements: Measurements) -> IndexRecord | None:
    """The laboratory's record; None when it did not measure or knew of no study, InputError when it is damaged."""
    record = next((item for item in measurements.manifest.scenarios if item.name == SCENARIO), None)
    if record is None or OPTION not in record.options or not measurements.queries:
        return None
    try:
        study = study_of(record.options)
    except ValueError as error:
        raise InputError(f"run.json cannot be shown: {error}; run the query laboratory again") from error
    lines = tuple(line for line in measurements.queries if line.policy is None)
    names = sorted({line.strategy for line in lines})
    baseline = record.options.get("baseline")
    return IndexRecord(
        lines=lines,
        policy_lines=tuple(line for line in measurements.queries if line.policy is not None),
        strategies=tuple(sorted(names, key=lambda name: (name != baseline, name))),
        built=record.options.get("strategies", {}),
        questions=record.options.get("questions", {}),
        wrong=tuple(sorted({(item[0], item[1]) for item in record.options.get(WRONG_RESULTS, ())})),
        study=study,
    )


def is_write(lines: list[QueryLine]) -> bool:
    """True for lines of a statement that writes: all executions left WAL, where reads do only now and then."""
    return all(line.wal_bytes > 0 for line in lines) or any(line.hot_share is not None for line in lines)


def buffers_of(lines: list[QueryLine]) -> float:
    """Buffers hit and read, median over blocks."""
    return float(median(line.buffers_hit + line.buffers_read for line in lines))


def wal_of(lines: list[QueryLine]) -> float:
    """WAL in bytes, median over blocks."""
    return float(median(line.wal_bytes for line in lines))
