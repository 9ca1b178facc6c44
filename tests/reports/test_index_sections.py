"""The report of the query laboratory: answers, choice, costs and plan changes, from runs with known truth."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from fixtures.errors import InputError
from reports.index_record import IndexRecord, read_index_record
from reports.measurements import read_measurements
from reports.report import render, summarise
from reports.section import Section
from reports.strategy_choice import Costs, costs, dominated, flips, mixes
from scenarios.run_folder import RunFolder
from scenarios.run_records import QueryLine, ScenarioRecord
from scenarios.study import (
    Cause,
    DesignSize,
    Growth,
    IndexCost,
    IndexScan,
    IndexUse,
    PlanModes,
    Rung,
    Scale,
    Storing,
    Study,
    Walk,
)

BLOCKS = 8


def lines_of(parts: SimpleNamespace, strategy: str, statement: str, us: float, **changes: Any) -> list[QueryLine]:
    """One line per block, all with the same latency."""
    return [parts.query(block, strategy, statement, "hot", latency_us=(us, us), **changes) for block in range(BLOCKS)]


def run_of(
    build_run: Any, parts: SimpleNamespace, queries: list[QueryLine], study: Study | dict[str, int], **options: Any
) -> RunFolder:
    """A run of the laboratory alone."""
    record = ScenarioRecord(
        name="queries",
        options={"baseline": "none", "study": msgspec.to_builtins(study), **options},
        started_second=0,
        seconds=10,
    )
    folder: RunFolder = build_run(queries=queries)
    manifest = folder.read_manifest()
    manifest.scenarios = [record]
    folder.write_manifest(manifest)
    return folder


def record_of(folder: RunFolder) -> IndexRecord:
    record = read_index_record(read_measurements(folder.path))
    assert record is not None
    return record


def section(folder: RunFolder, name: str) -> Section:
    return next(item for item in summarise(folder.path).sections if item.name == name)


def mixed_lines(
    parts: SimpleNamespace, strategy: str, read_us: float, write_us: float, buffers: int
) -> list[QueryLine]:
    """A read and a write of the workload."""
    read = lines_of(parts, strategy, "list_messages", read_us, buffers_hit=buffers, buffers_read=0)
    write = lines_of(parts, strategy, "send_message", write_us, buffers_hit=10, buffers_read=0, wal_bytes=500)
    return [*read, *write]


def test_the_flip_lies_where_both_cost_the_same(build_run: Any, parts: SimpleNamespace) -> None:
    """Reads 300 against 100, writes 100 against 300: at half and half both cost 200."""
    queries = mixed_lines(parts, "none", 300, 100, 50) + mixed_lines(parts, "fast", 100, 300, 10)
    found = costs(record_of(run_of(build_run, parts, queries, Study())))
    told = mixes(found)
    assert [mix.best for mix in told if mix.read_share != 0.5] == ["none"] * 5 + ["fast"] * 5
    assert [mix.indistinguishable for mix in told if mix.read_share in (0.0, 1.0)] == [(), ()]
    (flip,) = flips(told, found)
    assert (flip.below, flip.above) == ("none", "fast")
    assert flip.read_share == pytest.approx(0.5)
    assert flip.interval is not None
    assert (flip.interval.low, flip.interval.high) == (pytest.approx(0.5), pytest.approx(0.5))


def test_alike_strategies_are_indistinguishable_at_every_mix() -> None:
    """Ratios on both sides of one leave the choice open."""
    wobble = {block: 100.0 + (5 if block % 2 else -5) for block in range(BLOCKS)}
    still = dict.fromkeys(range(BLOCKS), 100.0)
    told = mixes({"none": Costs(still, still), "other": Costs(wobble, wobble)})
    assert len(told) == 11
    assert all(len(mix.indistinguishable) == 1 for mix in told)


def test_one_strategy_makes_no_mix(build_run: Any, parts: SimpleNamespace) -> None:
    """There is nothing to choose."""
    folder = run_of(build_run, parts, mixed_lines(parts, "none", 1, 1, 1), Study())
    assert mixes(costs(record_of(folder))) == []
    assert [item.name for item in summarise(folder.path).sections if item.name == "index_choice"] == []


def test_a_strategy_that_is_nowhere_better_is_dominated(build_run: Any, parts: SimpleNamespace) -> None:
    """More index for the same counters; a strategy that saves anything anywhere is not."""
    queries = [line for name in ("none", "fat") for line in mixed_lines(parts, name, 100, 100, 50)]
    queries += mixed_lines(parts, "quick", 100, 100, 10)
    built = {name: {"new_indexes": ["i"], "index_bytes": {"i": 9_000_000}} for name in ("fat", "quick")}
    folder = run_of(build_run, parts, queries, Study(), strategies=built)
    assert [(item.strategy, item.by) for item in dominated(record_of(folder))] == [("fat", "none")]
    assert "“fat” is dominated by “none”." in section(folder, "index_choice").reading


def test_answers_tell_losses_and_growth(build_run: Any, parts: SimpleNamespace) -> None:
    """Which statement loses how many rows, and which grows while another stays flat."""
    walks = tuple(
        Walk(question="q", statement=name, strategy="none", with_inserts=False, page_limit=50, pages=3, rows=120,
             lost=lost, repeated=0, example="(x)" if lost else None)
        for name, lost in (("by_time", 7), ("by_seq", 0))
    )  # fmt: skip
    growths = tuple(
        Growth(question="q", statement=name, strategy="none", along="conversations of the user", order=order,
               rungs=tuple(Rung(size=size, rows=10, buffers=buffers) for size, buffers in counts))
        for name, order, counts in (
            ("either", "linear", ((10, 20), (100, 200), (1000, 2000))),
            ("union", "flat", ((10, 25), (100, 25), (1000, 26))),
        )
    )  # fmt: skip
    study = Study(walks=walks, growths=growths)  # type: ignore[arg-type]  # the table's orders are orders
    queries = mixed_lines(parts, "none", 1, 1, 1)
    folder = run_of(
        build_run, parts, queries, study, wrong_results=[["by_time", "tie", "none"]], questions={"by_time": "q"}
    )
    reading = section(folder, "index_answers").reading
    assert "by_time gave wrong rows for tie." in reading
    assert "by_time loses 7 of 120 rows on ties alone." in reading
    assert "by_seq gives every row once." in reading
    assert (
        "With the conversations of the user, under “none”, either (20 to 2\u202f000 buffers) grows while "
        "union (25 to 26 buffers) stays flat." in reading
    )
    numbers = summarise(folder.path).numbers
    assert numbers["index_answers.walk_lost.inserts=false,statement=by_time,strategy=none"].value == 7
    assert numbers["index_answers.walk_lost.inserts=false,statement=by_time,strategy=none"].bad


BEYOND = (
    "Of 2 data sets medium (80.0 MB) is larger than the shared buffers (50.0 MB). There the statements, one after the "
    "other, read 900 of 1\u202f010 buffers from outside of them; most of them by_offset (deep) under “none”, 900 of "
    "1\u202f000."
)


@pytest.mark.parametrize(
    ("memory", "sentence"),
    [(50_000_000, BEYOND), (90_000_000, "Every data set fits into the shared buffers (90.0 MB).")],
)
def test_a_size_beyond_shared_buffers_is_told(
    build_run: Any, parts: SimpleNamespace, memory: int, sentence: str
) -> None:
    """With the measured bytes of both, and what had to be read there."""
    scales = tuple(
        Scale(size=size, messages=messages, database_bytes=size_bytes, shared_buffers_bytes=memory)
        for size, messages, size_bytes in (("small", 100, 8_000_000), ("medium", 1000, 80_000_000))
    )
    growths = tuple(
        Growth(question="q", statement=name, strategy="none", parameter_class="deep", along="messages in the data set",
               order="unknown",
               rungs=tuple(Rung(size=size, rows=10, buffers=count, buffers_read=read) for size, count, read in counts))
        for name, counts in (
            ("by_offset", ((100, 100, 0), (1000, 1000, 900))),
            ("by_seq", ((100, 10, 0), (1000, 10, 0))),
        )
    )  # fmt: skip
    study = Study(growths=growths, scales=scales)
    folder = run_of(build_run, parts, mixed_lines(parts, "none", 1, 1, 1), study)
    assert sentence in section(folder, "index_answers").reading
    numbers = summarise(folder.path).numbers
    assert numbers["index_answers.database_megabytes.size=medium"].value == 80
    key = "along=messages in the data set,parameter_class=deep,statement=by_offset,strategy=none"
    assert numbers[f"index_answers.largest_buffers_read.{key}"].value == 900


def test_growth_is_told_where_statements_differ(build_run: Any, parts: SimpleNamespace) -> None:
    """Not under a strategy with which all are alike, however many are flat there."""
    growths = tuple(
        Growth(
            question="q",
            statement=name,
            strategy=strategy,
            along="messages before the page",
            order=order,  # type: ignore[arg-type]  # the table's orders are orders
            rungs=tuple(Rung(size=size, rows=10, buffers=buffers) for size in (1, 10, 100)),
        )
        for strategy, name, order, buffers in (
            ("none", "offset", "flat", 900),
            ("none", "keyset", "flat", 900),
            ("index", "offset", "linear", 50),
            ("index", "keyset", "flat", 45),
        )
    )
    folder = run_of(build_run, parts, mixed_lines(parts, "none", 1, 1, 1), Study(growths=growths))
    assert section(folder, "index_answers").reading == (
        "With the messages before the page, under “index”, offset (50 to 50 buffers) grows while "
        "keyset (45 to 45 buffers) stays flat."
    )


def test_costs_tell_lost_hot_updates_with_their_cause(build_run: Any, parts: SimpleNamespace) -> None:
    """From nearly all to none, with the WAL and the column that is indexed."""
    queries = lines_of(parts, "none", "send_message", 100, wal_bytes=400, hot_share=0.95, wal_records=5)
    queries += lines_of(parts, "pair", "send_message", 100, wal_bytes=1_000, hot_share=0.0, wal_records=9)
    cause = Cause(
        statement="send_message", parameter_class="hot", strategy="pair", kind="hot", sentence="HOT lost: c.t is in i"
    )
    cost = IndexCost(strategy="pair", name="i", fresh_bytes=8_000, churned_bytes=16_000, build_ms=5.0)
    folder = run_of(build_run, parts, queries, Study(causes=(cause,), index_costs=(cost,)))
    found = section(folder, "index_costs")
    assert (
        "Under “pair”, send_message (hot) goes from 95.0 % heap-only updates to 0 % and writes 2.50 × the WAL of "
        "“none” (HOT lost: c.t is in i)." in found.reading
    )
    numbers = summarise(folder.path).numbers
    labels = "parameter_class=hot,statement=send_message,strategy=pair"
    assert numbers[f"index_costs.wal_records.{labels}"].value == 9
    assert numbers["index_costs.churned_kilobytes.index=i,strategy=pair"].value == 16.0
    assert numbers["index_costs.concurrent_build_ms.index=i,strategy=pair"].value is None


def test_policies_that_change_places_are_told(build_run: Any, parts: SimpleNamespace) -> None:
    """Faster for few memberships and slower for many, in every block."""
    queries = mixed_lines(parts, "none", 1, 1, 1)
    for parameter_class, exists_us in (("few", 50.0), ("many", 900.0)):
        for policy, us in (("rls_off", 40.0), ("exists", exists_us), ("scalar_subquery", 100.0)):
            queries += [
                parts.query(
                    block, "s", "list_messages", parameter_class, latency_us=(us,), policy=policy,
                    buffers_hit=int(us), buffers_read=0,
                )
                for block in range(BLOCKS)
            ]  # fmt: skip
    folder = run_of(build_run, parts, queries, Study())
    assert section(folder, "index_plans").reading == (
        "The policy that reads the fewest buffers for list_messages changes with the memberships: "
        "exists for few (50) and scalar_subquery for many (100). "
        "By time, exists and scalar_subquery change places on list_messages: "
        "exists is faster for few and scalar_subquery is faster for many."
    )
    assert {cell.strategy for cell in summarise(folder.path).strategies.cells} == {"none"}


def test_plan_modes_tell_the_largest_difference(build_run: Any, parts: SimpleNamespace) -> None:
    """With both counts, each opening its plan."""
    modes = tuple(
        PlanModes(
            statement=name, parameter_class="hot", strategy="none", custom_buffers=custom, generic_buffers=generic,
            custom_plan=None if same else "c.json", generic_plan=None if same else "g.json", same_plan=same,
        )
        for name, custom, generic, same in (("a", 5, 5, True), ("b", 10, 12, False), ("c", 10, 500, False))
    )  # fmt: skip
    folder = run_of(build_run, parts, mixed_lines(parts, "none", 1, 1, 1), Study(plan_modes=modes))
    found = section(folder, "index_plans")
    assert found.reading == (
        "2 of 3 cells are planned otherwise for all values than for their own; the largest difference is c (hot) under "
        "“none”: 10 buffers custom, 500 generic."
    )
    assert [number.link for number in found.tables[0].numbers] == ["plans/c.json", "plans/g.json"] * 2


def test_an_index_s_use_is_told_and_cells_open_their_plans(build_run: Any, parts: SimpleNamespace) -> None:
    """Whom it saves how much, who passes it over; the page links each buffer count to its plan."""
    queries = mixed_lines(parts, "none", 1, 1, 400) + mixed_lines(parts, "third", 1, 1, 4)
    uses = tuple(
        IndexUse(
            strategy="third", name=name, statements=(user,), sub_plan_statements=(), passed_over_by=("list_members",)
        )
        for name, user in (("i", "list_messages"), ("j", "send_message"))
    )
    folder = run_of(build_run, parts, queries, Study(index_uses=uses))
    reading = section(folder, "index_choice").reading
    assert "i of “third” serves list_messages (400 to 4 buffers)." in reading
    assert "j of “third” saves no statement 20 % of its buffers." in reading
    numbers = summarise(folder.path).numbers
    assert numbers["index_choice.use_buffers.index=i,statement=list_messages,strategy=third"].value == 4
    page = render(folder.path).page.read_text(encoding="utf-8")
    assert f'<a href="plans/{queries[-1].plan}">' in page


def scan(statement: str, before: int, after: int, *, index_only: bool) -> IndexScan:
    """What an index saves without policies, with which it is never enough by itself."""
    return IndexScan(
        statement=statement,
        parameter_class="hot",
        baseline_buffers=before,
        buffers=after,
        index_only=index_only,
        index_only_with_policies=False,
    )


def test_what_policies_hide_is_told_without_them(build_run: Any, parts: SimpleNamespace) -> None:
    """An index whose gain is small beside its readers' policies, whom it saves little, and whom it can never serve."""
    queries = mixed_lines(parts, "none", 1, 1, 400) + mixed_lines(parts, "third", 1, 1, 390)
    use = IndexUse(
        strategy="third",
        name="i",
        statements=("list_messages",),
        sub_plan_statements=(),
        passed_over_by=("list_memberships",),
        scans=(
            scan("list_messages", 15, 4, index_only=True),
            scan("find_user", 64, 62, index_only=False),
        ),
        unfit_for={"list_memberships": "the statement says nothing of c, its first column"},
    )
    reading = section(run_of(build_run, parts, queries, Study(index_uses=(use,))), "index_choice").reading
    assert (
        "i of “third” serves list_messages where no policy binds it (15 to 4 buffers, by the index alone; a policy "
        "asks for columns that it does not hold), saves little of find_user (64 to 62 buffers), and cannot serve "
        "list_memberships (the statement says nothing of c, its first column)."
    ) in reading


