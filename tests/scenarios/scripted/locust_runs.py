"""Load scenarios as users run them, and what their run folders hold."""

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from scenarios import histograms
from scenarios.catalogue import SCENARIOS
from scenarios.metrics import METRICS
from scenarios.run_folder import LedgerTotals, RunFolder

FANOUT = ("--users", "18", "--group-sizes", "2,5,12", "--non-members", "4", "--drain-seconds", "2")


def start(
    name: str, host: str, folder: Path, *options: str, run_time: str = "3s", cwd: Path | None = None
) -> "subprocess.Popen[str]":
    """A scenario under plain Locust, headless."""
    command = [sys.executable, "-m", "locust", "-f", str(SCENARIOS[name].file), "--headless", "--host", host]
    command += ["--only-summary", "--run-folder", str(folder), "--run-time", run_time, *options]
    return subprocess.Popen(
        command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def run(name: str, host: str, folder: Path, *options: str, **more: Any) -> tuple[int, str]:
    """Its exit code and what it said."""
    with start(name, host, folder, *options, **more) as process:
        _, said = process.communicate(timeout=60)
    return process.returncode, said


def ledgers(folder: Path, label: str) -> dict[str, LedgerTotals]:
    return {totals.labels[label]: totals for totals in RunFolder(folder).read_ledger().ledgers}


def counts(folder: Path) -> Counter[str]:
    """Values per metric; every line is readable and known."""
    total: Counter[str] = Counter()
    for line in RunFolder(folder).read_histograms():
        assert set(line.labels) == {"scenario", *METRICS[line.metric].labels}
        assert histograms.decode(line.payload).get_total_count() == line.count
        total[line.metric] += line.count
    return total
