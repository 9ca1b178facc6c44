"""What operators ask of a server process."""

from litestar import MediaType, Response, get
from litestar.datastructures import ResponseHeader
from prometheus_client import CONTENT_TYPE_LATEST

from reference_server.routes.common import PUBLIC
from reference_server.services import Services


@get("/healthz", tags=["operations"], security=PUBLIC, media_type=MediaType.TEXT)
async def healthz() -> str:
    """Answers while the process does."""
    return "ok"


@get(
    "/metrics",
    tags=["operations"],
    security=PUBLIC,
    media_type=MediaType.TEXT,
    response_headers=[ResponseHeader(name="content-type", value=CONTENT_TYPE_LATEST)],
)
async def metrics(services: Services) -> Response[bytes]:
    """Everything the server counts of itself, in Prometheus's text format."""
    return Response(services.metrics.exposition(), headers={"content-type": CONTENT_TYPE_LATEST})


HANDLERS = (healthz, metrics)
