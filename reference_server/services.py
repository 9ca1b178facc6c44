"""What HTTP API and gateway share in one process: built once from the settings, handed to both."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fixtures.database import app_url
from fixtures.manifest import DatasetManifest
from reference_server.backfill import Backfill
from reference_server.chat import Chat
from reference_server.delivery import Delivery
from reference_server.hub import Hub
from reference_server.legacy import Legacy
from reference_server.metrics import Metrics
from reference_server.migration_desk import MigrationDesk
from reference_server.migration_validator import MigrationValidator
from reference_server.outlet import Outlet
from reference_server.pool import AppPool
from reference_server.presence import PresenceTiming
from reference_server.presence_desk import PresenceDesk
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
    legacy: Legacy
    migration: MigrationDesk
    hub: Hub[Outlet]
    presence: PresenceDesk


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
    async with AppPool.open(
        app_url(settings.database_url),
        size_min=settings.pool_size_min,
        size_max=settings.pool_size_max,
        timeout_seconds=settings.pool_timeout_seconds,
        statement_timeout_seconds=settings.statement_timeout_seconds,
        observe_wait=metrics.pool_wait_seconds.observe,
    ) as pool:
        sender = Sender(pool, delivery.message, metrics, settings.cached_members_max)
        presence = PresenceDesk(timing, delivery.presence)
        url = settings.database_url
        backfill = Backfill(url, metrics, sender.settle)
        validator = MigrationValidator(url, metrics, settings.validator_users, settings.validator_seconds)
        try:
            async with backfill.running(), validator.running():
                yield Services(
                    settings=settings,
                    dataset=dataset,
                    metrics=metrics,
                    tokens=Tokens(settings.token_secret, settings.token_lifetime_seconds),
                    chat=Chat(pool),
                    sender=sender,
                    legacy=Legacy(pool, sender),
                    migration=MigrationDesk(url, backfill.wake),
                    hub=hub,
                    presence=presence,
                )
        finally:
            presence.close()
            await sender.drain()
