"""The server's settings: one frozen object, recorded in every run that starts a server."""

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args, get_type_hints
from urllib.parse import urlsplit

import msgspec

from fixtures.database import redacted
from fixtures.errors import InputError
from reference_server.injected_delay import parse_injected_delay
from reference_server.paging import MessagePaging
from reference_server.read_routing import Policy

LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")
DEFAULT_LOGIN_KEY = "chatbench"
DEFAULT_OPERATOR_KEY = "chatbench"

COALESCING_SECONDS_MAX = 1.0

LiveStateStore = Literal["memory", "tables"]

_RATES = ("requests_per_second_max", "sends_per_second_max", "commands_per_second_max", "logins_per_second_max")
_SECRET_FIELDS = ("login_key", "operator_key", "token_secret")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that a server process can be told. InputError when values do not fit together."""

    database_url: str  # the administrator's; the pool logs in to the same database as the app role
    host: str = "127.0.0.1"
    http_port: int = 0  # 0: any free port
    gateway_port: int = 0  # the same
    login_key: str = DEFAULT_LOGIN_KEY  # what a client must know to log in as anyone: for benchmarks, not for people
    operator_key: str = DEFAULT_OPERATOR_KEY  # what an operator must know to migrate and to change indexes
    token_secret: str = field(default_factory=lambda: secrets.token_hex(32))  # signs tokens; a new one at each start
    token_lifetime_seconds: int = 3600  # Supabase's default; a client logs in again, a stolen token ends by itself
    allowed_origins: tuple[str, ...] = ()  # of browsers at the gateway, beside loopback ones and clients without any
    pool_size_min: int = 4
    pool_size_max: int = 16
    pool_timeout_seconds: float = 10.0  # waiting longer for a connection is answered with 503
    statement_timeout_seconds: float = 30.0
    # How pages of messages are found: the other ways are there to be compared with, and can lose or repeat messages.
    message_paging: MessagePaging = "seq"
    replica_url: str | None = None  # the administrator's, of a standby of the database: pages of messages come from it
    read_your_writes: Policy = "wait"  # what a page does when the replica lacks a write that this server acknowledged
    replica_wait_seconds: float = 0.25  # at most, for one page; 300 times what a healthy one takes
    replica_timeout_seconds: float = 2.0  # a replica that answers nothing for this long is down
    replica_pool_size_min: int = 4
    replica_pool_size_max: int = 16
    authentication_seconds: float = 5.0  # a gateway connection names its user within this time
    heartbeat_seconds: float = 20.0  # between pings; a client that answers none for as long again is gone
    send_queue_bytes: int = 1 << 20  # per gateway connection; a consumer that falls further behind is closed
    frame_bytes_max: int = 1 << 18  # of one command
    # Compressed once per event for all connections that agree to it, so without a context from one to the next.
    permessage_deflate: bool = False
    message_coalescing_seconds: float = 0.0  # events of conversations wait so long for others to leave with; 0: none do
    watched_users_max: int = 10_000  # per gateway connection
    resume_conversations_max: int = 2_000  # in one subscribe_messages
    resume_messages_max: int = 1_000  # replayed at a time; what is beyond is told as a gap
    cached_members_max: int = 500_000  # of all conversations that were sent to lately
    presence_grace_seconds: float = 5.0  # a closed connection counts this much longer, lest reloads flap
    presence_coalescing_seconds: float = 0.1  # at most one presence event per user in this time
    presence_expiry_seconds: float = 60.0  # a device not heard of for this long is offline
    typing_expiry_seconds: float = 6.0  # a start that is not repeated counts this long
    typing_throttle_seconds: float = 1.0  # at most one typing event per user and conversation in this time
    typing_subscriptions_max: int = 1_000  # conversations whose typing one gateway connection hears of
    # What answers who is present and who is typing. Events come from memory either way; `tables` is for one server
    # process per database, which resets them when it starts.
    live_state_store: LiveStateStore = "memory"
    live_state_queue_max: int = 100_000  # users and typists whose rows wait to be written; beyond, all are written anew
    validator_users: int = 50  # compared between the older schema and the new one at a time, while both are written
    validator_seconds: float = 5.0  # between two such comparisons
    request_seconds: float = 10.0  # an HTTP request has come whole within this time
    requests_per_second_max: float | None = None  # HTTP, per user; None: no limit, so that benchmarks measure the rest
    sends_per_second_max: float | None = None  # messages, per user; the same
    commands_per_second_max: float | None = None  # gateway, per user; the same
    logins_per_second_max: float | None = None  # per client address; the same
    rate_burst_seconds: float = 2.0  # what a user or an address may save up: so many seconds' worth at once
    drain_notice_seconds: float = 0.0  # a stopping server tells /readyz this long before it accepts nothing more
    shutdown_seconds: float = 5.0  # for requests under way, and again for closing handshakes, when the server stops
    injected_delay: str | None = None  # a delay on purpose, for benchmarks of the gate; see injected_delay.py

    def __post_init__(self) -> None:
        for name in _SECRET_FIELDS:
            if not getattr(self, name):
                raise InputError(f"{name} is empty, and would let everyone in; give one, or leave it out")
        if not self.is_loopback and self.login_key == DEFAULT_LOGIN_KEY:
            raise InputError(
                f"host {self.host!r} can be reached from other machines and the login key is the default one; "
                "choose a key with --login-key, or listen on 127.0.0.1"
            )
        if not self.is_loopback and self.operator_key == DEFAULT_OPERATOR_KEY:
            raise InputError(
                f"host {self.host!r} can be reached from other machines and the operator's key is the default one; "
                "choose a key with --operator-key, or listen on 127.0.0.1"
            )
        for name in ("pool_size", "replica_pool_size"):
            least, most = getattr(self, f"{name}_min"), getattr(self, f"{name}_max")
            if not 0 < least <= most:
                raise InputError(
                    f"a pool of {least} to {most} connections is impossible; let 0 < {name}_min <= {name}_max"
                )
        if self.read_your_writes not in get_args(Policy):
            raise InputError(
                f"no policy named {self.read_your_writes!r}; choose --read-your-writes from "
                f"{', '.join(get_args(Policy))}"
            )
        if self.presence_expiry_seconds <= 2 * self.heartbeat_seconds:
            raise InputError(
                f"presence would expire after {self.presence_expiry_seconds:g} s, before a heartbeat of "
                f"{self.heartbeat_seconds:g} s can be missed; let it be more than twice as long"
            )
        if not 0 <= self.message_coalescing_seconds <= COALESCING_SECONDS_MAX:
            raise InputError(
                f"message_coalescing_seconds of {self.message_coalescing_seconds:g} is no window for live messages; "
                f"let it be 0 (none) to {COALESCING_SECONDS_MAX:g}"
            )
        parse_injected_delay(self.injected_delay)
        self._check_live_state()
        self._check_rates()

    def _check_live_state(self) -> None:
        if not 0 < self.typing_throttle_seconds < self.typing_expiry_seconds <= 60:
            raise InputError(
                f"typing cannot be throttled to one event in {self.typing_throttle_seconds:g} s and expire after "
                f"{self.typing_expiry_seconds:g} s; let 0 < typing_throttle_seconds < typing_expiry_seconds <= 60"
            )
        if self.live_state_store not in get_args(LiveStateStore):
            raise InputError(
                f"live_state_store {self.live_state_store!r} is none of {', '.join(get_args(LiveStateStore))}; "
                "choose one of them"
            )

    def _check_rates(self) -> None:
        for name in _RATES:
            rate = getattr(self, name)
            if rate is not None and not rate > 0:
                raise InputError(f"{name} of {rate:g} lets nothing through; give more than 0, or leave it out for none")

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be told: keys of one's own choice, the token secret, and the database's password."""
        password = urlsplit(self.database_url).password
        keys = [getattr(self, name) for name in _SECRET_FIELDS]
        return tuple(secret for secret in (*keys, password) if secret and secret != DEFAULT_LOGIN_KEY)

    @property
    def is_loopback(self) -> bool:
        """True when only this machine can reach the server."""
        return self.host in LOOPBACK_HOSTS


