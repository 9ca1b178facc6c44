"""What HTTP API and gateway share in one process: built once from the settings, handed to both."""

from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from fixtures.database import app_url, connect
from fixtures.manifest import DatasetManifest
from reference_server.backfill import Backfill
from reference_server.changes import Changes
from reference_server.chat import Chat
from reference_server.database_watch import DatabaseWatch
from reference_server.delivery import Delivery
from reference_server.event_counts import EventCounts
from reference_server.frames import ConversationEvent
from reference_server.groups import Groups
from reference_server.history import History, Replica
from reference_server.hub import Hub
from reference_server.index_builds import IndexBuilds
from reference_server.index_desk import IndexDesk
from reference_server.injected_delay import InjectedDelay, delayed_fan_out, parse_injected_delay
from reference_server.legacy import Legacy
from reference_server.live_state import LiveState, MemoryState
from reference_server.live_tables import TableState, reset_tables
from reference_server.loop_lag import LoopLag
from reference_server.metrics import Metrics
from reference_server.migration_desk import MigrationDesk
from reference_server.migration_validator import MigrationValidator
from reference_server.outbox import Outbox
from reference_server.outlet import Outlet
from reference_server.paging import PAGINGS
from reference_server.pool import AppPool
from reference_server.presence import PresenceTiming
from reference_server.presence_desk import PresenceDesk
from reference_server.readiness import Readiness
from reference_server.replica_watch import ReplicaWatch
from reference_server.rooms import Rooms
from reference_server.sending import Sender
from reference_server.settings import Settings
from reference_server.shutdown import Shutdown
from reference_server.statement_times import TimedStatement
from reference_server.tokens import Tokens
from reference_server.typing_desk import TypingDesk
from reference_server.typists import TypingTiming
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
    rooms: Rooms
    sender: Sender
    changes: Changes
    groups: Groups
    legacy: Legacy
    migration: MigrationDesk
    hub: Hub[Outlet]
    presence: PresenceDesk
    typing: TypingDesk
    live_state: LiveState
    indexes: IndexDesk
    counts: EventCounts
    limits: UserLimits
    readiness: Readiness
    shutdown: Shutdown
    delay: InjectedDelay | None  # on purpose


@asynccontextmanager
async def open_services(
    settings: Settings,
    dataset: DatasetManifest,
    shutdown: Shutdown,
    metrics: Metrics,
    statements: dict[str, TimedStatement],
) -> AsyncIterator[Services]:
    """The parts, connected to the database; sends under way are over when this ends."""
    hub: Hub[Outlet] = Hub()
    counts = EventCounts(metrics)
    typing_told = {True: metrics.typing.labels("started"), False: metrics.typing.labels("ended")}
    delivery = Delivery(hub, counts, typing_told)
    watch, lag = DatabaseWatch(), LoopLag()
    delay = parse_injected_delay(settings.injected_delay)
    timing = PresenceTiming(
        grace_seconds=settings.presence_grace_seconds,
        coalescing_seconds=settings.presence_coalescing_seconds,
        expiry_seconds=settings.presence_expiry_seconds,
    )
    async with (
        _primary_pool(settings, metrics, watch, statements) as pool,
        _replica(settings, metrics, statements) as replica,
        AsyncExitStack() as stack,
    ):
        history = History(pool, replica, metrics)

        def deliver(event: ConversationEvent, members: Collection[UUID]) -> None:
            history.wrote(event.conversation_id)  # before anyone hears of it, and comes to read
            delivery.to_members(event, members)

        outbox = Outbox(deliver if delay is None or delay.kind != "fan_out" else delayed_fan_out(delay, deliver))
        rooms = Rooms(pool, settings.cached_members_max, outbox.flush)
        chat = Chat(pool, history, PAGINGS[settings.message_paging])
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
        indexes = IndexDesk(IndexBuilds(url, statements))
        sender = Sender(pool, rooms, outbox.publish, metrics)

        async def copied(user_id: UUID, conversation_id: UUID, seq: int) -> None:
            history.wrote(conversation_id)  # nobody may hear of it, and whoever finds it in a list comes to read
            await sender.settle(user_id, conversation_id, seq)

        backfill = Backfill(url, statements, metrics, copied)
        validator = MigrationValidator(
            url,
            statements,
            metrics,
            user_count=settings.validator_users,
            interval_seconds=settings.validator_seconds,
        )
        groups = Groups(pool, rooms, outbox.publish, on_leave=typing.leave)
        readiness = Readiness(watch, lambda: chat.user_exists(_NOBODY), lambda: shutdown.is_draining)
        _read_at_scrape(metrics, rooms, outbox, lag, watch)
        try:
            live_state = await stack.enter_async_context(
                _live_state(settings, pool, presence, typing, metrics, statements=statements)
            )
            await stack.enter_async_context(backfill.running())
            await stack.enter_async_context(validator.running())
            yield Services(
                settings=settings,
                dataset=dataset,
                metrics=metrics,
                tokens=Tokens(settings.token_secret, settings.token_lifetime_seconds),
                chat=chat,
                rooms=rooms,
                sender=sender,
                changes=Changes(rooms, outbox.publish),
                groups=groups,
                legacy=Legacy(pool, sender, history.wrote, groups.tell_added, rooms.turns),
                migration=MigrationDesk(url, statements, backfill.wake),
                hub=hub,
                presence=presence,
                typing=typing,
                live_state=live_state,
                indexes=indexes,
                counts=counts,
                limits=UserLimits(settings, metrics),
                readiness=readiness,
                shutdown=shutdown,
                delay=delay,
            )
        finally:
            presence.close()
            typing.close()
            await indexes.close(settings.shutdown_seconds)
            lag.close()
            readiness.close()
            if not await shutdown.finish(rooms.drain(), settings.shutdown_seconds):
                rooms.abandon()
            if shutdown.is_hurried:
                pool.terminate()


