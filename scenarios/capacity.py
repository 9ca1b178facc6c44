"""Finds the highest load that keeps an objective: one server of our own, one Locust process per step.

    fresh copy of the data ──▶ server, kept alive ──▶ steps (capacity_search.py) ──▶ capacity.json ──▶ what gave way

Each step is a whole run in a folder of its own below the run folder's steps/. Ctrl-C keeps what was measured.
"""

import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import psutil

from fixtures.errors import InputError, ObjectiveMissedError
from fixtures.progress import Progress
from scenarios import runner
from scenarios.bottleneck import BOUNDS, step_figures, what_gave_way
from scenarios.capacity_search import WORKLOAD as SEARCH
from scenarios.capacity_search import CapacitySearch, Outcome, Plan, step_load
from scenarios.catalogue import SCENARIOS
from scenarios.comparison import Turn
from scenarios.generator_health import is_generators_own
from scenarios.objectives import Objective, judge, parse_objective
from scenarios.place import Place, open_cluster
from scenarios.run_folder import RunFolder
from scenarios.run_measures import measure_values, parse_measure
from scenarios.run_records import CapacityFile, CapacityResult, CapacityStep, ScenarioRecord, ServerSecond
from scenarios.run_so_far import RunSoFar
from scenarios.workload import Row

NAME = "capacity"
RATE = "--rate"
STEPS_FOLDER = "steps"

WORKLOAD = {
    "seconds": Row(10, "s", "guess: connecting takes one; the rest holds a p99 of 100 operations at 11 per second"),
    "repetitions": Row(
        4, "rounds of 3 steps", "measured: with brackets 17 steps of 13 s, 4 minutes; ±8 % at a sharp knee"
    ),
    "lowest_factor": Row(1 / 8, "of the scenario's own rate", "guess: below it the scenario asks nothing any more"),
    "highest_factor": Row(64, "of the scenario's own rate", "guess: no generator process offers more"),
    "failed_percent_max": Row(1, "% of operations", "by definition: load that is refused is not sustained"),
    "near_share": Row(1.5, "× the capacity", "guess: what gives way is read off missed steps up to here, not further"),
    "light_share": Row(
        0.75, "× the capacity", "guess: what is used up at that load already is not used up by the load"
    ),
    "usual_steps": Row(17, "steps", "measured: 5 while bracketing, 12 at the knee"),
}


@dataclass(frozen=True, kw_only=True)
class CapacityOptions:
    """What a search was asked for."""

    run: runner.RunOptions  # of every step; its one scenario is what is searched
    objectives: tuple[str, ...]
    rate_min: float | None = None  # None: an eighth of the scenario's own rate
    rate_max: float | None = None  # None: 64 times the scenario's own rate
    repetitions: int = int(WORKLOAD["repetitions"].value)

    def record(self) -> dict[str, Any]:
        """The options as the manifest keeps them."""
        own = {name: getattr(self, name) for name in ("objectives", "rate_min", "rate_max", "repetitions")}
        return {**self.run.record(), **own}


def find_capacity(options: CapacityOptions, progress: Progress) -> RunFolder:
    """Searches; the folder's capacity.json says what was found. InputError before anything is measured."""
    scenario, objectives = _checked(options)
    search = _search(options, scenario)
    so_far = RunSoFar(options.run.out / "runs", (NAME,), options.run.seed, options.record())
    steps = _Steps(options, scenario, objectives, search, so_far)
    try:
        with ExitStack() as stack:
            cluster_url = ""
            if options.run.target is None:
                cluster_url = stack.enter_context(open_cluster(options.run.out, options.run.database_url))
            preparing: Progress = lambda step, share: progress(step, 0.05 * share)  # noqa: E731 - one expression
            place = stack.enter_context(runner.open_place(options.run, cluster_url, preparing))
            steps.run(place, progress)
    except KeyboardInterrupt:
        if not steps.file.steps:
            so_far.discard()
            raise
        so_far.note(cut_short=True)
    except runner.FAILURES as error:
        if not steps.file.steps:
            so_far.discard()
            raise runner.told(error) from error
        so_far.note(reason=str(runner.told(error)))
    return steps.finish()


def require_kept(folder: RunFolder) -> None:
    """ObjectiveMissedError when even the lowest load missed the objective."""
    capacity = folder.read_capacity()
    if capacity is not None and capacity.result is not None and capacity.result.kind == "below":
        raise ObjectiveMissedError(
            f"{' and '.join(capacity.objectives)} is missed at the lowest load, {RATE} {capacity.result.load:g}: "
            f"{capacity.result.gave_way[0]}"
        )


