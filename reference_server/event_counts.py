"""Counts events by kind. Each series is looked up once: that costs more than counting in it."""

from collections.abc import Callable

from reference_server.frames import Event, kind_of
from reference_server.metrics import Metrics


class EventCounts:
    """Events written to gateway connections, and their bytes."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._series: dict[type[Event], tuple[Callable[[float], None], Callable[[float], None]]] = {}

    def add(self, event: Event, count: int, frame_bytes: int) -> None:
        """The event was written `count` times, each time as a frame of this size."""
        series = self._series.get(type(event))
        if series is None:
            kind = kind_of(event)
            series = self._series[type(event)] = (
                self._metrics.events.labels(kind).inc,
                self._metrics.event_bytes.labels(kind).inc,
            )
        series[0](count)
        series[1](count * frame_bytes)
