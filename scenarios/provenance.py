"""Where a run's numbers come from: host, versions, commit. Everything a reader needs to run it again."""

import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from fixtures.manifest import DatasetManifest
from scenarios.run_records import RunManifest

# The packages whose version can move a number.
MEASURING_PACKAGES = (
    "asyncpg",
    "gevent",
    "hdrhistogram",
    "httptools",
    "litestar",
    "locust",
    "msgspec",
    "uvicorn",
    "uvloop",
    "websockets",
)


def new_manifest(
    *,
    run_id: str,
    title: str,
    seed: int,
    options: dict[str, Any],
    dataset: DatasetManifest | None = None,
    postgres_settings: dict[str, str] | None = None,
    server_settings: dict[str, Any] | None = None,
) -> RunManifest:
    """The manifest of a run that starts now, on this machine, from this checkout."""
    return RunManifest(
        run_id=run_id,
        title=title,
        started_at=utc_now(),
        seed=seed,
        commit=current_commit(),
        versions=versions(),
        host=host_fingerprint(),
        dataset=dataset,
        postgres_settings=postgres_settings or {},
        server_settings=server_settings or {},
        options=options,
    )


def utc_now() -> str:
    """The time in UTC, ISO 8601, whole milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def versions() -> dict[str, str]:
    """The versions of chatbench, Python and the packages that measure."""
    packages = {name: version(name) for name in ("chatbench", *MEASURING_PACKAGES)}
    return {"python": platform.python_version(), **packages}


def host_fingerprint() -> dict[str, Any]:
    """What this machine is, without a name that would identify it."""
    return {
        "cpu": _cpu_model(),
        "cores": psutil.cpu_count() or 1,
        "memory_mib": psutil.virtual_memory().total // 2**20,
        "kernel": platform.release(),
        "system": platform.system(),
        "architecture": platform.machine(),
    }


def current_commit() -> str | None:
    """The commit this chatbench runs from, with `-dirty` when files differ; None outside a checkout."""
    folder = Path(__file__).parent.parent
    if not (folder / ".git").exists():
        return None
    command = ["git", "-C", str(folder), "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:  # a checkout on a machine without git
        return None
    return result.stdout.strip() or None


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown")