def _checked(options: CapacityOptions) -> tuple[str, tuple[Objective, ...]]:
    """The scenario and the objectives; InputError for what cannot be asked."""
    names = runner.scenario_names(options.run)
    if len(options.run.scenarios) != 1:
        raise InputError(f"{len(options.run.scenarios)} scenarios are named; name the one whose capacity you ask for")
    name = names[0]
    with_rate = [one.name for one in SCENARIOS.values() if RATE in one.options]
    if name not in with_rate:
        raise InputError(f"{name} has no rate to search over; choose from {', '.join(with_rate)}")
    runner.check_scenario_options([name], options.run.scenario_options)
    if RATE in options.run.scenario_options:
        raise InputError("the rate is what is searched for; bound it with --rate-min and --rate-max")
    if not options.objectives:
        raise InputError("no objective is given; add one, such as --objective 'request_ms_p99<=100'")
    objectives = tuple(parse_objective(text) for text in options.objectives)
    for objective in objectives:
        parse_measure(objective.measure)
    return name, objectives


def _search(options: CapacityOptions, scenario: str) -> CapacitySearch:
    """The search within the loads that were asked for, or that the scenario's own rate suggests."""
    own = options.rate_min or own_rate(scenario)
    lowest = options.rate_min or own * float(WORKLOAD["lowest_factor"].value)
    highest = options.rate_max or own * float(WORKLOAD["highest_factor"].value)
    if lowest >= highest:
        raise InputError(f"loads from {lowest:g} to {highest:g} are no range; let --rate-min be below --rate-max")
    lowest, highest = step_load(lowest), step_load(highest)
    start = step_load(min(max(own, lowest), highest))
    return CapacitySearch(
        start=start, lowest=lowest, highest=highest, rounds=options.repetitions, seed=options.run.seed
    )


def own_rate(scenario: str) -> float:
    """The rate of a scenario's own workload table, asked of a process of its own: its module brings Locust along."""
    program = f"import scenarios.load.{scenario} as scenario; print(scenario.WORKLOAD['rate'].value)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    try:
        return float(result.stdout.split()[-1])
    except (IndexError, ValueError) as error:
        raise InputError(f"{scenario} names no rate of its own; give --rate-min and --rate-max") from error


