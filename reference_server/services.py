"""What HTTP API and gateway share in one process: built once from the settings, handed to both."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from fixtures.database import app_url
from fixtures.manifest import DatasetManifest
from reference_server.chat import Chat
from reference_server.database_watch import DatabaseWatch
from reference_server.delivery import Delivery
from reference_server.event_counts import EventCounts
from reference_server.hub import Hub
from reference_server.loop_lag import LoopLag
from reference_server.metrics import Metrics
from reference_server.outlet import Outlet
from reference_server.pool import AppPool
from reference_server.presence import PresenceTiming
from reference_server.presence_desk import PresenceDesk
from reference_server.readiness import Readiness
from reference_server.sending import Sender
from reference_server.settings import Settings
from reference_server.shutdown import Shutdown
from reference_server.statement_times import timed_statements
from reference_server.tokens import Tokens
from reference_server.user_limits import UserLimits

_NOBODY = UUID(int=0)  # whom readiness asks for: one index probe, no row


@dataclass(frozen=True)
class Services:
    """The parts of a running server, sockets excepted."""

    settings: Settings
    dataset: DatasetManifest
    metrics: Metrics
    tokens: Tokens
    chat: Chat
    sender: Sender
    hub: Hub[Outlet]
    presence: PresenceDesk
    counts: EventCounts
    limits: UserLimits
    readiness: Readiness
    shutdown: Shutdown


@asynccontextmanager
async def open_services(settings: Settings, dataset: DatasetManifest, shutdown: Shutdown) -> AsyncIterator[Services]:
    """The parts, connected to the database; sends under way are over when this ends."""
    metrics = Metrics()
    hub: Hub[Outlet] = Hub()
    counts = EventCounts(metrics)
    delivery = Delivery(hub, counts)
    watch, lag = DatabaseWatch(), LoopLag()
    timing = PresenceTiming(
        grace_seconds=settings.presence_grace_seconds,
        coalescing_seconds=settings.presence_coalescing_seconds,
        expiry_seconds=settings.presence_expiry_seconds,
    )
    async with AppPool.open(
        app_url(settings.database_url),
        size_min=settings.pool_size_min,
        size_max=settings.pool_size_max,
        timeout_seconds=settings.pool_timeout_seconds,
        statement_timeout_seconds=settings.statement_timeout_seconds,
        observe_wait=metrics.pool_wait_seconds.observe,
        statements=timed_statements(metrics),
        watch=watch,
    ) as pool:
        sender = Sender(pool, delivery.message, metrics, settings.cached_members_max)
        presence = PresenceDesk(timing, delivery.presence)
        chat = Chat(pool)
        readiness = Readiness(watch, lambda: chat.user_exists(_NOBODY), lambda: shutdown.is_draining)
        _read_at_scrape(metrics, sender, lag, watch)
        try:
            yield Services(
                settings=settings,
                dataset=dataset,
                metrics=metrics,
                tokens=Tokens(settings.token_secret, settings.token_lifetime_seconds),
                chat=chat,
                sender=sender,
                hub=hub,
                presence=presence,
                counts=counts,
                limits=UserLimits(settings, metrics),
                readiness=readiness,
                shutdown=shutdown,
            )
        finally:
            presence.close()
            lag.close()
            readiness.close()
            if not await shutdown.finish(sender.drain(), settings.shutdown_seconds):
                sender.abandon()
            if shutdown.is_hurried:
                pool.terminate()


def _read_at_scrape(metrics: Metrics, sender: Sender, lag: LoopLag, watch: DatabaseWatch) -> None:
    """The gauges of what several parts share."""
    metrics.read_at_scrape("chat_sends_under_way", "Sends begun and not ended.", lambda: sender.under_way_count)
    metrics.read_at_scrape(
        "chat_turns_waiting", "Sends that wait for their conversation's turn.", lambda: sender.turns.waiting
    )
    metrics.read_at_scrape(
        "chat_event_loop_lag_seconds", "The event loop's worst lateness in the last 5 s.", lambda: lag.worst_seconds
    )
    metrics.read_at_scrape(
        "chat_database_up", "1 while statements are answered, 0 after one was not.", lambda: not watch.is_lost
    )
