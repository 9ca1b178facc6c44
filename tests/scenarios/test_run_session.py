"""A run's session by itself, in a process of its own, because gevent patches it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from load_runs import counts, python

END_DURING_A_FLUSH = """
import sys

import gevent
from gevent.event import Event
from locust.argument_parser import get_parser

import scenarios.load.fanout
from scenarios.client.run_options import read_options
from scenarios.client.run_session import RunSession

arguments = get_parser().parse_args(["--host", sys.argv[1], "--run-folder", sys.argv[2]])
session = RunSession("fanout", read_options(arguments, 2), {})
for number in range(5):
    session.recorder.series("start_delay_us", operation=str(number))(1)
ended = Event()
flush = session.recorder.flush

def end():
    session.account([])
    ended.set()

def interrupted(second):
    # The run ends as soon as the flush lets the event loop turn with four lines in its hands.
    session.recorder.flush = flush
    for number, line in enumerate(flush(second)):
        if number == 3:
            gevent.spawn(end)
        yield line

session.recorder.flush = interrupted
session.begin_measuring()
ended.wait()
"""


def test_a_run_that_ends_during_a_flush_keeps_every_value(scripted_server: Callable[..., Any], tmp_path: Path) -> None:
    """Those that the flush has taken out of the recorder already, and those that it has not."""
    python(END_DURING_A_FLUSH, scripted_server().url, str(tmp_path))
    assert counts(tmp_path)["start_delay_us"] == 5
