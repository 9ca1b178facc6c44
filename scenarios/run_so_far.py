"""A run while it goes: its folder, what has been measured, what speaks against it, and in the end the verdict."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scenarios.arms import Arm
from scenarios.place import Place
from scenarios.provenance import new_manifest, utc_now
from scenarios.run_folder import RunFolder
from scenarios.run_records import CountRecord


class RunSoFar:
    """The run folder while the run goes: made when there is something to put in, finished once."""

    def __init__(self, runs: Path, names: tuple[str, ...], seed: int, options: dict[str, Any]) -> None:
        self._runs = runs
        self._names = names
        self._seed = seed
        self._options = options
        self._folder: RunFolder | None = None

    @classmethod
    def taken_up(cls, folder: RunFolder) -> "RunSoFar":
        """A run that was ended and goes on in its folder."""
        manifest = folder.read_manifest()
        so_far = cls(folder.path.parent, (manifest.title,), manifest.seed, manifest.options)
        so_far._folder = folder
        return so_far

    def folder(self, place: Place | None) -> RunFolder:
        """The folder; the first call makes it and says where the run happens."""
        if self._folder is None:
            title = self._names[0] if len(self._names) == 1 else "tour"
            self._folder = RunFolder.create(self._runs, title)
            manifest = new_manifest(
                run_id=self._folder.path.name,
                title=title,
                seed=self._seed,
                options=self._options,
                dataset=place.dataset if place else None,
                postgres_settings=place.postgres_settings if place else None,
                server_settings=place.target.settings if place else None,
            )
            self._folder.write_manifest(manifest)
        return self._folder

    @property
    def recorded(self) -> list[str]:
        """The parts that have left a record, by their names."""
        return [record.part for record in self._folder.read_manifest().scenarios] if self._folder else []

    def compare(self, name: str, arms: Sequence[Arm]) -> None:
        """Puts down which servers a scenario compares, the baseline first."""
        assert self._folder is not None, "noted of something that runs"
        manifest = self._folder.read_manifest()
        manifest.arms[name] = [arm.record() for arm in arms]
        self._folder.write_manifest(manifest)

    def add_counts(self, part: str, counts: Sequence[CountRecord], warnings: Sequence[str] = ()) -> None:
        """Adds exact counts to the record of one part; a part without a record has none to add to."""
        assert self._folder is not None, "counted of something that ran"
        manifest = self._folder.read_manifest()
        for record in manifest.scenarios:
            if record.part == part:
                record.counts.extend(counts)
                record.warnings.extend(warnings)
        self._folder.write_manifest(manifest)

    def replace(self, part: str) -> None:
        """Puts down that a part does not count, because another was measured in its stead; why is kept as a warning."""
        assert self._folder is not None, "replaced is what ran"
        manifest = self._folder.read_manifest()
        for record in manifest.scenarios:
            if record.part == part:
                record.replaced = True
                record.warnings = [f"{part} was replaced by a fresh block: {reason}" for reason in record.reasons]
                record.reasons = []
        self._folder.write_manifest(manifest)

    @property
    def has_measured(self) -> bool:
        """True when there is something to report."""
        return bool(self.recorded)

    @property
    def is_cut_short(self) -> bool:
        """True after an interrupt."""
        return self._folder is not None and self._folder.read_manifest().cut_short

    def note(self, *, reason: str | None = None, cut_short: bool = False) -> None:
        """Puts down what speaks against the run."""
        assert self._folder is not None, "noted of something that ran"
        manifest = self._folder.read_manifest()
        manifest.cut_short |= cut_short
        if reason is not None:
            manifest.reasons.append(reason)
        self._folder.write_manifest(manifest)

    def discard(self) -> None:
        """Removes the folder of a run that measured nothing."""
        if self._folder is not None:
            shutil.rmtree(self._folder.path)

    def finish(self) -> RunFolder:
        """Gives the verdict: VALID when every part was measured whole and nothing speaks against it."""
        assert self._folder is not None, "at least one part ran"
        manifest = self._folder.read_manifest()
        for name in self._names:
            recorded = [record for record in manifest.scenarios if record.name == name]
            manifest.reasons += [f"{record.part}: {reason}" for record in recorded for reason in record.reasons]
            if not recorded and not any(reason.startswith((f"{name}: ", f"{name} (")) for reason in manifest.reasons):
                manifest.reasons.append(f"{name}: not measured")
        if manifest.cut_short:
            manifest.reasons.insert(0, "cut short by an interrupt")
        manifest.finished_at = utc_now()
        manifest.verdict = "INVALID" if manifest.reasons else "VALID"
        self._folder.write_manifest(manifest)
        return self._folder