@asynccontextmanager
async def _live_state(
    settings: Settings,
    pool: AppPool,
    presence: PresenceDesk,
    typing: TypingDesk,
    metrics: Metrics,
    *,
    statements: dict[str, TimedStatement],
) -> AsyncIterator[LiveState]:
    """What answers who is present and who is typing, as the settings say."""
    if settings.live_state_store == "memory":
        yield MemoryState(presence.presence, typing.typists)
        return
    async with connect(settings.database_url) as administrator:
        await reset_tables(administrator, statements)
    tables = TableState(pool, presence, typing, metrics, queue_max=settings.live_state_queue_max)
    async with tables.writing(settings.shutdown_seconds):
        yield tables


@asynccontextmanager
async def _primary_pool(
    settings: Settings, metrics: Metrics, watch: DatabaseWatch, statements: dict[str, TimedStatement]
) -> AsyncIterator[AppPool]:
    async with AppPool.open(
        app_url(settings.database_url),
        size_min=settings.pool_size_min,
        size_max=settings.pool_size_max,
        timeout_seconds=settings.pool_timeout_seconds,
        statement_timeout_seconds=settings.statement_timeout_seconds,
        observe_wait=metrics.pool_wait_seconds.labels("primary").observe,
        statements=statements,
        watch=watch,
    ) as pool:
        metrics.watch_pool("primary", pool)
        yield pool


@asynccontextmanager
async def _replica(
    settings: Settings, metrics: Metrics, statements: dict[str, TimedStatement]
) -> AsyncIterator[Replica | None]:
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
            statements=statements,
            watch=DatabaseWatch(is_told=False),  # readiness does not ask for the replica; ReplicaWatch tells of it
        ) as pool,
        ReplicaWatch.open(
            app_url(settings.database_url),
            url,
            statements=statements,
            timeout_seconds=settings.replica_timeout_seconds,
            set_lag_bytes=metrics.replica_lag_bytes.set,
        ) as watch,
    ):
        metrics.watch_pool("replica", pool)
        metrics.replica_up.set_function(lambda: watch.replayed is not None)
        yield Replica(pool, watch, settings.read_your_writes, settings.replica_wait_seconds)


def _read_at_scrape(metrics: Metrics, rooms: Rooms, outbox: Outbox, lag: LoopLag, watch: DatabaseWatch) -> None:
    """The gauges of what several parts share."""
    metrics.read_at_scrape(
        "chat_sends_under_way", "Sends and changes begun and not ended.", lambda: rooms.under_way_count
    )
    metrics.read_at_scrape(
        "chat_turns_waiting",
        "Sends and changes that wait for the turn of their conversation, or of their connection in the older chat.",
        lambda: rooms.turns.waiting,
    )
    metrics.read_at_scrape(
        "chat_outbox_events", "Events published and not yet written to their recipients.", lambda: outbox.waiting
    )
    metrics.read_at_scrape(
        "chat_event_loop_lag_seconds", "The event loop's worst lateness in the last 5 s.", lambda: lag.worst_seconds
    )
    metrics.read_at_scrape(
        "chat_database_up", "1 while statements are answered, 0 after one was not.", lambda: not watch.is_lost
    )
