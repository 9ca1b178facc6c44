"""Client and server processes of a comparison on one core while it is timed.

A statement's execution is a conversation in which one side waits for the other. On several cores, the scheduler moves
its two sides together and apart as it likes, and a short statement then takes 30 or 60 µs for whole blocks. Measured on
two cores that other work kept busy (load 13): the ratio of a strategy to its twin scattered over blocks by 28–280 %
without, by 2–12 % on one core, and by 11–36 % with client and server on a core each.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psutil


@contextmanager
def on_one_core(servers: Mapping[int, str]) -> Iterator[bool]:
    """Keeps this thread and server processes (id → its database) on one core; False, and nothing done, if it cannot.

    It cannot where the system knows no such thing, where the processes are another user's, and where a process of
    that id does not serve that database: the server is on another machine, or in a container.
    """
    processes = _serving(servers)
    before: dict[int, list[int]] = {}
    own = os.sched_getaffinity(0) if processes else set()
    try:
        for process in processes:
            before[process.pid] = process.cpu_affinity()
            process.cpu_affinity([max(own)])
        if processes:
            os.sched_setaffinity(0, {max(own)})
        pinned = bool(processes)
    except (OSError, psutil.Error):
        pinned = False
    try:
        yield pinned
    finally:
        if processes:
            os.sched_setaffinity(0, own)
        for process_id, cores in before.items():
            try:
                psutil.Process(process_id).cpu_affinity(cores)
            except (OSError, psutil.Error):
                continue  # it has ended


def _serving(servers: Mapping[int, str]) -> list[psutil.Process]:
    """The processes, when all of them are here and ours to place."""
    if not hasattr(os, "sched_setaffinity"):
        return []
    try:
        processes = [psutil.Process(process_id) for process_id in servers]
        titles = [" ".join(process.cmdline()) for process in processes]
    except psutil.Error:
        return []
    # PostgreSQL writes its title as `postgres: role database [local] idle`.
    whole = all(
        title.startswith("postgres") and database in title
        for title, database in zip(titles, servers.values(), strict=True)
    )
    return processes if whole else []
