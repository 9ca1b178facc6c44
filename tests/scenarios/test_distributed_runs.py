"""Locust with several processes: one run, whose books are exact although senders and recipients are apart."""

import signal
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from load_runs import FANOUT, channel, counts, free_port, ledgers, run, start, start_worker, truth

from reports.gate.stored import damages
from reports.measurements import read_measurements
from scenarios import histograms
from scenarios.run_folder import RunFolder
from scenarios.runner import RunOptions
from scenarios.runner import run as run_all
from scenarios.schedules import ARRIVALS


def two_processes() -> tuple[str, ...]:
    return ("--processes", "2", *channel(free_port()))


def test_two_processes_count_every_injected_fault_exactly(scripted_server: Callable[..., Any], tmp_path: Path) -> None:
    """Loss, duplicates, reordering, late frames and leaks across processes: the ledger equals the server's log."""
    server = scripted_server(
        drop_every=7, double_every=11, hold_every=13, leak_every=10, delay_every=41, delay_seconds=0.9
    )
    options = (*FANOUT, "--deadline-ms", "600", "--rate", "30", *two_processes())
    _, said = run("fanout", server.url, tmp_path, *options, run_time="8s")
    found = truth(server, lambda members: str(len(members)))
    told = ledgers(tmp_path, "group_size")
    assert set(told) == {"2", "5", "12"}, said
    for size, counter in found.items():
        assert Counter({name: getattr(told[size], name) for name in counter}) == counter, (size, said)
    for fault in ("missing", "duplicate", "reordered", "leaked"):
        assert sum(getattr(totals, fault) for totals in told.values()) > 0
    assert sum(totals.late for totals in told.values()) == server.get("/log")["delayed"]
    workers = Counter(line.worker for line in RunFolder(tmp_path).read_histograms() if line.metric == "delivery_us")
    assert set(workers) == {"1", "2"}


def test_two_processes_keep_one_schedule(scripted_server: Callable[..., Any], tmp_path: Path) -> None:
    """The intended times of all messages are, to the nanosecond, those that one process would have had."""
    server = scripted_server()
    options = ("--users", "5", "--non-members", "2", "--group-sizes", "3", "--rate", "40", "--seed", "9")
    code, said = run("fanout", server.url, tmp_path, *options, *two_processes(), run_time="7s")
    intended = sorted(answer[0] for answer in server.get("/log")["answers"])
    assert len(intended) > 20, said
    expected = list(islice(ARRIVALS["poisson"](40, "9 3"), len(intended)))
    assert [one - intended[0] for one in intended] == [one - expected[0] for one in expected]
    (record,) = RunFolder(tmp_path).read_manifest().scenarios
    assert record.started == len(intended)
    assert code == (3 if record.reasons else 0)


def test_figures_of_a_message_are_of_all_its_recipients(scripted_server: Callable[..., Any], tmp_path: Path) -> None:
    """Each message has one first and one last recipient, wherever they are; each delivery is one of its worker's."""
    server = scripted_server()
    _, said = run("fanout", server.url, tmp_path, *FANOUT, *two_processes(), run_time="5s")
    told = ledgers(tmp_path, "group_size").values()
    recorded = counts(tmp_path)
    assert recorded["delivery_us"] == sum(totals.delivered for totals in told) > 0, said
    assert recorded["delivery_first_us"] == recorded["delivery_last_us"] == sum(totals.messages for totals in told)
    lines = list(RunFolder(tmp_path).read_histograms())
    assert {line.worker for line in lines if line.metric == "delivery_last_us"} == {"master"}

    def most(metric: str) -> int | None:
        return histograms.percentile(histograms.merge(line.payload for line in lines if line.metric == metric), 100)

    assert most("delivery_last_us") == most("delivery_us")
    (record,) = RunFolder(tmp_path).read_manifest().scenarios
    assert [worker.users for worker in record.workers] == [9, 9]
    for worker in record.workers:
        assert worker.same_host
        assert worker.clock_error_us > 0
        # One clock: whatever the channel's round trips made of it lies within their bound.
        assert abs(worker.clock_offset_us) <= worker.clock_error_us
        assert f"worker {worker.name}: 9 users, clock" in said


