"""What the server counts of itself, for Prometheus: one registry per server."""

import math
from collections.abc import Callable, Collection
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from reference_server.loop_histograms import LoopHistogram

# A second series for each counter, for when it began; the process's own start says the same.
disable_created_metrics()  # type: ignore[no-untyped-call]

_LATENCY_BUCKETS_SECONDS = (
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
)  # fmt: skip
_STATEMENT_BUCKETS_SECONDS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.2, 1.0, 5.0)
_WAIT_BUCKETS_SECONDS = (0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)


class CountedPool(Protocol):
    """A pool as metrics see it."""

    @property
    def busy(self) -> int:
        """Connections in use."""

    @property
    def resting(self) -> int:
        """Open connections that nobody uses."""

    @property
    def waiting(self) -> int:
        """Who waits for a connection."""


class Metrics:
    """The server's counters, gauges and histograms."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "chat_http_requests_total",
            "HTTP requests answered, by route and status.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.request_seconds = LoopHistogram(
            "chat_http_request_seconds",
            "From a request's arrival to the end of its answer, by route.",
            ("method", "route"),
            buckets=_LATENCY_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.pool_wait_seconds = LoopHistogram(
            "chat_pool_wait_seconds",
            "Waiting for a database connection, by pool.",
            ("pool",),
            buckets=_WAIT_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.pool_connections = Gauge(
            "chat_pool_connections", "Open database connections, by pool and state: resting or busy.",
            ("pool", "state"), registry=self.registry,
        )  # fmt: skip
        self.pool_waiting = Gauge(
            "chat_pool_waiting", "Requests that wait for a database connection now, by pool.", ("pool",),
            registry=self.registry,
        )  # fmt: skip
        self.history_reads = Counter(
            "chat_history_reads_total",
            "Pages of messages served, by the database that served them and the policy (none: there is no replica).",
            ("source", "policy"),
            registry=self.registry,
        )
        self.replica_wait_seconds = LoopHistogram(
            "chat_replica_wait_seconds",
            "Waiting for the replica to replay what had been written, in vain or not.",
            (),
            buckets=_WAIT_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.replica_lag_bytes = Gauge(
            "chat_replica_lag_bytes",
            "WAL that the replica has yet to replay, when last asked; NaN while it does not answer.",
            registry=self.registry,
        )
        self.replica_up = Gauge(
            "chat_replica_up", "1 while the replica answers as one, 0 while not; NaN: there is none.",
            registry=self.registry,
        )  # fmt: skip
        for gauge in (self.replica_lag_bytes, self.replica_up):
            gauge.set(math.nan)  # until there is a replica
        self.replica_fallbacks = Counter(
            "chat_replica_fallbacks_total",
            "Pages that the primary served in the replica's place, by reason: behind, late, down, failed or missing.",
            ("reason",),
            registry=self.registry,
        )
        self.connections = Gauge(
            "chat_gateway_connections", "Authenticated gateway connections.", registry=self.registry
        )
        self.events = Counter(
            "chat_gateway_events_total", "Events written to gateway connections, by kind.", ("kind",),
            registry=self.registry,
        )  # fmt: skip
        self.event_bytes = Counter(
            "chat_gateway_event_bytes_total",
            "Bytes of those events, frame headers included, by kind.",
            ("kind",),
            registry=self.registry,
        )
        self.closes = Counter(
            "chat_gateway_closes_total", "Gateway connections closed by the server, by code.", ("code",),
            registry=self.registry,
        )  # fmt: skip
        self.sends = Counter(
            "chat_sends_total", "Messages sent, by outcome: new, repeated or refused.", ("outcome",),
            registry=self.registry,
        )  # fmt: skip
        self.migrated_connections = Counter(
            "chat_migration_connections_total", "Connections that the backfill has copied.", registry=self.registry
        )
        self.migrated_messages = Counter(
            "chat_migration_messages_total", "Messages that the backfill has copied.", registry=self.registry
        )
        self.migration_passed_over = Counter(
            "chat_migration_passed_over_total",
            "Connections that the backfill could not copy when it came by; the next pass visits them again.",
            registry=self.registry,
        )
        self.migration_validated_users = Counter(
            "chat_migration_validated_users_total",
            "Users whose messages were compared between the older schema and the new one.",
            registry=self.registry,
        )
        self.migration_mismatches = Gauge(
            "chat_migration_mismatches",
            "Users whose messages differed between the two schemas when they were last compared.",
            registry=self.registry,
        )
        self.typing = Counter(
            "chat_typing_total",
            "Typing, by kind: commands taken (start, stop) and changes told to watchers (started, ended).",
            ("kind",),
            registry=self.registry,
        )
        self.live_state_waiting = Gauge(
            "chat_live_state_waiting", "Rows of typing and presence that wait to be written.", registry=self.registry
        )
        self.live_state_writes = Counter(
            "chat_live_state_writes_total",
            "Rows of typing and presence, by outcome: written, refused by a policy, failed and tried again, "
            "overflowed (the queue was full; everything known is written anew).",
            ("outcome",),
            registry=self.registry,
        )
        self.statement_seconds = LoopHistogram(
            "chat_statement_seconds",
            "From a statement's sending to its rows, by its name.",
            ("statement",),
            buckets=_STATEMENT_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.statement_errors = Counter(
            "chat_statement_errors_total", "Statements that the database refused or did not answer, by name.",
            ("statement",), registry=self.registry,
        )  # fmt: skip
        self.commands = Counter(
            "chat_gateway_commands_total", "Commands read from gateway connections, by kind.", ("kind",),
            registry=self.registry,
        )  # fmt: skip
        self.handshakes_refused = Counter(
            "chat_gateway_handshakes_refused_total", "Gateway handshakes refused, by HTTP status.", ("status",),
            registry=self.registry,
        )  # fmt: skip
        self.rate_limited = Counter(
            "chat_rate_limited_total", "Requests, sends, commands and logins beyond their rate limit.", ("what",),
            registry=self.registry,
        )  # fmt: skip
        self.accept_backlog = Gauge(
            "chat_accept_backlog", "TCP connections that wait to be accepted, by listener.", ("listener",),
            registry=self.registry,
        )  # fmt: skip

    def watch_pool(self, name: str, pool: CountedPool) -> None:
        """Asks a pool for its numbers whenever the metrics are read."""
        self.pool_connections.labels(name, "busy").set_function(lambda: pool.busy)
        self.pool_connections.labels(name, "resting").set_function(lambda: pool.resting)
        self.pool_waiting.labels(name).set_function(lambda: pool.waiting)

    def read_at_scrape(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """Adds a gauge whose value is asked for when somebody looks, and costs nothing until then."""
        Gauge(name, meaning, registry=self.registry).set_function(read)

    def exposition(self, names: Collection[str] = ()) -> bytes:
        """All of it in Prometheus's text format, or only the series of these names.

        Measured: everything takes 9 ms, in which the event loop does nothing else; three series take 0.1 ms.
        """
        return generate_latest(self.registry.restricted_registry(names) if names else self.registry)
