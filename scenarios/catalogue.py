"""Contract: the load scenarios there are, one question each; free of Locust, so that any program may list them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

# Of scenarios whose users are connected to the gateway.
GATEWAY_OPTIONS = {"--subprotocol": "encoding of the gateway's frames"}


def crossed(*axes: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The arms of every combination of the axes' levels; an axis is {level: its settings}, its first the baseline's.

    An arm is named after its levels, as in `msgpack-deflate-5ms`.
    """
    arms = []
    for levels in product(*(axis.items() for axis in axes)):
        settings = ",".join(setting for _, those in levels for setting in those)
        arms.append("-".join(level for level, _ in levels) + (f":{settings}" if settings else ""))
    return tuple(arms)


_ENCODINGS = {"json": (), "msgpack": ("subprotocol=chat.v1.msgpack",)}
_COMPRESSION = {"plain": (), "deflate": ("permessage_deflate=true",)}
_WINDOWS = {"0ms": (), "5ms": ("message_coalescing_seconds=0.005",)}


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
    # Servers that one generator compares with its target, all on the target's database: name → settings, NAME=VALUE.
    peers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    needs_replica: bool = False  # the peers read from a streaming replica

    @property
    def own_options(self) -> dict[str, str]:
        """Those of its options that no other scenario shares."""
        return {name: meaning for name, meaning in self.options.items() if name not in GATEWAY_OPTIONS}

    @property
    def file(self) -> Path:
        """Its Locust file."""
        return Path(__file__).parent / "load" / f"{self.name}.py"


SPAWN_RATE = 100  # users per second who connect when nothing else is said; Locust warns above it
# Options that every load scenario takes, beside Locust's own (--host, --users, --spawn-rate, --run-time, …).
COMMON_OPTIONS = {
    "--run-folder": "write into this run folder; default: a new one under out/runs",
    "--login-key": "key that lets the generator log in as any user (env CHATBENCH_LOGIN_KEY)",
    "--seed": "same seed, same users, schedules and contents",
    "--arrivals": "poisson or fixed: how intended starts are spaced",
    "--shape": "multiplies the rate in time: 10s@0.5,20s@0.5..2,5s@4 is seconds at a factor, or from one to another",
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
            default_users=30,
            default_run_seconds=24,
            in_tour=True,
            options={
                "--rate": "pages per second of each user",
                "--write-rate": "messages per second that others write, in total",
                "--page-size": "messages per page",
                "--think-seconds": "readers wait for each page and then think this long on average; 0: open loop",
                "--peers": "servers on the same database that page otherwise, NAME=URL,…; a run starts its own",
            },
            peers={way: (f"message_paging={way}",) for way in ("created_at", "offset")},
            arm_presets={"writers": ("none:write-rate=0", "some:write-rate=20", "many:write-rate=80")},
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
                **GATEWAY_OPTIONS,
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
                "crossed": crossed(_ENCODINGS, _COMPRESSION, _WINDOWS),
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
                **GATEWAY_OPTIONS,
            },
        ),
        Scenario(
            name="connect_storm",
            question="How fast is everyone back after all connections were lost at once?",
            default_users=100,
            default_run_seconds=28,
            options={
                "--rate": "messages per second in total, sent during outages as well",
                "--group-size": "members per group",
                "--conversations": "groups that each user is in",
                "--outage-seconds": "how long nobody is connected",
                "--window-seconds": "gentle storms: users return at random moments within this time",
                **GATEWAY_OPTIONS,
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
                **GATEWAY_OPTIONS,
            },
        ),
        Scenario(
            name="receipts",
            question="How fast does “read” come back, and how many events does it cost?",
            default_users=60,
            default_run_seconds=24,
            options={
                "--rate": "marks as read per second in total, shared evenly by the groups",
                "--group-sizes": "members per group, comma separated",
                "--deadline-ms": "a receipt after this is counted as late",
                **GATEWAY_OPTIONS,
            },
        ),
        Scenario(
            name="inbox",
            question="What do the list of conversations and its unread counts cost for light and heavy users?",
            default_users=24,
            default_run_seconds=24,
            options={
                "--rate": "lists per second in total, shared evenly by the classes of users",
                "--write-rate": "messages per second that others write to them, in total",
                "--mark-rate": "marks as read per second, in total",
                "--conversations": "conversations of a user, comma separated: a class of users for each",
            },
        ),
        Scenario(
            name="hot_conversation",
            question="Where is the ceiling of one busy conversation, against the same senders spread over many?",
            default_users=24,
            default_run_seconds=28,
            options={
                "--rates": "messages per second, comma separated: each is offered to one conversation and to many",
                "--window-seconds": "how long a rate is offered at a time",
                "--listeners": "connected users, who receive every message",
                **GATEWAY_OPTIONS,
            },
        ),
        Scenario(
            # Not `typing`: Locust imports the file by its name, which is one of Python's own modules.
            name="typing_indicators",
            question="What do typing indicators add, and how exactly do they expire?",
            default_users=24,
            default_run_seconds=28,
            options={
                "--rate": "messages per second in total, the same with typing and without",
                "--audiences": "watchers of one typist, comma separated",
                "--typists": "typists at a time in one room, comma separated: a room for each, for every audience",
                "--window-seconds": "length of a window with or without typing",
                "--typing-expiry-seconds": "how long the server lets a start count",
                **GATEWAY_OPTIONS,
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
                **GATEWAY_OPTIONS,
            },
        ),
        Scenario(
            name="noop",
            question="What does the harness itself cost?",
            default_users=60,
            default_run_seconds=32,
            options={
                "--rate": "requests per second, while requests are measured",
                "--message-rate": "messages, receipts or begins of typing per second, while those are measured",
                "--change-rate": "changes of presence per second, while those are measured",
                "--watchers": "users who watch the presence of all others",
                "--group-sizes": "members per group, comma separated",
                "--window-seconds": "how long each kind of work has its turn",
                **GATEWAY_OPTIONS,
            },
        ),
        Scenario(
            name="index_load",
            question="Does an index strategy still pay when reads and writes come mixed?",
            default_users=60,
            # 2.5 s for each of six blocks, and about as much until a generator has begun: a minute for two arms.
            default_run_seconds=15,
            options={
                "--rate": "operations per second in total",
                "--write-factor": "how many times the published share of sends",
            },
            arms=("keys:strategy=none", "membership:strategy=roadmap_membership"),
            arm_presets={
                "strategies": (
                    "keys:strategy=none",
                    "roadmap:strategy=roadmap",
                    "membership:strategy=roadmap_membership",
                    "best:strategy=best_known",
                )
            },
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
                **GATEWAY_OPTIONS,
            },
            arm_presets={
                "rates": ("calm:rate=3", "busy:rate=15", "wild:rate=45"),
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

# Run by `chatbench ab`, which starts both of its servers: no scenario of its own.
DUET = Scenario(
    name="duet",
    question="Is one of two servers slower, when both meet the same arrivals at the same time?",
    default_users=20,
    default_run_seconds=30,
    options={
        "--head-host": "URL of the second server; --host is the first",
        "--rate": "pairs of operations per second; 0: half of what both manage together, measured first",
        "--rounds": "rounds of this block",
        "--round-seconds": "length of a round; longer where a measured rate is too low for enough operations",
    },
)


def scenario_named(name: str) -> Scenario:
    """The scenario, or the duet; KeyError for a name that is neither."""
    return DUET if name == DUET.name else SCENARIOS[name]
