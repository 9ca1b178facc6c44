"""Files of pytest-benchmark judged as stored runs are: far beyond the drift, or not at all."""

from pathlib import Path

from reports.benchmark_file import Benchmark, benchmark_differences, read_benchmarks
from reports.differences import obstacles
from reports.gate.baseline import WARNING, compare_times
from reports.gate.decisions import Decision, worst
from reports.gate.outputs import Outcome
from reports.gate.run_numbers import RunNumber
from reports.latency import values_needed
from scenarios.run_measures import Measure

NO_PAIRS = (
    "Rounds of two files are of different moments, so they are no pairs and no test of pairs is made of them; "
    "many files of two versions that took turns, in a folder each, are judged as chatbench ab judges"
)
_MEDIAN = Measure("benchmark_us_p50", frozenset({"benchmark_us"}), 1.0, "p50")


def judge_benchmarks(head: Path, base: Path) -> Outcome:
    """The verdict on the benchmarks of one file against those of an older one; InputError when one cannot be read."""
    before, after = (read_benchmarks(path) for path in (base, head))
    both = before.benchmarks.keys() & after.benchmarks.keys()
    findings = tuple(
        compare_times(name, _number(before.benchmarks[name]), _number(found))
        for name, found in after.benchmarks.items()
        if name in both
    )
    return Outcome(
        f"{after.name} against {before.name} (stored)",
        Decision(worst(one.verdict for one in findings), findings),
        remarks=(
            WARNING,
            NO_PAIRS,
            f"commit {before.commit or 'unknown'} in the baseline, {after.commit or 'unknown'} in the run",
        ),
        reasons=tuple(one.sentence for one in obstacles(benchmark_differences(before, after))),
        is_stored=True,
    )


def _number(benchmark: Benchmark) -> RunNumber:
    return RunNumber(_MEDIAN, benchmark.us_p50, benchmark.blocks_us, len(benchmark.rounds_us), values_needed(50))
