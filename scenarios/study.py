"""Contract: what the query laboratory finds beside its timed lines; kept in its record's options under `study`.

Counters are exact and come from single executions under EXPLAIN; walks are counts of rows.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

SCENARIO = "queries"  # the laboratory's part of a run
OPTION = "study"
WRONG_RESULTS = "wrong_results"  # option: [statement, class, strategy] of what gave other rows than the truth
FEWEST_RUNGS = 3  # a line through two points fits every order

Order = Literal["flat", "falling", "logarithmic", "linear", "unknown"]


class Walk(msgspec.Struct, frozen=True, kw_only=True):
    """All pages of a list, one after the other, against the rows that were there when the walk began."""

    question: str
    statement: str
    strategy: str
    with_inserts: bool  # a message came in after each page
    page_limit: int
    pages: int
    rows: int  # that the walk should have met
    lost: int
    repeated: int
    example: str | None  # a lost row, or a repeated one

    @property
    def complete(self) -> bool:
        """True when every row came once."""
        return not self.lost and not self.repeated


class Rung(msgspec.Struct, frozen=True, kw_only=True):
    """One execution on the way from small to large."""

    size: int
    rows: int
    buffers: int
    buffers_read: int | None = None  # of them, not found among the shared buffers; None where that was not looked at


class Growth(msgspec.Struct, frozen=True, kw_only=True):
    """How a statement's buffers grow with something in the data."""

    question: str | None
    statement: str
    strategy: str
    parameter_class: str | None = None  # None where the sizes are classes of their own
    along: str  # what grows, such as "conversations of the user"
    order: Order
    rungs: tuple[Rung, ...]

    @property
    def compared(self) -> tuple[Rung, ...]:
        """The rungs that the order is judged by."""
        return comparable(self.rungs)


def comparable(rungs: Sequence[Rung]) -> tuple[Rung, ...]:
    """Those with a full page, where there are enough: a list that ends early costs less because it gives less."""
    most = max((rung.rows for rung in rungs), default=0)
    full = tuple(rung for rung in rungs if rung.rows == most)
    return full if len({rung.size for rung in full}) >= FEWEST_RUNGS else tuple(rungs)


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """One of the data sets over which growth is followed, beside the memory that PostgreSQL had for it."""

    size: str
    messages: int
    database_bytes: int  # of one copy without a strategy's indexes
    shared_buffers_bytes: int  # for the copies of all strategies together

    @property
    def exceeds_shared_buffers(self) -> bool:
        """True when not even one copy fits."""
        return self.database_bytes > self.shared_buffers_bytes


class PlanModes(msgspec.Struct, frozen=True, kw_only=True):
    """One statement planned for its values, and planned once for all values."""

    statement: str
    parameter_class: str
    strategy: str
    custom_buffers: int
    generic_buffers: int
    custom_plan: str | None  # files in plans/; None where both are the same
    generic_plan: str | None
    same_plan: bool


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """Why a cell is as it is, read off its plan and the catalog."""

    statement: str
    parameter_class: str
    strategy: str
    kind: str
    sentence: str


class IndexScan(msgspec.Struct, frozen=True, kw_only=True):
    """What an index saves a statement that no policy binds: exact counters, read by the administrator."""

    statement: str
    parameter_class: str  # in which the index saves most
    baseline_buffers: int
    buffers: int
    index_only: bool  # answered by the index alone
    index_only_with_policies: bool


class IndexUse(msgspec.Struct, frozen=True, kw_only=True):
    """Which statements one index of a strategy has a part in."""

    strategy: str
    name: str
    statements: tuple[str, ...]  # that read their tables through it
    sub_plan_statements: tuple[str, ...]  # whose sub-plans alone do, such as those of policies
    passed_over_by: tuple[str, ...]  # that read its table and never through it
    scans: tuple[IndexScan, ...] = ()  # one per statement that reads through it when no policy binds it
    unfit_for: dict[str, str] = {}  # statement → why it could not have used the index, of those that pass it over


class IndexCost(msgspec.Struct, frozen=True, kw_only=True):
    """What one index of a strategy costs to build and to keep."""

    strategy: str
    name: str
    fresh_bytes: int
    churned_bytes: int | None = None  # after the blocks' writes; None when they did not get there
    build_ms: float | None = None  # CREATE INDEX, nobody else at work
    concurrent_build_ms: float | None = None  # CREATE INDEX CONCURRENTLY, messages coming in
    concurrent_sends: int | None = None  # messages sent during it


class DesignSize(msgspec.Struct, frozen=True, kw_only=True):
    """A table of another design with all its partitions, before the blocks' writes and after them."""

    table: str
    fresh_rows: int
    fresh_table_bytes: int
    fresh_index_bytes: int
    churned_rows: int | None = None  # None, as the next two, when the blocks did not get there
    churned_table_bytes: int | None = None
    churned_index_bytes: int | None = None


class Storing(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of one way of storing messages, by several sessions at once, right after a checkpoint."""

    statement: str
    sessions: int
    block: int
    commits: int  # of all sessions together, one message each
    seconds: float
    wal_bytes: int  # of the turn, pages that were written whole included
    waiting_sessions: float  # for the lock of NOTIFY, mean over looks during the turn


class Study(msgspec.Struct, frozen=True, kw_only=True):
    """Everything beside the timed lines."""

    walks: tuple[Walk, ...] = ()
    growths: tuple[Growth, ...] = ()
    scales: tuple[Scale, ...] = ()
    plan_modes: tuple[PlanModes, ...] = ()
    causes: tuple[Cause, ...] = ()
    index_uses: tuple[IndexUse, ...] = ()
    index_costs: tuple[IndexCost, ...] = ()
    design_sizes: tuple[DesignSize, ...] = ()
    storing: tuple[Storing, ...] = ()


def study_of(options: dict[str, Any]) -> Study:
    """The study in a record's options; an empty one when there is none. ValueError when it is damaged."""
    try:
        return msgspec.convert(options.get(OPTION, {}), Study)
    except msgspec.ValidationError as error:
        raise ValueError(f"the laboratory's study is damaged: {error}") from error
