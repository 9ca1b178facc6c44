"""Run folders with known truth, and one that looks like a real tour."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from fixtures.manifest import DatasetManifest
from reports.report import Report, render, summarise
from reports.summary import RunSummary
from scenarios import histograms
from scenarios.run_folder import RunFolder
from scenarios.run_records import (
    HistogramLine,
    LedgerFile,
    LedgerTotals,
    QueryLine,
    RunManifest,
    ScenarioRecord,
    ServerSecond,
)

RunBuilder = Callable[..., RunFolder]


def manifest(scenarios: Iterable[ScenarioRecord] = (), **changes: object) -> RunManifest:
    """A finished, valid run of a tiny data set."""
    values: dict[str, object] = {
        "run_id": "20250102T030405Z-tour-abc123",
        "title": "tour",
        "started_at": "2025-01-02T03:04:05+00:00",
        "finished_at": "2025-01-02T03:06:05+00:00",
        "verdict": "VALID",
        "seed": 7,
        "commit": "0123456789abcdef",
        "versions": {"chatbench": "0.1.0", "python": "3.11.9", "postgresql": "18.4"},
        "host": {"cpu": "Example CPU", "cores": 2},
        "dataset": DatasetManifest(
            size="tiny", seed=7, sha256="ab" * 32, user_count=200, rows={"chat_messages": 12_345}, conversations=()
        ),
        "postgres_settings": {"shared_buffers": "256MB"},
        "server_settings": {"pool_size": 10},
        "options": {"size": "tiny"},
        "scenarios": list(scenarios),
    }
    return RunManifest(**{**values, **changes})  # type: ignore[arg-type]


def record(name: str, started_second: int, seconds: float = 16, **fields: object) -> ScenarioRecord:
    """A scenario that ran as intended."""
    values: dict[str, object] = {"options": {}, **fields}
    return ScenarioRecord(name=name, started_second=started_second, seconds=seconds, **values)  # type: ignore[arg-type]


def line(second: int, metric: str, values: Iterable[int], worker: str = "1", **labels: str) -> HistogramLine:
    """One line of histograms.jsonl that holds exactly these values."""
    recorded = list(values)
    return HistogramLine(
        second=second,
        worker=worker,
        metric=metric,
        labels=labels,
        count=len(recorded),
        payload=histograms.encode(histograms.histogram_of(recorded)),
    )


def query(block: int, strategy: str, statement: str, parameter_class: str, **changes: object) -> QueryLine:
    """One line of queries.jsonl."""
    values: dict[str, object] = {
        "position": 0,
        "latency_us": (1000.0, 1000.0, 1000.0),
        "rows": 1,
        "buffers_hit": 10,
        "buffers_read": 0,
        "buffers_dirtied": 0,
        "wal_bytes": 0,
        "planning_buffers": 0,
        "plan": f"{strategy}-{statement}-{parameter_class}.json",
        "plan_hash": strategy,
        "indexes": (),
    }
    names = {"block": block, "strategy": strategy, "statement": statement, "parameter_class": parameter_class}
    return QueryLine(**{**values, **names, **changes})  # type: ignore[arg-type]


def ledger(scenario: str, labels: Mapping[str, str], expected: int, **faults: int) -> LedgerTotals:
    """One row of the ledger; without faults, all that was expected came."""
    counts = {"missing": 0, "duplicate": 0, "reordered": 0, "late": 0, "leaked": 0, "superseded": 0, **faults}
    return LedgerTotals(
        scenario=scenario,
        labels=dict(labels),
        messages=10,
        expected=expected,
        delivered=expected - counts["missing"] - counts["superseded"],
        **counts,
    )


@pytest.fixture
def build_run(tmp_path: Path) -> RunBuilder:
    """A function that writes a run folder of given parts."""
    return partial(write_run, tmp_path / "run")


def write_run(
    path: Path,
    run: RunManifest | None = None,
    lines: Iterable[HistogramLine] = (),
    ledgers: Iterable[LedgerTotals] = (),
    queries: Iterable[QueryLine] = (),
) -> RunFolder:
    """A run folder of given parts."""
    folder = RunFolder(path)
    folder.path.mkdir()
    folder.write_manifest(run or manifest())
    folder.append_histograms(list(lines))
    folder.append_queries(list(queries))
    found = list(ledgers)
    if found:
        folder.write_ledger(LedgerFile(ledgers=found))
    return folder


def known_lines() -> list[HistogramLine]:
    """Eight seconds of three scenarios with few distinct values, all below 2 048, where histograms are exact."""
    lines = []
    for second in range(8):
        for weight, depth, latency_us in KNOWN_PAGES:
            labels = {"scenario": "pagination", "request": "get_messages", "weight": weight, "depth": depth}
            lines.append(line(second, "request_us", [latency_us] * 100, **labels))
            lines.append(line(second, "service_us", [latency_us - 100] * 100, **labels))
        sends = {"scenario": "pagination", "request": "send_message", "weight": "heavy", "depth": "new"}
        lines.append(line(second, "request_us", [1000] * 10, **sends))
    for second in range(10, 18):
        for size, factor in (("10", 1), ("100", 2)):
            fanout = {"scenario": "fanout", "group_size": size}
            lines += [
                line(second, "delivery_us", [400 * factor] * 60 + [600 * factor] * 40, **fanout),
                line(second, "delivery_observed_us", [500 * factor] * 100, **fanout),
                line(second, "delivery_first_us", [200] * 20, **fanout),
                line(second, "delivery_median_us", [400 * factor] * 20, **fanout),
                line(second, "delivery_p95_us", [700 * factor] * 20, **fanout),
                line(second, "delivery_last_us", [800 * factor] * 20, **fanout),
                line(second, "delivery_wire_bytes", [240, 260] * 50, **fanout),
                line(second, "delivery_content_bytes", [100] * 100, **fanout),
            ]
    for second in range(20, 28):
        for watchers, latency_us in (("5", 1000), ("10", 1000)):
            presence = {"scenario": "presence", "watchers": watchers}
            lines += [
                line(second, "presence_convergence_us", [latency_us] * 20, **presence),
                line(second, "presence_delivery_us", [latency_us // 2] * 100, **presence),
                line(second, "presence_frames_per_change", [int(watchers)] * 20, **presence),
                line(second, "presence_wire_bytes", [90] * 20, **presence),
            ]
    for start, scenario in ((0, "pagination"), (10, "fanout"), (20, "presence")):
        for second in range(start, start + 8):
            lines += [
                line(second, "generator_loop_lag_us", [100] * 90 + [1500] * 10, scenario=scenario),
                line(second, "start_delay_us", [200] * 50, scenario=scenario, operation="any"),
                line(second, "generator_cpu_permille", [300 + second], scenario=scenario),
                line(second, "server_cpu_permille", [500], scenario=scenario),
            ]
    return lines


KNOWN_PAGES = (("heavy", "1", 500), ("heavy", "10-99", 1500), ("light", "1", 500), ("light", "2-9", 500))


def known_queries() -> list[QueryLine]:
    """Eight blocks in which the indexes quarter the buffers and halve the latency, and cost the HOT updates."""
    return [
        query(
            block,
            strategy,
            statement,
            parameter_class,
            latency_us=(900.0 / factor, 1000.0 / factor, 5000.0 / factor),
            buffers_hit=buffers,
            wal_bytes=wal_bytes,
            hot_share=hot_share,
            indexes=indexes,
        )
        for block in range(8)
        for strategy, statement, parameter_class, factor, buffers, wal_bytes, hot_share, indexes in (
            ("none", "list_conversations", "heavy", 1, 100, 0, None, ()),
            ("roadmap", "list_conversations", "heavy", 2, 25, 0, None, ("idx_conversations_user_activity",)),
            ("none", "send_message", "hot", 1, 20, 400, 0.94, ()),
            ("roadmap", "send_message", "hot", 1, 30, 600, 0.0, ()),
        )
    ]


def known_manifest(**changes: object) -> RunManifest:
    """The manifest of the run whose every number is known."""
    return manifest(
        [
            record("pagination", 0, 8, started=400, late=4),
            record("fanout", 10, 8, started=400),
            record("presence", 20, 8, started=400, failed=1),
            record("queries", 30, 8, started=96),
        ],
        **changes,
    )


def known_ledgers() -> list[LedgerTotals]:
    """One fault of each kind that must not be, and five that may."""
    return [
        ledger("fanout", {"group_size": "10"}, 800),
        ledger("fanout", {"group_size": "100"}, 800, missing=3, duplicate=2, leaked=1),
        ledger("presence", {"watchers": "5"}, 400, superseded=5),
    ]


@pytest.fixture
def known_run(build_run: RunBuilder) -> RunFolder:
    """A run of all scenarios whose every number is known."""
    return build_run(known_manifest(), known_lines(), known_ledgers(), known_queries())


@pytest.fixture
def empty_summary(build_run: RunBuilder) -> RunSummary:
    """The summary of a run that measured nothing."""
    return summarise(build_run().path)


@pytest.fixture(scope="session")
def parts() -> SimpleNamespace:
    """The functions that make the parts of a run folder."""
    known = (known_lines, known_ledgers, known_queries, known_manifest)
    makers = (manifest, record, line, query, ledger, write_run, *known)
    return SimpleNamespace(**{maker.__name__: maker for maker in makers})


@pytest.fixture(scope="session")
def rendered_tour(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of a run that looks like a real quick tour, drawn once per session."""
    return render(write_tour(tmp_path_factory.mktemp("tour") / "run", seconds=8).path)


