"""Contract: the run folder, where scenarios and reports meet.

    run.json           RunManifest: what ran, where, with which settings, and the verdict on the run itself
    histograms.jsonl   HistogramLine per (second, worker, metric, labels)
    ledger.json        LedgerFile: expected and observed deliveries
    queries.jsonl      QueryLine per (block, strategy, statement, parameter class)
    server.jsonl       ServerSecond per second, and StatementTotal per statement: what the server and its database did
    capacity.json      CapacityFile: a search for the highest load; its steps are run folders below steps/
    sql/               strategies and statements of one's own, as they were measured
    plans/             EXPLAIN (FORMAT JSON) per strategy × statement × parameter class

Lines are appended as the run goes, so a killed run keeps what it measured. Unknown format versions are rejected.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from fixtures.errors import InputError
from scenarios.run_records import (
    FORMAT_VERSION,
    CapacityFile,
    HistogramLine,
    LedgerFile,
    QueryLine,
    RunManifest,
    ServerLine,
)

T = TypeVar("T")


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

    def write_capacity(self, capacity: CapacityFile) -> None:
        """Replaces capacity.json at once."""
        self._replace("capacity.json", capacity)

    def read_capacity(self) -> CapacityFile | None:
        """capacity.json; None when the run was no search for a capacity."""
        return self._read("capacity.json", CapacityFile) if (self.path / "capacity.json").exists() else None

    def append_histograms(self, lines: list[HistogramLine]) -> None:
        """Adds lines to histograms.jsonl in one write."""
        self._append("histograms.jsonl", lines)

    def append_queries(self, lines: list[QueryLine]) -> None:
        """Adds lines to queries.jsonl in one write."""
        self._append("queries.jsonl", lines)

    def replace_queries(self, lines: list[QueryLine]) -> None:
        """Replaces queries.jsonl at once."""
        self._replace_bytes("queries.jsonl", msgspec.json.Encoder().encode_lines(lines))

    def append_server(self, lines: list[ServerLine]) -> None:
        """Adds lines to server.jsonl in one write."""
        self._append("server.jsonl", lines)

    def read_histograms(self) -> Iterator[HistogramLine]:
        """The lines of histograms.jsonl; none when the run has none."""
        return self._lines("histograms.jsonl", HistogramLine)

    def read_queries(self) -> Iterator[QueryLine]:
        """The lines of queries.jsonl; none when the run has none."""
        return self._lines("queries.jsonl", QueryLine)

    def read_server(self) -> Iterator[ServerLine]:
        """The lines of server.jsonl; none when nobody observed the server."""
        return self._lines("server.jsonl", ServerLine)

    def _replace(self, name: str, value: msgspec.Struct) -> None:
        self._replace_bytes(name, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")

    def _replace_bytes(self, name: str, data: bytes) -> None:
        temporary = self.path / f".{name}.{os.getpid()}"
        with self._writing(name):
            try:
                temporary.write_bytes(data)
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

    def _lines(self, name: str, type_: Any) -> Iterator[Any]:
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
