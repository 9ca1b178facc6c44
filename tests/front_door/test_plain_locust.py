"""The load scenarios under plain Locust, with its own web page, against a server that `chatbench serve` runs."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ready_record import ready_record

from scenarios.catalogue import SCENARIOS
from scenarios.run_folder import RunFolder

LOCUST = Path(sys.executable).parent / "locust"
PAGE_TIMEOUT_SECONDS = 30


@pytest.fixture
def served(start_chatbench: Callable[..., "subprocess.Popen[str]"], tiny_url: str, tmp_path: Path) -> Iterator[str]:
    """The URL of a server that `chatbench serve` runs; stopped as a person stops it."""
    arguments = ("serve", "--database-url", tiny_url, "--http-port", 0, "--gateway-port", 0, "--json")
    with start_chatbench(*arguments, folder=tmp_path) as process:
        yield ready_record(process)["http_url"]
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=30)
    assert process.returncode == 0, complaints


def web_page(port: int) -> str:
    """Locust's page, as soon as it answers."""
    deadline = time.monotonic() + PAGE_TIMEOUT_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                return answer.read().decode()
        except urllib.error.URLError:
            assert time.monotonic() < deadline, "Locust's page never answered"
            time.sleep(0.1)  # between looks: the page is what is waited for


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_a_scenario_runs_with_locusts_own_page(name: str, served: str, unused_tcp_port: int, tmp_path: Path) -> None:
    """The page answers and knows the scenario's options; the run folder is whole and nothing went missing."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("CHATBENCH_", "LOCUST_"))}
    command = [str(LOCUST), "-f", str(SCENARIOS[name].file), "--host", served, "--web-host", "127.0.0.1"]
    command += ["--web-port", str(unused_tcp_port), "--autostart", "--autoquit", "0", "--run-time", "5s"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as locust:
        page = web_page(unused_tcp_port)
        output, _ = locust.communicate(timeout=60)
    assert "Locust" in page
    for option in SCENARIOS[name].options:
        assert option.removeprefix("--").replace("-", "_") in page
    (path,) = tmp_path.glob("out/runs/*")
    folder = RunFolder(path)
    manifest = folder.read_manifest()
    assert [record.name for record in manifest.scenarios] == [name], output
    assert locust.returncode == {"VALID": 0, "INVALID": 3}[manifest.verdict], output
    assert all("generator" in reason for reason in manifest.reasons), manifest.reasons
    assert all(ledger.missing == ledger.duplicate == ledger.leaked == 0 for ledger in folder.read_ledger().ledgers)
    assert not re.search(r"Traceback", output)
