"""The operator's routes of the migration. `operator_access` guards them."""

from litestar import get, post, put

from reference_server.migration import Command
from reference_server.migration_records import Migration, MigrationStart, Rollout, Verification
from reference_server.routes.common import BAD, NO_DATABASE, NO_KEY, OPERATOR_SECURITY, errors, with_body
from reference_server.services import Services

_READS = errors(s401=NO_KEY, s503=NO_DATABASE)
_COMMANDS = errors(s400=BAD, s401=NO_KEY, s409="It does not fit the migration's phase.", s503=NO_DATABASE)


async def _command(services: Services, command: Command) -> Migration:
    return await services.migration.command(command)


@get("/operator/migration", tags=["operations"], security=OPERATOR_SECURITY, responses=_READS)
async def get_migration(services: Services) -> Migration:
    """Where the migration is."""
    return await services.migration.state()


@post(
    "/operator/migration/start",
    tags=["operations"],
    security=OPERATOR_SECURITY,
    status_code=200,
    responses=with_body(_COMMANDS),
)
async def start_migration(services: Services, data: MigrationStart | None = None) -> Migration:
    """Starts the backfill from the beginning, and the dual write; the roll-out starts at 0 %."""
    pace = data or MigrationStart()
    return await services.migration.start(pace.batch_messages, pace.pause_seconds)


@post(
    "/operator/migration/pause", tags=["operations"], security=OPERATOR_SECURITY, status_code=200, responses=_COMMANDS
)
async def pause_migration(services: Services) -> Migration:
    """Stops the backfill behind the connection that it is at. What is migrated stays in both chats."""
    return await _command(services, "pause")


@post(
    "/operator/migration/resume", tags=["operations"], security=OPERATOR_SECURITY, status_code=200, responses=_COMMANDS
)
async def resume_migration(services: Services) -> Migration:
    """Continues the backfill where it stopped."""
    return await _command(services, "resume")


@post(
    "/operator/migration/abort", tags=["operations"], security=OPERATOR_SECURITY, status_code=200, responses=_COMMANDS
)
async def abort_migration(services: Services) -> Migration:
    """Rolls back a migration that is not complete."""
    return await _command(services, "abort")


@post(
    "/operator/migration/roll_back",
    tags=["operations"],
    security=OPERATOR_SECURITY,
    status_code=200,
    responses=_COMMANDS,
)
async def roll_back_migration(services: Services) -> Migration:
    """Sends everyone back to the older chat, which gets whatever it may lack. Nothing is deleted."""
    return await _command(services, "roll_back")


@put("/operator/migration/rollout", tags=["operations"], security=OPERATOR_SECURITY, responses=with_body(_COMMANDS))
async def set_rollout(services: Services, data: Rollout) -> Migration:
    """Changes who is sent to the new chat, from the next request on."""
    return await services.migration.set_rollout(data.percentage)


@put("/operator/migration/pace", tags=["operations"], security=OPERATOR_SECURITY, responses=with_body(_COMMANDS))
async def set_pace(services: Services, data: MigrationStart) -> Migration:
    """Changes the throttle of the backfill, from the next batch on."""
    return await services.migration.set_pace(data.batch_messages, data.pause_seconds)


@post(
    "/operator/migration/verify",
    tags=["operations"],
    security=OPERATOR_SECURITY,
    status_code=200,
    responses=errors(s401=NO_KEY, s503=NO_DATABASE),
)
async def verify_migration(services: Services) -> Verification:
    """Compares all rows of both schemas: counts, order, checksums, orphans, duplicates, read state, what is left."""
    checks = await services.migration.verify()
    return Verification(all(check.is_ok for check in checks), checks)


HANDLERS = (
    get_migration,
    start_migration,
    pause_migration,
    resume_migration,
    abort_migration,
    roll_back_migration,
    set_rollout,
    set_pace,
    verify_migration,
)
