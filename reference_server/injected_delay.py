"""A delay on purpose, so that a gate can be shown to find one: in one statement, in the fan-out, or in one route.

    statement:list_conversations=0.8      that statement, wherever it is executed
    fan_out=0.8                           before each event is written to its recipients
    requests:/v1/conversations=0.8@0.5    that route, for half of the users: always the same ones

Milliseconds. A server that has one says so when it starts, and every run of it has it among its settings.
"""

import asyncio
import ctypes
import os
import re
import sys
import time
import zlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from fixtures.errors import InputError
from reference_server.frames import ConversationEvent
from reference_server.outbox import Publish
from reference_server.statements import server_statements

if TYPE_CHECKING:  # settings are read by programs that serve nothing
    from litestar.types import ASGIApp, Receive, Scope, Send

MILLISECONDS_MAX = 10_000

_FORM = re.compile(
    r"(?P<kind>statement:|requests:|fan_out)(?P<name>[^=@]*)=(?P<milliseconds>\d+(?:\.\d+)?)(?:@(?P<share>[\d.]+))?"
)
_BUCKETS = 10_000
_CLOCK_MONOTONIC = 1
_NS = 1_000_000_000


@dataclass(frozen=True)
class InjectedDelay:
    """Where it is, how long it is, and whom it meets."""

    kind: str  # statement, fan_out or requests
    name: str  # of the statement, or the route's path; empty for the fan-out
    seconds: float
    share: float = 1.0  # of users, for requests

    def of_statement(self, name: str) -> float:
        """The seconds that the named statement is delayed by; 0 for the others."""
        return self.seconds if self.kind == "statement" and name == self.name else 0.0

    def meets(self, user_id: UUID) -> bool:
        """Whether it is one of the users whom it meets; the same ones at any time."""
        return zlib.crc32(user_id.bytes) % _BUCKETS < self.share * _BUCKETS


def parse_injected_delay(text: str | None) -> InjectedDelay | None:
    """The delay as the setting writes it, None where it is not set; InputError for what is none."""
    if text is None:
        return None
    match = _FORM.fullmatch(text)
    if match is None:
        raise InputError(
            f"injected_delay {text!r} is no delay; write statement:NAME=MILLISECONDS, fan_out=MILLISECONDS or "
            "requests:PATH=MILLISECONDS@SHARE"
        )
    kind, name, milliseconds = match["kind"].rstrip(":"), match["name"], float(match["milliseconds"])
    share = _share(text, match["share"])
    if kind == "statement" and name not in server_statements():
        raise InputError(f"injected_delay {text!r} names no statement of the server; see reference_server/sql/queries")
    if kind == "requests" and not name.startswith("/"):
        raise InputError(f"injected_delay {text!r} names no path; write it as in requests:/v1/conversations=1@0.5")
    if (kind == "fan_out" and name) or (kind != "requests" and match["share"]):
        raise InputError(f"injected_delay {text!r} says more than a {kind} has; leave out the name or the share")
    if not 0 < milliseconds <= MILLISECONDS_MAX:
        raise InputError(f"injected_delay {text!r} is outside 0 to {MILLISECONDS_MAX} ms; choose one within")
    return InjectedDelay(kind, name, milliseconds / 1000, share)


def _share(text: str, share: str | None) -> float:
    try:
        value = 1.0 if share is None else float(share)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise InputError(f"injected_delay {text!r} meets {share} of the users; give a share above 0 and up to 1")
    return value


async def pass_time(seconds: float) -> None:
    """Waits so long, to about 0.1 ms, while others go on and without taking anybody's processor.

    By a timer descriptor of Linux, which the event loop waits for as for a socket: its own timers know whole
    milliseconds only, and a thread that sleeps has to win the interpreter back from the loop. Measured in a loop that
    is busy a third of the time, side by side: 0.3 ms come to 0.55 ms by the descriptor, to 1.05 ms by a thread.
    Elsewhere, by the loop's own timers.
    """
    descriptor = _timer(seconds)
    if descriptor is None:
        await asyncio.sleep(seconds)
        return
    loop = asyncio.get_running_loop()
    over = loop.create_future()

    def end() -> None:
        if not over.done():  # cancelled
            over.set_result(None)

    loop.add_reader(descriptor, end)
    try:
        await over
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _timer(seconds: float) -> int | None:
    """A descriptor that can be read once the time has passed; None where there is no such thing."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)  # Python 3.11 has no binding
    descriptor: int = libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
    if descriptor < 0:
        return None
    # No interval, then the time: both in seconds and nanoseconds; 0 would never fire.
    once = (ctypes.c_long * 4)(0, 0, *divmod(max(1, round(seconds * _NS)), _NS))
    libc.timerfd_settime(descriptor, 0, ctypes.byref(once), None)
    return descriptor


def delayed_fan_out(delay: InjectedDelay, deliver: Publish) -> Publish:
    """Delivers later, and keeps the process busy meanwhile, as writing to more sockets would."""

    def later(event: ConversationEvent, members: Collection[UUID]) -> None:
        end = time.perf_counter() + delay.seconds
        while time.perf_counter() < end:
            pass
        deliver(event, members)

    return later


def delayed_requests(
    delay: InjectedDelay, user_of: Callable[["Scope"], UUID | None]
) -> Callable[["ASGIApp"], "ASGIApp"]:
    """A middleware that delays one route for the users who are met; `user_of` says whose a request is."""

    def wrap(app: "ASGIApp") -> "ASGIApp":
        async def delayed(scope: "Scope", receive: "Receive", send: "Send") -> None:
            user_id = user_of(scope) if scope.get("path_template") == delay.name else None
            if user_id is not None and delay.meets(user_id):
                await pass_time(delay.seconds)
            await app(scope, receive, send)

        return delayed

    return wrap
