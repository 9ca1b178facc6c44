"""What HTTP API and gateway share in one process: built once from the settings, handed to both."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from fixtures.database import app_url
from fixtures.manifest import DatasetManifest
from reference_server.chat import Chat
from reference_server.delivery import Delivery
from reference_server.frames import MessageEvent
from reference_server.history import History, Replica
from reference_server.hub import Hub
from reference_server.index_desk import IndexDesk
from reference_server.metrics import Metrics
from reference_server.outlet import Outlet
from reference_server.pool import AppPool
from reference_server.presence import PresenceTiming
from reference_server.presence_desk import PresenceDesk
from reference_server.replica_watch import ReplicaWatch
from reference_server.sending import Sender
from reference_server.settings import Settings
from reference_server.tokens import Tokens


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
    indexes: IndexDesk


@asynccontextmanager
async def open_services(settings: Settings, dataset: DatasetManifest) -> AsyncIterator[Services]:
    """The parts, connected to the database; sends under way are over when this ends."""
    metrics = Metrics()
    hub: Hub[Outlet] = Hub()
    delivery = Delivery(hub, metrics)
    timing = PresenceTiming(
        grace_seconds=settings.presence_grace_seconds,
        coalescing_seconds=settings.presence_coalescing_seconds,
        expiry_seconds=settings.presence_expiry_seconds,
    )
    async with _primary_pool(settings, metrics) as pool, _replica(settings, metrics) as replica:
        history = History(pool, replica, metrics)

        def publish(event: MessageEvent, members: Collection[UUID]) -> None:
            history.wrote(event.conversation_id)  # before anyone hears of it, and comes to read
            delivery.message(event, members)

        sender = Sender(pool, publish, metrics, settings.cached_members_max)
        presence = PresenceDesk(timing, delivery.presence)
        indexes = IndexDesk(settings.database_url)
        try:
            yield Services(
                settings=settings,
                dataset=dataset,
                metrics=metrics,
                tokens=Tokens(settings.token_secret, settings.token_lifetime_seconds),
                chat=Chat(pool, history),
                sender=sender,
                hub=hub,
                presence=presence,
                indexes=indexes,
            )
        finally:
            presence.close()
            await indexes.close(settings.shutdown_seconds)
            await sender.drain()


@asynccontextmanager
async def _primary_pool(settings: Settings, metrics: Metrics) -> AsyncIterator[AppPool]:
    async with AppPool.open(
        app_url(settings.database_url),
        size_min=settings.pool_size_min,
        size_max=settings.pool_size_max,
        timeout_seconds=settings.pool_timeout_seconds,
        statement_timeout_seconds=settings.statement_timeout_seconds,
        observe_wait=metrics.pool_wait_seconds.labels("primary").observe,
    ) as pool:
        metrics.watch_pool("primary", pool)
        yield pool


@asynccontextmanager
async def _replica(settings: Settings, metrics: Metrics) -> AsyncIterator[Replica | None]:
    """None without a replica; then nothing of it costs anything."""
    if settings.replica_url is None:
        yield None
        return
    url = app_url(settings.replica_url)
    async with (
        AppPool.open(
            url,
            size_min=settings.replica_pool_size_min,
            size_max=settings.replica_pool_size_max,
            timeout_seconds=settings.replica_timeout_seconds,  # beyond it, the primary serves
            statement_timeout_seconds=settings.statement_timeout_seconds,
            observe_wait=metrics.pool_wait_seconds.labels("replica").observe,
        ) as pool,
        ReplicaWatch.open(
            app_url(settings.database_url),
            url,
            timeout_seconds=settings.replica_timeout_seconds,
            set_lag_bytes=metrics.replica_lag_bytes.set,
        ) as watch,
    ):
        metrics.watch_pool("replica", pool)
        yield Replica(pool, watch, settings.read_your_writes, settings.replica_wait_seconds)
