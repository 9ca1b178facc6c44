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
    # Servers that one generator compares with its target, all on the target's database: name → settings, NAME=VALUE.
    peers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    needs_replica: bool = False  # the peers read from a streaming replica

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
            name="mixed_day",
            question="Does an ordinary day hold its objective, hour by hour and action by action?",
            default_users=60,
            default_run_seconds=40,  # a limit: the run ends with the day
            options={
                "--rate": "actions per second in total, as the mean of the day",
                "--day-seconds": "seconds that the compressed day takes",
                "--objective-ms": "an action that takes longer misses the objective",
                "--objective-share": "percent of all actions that must meet the objective",
            },
        ),
        Scenario(
            name="migration",
            question="What do users feel while the older chat is migrated, and does anything get lost?",
            default_users=24,
            default_run_seconds=40,  # a limit: the run ends with its last stage
            options={
                "--rate": "actions per second of all users together",
                "--stages": "percentages of users sent to the new chat, one stage each, ascending",
                "--stage-seconds": "how long each stage lasts, and the time before the first",
                "--batch-messages": "messages that the backfill copies between two pauses",
                "--pause-seconds": "the backfill's pause",
                "--back-out": "what the last stage does: roll_back, abort (before it is complete), or none",
            },
        ),
        Scenario(
            name="replica",
            question="What does a read replica buy, and what does reading from it break?",
            default_users=24,
            default_run_seconds=28,
            options={
                "--rate": "operations per second, on one server at a time",
                "--read-shares": "percent of operations that only read, comma separated; others write, then read that",
                "--window-seconds": "how long one server is measured at one share before the next one's turn",
                "--peers": "more servers on the same database, NAME=URL,…; a run of its own starts one per policy",
            },
            peers={policy: (f"read_your_writes={policy}",) for policy in ("primary", "wait", "eventual")},
            needs_replica=True,
        ),
        Scenario(
            name="soak",
            question="Does the chat stay the same for hours: memory, descriptors, latency?",
            default_users=50,
            default_run_seconds=45,  # a limit: the run ends with the soak
            options={
                "--hours": "how long the soak lasts, in its own time",
                "--compress": "how many times faster it passes, at as many times the rate; 1 is real time",
                "--rate": "messages per second in total, before compression",
                "--group-sizes": "members per group, comma separated",
            },
        ),
        Scenario(
            name="noop",
            question="What does the harness itself cost?",
            default_users=60,
            default_run_seconds=26,
            options={
                "--rate": "requests per second, while requests are measured",
                "--message-rate": "messages per second, while deliveries are measured",
                "--group-sizes": "members per group, comma separated",
                "--window-seconds": "how long each kind of work has its turn",
            },
        ),
    )
}