def write_tour(path: Path, seed: int = 5, seconds: int = 20) -> RunFolder:
    """A run that looks like a real quick tour: skewed, a little noisy, with a few faults."""
    random = np.random.default_rng(seed)
    folder = RunFolder(path)
    folder.path.mkdir(parents=True)
    starts = {"pagination": 2, "fanout": 4 + seconds, "presence": 6 + 2 * seconds}
    warning = "generator cpu_share_percent is 84.1, over 80 % of one core: lower the rate"
    fanout = {"options": {"group_sizes": [5, 20, 100, 500]}, "failed": 2, "warnings": [warning]}
    records = [
        record("pagination", 2, seconds, started=2400, late=3, options={"users": 40, "rate": 120.0}),
        record("fanout", 4 + seconds, seconds, started=1600, late=9, **fanout),
        record("presence", 6 + 2 * seconds, seconds, started=900, options={"watchers": [10, 50]}),
        record("queries", 8 + 3 * seconds, 30, options={"blocks": 8}),
    ]
    folder.write_manifest(manifest(records))
    for name, start in starts.items():
        for second in range(start, start + seconds):
            folder.append_histograms(_SECONDS[name](random, second) + _own_health(random, second, name))
            folder.append_server([_observed_second(random, second, name)])
    folder.write_ledger(
        LedgerFile(
            ledgers=[
                *(
                    ledger(
                        "fanout",
                        {"group_size": str(size)},
                        300 * size,
                        **({"duplicate": 2, "missing": 1} if size == 500 else {}),
                    )
                    for size in (5, 20, 100, 500)
                ),
                ledger("presence", {"watchers": "10"}, 4000),
                ledger("presence", {"watchers": "50"}, 20000, late=12),
            ]
        )
    )
    folder.append_queries(_tour_queries(random))
    return folder


