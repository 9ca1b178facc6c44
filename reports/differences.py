"""What two runs differ in beside their numbers: host, versions, data set, settings, workload.

Pure: manifests in, differences out.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from scenarios.run_records import RunManifest, ScenarioRecord

# measured: this project's facts on noisy machines: medians of identical code, one run after the other on one machine,
# lay up to so far apart.
DRIFT = 0.53

CODE = "code"  # what a comparison is made for; every other difference is in its way
ABSENT = "absent"

# Chosen anew for every run, or told by something else that is compared here.
_OF_THE_RUN = frozenset({"database_url", "replica_url", "http_port", "gateway_port"})
_ADDRESSES = frozenset({"host", "head_host"})
_ONLY_NAMES = frozenset({"scenarios", "arms", "arm_preset", "blocks", "laboratory", "allow_remote"})

# What the laboratory's record says of its workload; the rest of it is what was found.
_LABORATORY = ("queries", "indexes")
_LABORATORY_OPTIONS = ("baseline", "size", "seed", "blocks_finished", "executions")
_LABORATORY_SETS = {"strategies": "strategy", "statements": "statement"}

_DURATION_TOLERANCE = 0.1  # a run ends at a whole operation, and connecting takes what it takes


@dataclass(frozen=True)
class Difference:
    """One thing that two runs do not share."""

    subject: str  # "host", "data set", …; CODE
    name: str
    base: str
    head: str

    @property
    def sentence(self) -> str:
        """For people, the earlier run first."""
        return f"{self.subject}: {self.name} was {self.base} and is {self.head}"


def differences(base: RunManifest, head: RunManifest) -> tuple[Difference, ...]:
    """Everything that two runs differ in; an option that is absent and one that is off are the same."""
    return (
        *differing(CODE, {"commit": base.commit, **_code(base)}, {"commit": head.commit, **_code(head)}),
        *differing("host", base.host, head.host),
        *differing("versions", _packages(base), _packages(head)),
        *differing("data set", _dataset(base), _dataset(head)),
        *differing("PostgreSQL settings", base.postgres_settings, head.postgres_settings),
        *differing("server settings", _server(base), _server(head)),
        *differing("workload", _command(base), _command(head)),
        *_of_scenarios(base.scenarios, head.scenarios),
        *_of_arms(_arms(base), _arms(head)),
    )


def obstacles(found: Sequence[Difference]) -> tuple[Difference, ...]:
    """The differences that keep two runs from being compared."""
    return tuple(one for one in found if one.subject != CODE)


def differing(subject: str, base: Mapping[str, Any], head: Mapping[str, Any]) -> list[Difference]:
    """The named values that two sides do not share."""
    return [
        Difference(subject, name, _text(base, name), _text(head, name))
        for name in sorted(base.keys() | head.keys())
        if _switched_on(base.get(name)) != _switched_on(head.get(name))
    ]


def _switched_on(value: Any) -> Any:
    """The value; None for every way in which something is off, which a version that lacks it has in common."""
    return None if value == "off" else value or None


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if value is None:
        return ABSENT
    return value if isinstance(value, str) and value else msgspec.json.encode(value).decode()


def _code(manifest: RunManifest) -> dict[str, str]:
    return {name: version for name, version in manifest.versions.items() if name == "chatbench"}


def _packages(manifest: RunManifest) -> dict[str, str]:
    return {name: version for name, version in manifest.versions.items() if name != "chatbench"}


def _dataset(manifest: RunManifest) -> dict[str, Any]:
    found = manifest.dataset
    return {"size": found.size, "seed": found.seed, "sha256": found.sha256[:12]} if found is not None else {}


def _server(manifest: RunManifest) -> dict[str, Any]:
    found = {name: value for name, value in manifest.server_settings.items() if name not in _OF_THE_RUN}
    return {**found, "replica": bool(manifest.server_settings.get("replica_url"))}


def _command(manifest: RunManifest) -> dict[str, Any]:
    options = {name: value for name, value in manifest.options.items() if name not in _ONLY_NAMES}
    # One process is what runs had before they could have several.
    options["processes"] = options.get("processes") or 1
    return {"seed": manifest.seed, **options}


def arm_subject(scenario: str, arm: str) -> str:
    """What differences of one of several servers are about."""
    return f"arm {arm} of {scenario}"


def _arms(manifest: RunManifest) -> dict[str, dict[str, str]]:
    return {
        arm_subject(scenario, arm.name): {name: value for name, value in arm.settings.items() if name != "version"}
        for scenario, arms in manifest.arms.items()
        for arm in arms
    }


def _of_arms(base: Mapping[str, Mapping[str, str]], head: Mapping[str, Mapping[str, str]]) -> list[Difference]:
    """Servers that only one of the runs compared, and settings of those that both did."""
    found = differing("arms", dict.fromkeys(base, "there"), dict.fromkeys(head, "there"))
    for subject in sorted(base.keys() & head.keys()):
        found += differing(subject, base[subject], head[subject])
    return found


def _of_scenarios(base: Sequence[ScenarioRecord], head: Sequence[ScenarioRecord]) -> list[Difference]:
    before, after = ({record.part: record for record in records} for records in (base, head))
    found = []
    for part in sorted(before.keys() | after.keys()):
        if part not in before or part not in after:
            texts = ("there" if part in before else ABSENT, "there" if part in after else ABSENT)
            found.append(Difference("scenarios", part, *texts))
            continue
        one, other = before[part], after[part]
        found += differing(f"workload of {part}", _workload(one), _workload(other))
        if not math.isclose(one.seconds, other.seconds, rel_tol=_DURATION_TOLERANCE):
            texts = (f"{one.seconds:.1f} s", f"{other.seconds:.1f} s")
            found.append(Difference(f"workload of {part}", "measured time", *texts))
    return found


def _workload(record: ScenarioRecord) -> dict[str, Any]:
    if record.name in _LABORATORY:
        sets = {
            f"{kind} {name}": "measured"
            for option, kind in _LABORATORY_SETS.items()
            for name in record.options.get(option, ())
        }
        return {**{name: record.options.get(name) for name in _LABORATORY_OPTIONS}, **sets}
    options = {name: value for name, value in record.options.items() if name not in _ADDRESSES}
    return {**options, "loop": record.model, "generator processes": len(record.workers) or 1}
