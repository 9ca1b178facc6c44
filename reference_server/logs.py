"""The server's log: events with fields, on standard error.

For programs one JSON object per line: `time`, `level`, `logger`, `event`, `fields` when there are any, and
`exception` when there was one. For people, on a terminal, the same as text. `docs/operations.md` lists the events.
"""

import logging
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal, TextIO, cast, get_args

from pythonjsonlogger.core import LogData
from pythonjsonlogger.json import JsonFormatter

from fixtures.errors import InputError

LogFormat = Literal["json", "text"]

# Whatever looks like a token, wherever it comes from: reasons and exceptions may quote what a client sent.
_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+(\.[\w-]*)?")
_CONCEALED = "[concealed]"


def set_up(log_format: LogFormat | None = None, stream: TextIO | None = None, secrets: Iterable[str] = ()) -> None:
    """Sends the events of this process to the stream; without a format, text on a terminal and JSON elsewhere.

    Neither tokens nor the given secrets are written.
    """
    stream = stream or sys.stderr
    chosen = log_format or ("text" if stream.isatty() else "json")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_JsonFormatter(secrets) if chosen == "json" else _TextFormatter(secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("reference_server").setLevel(logging.INFO)
    # It warns, with a traceback each time, that it cannot reconnect: `database_lost` and `replica_lost` say it once.
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)


def named_format(name: str | None) -> LogFormat | None:
    """The format of this name, None for the default; InputError when there is none."""
    for known in get_args(LogFormat):
        if name == known:
            return cast("LogFormat", known)
    if name is not None:
        raise InputError(f"no log format named {name!r}; choose json or text")
    return None


def event(logger: logging.Logger, level: int, name: str, *, error: BaseException | None = None, **fields: Any) -> None:
    """Logs an event: a stable name, what it was about, and the exception with its traceback if there was one."""
    logger.log(level, name, exc_info=error, extra={"fields": fields})


class _Concealing:
    """What both formats leave out."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = tuple(secret for secret in secrets if secret)

    def conceal(self, text: str) -> str:
        """The text without tokens and secrets."""
        for secret in self._secrets:
            text = text.replace(secret, _CONCEALED)
        return _TOKEN.sub(_CONCEALED, text)

    def conceal_in(self, value: Any) -> Any:
        """The value with every string in it concealed."""
        if isinstance(value, str):
            return self.conceal(value)
        if isinstance(value, dict):
            return {name: self.conceal_in(part) for name, part in value.items()}
        if isinstance(value, list | tuple):
            return [self.conceal_in(part) for part in value]
        return value


class _JsonFormatter(JsonFormatter):
    """One JSON object per line."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__(json_ensure_ascii=False)
        self._concealing = _Concealing(secrets)

    def add_fields(self, log_data: LogData, record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """Ours by name, and nothing else."""
        moment = datetime.fromtimestamp(record.created, UTC)
        log_data["time"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        log_data["level"] = record.levelname.lower()
        log_data["logger"] = record.name
        log_data["event"] = record.getMessage()
        fields = getattr(record, "fields", None)
        if fields:
            log_data["fields"] = fields
        if message_dict.get("exc_info"):
            log_data["exception"] = message_dict["exc_info"]

    def process_log_record(self, log_data: LogData) -> LogData:
        """The same without what must not be told."""
        return {name: self._concealing.conceal_in(value) for name, value in log_data.items()}


class _TextFormatter(logging.Formatter):
    """A line for people; a traceback goes below it."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
        self._concealing = _Concealing(secrets)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line without a traceback."""
        fields = getattr(record, "fields", None) or {}
        # What has parts of its own, such as all settings, is for programs.
        told = ", ".join(f"{name}: {value}" for name, value in fields.items() if not isinstance(value, dict))
        return super().formatMessage(record) + (f" ({told})" if told else "")

    def format(self, record: logging.LogRecord) -> str:
        """All of it."""
        return self._concealing.conceal(super().format(record))