def test_presence_across_processes(scripted_server: Callable[..., Any], tmp_path: Path) -> None:
    """Watchers in one process learn of changes made in another; what a newer one overtook is superseded."""
    server = scripted_server(drop_every=9)
    options = ("--users", "15", "--watchers", "1,4", "--rate", "60", "--drain-seconds", "1", *two_processes())
    _, said = run("presence", server.url, tmp_path, *options, run_time="5s")
    told = server.get("/log")
    newest: dict[tuple[str, str], int] = {}
    for watcher, user, version in told["log"]:
        newest[watcher, user] = max(version, newest.get((watcher, user), 0))
    books = ledgers(tmp_path, "watchers")
    assert sum(totals.messages for totals in books.values()) == len(told["acknowledged"]) > 0, said
    assert sum(totals.delivered for totals in books.values()) == len(told["log"])
    assert sum(totals.superseded for totals in books.values()) == sum(newest.values()) - len(told["log"]) > 0
    assert counts(tmp_path)["presence_frames_per_change"] == len(told["acknowledged"])


def test_pagination_across_processes(scripted_server: Callable[..., Any], tmp_path: Path) -> None:
    """Deep cursors are looked for once, and walked to from every process; the lost row is found wherever it is met."""
    server = scripted_server(lose_seq=2990)
    options = ("--users", "7", "--rate", "8", "--page-size", "20", *two_processes())
    _, said = run("pagination", server.url, tmp_path, *options, run_time="5s")
    books = ledgers(tmp_path, "weight")
    assert books["heavy"].missing > 0, said
    assert {books["heavy"].duplicate, books["median"].missing, books["median"].duplicate} == {0}
    deep = {
        line.worker
        for line in RunFolder(tmp_path).read_histograms()
        if line.metric == "request_us" and line.labels["depth"] in {"10-99", "100-999"}
    }
    assert deep == {"1", "2"}


HOT = ("--users", "18", "--rates", "20,40", "--window-seconds", "0.5", "--drain-seconds", "2")


@pytest.mark.parametrize(
    ("name", "options", "measured_seconds", "killed_second", "is_asked_load"),
    [("fanout", FANOUT, 8, 2, False), ("hot_conversation", HOT, 20, 18, True)],
)
def test_a_worker_that_is_killed_is_named_and_the_rest_counts(  # noqa: PLR0917 - the cases and two fixtures
    scripted_server: Callable[..., Any],
    tmp_path: Path,
    name: str,
    options: tuple[str, ...],
    measured_seconds: int,
    killed_second: int,
    is_asked_load: bool,
) -> None:
    """A master and two workers, one of them killed: early, it is another load than asked for; late, the run counts.

    What it had found is gone, so no sum of both's findings is told.
    """
    server = scripted_server()
    port = free_port()
    options = (*options, "--master", "--expect-workers", "2", "--progress", *channel(port)[:4])
    options = (*options, "--measured-seconds", str(measured_seconds))
    with ExitStack() as stack:
        workers = [stack.enter_context(start_worker(name, port)) for _ in range(2)]
        stack.callback(lambda: [worker.kill() for worker in workers])
        master = stack.enter_context(start(name, server.url, tmp_path, *options, run_time="50s"))
        assert master.stderr is not None
        for line in master.stderr:
            if line.startswith("chatbench-progress") and f'"second": {killed_second}' in line:
                break
        workers[0].kill()
        said = master.stderr.read()
    manifest = RunFolder(tmp_path).read_manifest()
    (record,) = manifest.scenarios
    (lost,) = [worker for worker in record.workers if worker.lost]
    (left,) = [worker for worker in record.workers if not worker.lost]
    (named,) = [warning for warning in record.warnings if warning.startswith(f"worker {lost.name} of 2 was lost")]
    assert "9 of 18 users and 1/2 of the arrivals were missing for" in named
    assert not any("lost" in warning and f"worker {left.name}" in warning for warning in record.warnings)
    told_of = "lost_load_share_percent"
    assert any(told_of in reason for reason in record.reasons) != is_asked_load, said
    assert any(told_of in warning for warning in record.warnings) == is_asked_load, said
    assert master.returncode == (3 if record.reasons else 0)
    assert damages(read_measurements(tmp_path)) == []
    # Until it was lost its lines came; what the other's recipients were to get of both, they got.
    lines = list(RunFolder(tmp_path).read_histograms())
    seconds = {one: {line.second for line in lines if line.worker == one} for one in (lost.name, left.name)}
    assert 0 < len(seconds[lost.name]) < len(seconds[left.name])
    is_hot = name == "hot_conversation"
    assert any(f"what worker {lost.name} found is lost" in warning for warning in record.warnings) == is_hot, said
    assert not any(count.name.startswith("room_sends") for count in record.counts)
    told = ledgers(tmp_path, "conversations" if is_hot else "group_size").values()
    assert sum(totals.expected for totals in told) == sum(totals.delivered for totals in told) > 0
    assert sum(totals.messages for totals in told) > record.started


