"""The arms of a comparison: several chat servers, told apart by a few settings, that one run measures in turns.

An arm is written `NAME:SETTING=VALUE,…`. A setting is one of the server's (reference_server/settings.py), an option of
the scenario, `strategy` (the indexes under the server) or `size` (of its data set); an arm without any is written as
its name alone.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fixtures.errors import InputError
from fixtures.sizes import find_size
from reference_server.settings import Settings, with_values
from reference_server.statements import find_strategy
from scenarios.catalogue import Scenario, crossed
from scenarios.run_records import ArmRecord

# Six is the fewest blocks whose range is an interval of the median with 95 % (1 - 2 / 2^6 = 97 %).
DEFAULT_BLOCKS = 6
SECONDS_MIN = 2.0  # measured in one turn: the generator's own health needs more than one

# What a run itself decides for each of its servers.
_OF_THE_RUN = frozenset(
    {"database_url", "replica_url", "host", "http_port", "gateway_port", "login_key", "operator_key", "token_secret"}
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*=")


@dataclass(frozen=True)
class Arm:
    """One server of a comparison."""

    name: str
    size: str
    strategy: str
    server_settings: tuple[str, ...] = ()  # NAME=VALUE
    scenario_options: Mapping[str, str] = field(default_factory=dict)  # "--rate" → "5"

    def record(self) -> ArmRecord:
        """As the manifest keeps it; one's own strategy by its file's name alone."""
        settings = dict(text.split("=", 1) for text in self.server_settings)
        options = {name.removeprefix("--"): value for name, value in self.scenario_options.items()}
        strategy = Path(self.strategy).name
        return ArmRecord(name=self.name, settings={**settings, **options, "strategy": strategy, "size": self.size})


def arms_of(
    scenario: Scenario,
    given: Sequence[str],
    preset: str | None,
    *,
    size: str,
    strategy: str,
    allowed_options: Sequence[str],
) -> tuple[Arm, ...]:
    """The arms that a scenario is to be measured on, the baseline first; none: one server, as ever.

    Those given, those of the named preset, or the scenario's own. InputError for what cannot be.
    """
    texts: Sequence[str] = given or scenario.arms
    if preset is not None:
        if given:
            raise InputError(f"--arms {preset} and --arm exclude each other; name a preset or give arms of your own")
        if preset not in scenario.arm_presets:
            known = ", ".join(scenario.arm_presets) or "none: give its arms with --arm NAME:SETTING=VALUE,…"
            raise InputError(f"{scenario.name} has no arms named {preset!r}; choose from {known}")
        texts = scenario.arm_presets[preset]
    arms = tuple(parse_arm(text, size=size, strategy=strategy, allowed_options=allowed_options) for text in texts)
    names = [arm.name for arm in arms]
    if len(set(names)) < len(names):
        raise InputError(f"two arms share a name in {', '.join(names)}; give each its own")
    if len(arms) == 1:
        raise InputError(f"one arm, {names[0]}, has nothing to be compared with; give --arm twice or more")
    return arms


def crossed_arms(axes: Sequence[str]) -> tuple[str, ...]:
    """The arms of every combination of `SETTING=VALUE,VALUE,…`, the first of each in the first arm.

    InputError for an axis without values to choose from, and for a setting that is named twice.
    """
    levels: dict[str, dict[str, tuple[str]]] = {}
    for text in axes:
        setting, separator, values = text.partition("=")
        named = values.split(",")
        if not separator or not _SETTING.fullmatch(f"{setting}=") or "" in named or len(set(named)) < 2:
            raise InputError(f"--cross {text!r} has no values to compare; write SETTING=VALUE,VALUE,…, all different")
        if setting in levels:
            raise InputError(f"--cross names {setting} twice; give all its values at once: {setting}=VALUE,VALUE,…")
        levels[setting] = {value: (f"{setting}={value}",) for value in named}
    return crossed(*levels.values()) if levels else ()


def parse_arm(text: str, *, size: str, strategy: str, allowed_options: Sequence[str]) -> Arm:
    """The arm in `NAME:SETTING=VALUE,…`; InputError names what is wrong with it."""
    name, _, rest = text.partition(":")
    if not _NAME.fullmatch(name):
        raise InputError(f"--arm {text!r} has no name of letters, digits, '.', '_' and '-'; write NAME:SETTING=VALUE,…")
    server_settings: list[str] = []
    scenario_options: dict[str, str] = {}
    for setting, value in _settings(text, rest):
        option = f"--{setting.replace('_', '-')}"
        if setting == "size":
            size = find_size(value).name
        elif setting == "strategy":
            find_strategy(value)
            strategy = value
        elif option in allowed_options:
            scenario_options[option] = value
        elif setting in _OF_THE_RUN:
            raise InputError(f"--arm {text!r} sets {setting}, which the run decides for every server; leave it out")
        else:
            server_settings.append(f"{setting}={value}")
    try:
        # The URL is none of the arm's; only its own values are looked at here.
        with_values(Settings(database_url="postgresql://"), server_settings)
    except InputError as error:
        options = ", ".join(option.removeprefix("--") for option in allowed_options)
        raise InputError(f"--arm {text!r}: {error}; an arm also takes strategy, size, {options}") from error
    return Arm(name, size, strategy, tuple(server_settings), scenario_options)


def _settings(text: str, rest: str) -> list[tuple[str, str]]:
    """(setting, value) pairs; a comma that no SETTING= follows belongs to the value before it."""
    found: list[str] = []
    for part in rest.split(",") if rest else []:
        if _SETTING.match(part):
            found.append(part)
        elif found:
            found[-1] += f",{part}"
        else:
            raise InputError(f"--arm {text!r}: {part!r} names no value; write NAME:SETTING=VALUE,…")
    pairs = [tuple(part.split("=", 1)) for part in found]
    return [(setting, value) for setting, value in pairs]
