import os
import resource
from argparse import ArgumentTypeError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.errors import InputError
from scenarios.client.run_options import (
    check_descriptors,
    check_target,
    is_loopback,
    parse_sizes,
    positive,
    read_options,
    sizes,
)


def given(**changes: Any) -> SimpleNamespace:
    options: dict[str, Any] = {
        "host": "http://127.0.0.1:8000/",
        "allow_remote": False,
        "arm": "",
        "block": None,
        "measured_seconds": None,
        "run_folder": "",
        "login_key": "",
        "seed": 1,
        "arrivals": "poisson",
        "shape": "",
        "server_pid": None,
        "drain_seconds": 5.0,
        "progress": False,
        "run_time": 20,
    }
    return SimpleNamespace(**{**options, **changes})


@pytest.mark.parametrize("host", ["http://127.0.0.1:8000", "http://localhost", "http://[::1]:80", "http://127.9.9.9"])
def test_this_host_may_be_loaded(host: str) -> None:
    """Loopback names and addresses."""
    check_target(host, allow_remote=False)
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["http://10.0.0.1", "http://example.org:8000", "http://0.0.0.0:8000"])
def test_another_host_needs_to_be_allowed(host: str) -> None:
    """The error names the target and the option."""
    with pytest.raises(InputError, match=rf"{host}.*--allow-remote"):
        check_target(host, allow_remote=False)
    check_target(host, allow_remote=True)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "ftp://127.0.0.1", "http://", "http://127.0.0.1:99999", "http://["])
def test_what_is_no_url_is_refused(host: str) -> None:
    """With the form to write it in."""
    with pytest.raises(InputError, match="no http URL; write it as"):
        check_target(host, allow_remote=True)


def test_a_remote_target_needs_its_key() -> None:
    """The default key is for servers of this host."""
    with pytest.raises(InputError, match="--login-key"):
        read_options(given(host="http://10.0.0.1", allow_remote=True), 10)
    assert read_options(given(), 10).login_key == "chatbench"


def test_a_run_folder_must_exist(tmp_path: Path) -> None:
    """A folder that is none is named."""
    with pytest.raises(InputError, match="no folder"):
        read_options(given(run_folder=str(tmp_path / "none")), 10)
    assert read_options(given(run_folder=str(tmp_path)), 10).run_folder == tmp_path


def test_the_server_s_process_must_exist() -> None:
    """A pid that is none is named."""
    with pytest.raises(InputError, match="--server-pid 999999999"):
        read_options(given(server_pid=999_999_999), 10)
    assert read_options(given(server_pid=os.getpid()), 10).server_pid == os.getpid()


def test_too_few_descriptors_are_told_before_anything_starts() -> None:
    """The error says how many are needed, how many there are, and how many users would do."""
    with pytest.raises(InputError, match=r"5000 users need 5200 file descriptors.*may have 1024.*at most 824 users"):
        check_descriptors(5000, limits=lambda _: (512, 1024), set_limits=lambda *_: None)
    with pytest.raises(InputError, match=r"may have 64; raise the limit \(ulimit -n 210\)$"):
        check_descriptors(10, limits=lambda _: (64, 64), set_limits=lambda *_: None)


def test_the_soft_limit_is_raised_when_the_hard_one_allows() -> None:
    """And left alone when it suffices."""
    raised: list[tuple[int, int]] = []
    check_descriptors(500, limits=lambda _: (256, 4096), set_limits=lambda _, limits: raised.append(limits))
    check_descriptors(10, limits=lambda _: (1024, resource.RLIM_INFINITY), set_limits=lambda _, it: raised.append(it))
    assert raised == [(4096, 4096)]


def test_sizes_are_sorted_and_counted_once() -> None:
    """As Locust's page gives them: text."""
    assert parse_sizes("10, 2,10") == (2, 10)
    assert sizes("5") == "5"


@pytest.mark.parametrize("text", ["", "2,x", "0", "-1,5", "2;5"])
def test_what_is_no_list_of_sizes_is_refused(text: str) -> None:
    """On the command line and on the page alike."""
    with pytest.raises(InputError, match="write it as 2,10,50"):
        parse_sizes(text)
    with pytest.raises(ArgumentTypeError):
        sizes(text)


@pytest.mark.parametrize("text", ["0", "-2", "fast", ""])
def test_a_rate_is_above_zero(text: str) -> None:
    """Anything else is refused with its value."""
    with pytest.raises(ArgumentTypeError, match="not a number above 0"):
        positive(text)


def test_an_arm_and_its_block_come_together() -> None:
    """One without the other could not be told from the run's other parts."""
    assert read_options(given(arm="plain", block=2), 10).arm == "plain"
    for half in ({"arm": "plain"}, {"block": 0}):
        with pytest.raises(InputError, match="belong together"):
            read_options(given(**half), 10)
