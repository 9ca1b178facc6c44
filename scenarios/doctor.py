"""What this machine can measure: each check finds a value, judges it, and says what to do about it."""

import asyncio
import os
import platform
import resource
import shutil
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fixtures.database import connect
from fixtures.errors import ChatbenchError
from fixtures.postgres import EmbeddedPostgres

Status = Literal["ok", "warning", "failure"]

DESCRIPTORS_WANTED = 4096  # about 1 500 simulated users, each with a gateway and an HTTP connection
FREE_DISK_WANTED_GIB = 5  # medium data set, its clones and their WAL
TIMER_LATENESS_WARNING_MS = 2.0  # later than this, a generator at rest already looks like a slow server
NOISE_WARNING = 0.05  # an A/A difference above the gate's margin of 5 % hides what the gate looks for
SO_TIMESTAMPNS = getattr(socket, "SO_TIMESTAMPNS", 35)


@dataclass(frozen=True)
class Finding:
    """The outcome of one check."""

    check: str
    status: Status
    found: str
    advice: str = ""  # empty when there is nothing to do


def examine(out: Path, database_url: str | None) -> Iterator[Finding]:
    """Every finding, what the machine has before what was measured on it; each check runs when its turn comes."""
    yield check_cores()
    yield check_descriptors()
    yield check_kernel_timestamps()
    yield check_timer()
    yield check_disk(out)
    yield check_commit_latency(out)
    yield check_postgres(out, database_url)
    yield check_noise()


def check_cores() -> Finding:
    """Server, PostgreSQL and generator need room beside each other."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    busy = os.getloadavg()[0]
    found = f"{cores} cores, load average {busy:.1f}, Python {platform.python_version()}"
    if cores < 2:
        return Finding("processors", "warning", found, "use two or more: one core times the generator, not the server")
    if busy > cores / 2:
        return Finding("processors", "warning", found, "something else is running; stop it or expect wide intervals")
    return Finding("processors", "ok", found)


def check_descriptors() -> Finding:
    """Each simulated user holds up to two sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = f"{soft} now, {hard} at most"
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS_WANTED:
        advice = f"raise the limit to {DESCRIPTORS_WANTED} (ulimit -Hn) to run more than {hard // 3} users"
        return Finding("file descriptors", "warning", found, advice)
    return Finding("file descriptors", "ok", found)