def _latencies(random: np.random.Generator, median_us: float, spread: float, count: int) -> list[int]:
    return [int(value) for value in random.lognormal(np.log(median_us), spread, count)]


def _pagination_second(random: np.random.Generator, second: int) -> list[HistogramLine]:
    lines = []
    for weight, base in (("heavy", 2600.0), ("light", 2100.0)):
        for depth in ("1", "10", "100") if weight == "heavy" else ("1", "10"):
            labels = {"scenario": "pagination", "request": "get_messages", "weight": weight, "depth": depth}
            median = base * (1 + 0.02 * len(depth))
            lines.append(line(second, "request_us", _latencies(random, median, 0.5, 60), **labels))
            lines.append(line(second, "service_us", _latencies(random, median * 0.92, 0.48, 60), **labels))
    sends = {"scenario": "pagination", "request": "send_message", "weight": "heavy", "depth": "1"}
    return [*lines, line(second, "request_us", _latencies(random, 5200, 0.6, 12), **sends)]


def _fanout_second(random: np.random.Generator, second: int) -> list[HistogramLine]:
    lines = []
    for size in (5, 20, 100, 500):
        labels = {"scenario": "fanout", "group_size": str(size)}
        last = []
        for _ in range(15):
            arrivals = np.sort(
                random.lognormal(np.log(2200 + 9 * size), 0.25) + np.cumsum(random.exponential(11, size))
            )
            last.append(arrivals)
        together = [int(value) for arrivals in last for value in arrivals]
        lines += [
            line(second, "delivery_us", together, **labels),
            line(second, "delivery_observed_us", [value + 1600 for value in together], **labels),
            line(second, "delivery_first_us", [int(arrivals[0]) for arrivals in last], **labels),
            line(second, "delivery_median_us", [int(arrivals[size // 2]) for arrivals in last], **labels),
            line(second, "delivery_p95_us", [int(arrivals[int(size * 0.95)]) for arrivals in last], **labels),
            line(second, "delivery_last_us", [int(arrivals[-1]) for arrivals in last], **labels),
            line(second, "delivery_content_bytes", [int(value) for value in random.integers(40, 160, 15)], **labels),
            line(second, "delivery_wire_bytes", [int(value) for value in random.integers(170, 290, 15)], **labels),
        ]
    return lines


def _presence_second(random: np.random.Generator, second: int) -> list[HistogramLine]:
    lines = []
    for watchers in (10, 50):
        labels = {"scenario": "presence", "watchers": str(watchers)}
        lines += [
            line(second, "presence_delivery_us", _latencies(random, 900, 0.4, 20 * watchers), **labels),
            line(second, "presence_convergence_us", _latencies(random, 1500 + 20 * watchers, 0.3, 20), **labels),
            line(
                second, "presence_frames_per_change", [watchers - (index % 7 == 0) * 3 for index in range(20)], **labels
            ),
            line(second, "presence_wire_bytes", [94] * 20, **labels),
        ]
    return lines


def _observed_second(random: np.random.Generator, second: int, scenario: str) -> ServerSecond:
    names = ("server_cpu_percent", "database_cpu_percent", "loop_lag_ms", "pool_wait_ms_sum", "active", "lock_waiting")
    figures = {name: float(random.lognormal(3, 0.2)) for name in names}
    return ServerSecond(second=second, scenario=scenario, seconds=1.0, pool_waits=100.0, wal_bytes=60_000, **figures)


def _own_health(random: np.random.Generator, second: int, scenario: str) -> list[HistogramLine]:
    busy = {"pagination": 300, "fanout": 640, "presence": 420}[scenario]
    return [
        line(second, "generator_loop_lag_us", _latencies(random, busy * 4, 0.8, 90), scenario=scenario),
        line(second, "start_delay_us", _latencies(random, busy * 2, 0.7, 80), scenario=scenario, operation="any"),
        line(second, "generator_cpu_permille", [int(random.normal(busy, 40))], scenario=scenario),
        line(second, "server_cpu_permille", [int(random.normal(busy * 1.3, 50))], scenario=scenario),
    ]


_SECONDS = {"pagination": _pagination_second, "fanout": _fanout_second, "presence": _presence_second}

# (statement, class) → buffers under none, roadmap and roadmap_membership
_TOUR_BUFFERS = {
    ("list_conversations", "light"): (412, 168, 31),
    ("list_conversations", "heavy"): (9_880, 5_700, 27),
    ("list_messages", "hot"): (11, 11, 11),
    ("list_messages", "deep"): (11, 11, 12),
    ("list_members", "hot"): (15, 4, 4),
    ("is_participant", "light"): (3, 3, 3),
    ("find_direct_conversation", "median"): (1_204, 26, 26),
    ("insert_message", "hot"): (14, 22, 24),
    ("insert_message", "cold"): (14, 22, 24),
}


def _tour_queries(random: np.random.Generator) -> list[QueryLine]:
    lines = []
    for block in range(8):
        for (statement, parameter_class), buffers in _TOUR_BUFFERS.items():
            for position, strategy in enumerate(("none", "roadmap", "roadmap_membership")):
                writes = statement.startswith("insert")
                median = 180 + 4.1 * buffers[position] + (60 * position if writes else 0)
                lines.append(
                    query(
                        block,
                        strategy,
                        statement,
                        parameter_class,
                        position=position,
                        latency_us=tuple(float(value) for value in random.lognormal(np.log(median), 0.12, 20)),
                        buffers_hit=buffers[position],
                        wal_bytes=(300, 720, 790)[position] if writes else 0,
                        hot_share=(0.94, 0.0, 0.0)[position] if writes else None,
                        plan_hash=f"{statement}-{buffers[position] if position else 'base'}",
                        indexes=("chat_messages_pkey",) if not position else ("idx_conversations_user_activity",),
                    )
                )
    return lines
