"""What a worker measures, on its way to the master that keeps the run folder."""

import time
from collections.abc import Callable
from datetime import datetime

from scenarios.client.run_session import RunSession
from scenarios.run_records import HistogramLine
from scenarios.worker_messages import Acknowledged, Assignment, FromWorker, MessagePart, Report


class RemoteRecord:
    """Sends each second's lines to the master, with what happened beside them."""

    def __init__(self, send: Callable[[FromWorker], None], assignment: Assignment) -> None:
        self._send = send
        self._began = datetime.fromisoformat(assignment.started_at).timestamp()
        self._clock_offset_ns = assignment.clock_offset_ns
        self.session: RunSession | None = None
        self.acknowledged: list[Acknowledged] = []
        self.parts: list[MessagePart] = []

    def second(self) -> int:
        """Whole seconds since the run began, by the master's clock."""
        return max(0, int((time.time_ns() - self._clock_offset_ns) / 1e9 - self._began))

    def begin(self) -> None:
        """The master notes it."""

    def append(self, lines: list[HistogramLine]) -> None:
        """Sends lines, acknowledgements and settled messages; nothing else stands for a worker that is lost later."""
        assert self.session is not None
        acknowledged, self.acknowledged = self.acknowledged, []
        parts, self.parts = self.parts, []
        self._send(
            Report(
                lines=lines,
                acknowledged=acknowledged,
                parts=parts,
                started=self.session.starts.started,
                late=self.session.starts.late,
                failed=self.session.failures.total(),
                frames=self.session.counts.frames,
            )
        )
