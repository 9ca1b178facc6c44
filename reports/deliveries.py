"""The ledger: which deliveries and paged messages were expected, and what came of them."""

from dataclasses import dataclass

from reports.measurements import Measurements
from reports.numbers import Cell, Column, Number, Table, number_key
from scenarios.merging import merged_ledgers
from scenarios.run_records import LedgerTotals

NAME = "ledger"

FAULTS = ("missing", "duplicate", "reordered", "late", "leaked")

MEASURES = ("expected", "delivered", "superseded", *FAULTS, "messages")

# The faults that make a delivery wrong whatever its speed.
WRONG = ("missing", "duplicate", "leaked")


@dataclass(frozen=True)
class LedgerSummary:
    """All ledgers of a run."""

    ledgers: tuple[LedgerTotals, ...] = ()

    @property
    def expected(self) -> int:
        """What should have come."""
        return sum(ledger.expected for ledger in self.ledgers)

    @property
    def wrong(self) -> int | None:
        """What did not come, came again, or came to a stranger; None without a ledger."""
        return sum(getattr(ledger, fault) for ledger in self.ledgers for fault in WRONG) if self.ledgers else None

    @property
    def superseded(self) -> int:
        """What a newer status replaced on the way: not due any more."""
        return self.total("superseded")

    def total(self, measure: str) -> int:
        """One of MEASURES over all ledgers."""
        return sum(getattr(ledger, measure) for ledger in self.ledgers)


def summarise_ledger(measurements: Measurements) -> LedgerSummary:
    """The run's ledgers by scenario and labels."""
    merged = merged_ledgers(measurements.ledger.ledgers)
    return LedgerSummary(tuple(sorted(merged, key=lambda ledger: (ledger.scenario, _natural(ledger)))))


def ledger_labels(ledger: LedgerTotals) -> str:
    """`group size 100`, for people."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in sorted(ledger.labels.items())) or "all"


def ledger_table(summary: LedgerSummary) -> Table | None:
    """Expected beside observed; None when the run kept no ledger."""
    if not summary.ledgers:
        return None
    rows: list[tuple[Cell, ...]] = [
        (
            f"{ledger.scenario}, {ledger_labels(ledger)}",
            *(
                _count(measure, getattr(ledger, measure), ledger, {**ledger.labels, "scenario": ledger.scenario})
                for measure in MEASURES
            ),
        )
        for ledger in summary.ledgers
    ]
    rows.append(
        (
            "all",
            *(_count(measure, summary.total(measure), summary, {}) for measure in MEASURES),
        )
    )
    columns = (Column("scenario"), *(Column(measure) for measure in MEASURES))
    return Table("Events per recipient, and messages per page", columns, tuple(rows))


def _count(measure: str, value: int, of: LedgerTotals | LedgerSummary, labels: dict[str, str]) -> Number:
    bad = value > 0 if measure in FAULTS else measure == "delivered" and value != of.expected - of.superseded
    return Number(number_key(NAME, measure, labels), value, bad=bad)


def _natural(ledger: LedgerTotals) -> list[tuple[str, int, str]]:
    return [
        (name, int(value) if value.isascii() and value.isdigit() else 0, value)
        for name, value in sorted(ledger.labels.items())
    ]
