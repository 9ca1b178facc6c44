"""What operators ask: whether the process lives, whether to send requests here, and what it counts."""

from typing import Annotated

from litestar import MediaType, Response, get
from litestar.datastructures import ResponseHeader
from litestar.params import Parameter
from prometheus_client import CONTENT_TYPE_LATEST

from reference_server.routes.common import PUBLIC, errors
from reference_server.services import Services


@get("/healthz", tags=["operations"], security=PUBLIC, media_type=MediaType.TEXT)
async def healthz() -> str:
    """Answers while the process does."""
    return "ok"


@get(
    "/readyz",
    tags=["operations"],
    security=PUBLIC,
    media_type=MediaType.TEXT,
    responses=errors(s503="The database does not answer, or the server is about to stop."),
)
async def readyz(services: Services) -> str:
    """Says whether requests should be sent here: the database answers, and the server is not about to stop."""
    await services.readiness.check()
    return "ready"


@get(
    "/metrics",
    tags=["operations"],
    security=PUBLIC,
    media_type=MediaType.TEXT,
    response_headers=[ResponseHeader(name="content-type", value=CONTENT_TYPE_LATEST)],
)
async def metrics(
    services: Services,
    names: Annotated[list[str] | None, Parameter(query="name[]", description="Only these series.")] = None,
) -> Response[bytes]:
    """Everything the server counts of itself, in Prometheus's text format."""
    return Response(services.metrics.exposition(names or ()), headers={"content-type": CONTENT_TYPE_LATEST})


HANDLERS = (healthz, readyz, metrics)
