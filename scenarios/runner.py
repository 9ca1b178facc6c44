"""Runs scenarios from nothing to a finished run folder: database, server, generator, laboratory, verdict.

    data set (cloned) ──▶ reference server ──▶ one Locust process per scenario ──▶ laboratory ──▶ run.json

Each part writes its own record into the run folder as it goes; this module starts the parts, watches them, and
gives the verdict on the whole. Ctrl-C ends the part that runs, and what was measured stays.
"""

import subprocess
import sys
import time
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fixtures.errors import InputError
from fixtures.progress import Progress
from reference_server.statements import find_strategy
from scenarios.catalogue import COMMON_OPTIONS, SCENARIOS
from scenarios.child_process import log_tail, start_child, stop_child
from scenarios.place import Place, open_cluster, own_target, running_target
from scenarios.provenance import new_manifest, utc_now
from scenarios.queries.laboratory import LaboratoryOptions, check_request, run_laboratory
from scenarios.run_folder import RunFolder

LABORATORY = "queries"  # runs beside the load scenarios in a tour; needs a database, not a server
# Past its run time a generator drains outstanding deliveries and writes its ledger; then it is asked to end.
LOCUST_OVERHEAD_SECONDS = 8
LOCUST_PATIENCE_SECONDS = 45


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What a run was asked for."""

    scenarios: tuple[str, ...] = ()  # empty: the quick tour of all
    size: str = "small"
    seed: int = 1
    strategy: str = "roadmap_membership"  # the indexes under the server
    seconds: float | None = None  # per load scenario, connecting included; None: each one's own
    users: int | None = None  # per load scenario; None: each one's own
    scenario_options: dict[str, str] = field(default_factory=dict)  # for the Locust files: {"--rate": "5"}
    laboratory: LaboratoryOptions = field(default_factory=LaboratoryOptions)
    out: Path = Path("out")
    database_url: str | None = None  # None: the embedded PostgreSQL
    target: str | None = None  # None: a reference server of our own
    login_key: str = "chatbench"
    allow_remote: bool = False

    def record(self) -> dict[str, Any]:
        """The options as the manifest keeps them: no secrets, no machine's paths."""
        secret_or_local = ("login_key", "database_url", "out")
        kept = {key: value for key, value in asdict(self).items() if key not in secret_or_local}
        return {**kept, "database": "embedded" if self.database_url is None else "given"}


def run(options: RunOptions, progress: Progress) -> RunFolder:
    """Runs what was asked for; the folder's manifest holds the verdict. InputError before anything is measured."""
    names = scenario_names(options)
    load_names = [name for name in names if name != LABORATORY]
    for name in load_names:
        _check_scenario_options(name, options.scenario_options)
    if LABORATORY in names:
        check_request([find_strategy(name) for name in options.laboratory.strategies], options.laboratory)
    shares = _Shares(names, progress)
    folder: RunFolder | None = None
    with ExitStack() as stack:
        cluster_url = ""
        if options.target is None or LABORATORY in names:
            cluster_url = stack.enter_context(open_cluster(options.out, options.database_url))
        if load_names:
            with _place(options, cluster_url, shares.preparing()) as place:
                folder = _create_folder(options, names, place)
                _run_load_scenarios(load_names, options, folder, place, shares)
        if LABORATORY in names and not (folder and folder.read_manifest().cut_short):
            folder = folder or _create_folder(options, names, None)
            run_laboratory(options.laboratory, cluster_url, folder, shares.of(LABORATORY))
    assert folder is not None, "at least one scenario runs"
    _finish(folder, names)
    return folder


def scenario_names(options: RunOptions) -> tuple[str, ...]:
    """What runs, each once: what was named, or the tour; InputError for a name that is none."""
    known = (*SCENARIOS, LABORATORY)
    for name in options.scenarios:
        if name not in known:
            raise InputError(f"no scenario named {name!r}; choose from {', '.join(known)}, or give none for the tour")
    if options.scenarios:
        return tuple(dict.fromkeys(options.scenarios))
    # Somebody else's server comes without a database to experiment in.
    return known if options.target is None or options.database_url else tuple(SCENARIOS)


def listing() -> list[dict[str, Any]]:
    """Every scenario with its question and options."""
    load = [
        {"name": item.name, "question": item.question, "options": {**item.options, **COMMON_OPTIONS}}
        for item in SCENARIOS.values()
    ]
    question = "Do the roadmap's indexes help the statements that the server executes?"
    return [*load, {"name": LABORATORY, "question": question, "options": {}}]


def _check_scenario_options(name: str, given: dict[str, str]) -> None:
    allowed = {**SCENARIOS[name].options, **COMMON_OPTIONS}
    for option in given:
        if option not in allowed:
            raise InputError(f"{name} has no option {option!r}; choose from {', '.join(allowed)}")


def _place(options: RunOptions, cluster_url: str, progress: Progress) -> AbstractContextManager[Place]:
    if options.target is not None:
        return running_target(options.target, allow_remote=options.allow_remote)
    return own_target(
        cluster_url,
        size=options.size,
        seed=options.seed,
        strategy=options.strategy,
        login_key=options.login_key,
        log_folder=options.out / "logs",
        progress=progress,
    )


