"""Counts and times HTTP requests by route, as plain ASGI: the cheapest place to stand."""

import time
from collections.abc import Callable

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from reference_server.metrics import Metrics


def request_metrics(metrics: Metrics) -> Callable[[ASGIApp], ASGIApp]:
    """A middleware that fills `requests` and `request_seconds`."""

    def wrap(app: ASGIApp) -> ASGIApp:
        async def timed(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.HTTP:
                await app(scope, receive, send)
                return
            began = time.perf_counter()
            status = 0

            async def noting_status(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            try:
                await app(scope, receive, noting_status)
            finally:
                route = scope.get("path_template") or "unmatched"
                metrics.requests.labels(scope["method"], route, str(status)).inc()
                metrics.request_seconds.labels(scope["method"], route).observe(time.perf_counter() - began)

        return timed

    return wrap
