"""What an operator of the chat server can do to its migration, and what monitoring reads of it."""

import re
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from scenarios.client.chat_client import ChatClient

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


class OperatorClient:
    """The operator's routes; each returns the answer, or raises InputError that says what the server answered."""

    def __init__(self, chat: ChatClient, operator_key: str) -> None:
        self._chat = chat
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

    def metric(self, name: str) -> float | None:
        """The value of one of the server's own metrics without labels; None when it has none of that name."""
        text = self._chat.pool.request("GET", "/metrics").body.decode("utf-8", "replace")
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else None

    def _ask(self, method: str, path: str, type_: type[T], body: Any = None) -> T:
        return self._chat.required(
            method, f"/v1/operator/migration{path}", type_, operator_key=self._operator_key, body=body
        )
