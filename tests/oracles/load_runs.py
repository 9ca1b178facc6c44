"""Runs Locust files as users run them, and reads what they wrote; what a scripted server says that it really did."""

import asyncio
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg

from scenarios import histograms
from scenarios.catalogue import SCENARIOS
from scenarios.metrics import COUNTS, METRICS
from scenarios.run_folder import RunFolder
from scenarios.run_records import LedgerTotals

FANOUT = ("--users", "18", "--group-sizes", "2,5,12", "--non-members", "4", "--drain-seconds", "2")


def start(
    name: str,
    host: str,
    folder: Path,
    *options: str,
    run_time: str = "3s",
    cwd: Path | None = None,
    file: Path | None = None,
) -> "subprocess.Popen[str]":
    """A scenario under plain Locust, headless."""
    command = [sys.executable, "-m", "locust", "-f", str(file or SCENARIOS[name].file), "--headless"]
    command += ["--host", host]
    command += ["--only-summary", "--run-folder", str(folder), "--run-time", run_time, *options]
    return subprocess.Popen(
        command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def run(name: str, host: str, folder: Path, *options: str, **more: Any) -> tuple[int, str]:
    """Its exit code and what it said."""
    with start(name, host, folder, *options, **more) as process:
        _, said = process.communicate(timeout=60)
    return process.returncode, said


def python(code: str, *arguments: str) -> str:
    """What a program prints; in a process of its own, because Locust patches the one it is imported into."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def free_port() -> str:
    """A port that a master may listen on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return str(taken.getsockname()[1])


def channel(port: str) -> tuple[str, ...]:
    """The options by which a master and the processes that it starts find each other."""
    return (
        "--master-bind-host",
        "127.0.0.1",
        "--master-bind-port",
        port,
        "--master-host",
        "127.0.0.1",
        "--master-port",
        port,
    )


def start_worker(name: str, port: str) -> "subprocess.Popen[str]":
    """A worker as one starts it by hand."""
    command = [sys.executable, "-m", "locust", "-f", str(SCENARIOS[name].file), "--worker"]
    command += ["--master-host", "127.0.0.1", "--master-port", port]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True
    )


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


def truth(server: Any, size_of: Callable[[list[str]], str]) -> dict[str, Counter[str]]:
    """What the server's own log says, counted by plain definitions, per label."""
    told = server.get("/log")
    sizes = {conversation: size_of(members) for conversation, members in told["members"].items()}
    sent = [(conversation, seq) for conversation, seq in told["acknowledged"]]
    measured = set(sent)
    found: dict[str, Counter[str]] = {}
    seen: set[tuple[str, str, int]] = set()
    highest: Counter[tuple[str, str]] = Counter()
    for conversation, _ in sent:
        counter = found.setdefault(sizes[conversation], Counter())
        counter["messages"] += 1
        counter["expected"] += len(told["members"][conversation])
    for recipient, conversation, seq in told["log"]:
        if (conversation, seq) not in measured:
            continue  # the warm-up's
        counter = found[sizes[conversation]]
        if recipient not in told["members"][conversation]:
            counter["leaked"] += 1
        elif (recipient, conversation, seq) in seen:
            counter["duplicate"] += 1
        else:
            seen.add((recipient, conversation, seq))
            counter["delivered"] += 1
            counter["reordered"] += seq < highest[recipient, conversation]
            highest[recipient, conversation] = max(highest[recipient, conversation], seq)
    for counter in found.values():
        counter["missing"] = counter["expected"] - counter["delivered"]
    return found


def samples(folder: Path, metric: str, **labels: str) -> int:
    """How many values of a metric with these labels were recorded."""
    lines = RunFolder(folder).read_histograms()
    return sum(line.count for line in lines if line.metric == metric and labels.items() <= line.labels.items())


def exact_counts(folder: Path, name: str) -> dict[tuple[str, ...], float]:
    """The exact counts of that name, by the values of their labels; every one is known."""
    (record,) = RunFolder(folder).read_manifest().scenarios
    told = [count for count in record.counts if count.name == name]
    assert all(set(count.labels) == set(COUNTS[name].labels) for count in told)
    return {tuple(count.labels[label] for label in COUNTS[name].labels): count.value for count in told}


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    """What a statement gives in the server's database, bound by no policy."""

    async def fetch() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(url)
        try:
            return [tuple(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()

    return asyncio.run(fetch())
