"""What an operator of the chat server can do to its migration."""

from datetime import datetime
from typing import Any, TypeVar

import msgspec

from fixtures.errors import InputError
from scenarios.client.chat_client import ChatClient
from scenarios.client.http_client import HttpPool

T = TypeVar("T")


class Migration(msgspec.Struct):
    """Where the migration is."""

    phase: str
    rollout_percentage: int
    connections_copied: int
    messages_copied: int
    started_at: datetime | None
    ended_at: datetime | None


class Check(msgspec.Struct):
    """One check of verify_migration()."""

    check_name: str
    examined: int
    mismatches: int
    is_ok: bool
    example: str | None


class Verification(msgspec.Struct):
    """All of them."""

    is_ok: bool
    checks: list[Check]


# The reference server's own default key; it accepts it on loopback only.
LOOPBACK_OPERATOR_KEY = "chatbench"


class OperatorClient:
    """The operator's routes; each returns the answer, or raises InputError that says what the server answered."""

    def __init__(self, pool: HttpPool, base_url: str, operator_key: str) -> None:
        self._pool = pool
        self._base_url = base_url
        self._operator_key = operator_key

    def migration(self) -> Migration:
        """Where the migration is."""
        return self._ask("GET", "", Migration)

    def start(self, batch_messages: int, pause_seconds: float) -> Migration:
        """Starts the backfill at this pace, and the dual write."""
        return self._ask(
            "POST", "/start", Migration, {"batch_messages": batch_messages, "pause_seconds": pause_seconds}
        )

    def command(self, command: str) -> Migration:
        """`abort` or `roll_back`."""
        return self._ask("POST", f"/{command}", Migration)

    def set_rollout(self, percentage: int) -> Migration:
        """Sends this percentage of the users to the new chat."""
        return self._ask("PUT", "/rollout", Migration, {"percentage": percentage})

    def verify(self) -> Verification:
        """Compares all rows of both schemas."""
        return self._ask("POST", "/verify", Verification)

    def _ask(self, method: str, path: str, type_: type[T], body: Any = None) -> T:
        path = f"/v1/operator/migration{path}"
        payload = msgspec.json.encode(body) if body is not None else b""
        response = self._pool.request(method, path, operator_key=self._operator_key, body=payload)
        if response.status == 401:
            raise InputError(
                f"{self._base_url} does not take the operator's key; give its own with --operator-key or in "
                "CHATBENCH_OPERATOR_KEY"
            )
        answer = ChatClient.parse(response, type_)
        if answer is None:
            raise InputError(
                f"{self._base_url} answered the operator's {method} {path} with {response.problem()}; does it serve "
                "the older chat and its migration (docs/migration.md)?"
            )
        return answer