def test_a_run_without_a_study_has_its_choice_alone(build_run: Any, parts: SimpleNamespace) -> None:
    """Sections without anything to show are left out."""
    queries = mixed_lines(parts, "none", 1, 1, 1) + mixed_lines(parts, "b", 1, 1, 1)
    names = [item.name for item in summarise(run_of(build_run, parts, queries, Study()).path).sections]
    assert "index_choice" in names
    assert not {"index_answers", "index_plans"} & set(names)


def test_a_damaged_study_is_one_sentence(build_run: Any, parts: SimpleNamespace) -> None:
    """With the way out."""
    folder = run_of(build_run, parts, mixed_lines(parts, "none", 1, 1, 1), {"walks": 3})
    with pytest.raises(InputError, match=r"the laboratory's study is damaged: .*; run the query laboratory again"):
        summarise(folder.path)


def test_other_designs_are_told_with_sizes_costs_and_the_lock_of_notify(build_run: Any, parts: SimpleNamespace) -> None:
    """Every design against its question's plain one, by counters, and what several sessions at once make of NOTIFY."""
    sizes = tuple(
        DesignSize(table=name, fresh_rows=100, fresh_table_bytes=8000, fresh_index_bytes=index_bytes, churned_rows=150,
                   churned_table_bytes=16000, churned_index_bytes=2 * index_bytes)
        for name, index_bytes in (("by_chance", 9000), ("by_time", 6000))
    )  # fmt: skip
    turns = tuple(
        Storing(statement=name, sessions=sessions, block=block, commits=100, seconds=seconds, wal_bytes=wal_bytes,
                waiting_sessions=waiting if sessions == 8 else 0)
        for block in range(BLOCKS)
        for sessions in (1, 8)
        for name, seconds, wal_bytes, waiting in (
            ("store_by_time", 0.1, 60_000, 0.0),
            ("store_by_chance", 0.1, 300_000, 0.0),
            ("store_and_notify", 0.1 if sessions == 1 else 0.4, 70_000, 6.0),
        )
    )  # fmt: skip
    queries = [
        *lines_of(parts, "none", "store_by_time", 100, buffers_hit=5, buffers_read=0, wal_bytes=600),
        *lines_of(parts, "none", "store_by_chance", 100, buffers_hit=6, buffers_read=0, wal_bytes=900),
        *lines_of(parts, "none", "touch_full", 100, buffers_hit=50, buffers_read=0, wal_bytes=900, hot_share=0.5),
        *lines_of(parts, "none", "touch_roomy", 100, buffers_hit=40, buffers_read=0, wal_bytes=450, hot_share=1.0),
    ]
    questions = {"store_by_time": "storing", "store_by_chance": "storing", "store_and_notify": "storing"}
    questions |= {"touch_full": "touching", "touch_roomy": "touching"}
    study = Study(design_sizes=sizes, storing=turns)
    folder = run_of(build_run, parts, queries, study, questions=questions)
    reading = section(folder, "index_designs").reading
    assert reading == (
        "Against store_by_time, store_by_chance (hot) writes 1.50 × the WAL and touches 6 buffers instead of 5. "
        "Against touch_full, touch_roomy (hot) writes 0.50 × the WAL, keeps 100 % of its updates heap-only instead of "
        "50 % and touches 40 buffers instead of 50. "
        "With the same 100 rows, fresh: by_time 8 kB, indexes 6 kB; by_chance 8 kB, indexes 9 kB. "
        "With one session, a NOTIFY per message leaves 1.00 × the commits per second (between 1.00 and 1.00: "
        "indistinguishable), and 0 sessions wait for its lock at a time. "
        "With 8 sessions at once, a NOTIFY per message leaves 0.25 × the commits per second (between 0.25 and 0.25), "
        "and 6.00 sessions wait for its lock at a time. "
        "After a checkpoint, a message under a key of chance writes 3\u202f000 B of WAL, and 600 B under one that "
        "grows with time."
    )
    numbers = summarise(folder.path).numbers
    assert numbers["index_designs.commits_ratio.sessions=8,statement=store_and_notify"].value == pytest.approx(0.25)
    assert numbers["index_designs.churned_index_kilobytes.table=by_chance"].value == 18


def test_a_run_without_other_designs_tells_nothing_of_them(build_run: Any, parts: SimpleNamespace) -> None:
    """No empty section."""
    folder = run_of(build_run, parts, mixed_lines(parts, "none", 1, 1, 1), Study())
    assert [item.name for item in summarise(folder.path).sections if item.name == "index_designs"] == []
