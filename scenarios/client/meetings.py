"""The master's side of meetings: who has come to which point of a run, and the word to go on together."""

import time
from collections.abc import Callable, Sequence

from scenarios.worker_messages import Arrived, FromMaster, Meet

# From the word to go on until the moment: time for it to reach every worker.
_NOTICE_NS = 50_000_000


class Meetings:
    """Collects arrivals; a point is passed when every worker that is left has come to it."""

    def __init__(self, send: Callable[[FromMaster, str], None]) -> None:
        self._send = send
        self._there: dict[int, dict[str, bytes]] = {}  # point → who is there, with what

    def arrived(self, worker_id: str, message: Arrived) -> None:
        """Notes that a worker waits."""
        self._there.setdefault(message.number, {})[worker_id] = message.value

    def let_go(self, left: Sequence[str]) -> None:
        """Lets the workers that are left go on from every point that all of them have come to; `left` by their seats.

        What a worker brought that was lost since does not count.
        """
        for number, there in list(self._there.items()):
            if left and set(left) <= there.keys():
                del self._there[number]
                at_ns = time.time_ns() + _NOTICE_NS
                values = [there[worker_id] for worker_id in left]
                for worker_id in left:
                    self._send(
                        Meet(number=number, at_ns=at_ns, values=values, is_teller=worker_id == left[0]), worker_id
                    )
