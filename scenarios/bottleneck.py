"""What gave way under a load: which of the things observed beside it was at its bound. Pure.

A latency says that something was too slow, not what. Everything that can be used up is compared with a stated bound,
causes before the symptoms they bring with them: a process without CPU to spare also lets its pool and its event loop
wait.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scenarios.run_records import ServerSecond


@dataclass(frozen=True)
class Bound:
    """From which figure on something counts as used up."""

    title: str
    unit: str
    bound: float
    source: str  # why this number


# In the order in which they are named: causes first.
BOUNDS = {
    "others_cpu_percent": Bound(
        "other programs on this machine", "% of its cores", 40, "guess: with that taken, no server has two cores"
    ),
    "server_cpu_percent": Bound(
        "CPU of the chat server",
        "% of one core",
        85,
        "guess: one event loop has one core, and queues before it is full",
    ),
    "database_cpu_percent": Bound(
        "CPU of PostgreSQL", "% of the machine's cores", 60, "guess: generator and server need the rest"
    ),
    "lock_waiting": Bound(
        "locks in the database", "backends waiting", 1, "guess: all the time, somebody waits for somebody's transaction"
    ),
    "host_cpu_percent": Bound(
        "CPU of this machine, generator included", "% of its cores", 92, "guess: what runs then waits for a core"
    ),
    "pool_wait_ms": Bound("wait for a database connection", "ms, mean", 5, "guess: ten times what a statement takes"),
    "loop_lag_ms": Bound(
        "the chat server's event loop", "ms late", 100, "guess: beside CPU, what stops it is a call that blocks"
    ),
}


def step_figures(
    seconds: Iterable[ServerSecond], *, generator_cpu_percent: float | None, cores: int
) -> dict[str, float]:
    """Means over a step's measured time, by the names of BOUNDS; what was not observed is left out."""
    lines = list(seconds)
    server, database, host = (
        _mean(getattr(line, name) for line in lines)
        for name in ("server_cpu_percent", "database_cpu_percent", "host_cpu_percent")
    )
    waits = sum(line.pool_waits or 0 for line in lines)
    figures = {
        "server_cpu_percent": server,
        "database_cpu_percent": None if database is None else database / cores,
        "lock_waiting": _mean(line.lock_waiting for line in lines),
        "host_cpu_percent": host,
        "pool_wait_ms": sum(line.pool_wait_ms_sum or 0 for line in lines) / waits if waits else None,
        "loop_lag_ms": _mean(line.loop_lag_ms for line in lines),
    }
    if host is not None and server is not None and database is not None and generator_cpu_percent is not None:
        ours = (server + database + generator_cpu_percent) / cores
        figures["others_cpu_percent"] = max(0.0, host - ours)
    return {name: value for name, value in figures.items() if value is not None}


def what_gave_way(missed: Sequence[Mapping[str, float]], light: Sequence[Mapping[str, float]] = ()) -> list[str]:
    """One sentence for each thing that was at its bound in the mean of the steps that missed, causes first.

    What was at its bound in the `light` steps too, kept well below the capacity, is no cause of the load's and comes
    last; when nothing else was used up, the first sentence says that, and what came nearest.
    """
    figures, before = _means(missed), _means(light)
    if not figures:
        return ["nothing was observed of the server, so what gave way is not known"]
    used_up = [name for name, figure in figures.items() if figure >= BOUNDS[name].bound]
    always = [name for name in used_up if before.get(name, 0.0) >= BOUNDS[name].bound]
    causes = [_sentence(name, figures[name]) for name in used_up if name not in always]
    if not causes:
        others = {name: figure / BOUNDS[name].bound for name, figure in figures.items() if name not in always}
        nearest = max(others, key=lambda name: others[name], default=None)
        came = f"; nearest came {_sentence(nearest, figures[nearest])}" if nearest is not None else ""
        causes = [f"nothing that was observed was used up by this load{came}"]
    return causes + [f"{_sentence(name, figures[name])}, as at loads far below" for name in always]


def _means(steps: Sequence[Mapping[str, float]]) -> dict[str, float]:
    means = {name: _mean(step.get(name) for step in steps) for name in BOUNDS}
    return {name: mean for name, mean in means.items() if mean is not None}


def _sentence(name: str, figure: float) -> str:
    bound = BOUNDS[name]
    return f"{bound.title}: {figure:.3g} {bound.unit} (counts as used up from {bound.bound:g})"


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
