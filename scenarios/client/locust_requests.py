"""Shows operations in Locust's own statistics and web page, beside the histograms that reports are made of.

Locust keeps whole milliseconds and an event costs 3.3 µs: requests are shown each, deliveries once per message.
"""

from locust import events

from scenarios.client.http_client import Response


class FailedOperationError(Exception):
    """What Locust shows for an operation that failed."""


def report_response(name: str, method: str, response: Response) -> None:
    """One HTTP request, timed from its intended start."""
    error = None if response.ok else FailedOperationError(response.problem())
    report_request(method, name, response.request_us / 1000, len(response.body), error)


def report_request(kind: str, name: str, milliseconds: float, size: int, error: Exception | None = None) -> None:
    """One operation."""
    events.request.fire(
        request_type=kind,
        name=name,
        response_time=milliseconds,
        response_length=size,
        exception=error,
        context={},
    )
