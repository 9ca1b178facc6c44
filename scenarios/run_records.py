"""Contract: what stands in the files of a run folder, one struct per file or line."""

from typing import Any, Literal

import msgspec

from fixtures.manifest import DatasetManifest

FORMAT_VERSION = 1

Verdict = Literal["VALID", "INVALID"]


class CountRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One exact count of a scenario."""

    name: str  # of scenarios.metrics.COUNTS
    labels: dict[str, str] = {}
    value: float


class WorkerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One generator process of a distributed run."""

    name: str  # as in HistogramLine.worker
    users: int
    same_host: bool  # as the process that keeps the run folder: then their clock is one
    # Its CLOCK_REALTIME less that process's, by the message round trip that took least; half of it bounds the error.
    clock_offset_us: float
    clock_error_us: float
    lost: bool  # it went away before it had handed in its account


class WorkloadRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One number of a scenario's workload, as it was in this run."""

    name: str
    value: str
    unit: str
    source: str  # "measured: …", "cited: …", "guess: …", or that the run's options said so


class ScenarioRecord(msgspec.Struct, kw_only=True):
    """One scenario's part of a run."""

    name: str
    options: dict[str, Any]  # every option with its value
    started_second: int  # since the run's start: its lines in histograms.jsonl begin here
    seconds: float  # measured, warm-up excluded
    started: int = 0  # operations begun, in time or late
    late: int = 0  # begun over 10 ms after their intended start
    dropped: int = 0  # intended and never begun
    failed: int = 0  # answered with an error, or not at all
    model: Literal["open", "closed"] = "open"  # closed: some operations waited for the answer before them
    workers: list[WorkerRecord] = []  # of a distributed run; empty when there was one process
    reasons: list[str] = []  # why this part must not be believed; empty when valid
    warnings: list[str] = []  # what the reader should know
    counts: list[CountRecord] = []
    workload: list[WorkloadRecord] = []  # every number of it, beside its source
    arm: str | None = None  # the server it was measured on, when the run compares several
    block: int | None = None  # which of the interleaved blocks, from 0
    replaced: bool = False  # its generator was late, and a fresh block was measured in its stead; its warnings say why

    @property
    def part(self) -> str:
        """What it is called beside the run's other parts: `fanout`, or `fanout (plain, block 2)`."""
        return part_name(self.name, self.arm, self.block)


def part_name(scenario: str, arm: str | None, block: int | None) -> str:
    """The name of one part of a run, for people; blocks are counted from 1 there."""
    return scenario if arm is None or block is None else f"{scenario} ({arm}, block {block + 1})"


class ArmRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One server of a comparison."""

    name: str
    settings: dict[str, str]  # what tells it apart, and its size and index strategy


class RunManifest(msgspec.Struct, kw_only=True):
    """What ran, and whether to believe it."""

    format_version: int = FORMAT_VERSION
    run_id: str  # the folder's name
    title: str  # scenario name, or "tour"
    started_at: str  # UTC, ISO 8601
    finished_at: str | None = None  # None while it runs, or when it was killed
    verdict: Verdict = "INVALID"  # until someone finishes it
    reasons: list[str] = []  # why INVALID
    cut_short: bool = False  # ended early by Ctrl-C
    seed: int
    commit: str | None  # of chatbench, when it runs from a checkout
    versions: dict[str, str]  # chatbench, python, postgresql, packages that measure
    host: dict[str, Any]  # fingerprint: cpu, cores, memory, kernel
    dataset: DatasetManifest | None
    postgres_settings: dict[str, str]  # name → value in force
    server_settings: dict[str, Any]
    options: dict[str, Any]  # the command's
    scenarios: list[ScenarioRecord] = []
    arms: dict[str, list[ArmRecord]] = {}  # scenario → the servers that it compares, the baseline first


class HistogramLine(msgspec.Struct, frozen=True, kw_only=True):
    """What one worker saw of one metric in one second."""

    second: int  # since the run's start
    worker: str
    metric: str  # a name of scenarios.metrics.METRICS
    labels: dict[str, str]  # always with "scenario"
    count: int
    payload: str  # HdrHistogram V2, compressed, base64


class LedgerTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Expected against observed deliveries, counted per recipient."""

    scenario: str
    labels: dict[str, str]  # such as group_size
    messages: int  # acknowledged sends
    expected: int  # deliveries: each message to each recipient who was a member
    delivered: int  # expected ones that came, first copies: expected - missing - superseded
    missing: int
    duplicate: int  # copies after the first
    reordered: int  # came after a higher seq of the same conversation
    late: int  # came after the scenario's deadline
    leaked: int  # came to someone who was not a member
    superseded: int = 0  # expected ones replaced by a newer status on the way (presence): coalesced, not lost


