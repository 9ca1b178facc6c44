"""Writes a load run's part of its run folder, so that whatever ends the run leaves what it measured."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fixtures.manifest import DatasetManifest
from scenarios.provenance import new_manifest, utc_now
from scenarios.run_folder import RunFolder
from scenarios.run_records import HistogramLine, LedgerTotals, ScenarioRecord, WorkloadRecord

RUNS_FOLDER = Path("out/runs")

_UNFINISHED = "it ended before it was finished"


class RunRecord:
    """One scenario's record in a run folder.

    A folder that already has run.json belongs to whoever made it: the scenario's record and ledgers are added, its
    verdict and end are left to its owner. Otherwise the manifest is made, judged and finished here.
    """

    def __init__(
        self,
        folder: Path | None,
        scenario: str,
        seed: int,
        dataset: DatasetManifest | None,
        options: dict[str, Any],
        *,
        arm: str | None = None,
        block: int | None = None,
        workload: Sequence[WorkloadRecord] = (),
    ) -> None:
        self.folder = RunFolder(folder) if folder is not None else RunFolder.create(RUNS_FOLDER, scenario)
        self._is_owner = not (self.folder.path / "run.json").exists()
        if self._is_owner:
            self.folder.write_manifest(
                new_manifest(run_id=self.folder.path.name, title=scenario, seed=seed, options=options, dataset=dataset)
            )
        self._manifest = self.folder.read_manifest()
        self._scenario = scenario
        self._options = options
        self._arm = arm
        self._block = block
        self._workload = list(workload)
        self._record: ScenarioRecord | None = None

    @property
    def started_at(self) -> str:
        """When the run began: UTC, ISO 8601."""
        return self._manifest.started_at

    def second(self) -> int:
        """Whole seconds since the run began: the second that histogram lines are labelled with."""
        began = datetime.fromisoformat(self._manifest.started_at)
        return max(0, int((datetime.now(UTC) - began).total_seconds()))

    def begin(self) -> None:
        """Notes the beginning of the measured time; until `finish`, the record says that it was never finished."""
        record = ScenarioRecord(
            name=self._scenario,
            options=self._options,
            started_second=self.second(),
            seconds=0,
            reasons=[_UNFINISHED],
            workload=self._workload,
            arm=self._arm,
            block=self._block,
        )
        self._record = record
        self._update(record)

    def append(self, lines: list[HistogramLine]) -> None:
        """Adds histogram lines."""
        self.folder.append_histograms(lines)

    def finish(self, record: ScenarioRecord, ledgers: list[LedgerTotals], *, cut_short: bool) -> None:
        """Writes the final record and ledgers, and the run's verdict if the run is this scenario's own."""
        if self._record is not None:
            record.started_second = self._record.started_second
        record.arm, record.block, record.workload = self._arm, self._block, self._workload
        ledger = self.folder.read_ledger()
        ledger.ledgers.extend(ledgers)
        self.folder.write_ledger(ledger)
        self._record, previous = record, self._record
        self._update(record, previous, finished=True, cut_short=cut_short)

    def _update(
        self,
        record: ScenarioRecord,
        previous: ScenarioRecord | None = None,
        *,
        finished: bool = False,
        cut_short: bool = False,
    ) -> None:
        # Read again: the folder's owner may have written meanwhile.
        manifest = self.folder.read_manifest()
        others = [
            one
            for one in manifest.scenarios
            if previous is None or one.part != previous.part or one.reasons != previous.reasons
        ]
        manifest.scenarios = [*others, record]
        if self._is_owner and finished:
            manifest.finished_at = utc_now()
            manifest.reasons = [f"{one.part}: {reason}" for one in manifest.scenarios for reason in one.reasons]
            manifest.verdict = "INVALID" if manifest.reasons else "VALID"
        manifest.cut_short = manifest.cut_short or cut_short
        self.folder.write_manifest(manifest)
