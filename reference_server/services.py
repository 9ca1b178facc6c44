"""What HTTP API and gateway share in one process: built once from the settings, handed to both."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from fixtures.database import app_url, connect
from fixtures.manifest import DatasetManifest
from reference_server.backfill import Backfill
from reference_server.changes import Changes
from reference_server.chat import Chat
from reference_server.delivery import Delivery
from reference_server.groups import Groups
from reference_server.hub import Hub
from reference_server.legacy import Legacy
from reference_server.live_state import LiveState, MemoryState
from reference_server.live_tables import TableState, reset_tables
from reference_server.metrics import Metrics
from reference_server.migration_desk import MigrationDesk
from reference_server.migration_validator import MigrationValidator
from reference_server.outlet import Outlet
from reference_server.pool import AppPool
from reference_server.presence import PresenceTiming
from reference_server.presence_desk import PresenceDesk
from reference_server.rooms import Rooms
from reference_server.sending import Sender
from reference_server.settings import Settings
from reference_server.tokens import Tokens
from reference_server.typing_desk import TypingDesk
from reference_server.typists import TypingTiming


@dataclass(frozen=True)
class Services:
    """The parts of a running server, sockets excepted."""

    settings: Settings
    dataset: DatasetManifest
    metrics: Metrics
    tokens: Tokens
    chat: Chat
    sender: Sender
    changes: Changes
    groups: Groups
    legacy: Legacy
    migration: MigrationDesk
    hub: Hub[Outlet]
    presence: PresenceDesk
    typing: TypingDesk
    live_state: LiveState


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
    async with (
        AppPool.open(
            app_url(settings.database_url),
            size_min=settings.pool_size_min,
            size_max=settings.pool_size_max,
            timeout_seconds=settings.pool_timeout_seconds,
            statement_timeout_seconds=settings.statement_timeout_seconds,
            observe_wait=metrics.pool_wait_seconds.observe,
        ) as pool,
        AsyncExitStack() as stack,
    ):
        rooms = Rooms(pool, settings.cached_members_max)
        chat = Chat(pool)
        presence = PresenceDesk(timing, delivery.presence)
        typing = TypingDesk(
            TypingTiming(
                expiry_seconds=settings.typing_expiry_seconds, throttle_seconds=settings.typing_throttle_seconds
            ),
            hub,
            delivery.typing,
            chat.is_member,
            metrics,
            subscriptions_max=settings.typing_subscriptions_max,
        )
        url = settings.database_url
        sender = Sender(pool, rooms, delivery.to_members, metrics)
        backfill = Backfill(url, metrics, sender.settle)
        validator = MigrationValidator(url, metrics, settings.validator_users, settings.validator_seconds)
        try:
            live_state = await stack.enter_async_context(_live_state(settings, pool, presence, typing, metrics))
            await stack.enter_async_context(backfill.running())
            await stack.enter_async_context(validator.running())
            yield Services(
                settings=settings,
                dataset=dataset,
                metrics=metrics,
                tokens=Tokens(settings.token_secret, settings.token_lifetime_seconds),
                chat=chat,
                sender=sender,
                changes=Changes(rooms, delivery.to_members),
                groups=Groups(pool, rooms, delivery.to_members, on_leave=typing.leave),
                legacy=Legacy(pool, sender),
                migration=MigrationDesk(url, backfill.wake),
                hub=hub,
                presence=presence,
                typing=typing,
                live_state=live_state,
            )
        finally:
            presence.close()
            typing.close()
            await rooms.drain()


@asynccontextmanager
async def _live_state(
    settings: Settings, pool: AppPool, presence: PresenceDesk, typing: TypingDesk, metrics: Metrics
) -> AsyncIterator[LiveState]:
    """What answers who is present and who is typing, as the settings say."""
    if settings.live_state_store == "memory":
        yield MemoryState(presence.presence, typing.typists)
        return
    async with connect(settings.database_url) as administrator:
        await reset_tables(administrator)
    tables = TableState(pool, presence, typing, metrics, queue_max=settings.live_state_queue_max)
    async with tables.writing(settings.shutdown_seconds):
        yield tables
