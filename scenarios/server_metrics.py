"""What a chat server says of itself at /metrics: a few series, asked for by name."""

import re
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.client import HTTPException
from urllib.parse import urlencode

# A server that is busy answers late; one second without its numbers is told as such, and costs the others nothing.
TIMEOUT_SECONDS = 5.0

EVERY_SECOND = (
    "chat_pool_wait_seconds_sum",
    "chat_pool_wait_seconds_count",
    "chat_pool_waiting",
    "chat_event_loop_lag_seconds",
)
STATEMENTS = ("chat_statement_seconds_sum", "chat_statement_seconds_count")

_SAMPLE = re.compile(r'^(?P<name>[a-z_]+)(?:\{(?:\w+="(?P<label>[^"]*)"[^}]*)\})? (?P<value>\S+)', re.MULTILINE)


@dataclass(frozen=True)
class Samples:
    """Series by name; each by the value of its first label."""

    series: dict[str, dict[str, float]] = field(default_factory=dict)

    def total(self, name: str) -> float | None:
        """The sum over all labels; None for a series that the server does not have."""
        found = self.series.get(name)
        return sum(found.values()) if found else None

    def by_label(self, name: str) -> dict[str, float]:
        """The values by their label."""
        return self.series.get(name, {})


def parse_samples(text: str, names: Iterable[str]) -> Samples:
    """The series of these names in Prometheus's text format."""
    wanted = frozenset(names)
    series: dict[str, dict[str, float]] = {}
    for match in _SAMPLE.finditer(text):
        if match["name"] in wanted:
            series.setdefault(match["name"], {})[match["label"] or ""] = float(match["value"])
    return Samples(series)


def scrape(http_url: str, names: Iterable[str]) -> Samples | None:
    """The series of these names as they are now; None when the server does not say."""
    asked = tuple(names)
    url = f"{http_url.rstrip('/')}/metrics?{urlencode([('name[]', name) for name in asked])}"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - a target's URL is checked
            return parse_samples(response.read().decode("utf-8", "replace"), asked)
    except (OSError, HTTPException, ValueError):
        return None
