"""A run spread over two hosts with a network and clocks of their own; skipped where this user may not make them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from load_runs import ledgers

from scenarios import histograms
from scenarios.catalogue import SCENARIOS
from scenarios.run_folder import RunFolder

HERE = Path(__file__).parent / "two_hosts"
HOST = ("unshare", "--user", "--map-root-user", "--net", "--mount")
AHEAD_US = 3600 * 1_000_000  # of the second host's clock, as two_hosts.sh has it

# Metric of deliveries, label of its ledgers, and the smallest load that crosses the cable in both directions.
RUNS = {
    "fanout": ("delivery_us", "group_size", ("--users", "12", "--group-sizes", "3,8", "--non-members", "2")),
    "hot_conversation": (
        "room_delivery_us",
        "conversations",
        ("--users", "4", "--rates", "30", "--window-seconds", "0.3"),
    ),
}


def why_not() -> str:
    """What keeps this user from making two hosts; nothing where nothing does."""
    if missing := [name for name in ("unshare", "ip") if shutil.which(name) is None]:
        return f"{missing[0]} is not installed"
    cable = "ip link add near type veth peer name cable && mount --bind /dev/null /proc/sys/kernel/random/boot_id"
    nested = "unshare --net --mount --uts --time --monotonic 1 --fork true"
    tried = subprocess.run([*HOST, "sh", "-c", f"{cable} && {nested}"], capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"namespaces are not allowed: {tried.stderr.strip()}"


@pytest.mark.parametrize("name", RUNS)
def test_clocks_of_two_hosts_are_related_within_the_printed_bound(tmp_path: Path, name: str) -> None:
    """The offset found is the true one within its bound; deliveries between the hosts are timed by it, none is lost."""
    if reason := why_not():
        pytest.skip(reason)
    metric, label, options = RUNS[name]
    command = [*HOST, "--kill-child", "bash", str(HERE / "two_hosts.sh"), sys.executable, str(SCENARIOS[name].file)]
    command += [str(tmp_path), "--run-folder", str(tmp_path), "--login-key", "chatbench", "--run-time", "40s"]
    command += ["--measured-seconds", "1.5", *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)
    folder = RunFolder(tmp_path)
    (record,) = folder.read_manifest().scenarios
    (here,) = [worker for worker in record.workers if worker.same_host]
    (there,) = [worker for worker in record.workers if not worker.same_host]
    assert ended.returncode == (3 if record.reasons else 0), ended.stderr
    assert 0 < there.clock_error_us < AHEAD_US / 100
    assert abs(there.clock_offset_us - AHEAD_US) <= there.clock_error_us
    assert f"worker {there.name}: {there.users} users, clock +{there.clock_offset_us:.0f} µs" in ended.stderr
    assert f"worker {here.name}: {here.users} users, clock" in ended.stderr
    for totals in ledgers(tmp_path, label).values():
        assert totals.expected == totals.delivered > 0, ended.stderr
        assert totals.missing == totals.duplicate == totals.leaked == 0
    for worker in (here, there):
        lines = [line for line in folder.read_histograms() if line.metric == metric and line.worker == worker.name]
        found = histograms.merge(line.payload for line in lines)
        # An offset that was left out would be an hour, or its negative, of which 0 is recorded.
        assert histograms.percentile(found, 50)
        assert (histograms.percentile(found, 100) or 0) < AHEAD_US / 10
