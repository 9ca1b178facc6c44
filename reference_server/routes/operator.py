"""The operator's routes of the migration. Each needs the operator's key."""

from typing import Any

from litestar import Request, get, post, put

from reference_server.migration import Command
from reference_server.migration_records import Migration, MigrationStart, Rollout, Verification
from reference_server.operator_access import require_operator
from reference_server.routes.common import BAD, NO_DATABASE, NO_KEY, OPERATOR_SECURITY, errors
from reference_server.services import Services

_READS = errors(s401=NO_KEY, s503=NO_DATABASE)
_COMMANDS = errors(s400=BAD, s401=NO_KEY, s409="It does not fit the migration's phase.", s503=NO_DATABASE)

OperatorRequest = Request[Any, Any, Any]


async def _command(request: OperatorRequest, services: Services, command: Command) -> Migration:
    require_operator(request, services.settings)
    return await services.migration.command(command)


@get("/operator/migration", tags=["operations"], security=OPERATOR_SECURITY, responses=_READS)
async def get_migration(request: OperatorRequest, services: Services) -> Migration:
    """Where the migration is."""
    require_operator(request, services.settings)
    return await services.migration.state()


@post(
    "/operator/migration/start", tags=["operations"], security=OPERATOR_SECURITY, status_code=200, responses=_COMMANDS
)
async def start_migration(
    request: OperatorRequest, services: Services, data: MigrationStart | None = None
) -> Migration:
    """Starts the backfill from the beginning, and the dual write; the roll-out starts at 0 %."""
    require_operator(request, services.settings)
    pace = data or MigrationStart()
    return await services.migration.start(pace.batch_messages, pace.pause_seconds)


@post(
    "/operator/migration/pause", tags=["operations"], security=OPERATOR_SECURITY, status_code=200, responses=_COMMANDS
)
async def pause_migration(request: OperatorRequest, services: Services) -> Migration:
    """Stops the backfill behind the connection that it is at. What is migrated stays in both chats."""
    return await _command(request, services, "pause")


@post(
    "/operator/migration/resume", tags=["operations"], security=OPERATOR_SECURITY, status_code=200, responses=_COMMANDS
)
async def resume_migration(request: OperatorRequest, services: Services) -> Migration:
    """Continues the backfill where it stopped."""
    return await _command(request, services, "resume")


@post(
    "/operator/migration/abort", tags=["operations"], security=OPERATOR_SECURITY, status_code=200, responses=_COMMANDS
)
async def abort_migration(request: OperatorRequest, services: Services) -> Migration:
    """Rolls back a migration that is not complete."""
    return await _command(request, services, "abort")


@post(
    "/operator/migration/roll_back",
    tags=["operations"],
    security=OPERATOR_SECURITY,
    status_code=200,
    responses=_COMMANDS,
)
async def roll_back_migration(request: OperatorRequest, services: Services) -> Migration:
    """Sends everyone back to the older chat, which gets whatever it may lack. Nothing is deleted."""
    return await _command(request, services, "roll_back")


@put("/operator/migration/rollout", tags=["operations"], security=OPERATOR_SECURITY, responses=_COMMANDS)
async def set_rollout(request: OperatorRequest, services: Services, data: Rollout) -> Migration:
    """Changes who is sent to the new chat, from the next request on."""
    require_operator(request, services.settings)
    return await services.migration.set_rollout(data.percentage)


@put("/operator/migration/pace", tags=["operations"], security=OPERATOR_SECURITY, responses=_COMMANDS)
async def set_pace(request: OperatorRequest, services: Services, data: MigrationStart) -> Migration:
    """Changes the throttle of the backfill, from the next batch on."""
    require_operator(request, services.settings)
    return await services.migration.set_pace(data.batch_messages, data.pause_seconds)


@post(
    "/operator/migration/verify",
    tags=["operations"],
    security=OPERATOR_SECURITY,
    status_code=200,
    responses=errors(s401=NO_KEY, s503=NO_DATABASE),
)
async def verify_migration(request: OperatorRequest, services: Services) -> Verification:
    """Compares all rows of both schemas: counts, order, checksums, orphans, duplicates, read state, what is left."""
    require_operator(request, services.settings)
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