@dataclass
class _Steps:
    """The steps of one search: what ran, and what it came to."""

    options: CapacityOptions
    scenario: str
    objectives: tuple[Objective, ...]
    search: CapacitySearch
    so_far: RunSoFar
    file: CapacityFile = field(init=False)
    records: list[ScenarioRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        meaning = SCENARIOS[self.scenario].options[RATE]
        texts = [objective.text for objective in self.objectives]
        self.file = CapacityFile(scenario=self.scenario, load_meaning=meaning, objectives=texts)

    def run(self, place: Place, progress: Progress) -> None:
        """One step after the other, until the search is at its end or the server is gone."""
        folder = self.so_far.folder(place)
        while (plan := self.search.next_step()) is not None:
            step = self._run_step(plan, place, folder, self._share_of_next(progress))
            self.search.record(plan.load, step.outcome)
            self.file.steps.append(step)
            self.file.result = self._result()
            folder.write_capacity(self.file)
            if place.server is not None and not place.server.alive:
                ending = place.server.ending
                self.so_far.note(reason=f"the reference server ended at a load of {plan.load:g}: {ending}")
                return
        progress("done", 1.0)

    def finish(self) -> RunFolder:
        """Writes the search's record and gives the verdict."""
        folder = self.so_far.folder(None)
        result = self.file.result
        reasons = []
        if result is None or result.kind == "nothing":
            said = "; ".join(self.file.steps[-1].reasons) if self.file.steps else "no step was finished"
            reasons.append(f"no step says anything of the server: {said}")
        manifest = folder.read_manifest()
        record = ScenarioRecord(
            name=NAME,
            options=self.options.record() | {"scenario": self.scenario},
            started_second=0,
            seconds=round(sum(record.seconds for record in self.records), 3),
            started=sum(record.started for record in self.records),
            failed=sum(record.failed for record in self.records),
            reasons=reasons,
            warnings=_warnings(self.file),
        )
        manifest.scenarios = [record]
        folder.write_manifest(manifest)
        return self.so_far.finish()

    def _share_of_next(self, progress: Progress) -> Progress:
        done = len(self.file.steps)
        expected = max(int(WORKLOAD["usual_steps"].value), done + 2)
        return lambda step, share: progress(f"{step}, step {done + 1}", 0.05 + 0.95 * (done + share) / expected)

    def _run_step(self, plan: Plan, place: Place, parent: RunFolder, progress: Progress) -> CapacityStep:
        seconds = self.options.run.seconds or float(WORKLOAD["seconds"].value)
        options = replace(
            self.options.run,
            seconds=seconds,
            seed=self.options.run.seed + len(self.file.steps),
            scenario_options={**self.options.run.scenario_options, RATE: f"{plan.load:g}"},
        )
        run = RunSoFar(parent.path / STEPS_FOLDER, (self.scenario,), options.seed, options.record())
        run.folder(place)
        try:
            turn = Turn(scenario=self.scenario, place=place, seconds=seconds)
            runner.run_load_scenario(turn, options, run, lambda _, share: progress(f"{RATE} {plan.load:g}", share))
        except KeyboardInterrupt:
            run.note(cut_short=True)
            run.finish()
            raise
        return self._step(plan, run.finish())

    def _step(self, plan: Plan, folder: RunFolder) -> CapacityStep:
        """What a finished run says."""
        manifest = folder.read_manifest()
        record = next((one for one in manifest.scenarios if one.name == self.scenario), None)
        if record is not None:
            self.records.append(record)
        asked = [parse_measure(objective.measure) for objective in self.objectives]
        cpu = parse_measure("generator_cpu_percent_mean")
        found = measure_values(folder, [*asked, cpu])
        end = record.started_second + record.seconds if record is not None else 0
        lines = [line for line in folder.read_server() if isinstance(line, ServerSecond) and line.second < end]
        values = {objective.measure: found[objective.measure] for objective in self.objectives}
        return CapacityStep(
            folder=f"{STEPS_FOLDER}/{folder.path.name}",
            load=plan.load,
            phase=plan.phase,
            round=plan.round,
            outcome=step_outcome(self.objectives, values, record),
            values=values,
            operations_per_second=record.started / record.seconds if record is not None and record.seconds else 0.0,
            reasons=manifest.reasons,
            figures=step_figures(lines, generator_cpu_percent=found[cpu.name], cores=psutil.cpu_count() or 1),
        )

    def _result(self) -> CapacityResult:
        known = self.search.result()
        near = float(WORKLOAD["near_share"].value)
        bound = known.load * near if known.load is not None and known.kind == "found" else float("inf")
        missed = [step.figures for step in self.file.steps if step.outcome == "missed" and step.load <= bound]
        light_load = (known.load or 0.0) * float(WORKLOAD["light_share"].value)
        light = [step.figures for step in self.file.steps if step.outcome == "kept" and step.load <= light_load]
        sentences = what_gave_way(missed, light) if missed else []
        if known.kind == "at_least" and known.generator_limit is not None:
            sentences = [f"the load generator, at a load of {known.generator_limit:g}"]
        return CapacityResult(
            kind=known.kind,
            load=known.load,
            low=known.low,
            high=known.high,
            confidence=float(SEARCH["confidence"].value) if known.kind == "found" else None,
            generator_limit=known.generator_limit,
            gave_way=sentences,
        )


def step_outcome(
    objectives: tuple[Objective, ...], values: dict[str, float | None], record: ScenarioRecord | None
) -> Outcome:
    """What a step says: kept, missed, or nothing of the server because the generator gave way."""
    if record is None or any(is_generators_own(reason) for reason in record.reasons):
        return "generator"
    failed_percent = 100 * record.failed / record.started if record.started else 0.0
    if record.reasons or failed_percent > float(WORKLOAD["failed_percent_max"].value):
        return "missed"
    return "kept" if all(judge(one, values[one.measure]).met for one in objectives) else "missed"


def _warnings(file: CapacityFile) -> list[str]:
    invalid = [step for step in file.steps if step.outcome == "generator"]
    found = []
    if invalid:
        loads = ", ".join(f"{step.load:g}" for step in invalid)
        found.append(f"in {len(invalid)} of {len(file.steps)} steps the generator gave way, at loads of {loads}")
    others = [step.figures["others_cpu_percent"] for step in file.steps if "others_cpu_percent" in step.figures]
    mean = sum(others) / len(others) if others else 0.0
    if mean >= BOUNDS["others_cpu_percent"].bound:
        found.append(
            f"other programs used {mean:.0f} % of this machine's cores in the mean: the capacity is of what they left"
        )
    return found
