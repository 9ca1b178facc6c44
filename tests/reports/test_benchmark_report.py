"""How long the report of a run with ten million deliveries takes: `pytest --benchmark-only -s tests/reports`.

The report is drawn in a child process of its own, whose seconds and peak memory are printed.
"""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from reports.report import PAGE_NAME
from scenarios import histograms
from scenarios.run_folder import RunFolder
from scenarios.run_records import HistogramLine

# A long run: every second eight workers flush their deliveries of four group sizes.
SECONDS = 120
WORKERS = 8
GROUP_SIZES = (5, 20, 100, 500)
DELIVERIES_PER_LINE = 2_604  # 120 × 8 × 4 lines of it hold ten million
METRICS = ("delivery_us", "delivery_observed_us")

CHILD = """
import resource, sys, time
from pathlib import Path
started = time.perf_counter()
from reports.report import render, summarise
imported = time.perf_counter()
summary = summarise(Path(sys.argv[1]))
read = time.perf_counter()
deliveries = sum(group.deliveries.count for group in summary.fanout.groups)
render(Path(sys.argv[1]))
rendered = time.perf_counter()
peak_mebibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(imported - started, read - imported, rendered - read, peak_mebibytes, deliveries)
"""


@pytest.fixture(scope="module")
def long_run(parts: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose histograms hold ten million deliveries."""
    run = RunFolder(tmp_path_factory.mktemp("long") / "run")
    run.path.mkdir()
    run.write_manifest(parts.manifest([parts.record("fanout", 0, SECONDS, started=SECONDS * 100)]))
    random = np.random.default_rng(1)
    for second in range(SECONDS):
        lines: list[HistogramLine] = []
        for worker in range(WORKERS):
            for size in GROUP_SIZES:
                values = random.lognormal(np.log(2200 + 9 * size), 0.6, DELIVERIES_PER_LINE).astype(np.int64)
                payload = histograms.encode(histograms.histogram_of(values))
                lines += [
                    HistogramLine(
                        second=second,
                        worker=str(worker),
                        metric=metric,
                        labels={"scenario": "fanout", "group_size": str(size)},
                        count=len(values),
                        payload=payload,
                    )
                    for metric in METRICS
                ]
        run.append_histograms(lines)
    return run.path


@pytest.mark.benchmark(group="report")
def test_a_report_of_ten_million_deliveries(benchmark: Any, long_run: Path) -> None:
    """Reading, summarising and drawing, from a fresh process."""

    def report() -> list[float]:
        child = subprocess.run(
            [sys.executable, "-c", CHILD, str(long_run)], check=True, capture_output=True, text=True, timeout=600
        )
        return [float(value) for value in child.stdout.split()]

    imported, read, rendered, peak_mebibytes, deliveries = benchmark.pedantic(report, rounds=1, iterations=1)
    assert deliveries == SECONDS * WORKERS * len(GROUP_SIZES) * DELIVERIES_PER_LINE
    assert (long_run / PAGE_NAME).stat().st_size > 10_000
    lines = SECONDS * WORKERS * len(GROUP_SIZES) * len(METRICS)
    benchmark.extra_info.update(read_seconds=read, render_seconds=rendered, peak_mebibytes=peak_mebibytes)
    print(  # noqa: T201 - the figure is what this is for
        f"\nreport of {deliveries / 1e6:.1f} M deliveries in {lines} histogram lines: importing {imported:.1f} s, "
        f"reading and summarising {read:.1f} s, reading again and drawing {rendered:.1f} s, "
        f"peak memory {peak_mebibytes:.0f} MiB"
    )