def test_a_distributed_run_ended_by_a_signal_still_writes(scripted_server: Callable[..., Any], tmp_path: Path) -> None:
    """Ctrl-C at the master: the workers hand over, the books are even, the run is marked as cut short."""
    server = scripted_server()
    options = (*FANOUT, "--progress", *two_processes())
    with start("fanout", server.url, tmp_path, *options, run_time="60s") as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("chatbench-progress") and '"second": 2' in line:
                break
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    manifest = RunFolder(tmp_path).read_manifest()
    assert manifest.cut_short, said
    told = ledgers(tmp_path, "group_size").values()
    assert sum(totals.expected for totals in told) == sum(totals.delivered for totals in told) > 0


ONE_PROCESS_ONLY = """
from scenarios.catalogue import SCENARIOS
from scenarios.client.load_scenario import ChatUser, LoadScenario, install


class Lonely(LoadScenario):
    entry = SCENARIOS["pagination"]
    workload = {}
    one_process_because = "it is lonely"

    @staticmethod
    def add_options(parser): pass

    @staticmethod
    def own_options(options): return {}

    def prepare(self): pass
    def user_started(self, user): pass
    def measure(self, begin_ns): pass
    def user_lives(self, user, begin_ns): pass
    def finish(self): return []


class LonelyUser(ChatUser):
    pass


install(Lonely)
"""


def test_a_scenario_of_one_process_refuses_more(scripted_server: Callable[..., Any], tmp_path: Path) -> None:
    """One sentence, exit code 2, nothing measured; by itself it prepares as it always did."""
    file = tmp_path / "lonely.py"
    file.write_text(ONE_PROCESS_ONLY)
    code, said = run("pagination", scripted_server().url, tmp_path, *two_processes(), file=file)
    assert code == 2, said
    sentence = "pagination runs in one process, because it is lonely; leave out --master, --worker and --processes"
    assert said.count(sentence) == 1
    assert "Traceback" not in said
    assert not (tmp_path / "run.json").exists()
    _, said = run("pagination", scripted_server().url, tmp_path, file=file, run_time="2s")
    assert "chatbench: pagination INVALID" in said  # nothing was started, and that is told


@pytest.mark.parametrize(("options", "sentence"), [(("--users", "4000"), "4000 users are asked for")])
def test_bad_input_is_the_masters_one_sentence(
    scripted_server: Callable[..., Any], tmp_path: Path, options: tuple[str, ...], sentence: str
) -> None:
    """Exit code 2 and nothing measured, as in one process."""
    code, said = run("fanout", scripted_server().url, tmp_path, *options, *two_processes())
    assert code == 2, said
    assert said.count(sentence) == 1
    assert "Traceback" not in said
    assert not (tmp_path / "histograms.jsonl").exists()


def test_chatbench_run_passes_processes_on(scripted_server: Callable[..., Any], tmp_path: Path) -> None:
    """The front door's run in two processes, on a port of its own that only this host reaches."""
    options = RunOptions(
        scenarios=("fanout",),
        target=scripted_server().url,
        seconds=6,
        users=18,
        processes=2,
        scenario_options={"--group-sizes": "2,5"},
        out=tmp_path,
    )
    manifest = run_all(options, lambda _step, _share: None).read_manifest()
    (record,) = manifest.scenarios
    assert [worker.name for worker in record.workers] == ["1", "2"]
    assert manifest.options["processes"] == record.options["workers"] == 2
    assert record.started > 0


def test_a_server_that_dies_ends_the_run_of_all_workers(scripted_server: Callable[..., Any], tmp_path: Path) -> None:
    """Whichever worker notices first, the master ends the run, all hand over, and the reason names the server."""
    server = scripted_server(die_after=60)
    code, said = run("fanout", server.url, tmp_path, *FANOUT, *two_processes(), run_time="50s")
    manifest = RunFolder(tmp_path).read_manifest()
    assert code == 3, said
    assert any("stopped answering" in reason for reason in manifest.reasons), said
    assert not any(worker.lost for worker in manifest.scenarios[0].workers)
    assert counts(tmp_path)["delivery_us"] > 0
    assert "Traceback" not in said