def check_kernel_timestamps() -> Finding:
    """Deliveries are timed by the kernel's receive stamp on the socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as sender:
        receiver, _ = listener.accept()
        with receiver:
            try:
                receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            except OSError as error:
                return _no_stamps(str(error))
            receiver.settimeout(1)
            delays_us = []
            for _ in range(50):
                sent_ns = time.time_ns()
                sender.send(b"x")
                _, ancillary, _, _ = receiver.recvmsg(16, 64)
                stamps = [data for _, kind, data in ancillary if kind == SO_TIMESTAMPNS]
                if stamps:
                    seconds, nanoseconds = (int.from_bytes(part, "little") for part in (stamps[0][:8], stamps[0][8:16]))
                    delays_us.append((seconds * 10**9 + nanoseconds - sent_ns) / 1000)
    if not delays_us:
        return _no_stamps("segments arrive without one")
    return Finding("kernel timestamps", "ok", f"send to stamp {statistics.median(delays_us):.0f} µs (median of 50)")


def _no_stamps(reason: str) -> Finding:
    advice = "deliveries are timed in user space, and figures say so"
    return Finding("kernel timestamps", "warning", f"none: {reason}", advice)


def check_timer() -> Finding:
    """A late timer is an operation that starts late."""
    lateness_ms = []
    for _ in range(200):
        begun = time.perf_counter_ns()
        time.sleep(0.001)
        lateness_ms.append((time.perf_counter_ns() - begun) / 1e6 - 1)
    p99 = statistics.quantiles(lateness_ms, n=100)[98]
    resolution_ns = time.get_clock_info("perf_counter").resolution * 1e9
    found = f"1 ms timers fire {p99:.2f} ms late at p99; clock resolution {resolution_ns:.0f} ns"
    if p99 > TIMER_LATENESS_WARNING_MS:
        return Finding("timer", "warning", found, "the machine is busy or throttled; latencies below this mean little")
    return Finding("timer", "ok", found)


def check_disk(out: Path) -> Finding:
    """Data sets and their clones lie below the output folder."""
    existing = next(folder for folder in (out.resolve(), *out.resolve().parents) if folder.exists())
    free_gib = shutil.disk_usage(existing).free / 2**30
    if free_gib < FREE_DISK_WANTED_GIB:
        advice = f"free {FREE_DISK_WANTED_GIB} GiB for the medium data set, or choose another folder with --out"
        return Finding("disk space", "warning", f"{free_gib:.1f} GiB free", advice)
    return Finding("disk space", "ok", f"{free_gib:.0f} GiB free in {existing}")


def check_commit_latency(out: Path) -> Finding:
    """An acknowledged message waits for the disk; the figure belongs beside every send latency."""
    existing = next(folder for folder in (out.resolve(), *out.resolve().parents) if folder.exists())
    times_ms = []
    try:
        with tempfile.TemporaryFile(dir=existing) as file:
            for _ in range(30):
                file.write(b"x" * 8192)
                begun = time.perf_counter_ns()
                file.flush()
                os.fsync(file.fileno())
                times_ms.append((time.perf_counter_ns() - begun) / 1e6)
    except OSError as error:
        return Finding("fsync", "failure", f"cannot write in {existing}: {error.strerror}", "choose another --out")
    return Finding("fsync", "ok", f"{statistics.median(times_ms):.2f} ms (median of 30 writes of 8 KiB)")


def check_postgres(out: Path, database_url: str | None) -> Finding:
    """A PostgreSQL that can be measured answers."""
    begun = time.perf_counter()
    try:
        if database_url is not None:
            version = asyncio.run(_server_version(database_url))
            return Finding("PostgreSQL", "ok", f"{version} at the given URL")
        with EmbeddedPostgres(out / "postgres") as postgres:
            version = asyncio.run(_server_version(postgres.url("postgres")))
    except ChatbenchError as error:
        return Finding("PostgreSQL", "failure", str(error), "fix this first: nothing can be measured without it")
    return Finding("PostgreSQL", "ok", f"{version}, embedded, up and down in {time.perf_counter() - begun:.1f} s")


async def _server_version(url: str) -> str:
    async with connect(url) as connection:
        return str(await connection.fetchval("SHOW server_version"))


def check_noise(block_count: int = 20) -> Finding:
    """Two identical measurements should look alike: one after the other, and interleaved."""
    one_after_other = a_a_difference([_timed_block() for _ in range(block_count)], interleaved=False)
    interleaved = a_a_difference([_timed_block() for _ in range(block_count)], interleaved=True)
    found = f"A/A difference {one_after_other:.1%} one after the other, {interleaved:.1%} interleaved"
    if interleaved > NOISE_WARNING:
        return Finding("noise", "warning", found, "the machine is shared or throttled; only large effects can be seen")
    return Finding("noise", "ok", found)


def a_a_difference(blocks_ms: list[float], *, interleaved: bool) -> float:
    """How far the medians of two halves of the blocks lie apart, as a share; every other block when interleaved."""
    half = len(blocks_ms) // 2
    first, second = (blocks_ms[::2], blocks_ms[1::2]) if interleaved else (blocks_ms[:half], blocks_ms[half:])
    return abs(statistics.median(second) / statistics.median(first) - 1)


def _timed_block() -> float:
    times_ms = []
    for _ in range(15):
        begun = time.perf_counter_ns()
        sum(number * number for number in range(20_000))
        times_ms.append((time.perf_counter_ns() - begun) / 1e6)
    return statistics.median(times_ms)
