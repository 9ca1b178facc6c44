"""The figure of what the server did, over the seconds of a run."""

from reports.figure_style import Drawing
from reports.server import NAME, ServerSummary
from reports.time_axis import time_drawing


def server_drawing(summary: ServerSummary) -> Drawing | None:
    """CPU, waits and WAL; None when no second was observed."""
    if not summary.seconds:
        return None
    content = (
        (
            "CPU",
            "% of one core",
            {"chat server": summary.of("cpu_percent"), "PostgreSQL": summary.of("database_cpu_percent")},
        ),
        (
            "waiting inside the server",
            "ms",
            {"for a connection, mean": summary.of("pool_wait_ms"), "event-loop lag": summary.of("loop_lag_ms")},
        ),
        (
            "PostgreSQL's backends",
            "backends, mean",
            {"in a statement": summary.of("active_backends"), "waiting: lock": summary.of("lock_waiting_backends")},
        ),
        ("write-ahead log", "kB per second", {"WAL": summary.of("wal_kilobytes_per_second")}),
    )

    return time_drawing(NAME, content, summary.seconds, summary.spans)
