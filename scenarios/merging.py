"""Contract: counts and ledgers of several processes, blocks or records, added up. Pure."""

from collections.abc import Iterable

from scenarios.metrics import COUNTS
from scenarios.run_records import CountRecord, LedgerTotals

_COUNTS = tuple(name for name in LedgerTotals.__struct_fields__ if name not in {"scenario", "labels"})


def merged_ledgers(ledgers: Iterable[LedgerTotals]) -> list[LedgerTotals]:
    """Totals of the same scenario and labels added up: each recipient and each send is in one process's books."""
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[LedgerTotals]] = {}
    for totals in ledgers:
        groups.setdefault((totals.scenario, tuple(sorted(totals.labels.items()))), []).append(totals)
    return [
        LedgerTotals(
            scenario=scenario,
            labels=dict(labels),
            **{name: sum(getattr(one, name) for one in group) for name in _COUNTS},
        )
        for (scenario, labels), group in groups.items()
    ]


def merged_counts(counts: Iterable[CountRecord]) -> list[CountRecord]:
    """Counts of the same name and labels added up, and quotients of the sums, in order."""
    added: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for one in counts:
        key = one.name, tuple(sorted(one.labels.items()))
        added[key] = added.get(key, 0) + one.value
    for count in COUNTS.values():
        if count.quotient_of is not None:
            above, below = count.quotient_of
            for name, labels in list(added):
                if name == above and added.get((below, labels)):
                    added[count.name, labels] = round(added[above, labels] / added[below, labels], 3)
    return [CountRecord(name=name, labels=dict(labels), value=value) for (name, labels), value in sorted(added.items())]
