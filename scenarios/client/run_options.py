"""The options of a load run: how Locust's command line and web page learn them, and their checks."""

import math
import os
import resource
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fixtures.errors import InputError
from reference_server.frames import SUBPROTOCOLS
from scenarios.catalogue import COMMON_OPTIONS, GATEWAY_OPTIONS, SPAWN_RATE, Scenario
from scenarios.loopback import is_loopback
from scenarios.rate_shape import RateShape, parse_shape
from scenarios.schedules import ARRIVALS

DEFAULT_HOST = "http://127.0.0.1:8000"
# The reference server's own default key; it accepts it from loopback only.
LOOPBACK_LOGIN_KEY = "chatbench"
# Descriptors beside one per user: HTTP connections in flight, files, the event loop, Locust's web page.
SPARE_DESCRIPTORS = 200


def positive(text: str) -> float:
    """A number above zero, for argparse."""
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < math.inf:
        raise ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def sizes(text: str) -> str:
    """Whole numbers above zero, comma separated, for argparse; kept as text because the web page shows it."""
    parse_sizes(text, ArgumentTypeError)
    return text


def parse_sizes(text: str, error: type[Exception] = InputError) -> tuple[int, ...]:
    """(2, 10) of "2,10", ascending and once each."""
    try:
        numbers = sorted({int(part) for part in text.split(",")})
    except ValueError:
        numbers = []
    if not numbers or numbers[0] < 1:
        raise error(f"{text!r} is not a list of whole numbers above 0; write it as 2,10,50")
    return tuple(numbers)


def shape(text: str) -> str:
    """A rate's shape, for argparse; kept as text because the web page shows it."""
    parse_shape(text, ArgumentTypeError)
    return text


def add_common_options(parser: Any, scenario: Scenario) -> None:
    """Adds what every load scenario takes, and its defaults for Locust's own options."""
    parser.set_defaults(
        num_users=scenario.default_users,
        spawn_rate=float(SPAWN_RATE),
        host=DEFAULT_HOST,
    )
    if {"--headless", "--autostart"} & set(sys.argv) or "LOCUST_HEADLESS" in os.environ:
        parser.set_defaults(run_time=f"{scenario.default_run_seconds}s")
    kinds: dict[str, dict[str, Any]] = {
        "--run-folder": {"default": "", "metavar": "<path>"},
        "--login-key": {"default": "", "env_var": "CHATBENCH_LOGIN_KEY", "is_secret": True, "metavar": "<key>"},
        "--seed": {"default": 1, "type": int, "metavar": "<int>"},
        "--arrivals": {"default": "poisson", "choices": list(ARRIVALS)},
        "--shape": {"default": "", "type": shape, "metavar": "<pieces>"},
        "--server-pid": {"default": None, "type": int, "metavar": "<pid>", "include_in_web_ui": False},
        "--allow-remote": {"action": "store_true"},
        "--drain-seconds": {"default": 5.0, "type": positive, "metavar": "<seconds>"},
        "--progress": {"action": "store_true", "include_in_web_ui": False},
        "--arm": {"default": "", "metavar": "<name>", "include_in_web_ui": False},
        "--block": {"default": None, "type": int, "metavar": "<int>", "include_in_web_ui": False},
        "--measured-seconds": {
            "default": None,
            "type": positive,
            "metavar": "<seconds>",
            "include_in_web_ui": False,
        },
    }
    for name, keywords in kinds.items():
        add_option(parser, name, COMMON_OPTIONS[name], **keywords)
    if scenario.options.keys() >= GATEWAY_OPTIONS.keys():
        (name,) = GATEWAY_OPTIONS
        add_option(parser, name, GATEWAY_OPTIONS[name], choices=list(SUBPROTOCOLS), default=SUBPROTOCOLS[0])


def add_option(parser: Any, name: str, help_text: str, **keywords: Any) -> None:
    """Adds an option unless another scenario of the same process did."""
    if name not in parser._option_string_actions:
        parser.add_argument(name, help=help_text.replace("%", "%%"), **keywords)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What every load run is told; recorded in its manifest."""

    host: str
    login_key: str
    user_count: int
    run_folder: Path | None  # None: a new one
    seed: int
    arrivals: str
    shape: RateShape
    server_pid: int | None
    drain_seconds: float
    progress: bool
    run_seconds: float | None
    arm: str | None = None  # with a block: one of several servers that the run compares
    block: int | None = None
    subprotocol: str = SUBPROTOCOLS[0]  # of gateway connections
    measured_seconds: float | None = None  # None: as long as Locust's own run time lets


def read_options(options: Any, user_count: int, processes: int = 1) -> RunOptions:
    """The checked options of a run by so many processes; InputError for a target, folder or users that cannot be."""
    host = options.host or DEFAULT_HOST
    check_target(host, allow_remote=options.allow_remote)
    check_descriptors(math.ceil(user_count / processes))
    folder = Path(options.run_folder) if options.run_folder else None
    if folder is not None and not folder.is_dir():
        raise InputError(f"--run-folder {folder} is no folder; create it first, or leave the option out")
    if options.server_pid is not None and not Path(f"/proc/{options.server_pid}").exists():
        raise InputError(f"--server-pid {options.server_pid} is no process on this host; leave the option out")
    if not options.login_key and not is_loopback(host):
        raise InputError(f"--login-key is missing: {host} is not on this host and has a key of its own")
    if bool(options.arm) != (options.block is not None):
        raise InputError("--arm and --block belong together: give both, or neither for a run of one server")
    return RunOptions(
        host=host.rstrip("/"),
        login_key=options.login_key or LOOPBACK_LOGIN_KEY,
        user_count=user_count,
        run_folder=folder,
        seed=int(options.seed),
        arrivals=options.arrivals,
        shape=parse_shape(options.shape),
        server_pid=options.server_pid,
        drain_seconds=float(options.drain_seconds),
        progress=bool(options.progress),
        run_seconds=options.run_time,
        arm=options.arm or None,
        block=options.block,
        subprotocol=getattr(options, "subprotocol", SUBPROTOCOLS[0]),  # not every scenario has connections
        measured_seconds=options.measured_seconds,
    )


def check_target(host: str, *, allow_remote: bool) -> None:
    """InputError unless `host` is an http URL of this host, or remote targets are allowed."""
    try:
        parts = urlsplit(host)
        readable = parts.scheme == "http" and bool(parts.hostname) and (parts.port or 80) > 0
    except ValueError:
        readable = False
    if not readable:
        raise InputError(f"--host {host!r} is no http URL; write it as {DEFAULT_HOST}")
    if not allow_remote and not is_loopback(host):
        raise InputError(f"{host} is not on this host; add --allow-remote if you may load it")


def check_descriptors(
    user_count: int,
    limits: Callable[[int], tuple[int, int]] = resource.getrlimit,
    set_limits: Callable[[int, tuple[int, int]], None] = resource.setrlimit,
) -> None:
    """Raises the soft limit of file descriptors as far as `user_count` needs; InputError when the hard one is lower."""
    needed = user_count + SPARE_DESCRIPTORS
    soft, hard = limits(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and needed > hard:
        fewer = f" or ask for at most {hard - SPARE_DESCRIPTORS} users" if hard > SPARE_DESCRIPTORS else ""
        raise InputError(
            f"{user_count} users need {needed} file descriptors and this process may have {hard}; "
            f"raise the limit (ulimit -n {needed}){fewer}"
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        set_limits(resource.RLIMIT_NOFILE, (hard, hard))
