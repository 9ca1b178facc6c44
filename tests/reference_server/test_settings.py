import pytest

from fixtures.errors import InputError
from reference_server.settings import Settings, settings_record, with_values

URL = "postgresql://someone:sesame@127.0.0.1:5432/chat"


def test_a_server_open_to_others_needs_a_key_of_its_own() -> None:
    """The default login key is for this machine only."""
    with pytest.raises(InputError, match=r"0\.0\.0\.0.*--login-key"):
        Settings(database_url=URL, host="0.0.0.0")  # noqa: S104 - the case
    with pytest.raises(InputError, match=r"0\.0\.0\.0.*--operator-key"):
        Settings(database_url=URL, host="0.0.0.0", login_key="a key")  # noqa: S104 - the same
    with_keys = Settings(database_url=URL, host="0.0.0.0", login_key="a key", operator_key="another")  # noqa: S104 - the same
    assert not with_keys.is_loopback


def test_an_impossible_pool_is_refused() -> None:
    """The bounds of the pool must be in order."""
    with pytest.raises(InputError, match="5 to 4 connections"):
        Settings(database_url=URL, pool_size_min=5, pool_size_max=4)


def test_presence_must_outlive_a_missed_heartbeat() -> None:
    """An expiry that every quiet client would meet is refused."""
    with pytest.raises(InputError, match="heartbeat of 20 s"):
        Settings(database_url=URL, presence_expiry_seconds=40)


@pytest.mark.parametrize("throttle_seconds", [0, 6, 7])
def test_typing_must_outlive_its_throttle(throttle_seconds: float) -> None:
    """A window in which every start expires is refused, and so is none."""
    with pytest.raises(InputError, match="expire after 6 s"):
        Settings(database_url=URL, typing_throttle_seconds=throttle_seconds)


def test_an_unknown_store_is_refused() -> None:
    """The message names those there are."""
    with pytest.raises(InputError, match="'files' is none of memory, tables"):
        Settings(database_url=URL, live_state_store="files")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name", ["requests_per_second_max", "sends_per_second_max", "commands_per_second_max", "logins_per_second_max"]
)
def test_a_rate_that_lets_nothing_through_is_refused(name: str) -> None:
    """None is no limit; 0 would be a server that does nothing."""
    with pytest.raises(InputError, match=f"{name} of 0 lets nothing through"):
        Settings(database_url=URL, **{name: 0.0})  # type: ignore[arg-type]


def test_the_record_says_which_limits_are_off() -> None:
    """In a word, not in a null."""
    record = settings_record(Settings(database_url=URL, sends_per_second_max=5))
    assert (record["requests_per_second_max"], record["sends_per_second_max"]) == ("off", 5)


def test_secrets_are_what_one_chose() -> None:
    """Keys and passwords; the default key is known to everybody, and a word of its own."""
    settings = Settings(database_url=URL, login_key="open-sesame")
    assert set(settings.secrets) == {"open-sesame", "sesame", settings.token_secret}
    assert "chatbench" not in Settings(database_url=URL).secrets


def test_the_record_holds_no_secret() -> None:
    """What is printed and stored names neither password, login key nor token secret."""
    settings = Settings(database_url=URL, login_key="open-sesame")
    told = repr(settings_record(settings))
    for secret in ("sesame", settings.token_secret):
        assert secret not in told
    assert "127.0.0.1:5432/chat" in told


@pytest.mark.parametrize("name", ["login_key", "operator_key", "token_secret"])
def test_an_empty_key_is_refused(name: str) -> None:
    """A missing header would be equal to it."""
    with pytest.raises(InputError, match=f"{name} is empty"):
        Settings(database_url=URL, **{name: ""})


def test_any_setting_can_be_given_by_name() -> None:
    """Values take the setting's type."""
    settings = with_values(
        Settings(database_url=URL),
        ["live_state_store=tables", "heartbeat_seconds=7", "watched_users_max=3", "allowed_origins=https://a.example"],
    )
    assert (settings.live_state_store, settings.heartbeat_seconds) == ("tables", 7.0)
    assert (settings.watched_users_max, settings.allowed_origins) == (3, ("https://a.example",))


@pytest.mark.parametrize(
    "value", ["shoe_size=3", "heartbeat_seconds", "heartbeat_seconds=soon", "live_state_store=disk"]
)
def test_a_setting_that_does_not_fit_is_told(value: str) -> None:
    """By name, with the value."""
    with pytest.raises(InputError, match=value):
        with_values(Settings(database_url=URL), [value])