def settings_record(settings: Settings) -> dict[str, Any]:
    """The settings as they may be printed and stored: without secrets, and `off` for a rate limit that is none."""
    record = {name: value for name, value in asdict(settings).items() if name not in _SECRET_FIELDS}
    for name in _RATES:
        record[name] = "off" if record[name] is None else record[name]
    urls = {"database_url": settings.database_url, "replica_url": settings.replica_url}
    return {**record, **{name: url and redacted(url) for name, url in urls.items()}}


def with_values(settings: Settings, values: Sequence[str]) -> Settings:
    """The same settings with some of them as `NAME=VALUE` says; InputError for an unknown name or an unfit value."""
    types = get_type_hints(Settings)
    changes: dict[str, Any] = {}
    for text in values:
        name, separator, value = text.partition("=")
        if not separator or name not in types:
            raise InputError(f"--set {text!r} names no setting; write NAME=VALUE with one of: {', '.join(types)}")
        given = value.split(",") if name == "allowed_origins" else value
        try:
            changes[name] = msgspec.convert(given, types[name], strict=False)
        except msgspec.ValidationError as error:
            raise InputError(f"--set {text!r} does not fit: {error}") from error
    return replace(settings, **changes)


def with_pool_size(settings: Settings, size: int) -> Settings:
    """The same settings, with pools that may grow to this size."""
    return replace(
        settings,
        pool_size_min=min(size, settings.pool_size_min),
        pool_size_max=size,
        replica_pool_size_min=min(size, settings.replica_pool_size_min),
        replica_pool_size_max=size,
    )
