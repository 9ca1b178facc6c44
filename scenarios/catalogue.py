"""Contract: the load scenarios there are, one question each; free of Locust, so that any program may list them."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Scenario:
    """One load scenario and how it runs when nothing else is said."""

    name: str
    question: str
    default_users: int
    default_run_seconds: int  # connecting included
    options: dict[str, str]  # its own, beside the common ones: option → what it does
    in_tour: bool = False  # part of the quick tour
    arms: tuple[str, ...] = ()  # servers that it compares, as scenarios/arms.py writes them; none: one server
    arm_presets: dict[str, tuple[str, ...]] = field(default_factory=dict)  # other arms, by name

    @property
    def file(self) -> Path:
        """Its Locust file."""
        return Path(__file__).parent / "load" / f"{self.name}.py"


# Options that every load scenario takes, beside Locust's own (--host, --users, --spawn-rate, --run-time, …).
COMMON_OPTIONS = {
    "--run-folder": "write into this run folder; default: a new one under out/runs",
    "--login-key": "key that lets the generator log in as any user (env CHATBENCH_LOGIN_KEY)",
    "--seed": "same seed, same users, schedules and contents",
    "--arrivals": "poisson or fixed: how intended starts are spaced",
    "--server-pid": "process of the chat server, on this host: its CPU is recorded",
    "--allow-remote": "allow targets that are not on this host",
    "--drain-seconds": "how long outstanding deliveries are waited for at the end",
    "--progress": "one line of JSON per second on standard error",
    "--arm": "name of the server that this process measures, when a run compares several",
    "--block": "which of the run's interleaved blocks this process is",
    "--measured-seconds": "end so long after everybody is connected, before --run-time does",
}

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name="pagination",
            question="What does scrolling back cost, and does it stay flat with depth while others write?",
            default_users=20,
            default_run_seconds=24,
            in_tour=True,
            options={
                "--rate": "pages per second of each user",
                "--write-rate": "messages per second that others write, in total",
                "--page-size": "messages per page",
            },
        ),
        Scenario(
            name="fanout",
            question="How do delivery latency and bandwidth grow with the size of the group?",
            default_users=110,
            default_run_seconds=24,
            in_tour=True,
            options={
                "--rate": "messages per second in total, shared evenly by the groups",
                "--group-sizes": "members per group, comma separated",
                "--non-members": "connected users who belong to no group and must receive nothing",
                "--deadline-ms": "a delivery after this is counted as late",
                "--subprotocol": "encoding of the gateway's frames",
            },
            arm_presets={
                "encodings": (
                    "json",
                    "msgpack:subprotocol=chat.v1.msgpack",
                    "json-deflate:permessage_deflate=true",
                    "msgpack-deflate:permessage_deflate=true,subprotocol=chat.v1.msgpack",
                ),
                "coalescing": (
                    "at-once",
                    "5ms:message_coalescing_seconds=0.005",
                    "50ms:message_coalescing_seconds=0.05",
                ),
            },
        ),
        Scenario(
            name="presence",
            question="How fast does a status change reach everyone who watches, and how many frames does it cost?",
            default_users=52,
            default_run_seconds=24,
            in_tour=True,
            options={
                "--rate": "status changes per second in total",
                "--watchers": "watchers of one user, comma separated: users are shared out among these audiences",
                "--deadline-ms": "an event after this is counted as late",
                "--subprotocol": "encoding of the gateway's frames",
            },
        ),
        Scenario(
            name="index_load",
            question="Does an index strategy still pay when reads and writes come mixed?",
            default_users=60,
            default_run_seconds=18,
            options={
                "--rate": "operations per second in total",
                "--write-factor": "how many times the published share of sends",
            },
            arms=("keys:strategy=none", "roadmap:strategy=roadmap", "membership:strategy=roadmap_membership"),
        ),
        Scenario(
            name="presence_churn",
            question="What does coming and going cost, and are watchers shown the truth?",
            default_users=52,
            default_run_seconds=24,
            options={
                "--rate": "flaps per second in total: changes of status, and connections lost",
                "--watchers": "watchers of one user, comma separated: users are shared out among these audiences",
                "--grace-seconds": "of the server: who is back within this time is not to be shown offline",
            },
            arm_presets={
                "graces": (
                    "5s",
                    "1s:presence_grace_seconds=1,grace-seconds=1",
                    "100ms:presence_grace_seconds=0.1,grace-seconds=0.1",
                ),
                "windows": (
                    "100ms",
                    "none:presence_coalescing_seconds=0",
                    "1s:presence_coalescing_seconds=1",
                ),
            },
        ),
    )
}
