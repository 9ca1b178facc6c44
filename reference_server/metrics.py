"""What the server counts of itself, for Prometheus: one registry per server."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

_LATENCY_BUCKETS_SECONDS = (
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
)  # fmt: skip
_WAIT_BUCKETS_SECONDS = (0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)


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
        self.request_seconds = Histogram(
            "chat_http_request_seconds",
            "From a request's arrival to the end of its answer, by route.",
            ("method", "route"),
            buckets=_LATENCY_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.pool_wait_seconds = Histogram(
            "chat_pool_wait_seconds",
            "Waiting for a database connection.",
            buckets=_WAIT_BUCKETS_SECONDS,
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

    def exposition(self) -> bytes:
        """All of it in Prometheus's text format."""
        return generate_latest(self.registry)