def _create_folder(options: RunOptions, names: tuple[str, ...], place: Place | None) -> RunFolder:
    title = names[0] if len(names) == 1 else "tour"
    folder = RunFolder.create(options.out / "runs", title)
    manifest = new_manifest(
        run_id=folder.path.name,
        title=title,
        seed=options.seed,
        options=options.record(),
        dataset=place.dataset if place else None,
        postgres_settings=place.postgres_settings if place else None,
        server_settings=place.target.settings if place else None,
    )
    folder.write_manifest(manifest)
    return folder


def _run_load_scenarios(
    names: list[str], options: RunOptions, folder: RunFolder, place: Place, shares: "_Shares"
) -> None:
    """One Locust process after the other, until all ran, one is interrupted, or the server is gone."""
    for name in names:
        try:
            _run_load_scenario(name, options, folder, place, shares.of(name))
        except KeyboardInterrupt:
            _amend(folder, cut_short=True)
            return
        if place.server is not None and not place.server.alive:
            reason = f"the reference server ended in the middle of the run: {log_tail(place.server.log)}"
            _amend(folder, reason=f"{name}: {reason}")
            return


def _run_load_scenario(name: str, options: RunOptions, folder: RunFolder, place: Place, progress: Progress) -> None:
    log = folder.path / f"locust-{name}.log"
    seconds = options.seconds or SCENARIOS[name].default_run_seconds
    command = _locust_command(name, options, folder, place, seconds)
    process = start_child(command, log=log, environment={"CHATBENCH_LOGIN_KEY": options.login_key})
    try:
        _watch(process, name, seconds, progress)
    finally:
        # Interrupted: the generator is asked to end, drains, and writes what it measured.
        exit_code = stop_child(process, patience_seconds=LOCUST_PATIENCE_SECONDS)
    if name not in [record.name for record in folder.read_manifest().scenarios]:
        _amend(folder, reason=f"{name}: its generator ended with exit code {exit_code}: {log_tail(log)}")


def _locust_command(name: str, options: RunOptions, folder: RunFolder, place: Place, seconds: float) -> list[str]:
    command = [sys.executable, "-m", "locust", "-f", str(SCENARIOS[name].file), "--headless", "--only-summary"]
    command += ["--host", place.target.http_url, "--run-time", f"{max(1, round(seconds))}s"]
    command += ["--run-folder", str(folder.path), "--seed", str(options.seed)]
    if options.users is not None:
        command += ["--users", str(options.users)]
    if place.target.process_id is not None:
        command += ["--server-pid", str(place.target.process_id)]
    if options.allow_remote:
        command += ["--allow-remote"]
    for option, value in options.scenario_options.items():
        command += [option, value]
    return command


def _watch(process: subprocess.Popen[bytes], name: str, seconds: float, progress: Progress) -> None:
    """Waits for the generator and tells how far it should be; returns when it ended or outlived all patience."""
    begun = time.monotonic()
    expected = seconds + LOCUST_OVERHEAD_SECONDS
    while process.poll() is None:
        elapsed = time.monotonic() - begun
        if elapsed > expected + LOCUST_PATIENCE_SECONDS:
            return
        progress(name, min(0.99, elapsed / expected))
        try:
            process.wait(0.25)
        except subprocess.TimeoutExpired:
            continue
    progress(name, 1.0)


def _amend(folder: RunFolder, *, reason: str | None = None, cut_short: bool = False) -> None:
    manifest = folder.read_manifest()
    manifest.cut_short |= cut_short
    if reason is not None:
        manifest.reasons.append(reason)
    folder.write_manifest(manifest)


def _finish(folder: RunFolder, names: tuple[str, ...]) -> None:
    """Gives the verdict: VALID when every part was measured whole and nothing speaks against it."""
    manifest = folder.read_manifest()
    recorded = {record.name: record for record in manifest.scenarios}
    for name in names:
        if name in recorded:
            manifest.reasons += [f"{name}: {reason}" for reason in recorded[name].reasons]
        elif not any(reason.startswith(f"{name}: ") for reason in manifest.reasons):
            manifest.reasons.append(f"{name}: not measured")
    if manifest.cut_short:
        manifest.reasons.insert(0, "cut short by an interrupt")
    manifest.finished_at = utc_now()
    manifest.verdict = "INVALID" if manifest.reasons else "VALID"
    folder.write_manifest(manifest)


class _Shares:
    """Cuts one bar into the parts of a run, by how long each usually takes."""

    PREPARING_SECONDS = 15  # measured: seeding small, once; a copy and a server's start afterwards
    LABORATORY_SECONDS = 45  # measured: two strategies on small

    def __init__(self, names: tuple[str, ...], progress: Progress) -> None:
        self._progress = progress
        expected = {"": self.PREPARING_SECONDS, LABORATORY: self.LABORATORY_SECONDS}
        for item in SCENARIOS.values():
            expected[item.name] = item.default_run_seconds + LOCUST_OVERHEAD_SECONDS
        self._seconds = {name: expected[name] for name in ("", *names)}

    def preparing(self) -> Progress:
        """Progress of the database and the server."""
        return self.of("")

    def of(self, part: str) -> Progress:
        """Progress of one part, told as a share of the whole run."""
        total = sum(self._seconds.values())
        before = 0.0
        for name, seconds in self._seconds.items():
            if name == part:
                break
            before += seconds
        share_before, share_of_part = before / total, self._seconds[part] / total
        return lambda step, share: self._progress(step, share_before + share * share_of_part)
