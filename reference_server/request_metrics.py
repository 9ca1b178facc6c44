"""Counts and times HTTP requests by route, as plain ASGI: the cheapest place to stand."""

import asyncio
import time
from collections.abc import Callable

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import Counter

from reference_server.cut_off import answer_cut_off
from reference_server.loop_histograms import LoopSeries
from reference_server.metrics import Metrics


class _UnderWay:
    """How many requests there are."""

    count = 0


def request_metrics(metrics: Metrics) -> Callable[[ASGIApp], ASGIApp]:
    """A middleware that fills `requests` and `request_seconds`."""
    under_way = _UnderWay()
    metrics.read_at_scrape(
        "chat_http_requests_under_way", "HTTP requests begun and not answered.", lambda: under_way.count
    )
    # Looking a series up by its labels costs more than counting in it.
    known: dict[tuple[str, str, int], tuple[Counter, LoopSeries]] = {}

    def wrap(app: ASGIApp) -> ASGIApp:
        async def timed(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.HTTP:
                await app(scope, receive, send)
                return
            began = time.perf_counter()
            under_way.count += 1
            status = 0

            async def noting_status(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            try:
                await app(scope, receive, noting_status)
            except asyncio.CancelledError:
                if status:
                    raise
                await answer_cut_off(noting_status)
            finally:
                under_way.count -= 1
                key = scope["method"], scope.get("path_template") or "unmatched", status
                series = known.get(key)
                if series is None:
                    series = known[key] = _series(metrics, *key)
                answered, seconds = series
                answered.inc()
                seconds.observe(time.perf_counter() - began)

        return timed

    return wrap


def _series(metrics: Metrics, method: str, route: str, status: int) -> tuple[Counter, LoopSeries]:
    return metrics.requests.labels(method, route, str(status)), metrics.request_seconds.labels(method, route)
