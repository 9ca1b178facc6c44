"""Contract: the run folder, where scenarios and reports meet.

    run.json           RunManifest: what ran, where, with which settings, and the verdict on the run itself
    histograms.jsonl   HistogramLine per (second, worker, metric, labels)
    ledger.json        LedgerFile: expected and observed deliveries
    queries.jsonl      QueryLine per (block, strategy, statement, parameter class)
    plans/             EXPLAIN (FORMAT JSON) per strategy × statement × parameter class

Lines are appended as the run goes, so a killed run keeps what it measured. Readers reject a format version they
do not know.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from fixtures.errors import InputError
from fixtures.manifest import DatasetManifest

FORMAT_VERSION = 1

T = TypeVar("T")

Verdict = Literal["VALID", "INVALID"]


class CountRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One exact count of a scenario."""

    name: str  # of scenarios.metrics.COUNTS
    labels: dict[str, str] = {}
    value: float


class ScenarioRecord(msgspec.Struct, kw_only=True):
    """One scenario's part of a run."""

    name: str
    options: dict[str, Any]  # the workload, every option with its value
    started_second: int  # since the run's start: its lines in histograms.jsonl begin here
    seconds: float  # measured, warm-up excluded
    started: int = 0  # operations begun, in time or late
    late: int = 0  # begun over 10 ms after their intended start
    dropped: int = 0  # intended and never begun
    failed: int = 0  # answered with an error, or not at all
    reasons: list[str] = []  # why this part must not be believed; empty when valid
    warnings: list[str] = []  # what the reader should know
    counts: list[CountRecord] = []


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


class RunFolder:
    """One run on disk. InputError names the file that cannot be written or read, and the way out."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, runs_folder: Path, manifest_title: str) -> "RunFolder":
        """A new, empty folder `<utc time>-<title>-<short id>` under `runs_folder`."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        folder = cls(runs_folder / f"{stamp}-{manifest_title}-{secrets.token_hex(3)}")
        try:
            folder.path.mkdir(parents=True)
        except OSError as error:
            raise InputError(
                f"cannot create {folder.path}: {error.strerror}; choose another folder with --out"
            ) from error
        return folder

    @property
    def plans(self) -> Path:
        """The folder of EXPLAIN documents."""
        return self.path / "plans"

    def write_manifest(self, manifest: RunManifest) -> None:
        """Replaces run.json at once, so that a reader never sees half of it."""
        self._replace("run.json", manifest)

    def read_manifest(self) -> RunManifest:
        """run.json."""
        return self._read("run.json", RunManifest)

    def write_ledger(self, ledger: LedgerFile) -> None:
        """Replaces ledger.json at once."""
        self._replace("ledger.json", ledger)

    def read_ledger(self) -> LedgerFile:
        """ledger.json; an empty one when the run has none."""
        return self._read("ledger.json", LedgerFile) if (self.path / "ledger.json").exists() else LedgerFile()

    def append_histograms(self, lines: list[HistogramLine]) -> None:
        """Adds lines to histograms.jsonl in one write."""
        self._append("histograms.jsonl", lines)

    def append_queries(self, lines: list[QueryLine]) -> None:
        """Adds lines to queries.jsonl in one write."""
        self._append("queries.jsonl", lines)

    def read_histograms(self) -> Iterator[HistogramLine]:
        """The lines of histograms.jsonl; none when the run has none."""
        return self._lines("histograms.jsonl", HistogramLine)

    def read_queries(self) -> Iterator[QueryLine]:
        """The lines of queries.jsonl; none when the run has none."""
        return self._lines("queries.jsonl", QueryLine)

    def _replace(self, name: str, value: msgspec.Struct) -> None:
        temporary = self.path / f".{name}.{os.getpid()}"
        with self._writing(name):
            try:
                temporary.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
                temporary.replace(self.path / name)
            finally:
                temporary.unlink(missing_ok=True)

    def _append(self, name: str, lines: list[Any]) -> None:
        if lines:
            with self._writing(name), (self.path / name).open("ab") as file:
                file.write(msgspec.json.Encoder().encode_lines(lines))

    @contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InputError(
                f"cannot write {self.path / name}: {error.strerror}; what was measured until then is kept, "
                "make room or choose another folder with --out"
            ) from error

    def _read(self, name: str, type_: type[T]) -> T:
        path = self.path / name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError(
                f"{self.path} is no run folder: cannot read {name} ({error.strerror}); name a folder under out/runs"
            ) from error
        try:
            _check_version(path, msgspec.json.decode(data, type=_Versioned).format_version)
            return msgspec.json.decode(data, type=type_)
        except msgspec.DecodeError as error:
            raise InputError(f"{path} is damaged: {error}; run the scenario again") from error

    def _lines(self, name: str, type_: type[T]) -> Iterator[T]:
        path = self.path / name
        if not path.exists():
            return
        decoder = msgspec.json.Decoder(type_)
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    return  # a killed run's last write; every line before it is whole
                try:
                    yield decoder.decode(line)
                except msgspec.DecodeError as error:
                    raise InputError(f"{path} line {number} is damaged: {error}; run the scenario again") from error


class _Versioned(msgspec.Struct):
    format_version: int


def _check_version(path: Path, version: int) -> None:
    if version != FORMAT_VERSION:
        raise InputError(
            f"{path} has run-folder format {version} and this chatbench reads format {FORMAT_VERSION}; "
            "use the version of chatbench that wrote it"
        )
