"""Contract: whether everything that was acknowledged is shown, once. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from scenarios.run_records import LedgerTotals


def completeness(
    scenario: str, labels: Mapping[str, str], acknowledged: Collection[str], shown: Iterable[str]
) -> LedgerTotals:
    """Acknowledged messages, each of which must be shown once, against what is shown; by their ids."""
    copies = Counter(shown)
    present = [copies[one] for one in acknowledged if copies[one]]
    return LedgerTotals(
        scenario=scenario,
        labels=dict(labels),
        messages=len(acknowledged),
        expected=len(acknowledged),
        delivered=len(present),
        missing=len(acknowledged) - len(present),
        duplicate=sum(present) - len(present),
        reordered=0,
        late=0,
        leaked=0,
    )