class LedgerFile(msgspec.Struct, kw_only=True):
    """All ledgers of a run."""

    format_version: int = FORMAT_VERSION
    ledgers: list[LedgerTotals] = []


class QueryLine(msgspec.Struct, frozen=True, kw_only=True):
    """One statement under one strategy in one block of the query laboratory."""

    block: int
    position: int  # within the block's seeded order
    strategy: str
    statement: str
    parameter_class: str
    latency_us: tuple[float, ...]  # one per execution, client side, asyncpg's prepared path
    rows: int  # returned or changed by one execution
    buffers_hit: int  # by EXPLAIN (ANALYZE, BUFFERS) of one execution; exact
    buffers_read: int
    buffers_dirtied: int
    wal_bytes: int
    planning_buffers: int
    plan: str  # file in plans/
    plan_hash: str  # of node types, relations, indexes and conditions: same hash, same plan
    indexes: tuple[str, ...]  # index names the plan uses
    hot_share: float | None = None  # HOT updates ÷ updates, of the table where it is least; None for reads
    plan_mode: Literal["custom", "generic"] | None = None  # how the prepared statement was planned
    wal_records: int | None = None  # None from runs that did not count them
    wal_full_page_images: int | None = None
    policy: str | None = None  # form of row-level security laid over the strategy; None for the server's own


class ServerSecond(msgspec.Struct, frozen=True, kw_only=True, tag="second", tag_field="kind"):
    """What the chat server and its database did in one second; None for what could not be observed."""

    second: int  # since the run's start
    scenario: str
    arm: str | None = None  # of a comparison's servers the one whose turn it was
    seconds: float  # the time that it covers, about one
    host_cpu_percent: float | None = None  # of all cores of this machine, by whatever process
    server_cpu_percent: float | None = None  # of one core
    server_memory_bytes: int | None = None  # resident and not shared
    database_cpu_percent: float | None = None  # of one core: all processes of PostgreSQL for this database or for all
    database_memory_bytes: int | None = None  # resident and not shared: without shared buffers
    loop_lag_ms: float | None = None  # the server's event loop's worst lateness in its last 5 s
    pool_waits: float | None = None  # connections asked for
    pool_wait_ms_sum: float | None = None  # how long all of these waited together
    pool_waiting: float | None = None  # requests waiting for a connection at the end of the second
    active: float | None = None  # backends at work or waiting inside a statement, mean of the samples
    lock_waiting: float | None = None  # of those, waiting for a lock that another transaction holds
    waits: dict[str, float] = {}  # "type: event" → those who wait for it, mean of the samples
    wal_bytes: int | None = None  # of the whole cluster
    buffers_hit: int | None = None
    buffers_read: int | None = None
    commits: int | None = None


class StatementTotal(msgspec.Struct, frozen=True, kw_only=True, tag="statement", tag_field="kind"):
    """What one named statement cost from the beginning of the measured time to its last answer."""

    scenario: str
    arm: str | None = None  # of a comparison; one total per turn
    statement: str
    calls: int
    seconds: float  # of all calls together, from a statement's sending to its rows


ServerLine = ServerSecond | StatementTotal


class CapacityStep(msgspec.Struct, frozen=True, kw_only=True):
    """One load run of a search for the capacity."""

    folder: str  # its own run folder, below this one
    load: float  # the scenario's --rate
    phase: Literal["bracket", "knee"]
    round: int  # of the knee, from 1
    outcome: Literal["kept", "missed", "generator"]  # generator: it gave way, so nothing is said of the server
    values: dict[str, float | None]  # by the measure of each objective; None: not measured
    operations_per_second: float  # begun, so that it can be compared with what was asked for
    reasons: list[str] = []  # why its run is INVALID
    figures: dict[str, float] = {}  # means over its measured time, by a name of scenarios.bottleneck.BOUNDS


class CapacityResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a search for the capacity found."""

    kind: Literal["found", "at_least", "below", "nothing"]
    load: float | None = None  # found: the estimate; at_least: the highest load kept; below: the lowest, missed
    low: float | None = None  # of the interval, when found
    high: float | None = None
    confidence: float | None = None  # of the interval
    generator_limit: float | None = None  # the lowest load at which the generator gave way
    gave_way: list[str] = []  # sentences, the likeliest cause first; of the steps that missed the objective


class CapacityFile(msgspec.Struct, kw_only=True):
    """A search for the highest load that keeps an objective."""

    format_version: int = FORMAT_VERSION
    scenario: str
    load_meaning: str  # what the scenario's --rate is
    objectives: list[str]  # as they are written; the first one is drawn
    steps: list[CapacityStep] = []  # in the order in which they ran
    result: CapacityResult | None = None  # None: no step was finished
