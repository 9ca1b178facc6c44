"""Duets of known truth give the shares, the real decisions and the sentences that they should."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from reports.distributions import decode
from reports.gate import proof_document
from reports.gate.duet import DELIVERY, REQUESTS, DuetData
from reports.gate.proof import Proof, TrialResult, prove
from reports.gate.trial_reading import record_of
from scenarios import histograms
from scenarios.gate_trials import TRIALS
from scenarios.run_records import ArmRecord, RunManifest, ScenarioRecord
from scenarios.trial_records import Amount, Trial, TrialRecord, append_record, read_records

IDENTICAL = Trial("A/A")
SLOW = Trial("one statement", 0.10, "list_conversations_ms_p50")
COMMAND = "chatbench doctor --gate"
ROOT = Path(__file__).parent.parent.parent.parent
COLUMNS = 7  # of the table of trials
DRAWN_CELL = 3
BASE_US = 5000
DRAWN = 10


def duet(
    *,
    trial: Trial = IDENTICAL,
    slow: float = 1.0,
    block_noise: float = 0.0,
    round_noise: float = 0.005,
    requests: int = 250,
    base_us: float = BASE_US,
    reasons: Sequence[Sequence[str]] = ((),) * 8,
) -> DuetData:
    """Eight blocks of five rounds; both arms share a block's noise, and list_conversations is slower in head."""
    random = Random(f"{slow} {block_noise} {round_noise}")
    values = {}
    for block in range(len(reasons)):
        shared = 1 + block_noise * random.uniform(-1, 1)
        for number in range(5):
            for operation in (*REQUESTS, DELIVERY):
                for arm in ("base", "head"):
                    factor = slow if (arm, operation) == ("head", "list_conversations") else 1.0
                    middle = base_us * shared * factor * (1 + round_noise * random.uniform(-1, 1))
                    spread = [round(middle * (0.9 + 0.2 * place / requests)) for place in range(requests)]
                    payload = histograms.encode(histograms.histogram_of(spread))
                    values[operation, arm, block, number] = decode(payload)
    records = [
        ScenarioRecord(
            name="duet", options={}, started_second=0, seconds=20, arm="pair", block=block, reasons=list(said)
        )
        for block, said in enumerate(reasons)
    ]
    manifest = RunManifest(
        run_id="run",
        title="duet",
        started_at="2026-01-02T03:04:05+00:00",
        finished_at="2026-01-02T03:24:05+00:00",
        seed=1,
        commit="abc",
        versions={},
        host={"cores": 2, "cpu": "a processor", "kernel": "6.1"},
        dataset=None,
        postgres_settings={},
        server_settings={},
        options={
            "trial": {**msgspec.to_builtins(trial), "delay_ms": 0.4},
            "blocks": 5,
            "head": "set:injected_delay=fan_out=1",
        },
        scenarios=records,
        arms={"duet": [ArmRecord(name=name, settings={"version": "."}) for name in ("base", "head")]},
        reasons=[reason for said in reasons for reason in said],
    )
    return DuetData(manifest, values, {}, {})


def record(trial: Trial, **how: Any) -> TrialRecord:
    """The line of a duet."""
    return record_of(duet(trial=trial, **how), 200.0, COMMAND)


def proven(*records: TrialRecord, trials: Sequence[Trial] = (IDENTICAL,)) -> Proof:
    """What they show, by few decisions."""
    return prove(records, trials, 5, 3, drawn=DRAWN, needed=Amount(identical=1, slowed=1))


def only(proof: Proof) -> TrialResult:
    """The one result."""
    (result,) = proof.results
    return result


def test_identical_arms_never_fail() -> None:
    """However much the blocks differ, as long as both arms share it; the aim is met and the real decision passes."""
    result = only(proven(record(IDENTICAL, block_noise=0.3)))
    assert (result.hits, sum(result.verdicts.values())) == (0, DRAWN)
    assert (len(result.decisions), result.real_hits) == (1, 0)
    assert result.is_met


def test_identical_arms_that_fail_by_a_counter_have_failed() -> None:
    """With no time slower: the verdict, which is CI's exit code, is what counts; which counter it was is kept."""
    data = duet()
    line = record_of(replace(data, base={"statements_per_request": 4.0}, head={"statements_per_request": 5.0}), 1, "")
    assert (line.verdict, line.slower, line.more) == ("REGRESSED", [], ["statements_per_request"])
    result = only(proven(line))
    assert (result.hits, result.real_hits, result.is_met) == (0, 1, False)


def test_a_slow_down_beyond_the_margin_is_found() -> None:
    """In every drawn decision and in the real one, and its size is told."""
    result = only(proven(record(SLOW, slow=1.1), trials=[SLOW]))
    assert result.hits == DRAWN
    assert result.real_hits == 1
    assert result.shift is not None
    assert result.shift.value == pytest.approx(1.1, abs=0.01)
    assert result.is_met


def test_a_slow_down_counts_by_what_it_came_to() -> None:
    """Meant to be 10 %: 4 and 15 % count nowhere and are told, 20 % counts as one of 20 %."""
    twice = Trial(SLOW.name, 0.20, SLOW.metric)
    proof = proven(*(record(SLOW, slow=slow) for slow in (1.04, 1.15, 1.2)), trials=[SLOW, twice])
    assert [len(one.decisions) for one in proof.results] == [0, 1]
    assert [one.effect for one in proof.uncounted] == pytest.approx([0.04, 0.15], abs=0.01)
    assert not proof.is_met
    text = proof_document.markdown(proof)
    assert "one statement, meant +10%, came to +3.9%, not found" in text


def test_a_decision_that_judges_nothing_has_found_nothing() -> None:
    """One was found, one was INVALID: half of them, which misses the aim."""
    late = "generator late_share_percent is 14.73"
    proof = proven(record(SLOW, slow=1.1), record(SLOW, slow=1.1, reasons=[[late], *[[]] * 7]), trials=[SLOW])
    assert (only(proof).real_share, only(proof).is_missed) == (0.5, True)
    assert "| 1 of 2 found (1 INVALID); of 2 meant to be so 1 found | ≥ 95%: missed |" in proof_document.markdown(proof)


def test_a_decision_that_measured_nothing_was_what_it_was_meant_to_be() -> None:
    """No slow-down was seen, so it counts for none but that; it is not forgotten."""
    nothing = msgspec.structs.replace(record(SLOW, slow=1.1), verdict="INVALID", effect=None, blocks=[], slower=[])
    result = only(proven(record(SLOW, slow=1.1), nothing, trials=[SLOW]))
    assert (len(result.decisions), len(result.unjudged), result.real_share) == (1, 1, 0.5)


def test_what_was_meant_is_counted_beside_what_it_came_to() -> None:
    """Those that came to 10 % are chosen by their own rounds; all that were to be so are told with them."""
    proof = proven(record(SLOW, slow=1.1), record(SLOW, slow=1.04), trials=[SLOW])
    assert (only(proof).real_hits, only(proof).meant_hits, len(only(proof).meant)) == (1, 1, 2)
    assert "| 1 of 1 found; of 2 meant to be so 1 found |" in proof_document.markdown(proof)


def test_few_real_decisions_can_only_contradict_an_aim() -> None:
    """One that passed does not show that at most one of a hundred fails."""
    proof = prove([record(IDENTICAL)], [IDENTICAL], 5, 3, drawn=DRAWN, needed=Amount(identical=2, slowed=1))
    assert (only(proof).is_missed, only(proof).is_met, proof.is_met) == (False, False, False)
    assert "≤ 1%: not contradicted by 1 of the 2 real decisions that it takes" in proof_document.markdown(proof)


def test_identical_rounds_made_slower_show_what_their_noise_lets_through() -> None:
    """Quiet ones find 10 %; where a round is off by 15 %, 10 % is missed."""
    quiet, loud = (proven(record(IDENTICAL, round_noise=noise)).powers for noise in (0.005, 0.3))
    shares = [[one.hits / one.drawn for one in powers if one.effect == 0.10] for powers in (quiet, loud)]
    assert shares[0] == [1.0] * 5
    assert max(shares[1]) < 0.5
    assert all(one.is_felt for one in quiet)  # 10 % of 5 ms


def test_what_is_below_the_floor_is_said_to_be() -> None:
    """10 % of a median of 1.5 ms is not looked for; 20 % of it is."""
    powers = proven(record(IDENTICAL, base_us=1500)).powers
    assert {(one.effect, one.is_felt) for one in powers} == {(0.10, False), (0.20, True)}
    assert all(one.hits == 0 for one in powers if not one.is_felt)


def test_decisions_that_judge_nothing_prove_nothing() -> None:
    """Too few operations: no failure of identical code, and no evidence that there would be none."""
    proof = proven(record(IDENTICAL, requests=100))
    assert only(proof).share is None
    assert len(only(proof).unjudged) == 1
    assert "100 operations in one round and 200 are needed" in proof_document.markdown(proof)
    assert not proof.is_met


def test_a_block_with_a_round_that_one_arm_lacks_is_not_drawn_from(tmp_path: Path) -> None:
    """Its line is whole, and can be read again."""
    data = duet()
    values = {key: value for key, value in data.values.items() if key != ("send_message", "head", 2, 1)}
    line = record_of(replace(data, values=values), 200.0, COMMAND)
    assert len(line.blocks) == 7
    append_record(tmp_path / "trials.jsonl", line)
    assert read_records(tmp_path / "trials.jsonl") == [line]


def test_a_rate_is_kept_as_it_was_asked_for() -> None:
    """Whatever was measured, or nothing: by it trials are told from those under another load."""
    data = duet()
    data.manifest.options["rate"] = 1234.5678
    assert record_of(data, 200.0, COMMAND).rate == 1234.5678


def test_drawn_decisions_alone_meet_no_aim() -> None:
    """Blocks of a duet that was INVALID can be drawn from; a real decision is missing."""
    late = "generator late_share_percent is 14.73"
    proof = proven(record(IDENTICAL, reasons=[[late] if block == 3 else [] for block in range(8)]))
    assert only(proof).blocks == 7
    assert (only(proof).hits, only(proof).share) == (0, 0.0)
    assert not proof.is_met
    assert late in proof_document.markdown(proof)


def test_what_was_not_tried_is_not_shown() -> None:
    """A trial without records is a line of its own, and no aim is met."""
    proof = proven(record(IDENTICAL), trials=[IDENTICAL, SLOW])
    assert not proof.is_met
    assert "| one statement, +10% | – | 0 | none | none | ≥ 95%: not shown | – |" in proof_document.markdown(proof)
    assert not proven().is_met


def test_calibrations_are_no_decisions() -> None:
    """They are counted beside them, and judged as nothing."""
    calibration = Trial(SLOW.name, SLOW.effect, SLOW.metric, is_calibration=True)
    proof = proven(record(IDENTICAL), record(calibration, slow=1.1), trials=[IDENTICAL, SLOW])
    assert [one.blocks for one in proof.results] == [8, 0]
    assert f"| abc | `{COMMAND}` | 1 | 1 |" in proof_document.markdown(proof)


def test_trials_under_another_load_are_left_out_and_told() -> None:
    """Those of the newest one's load are judged: noise and delays are different elsewhere."""
    other = msgspec.structs.replace(record(SLOW, slow=1.1), rate=432.0)
    proof = proven(other, record(IDENTICAL), trials=[IDENTICAL, SLOW])
    assert [one.blocks for one in proof.results] == [8, 0]
    assert "of another load: 1 trials" in proof_document.markdown(proof)


def test_stored_baselines_fail_on_what_blocks_share() -> None:
    """Blocks that differ by ± 30 % are slower or faster than each other, though the code is the same; trials add up."""
    stored = proven(*[record(IDENTICAL, block_noise=0.3)] * 2).stored
    assert stored is not None
    assert (stored.pairs, stored.comparisons) == (2 * 8 * 7, 2 * 8 * 7 * 5)
    assert stored.mean_failures > stored.comparisons / 4
    assert stored.rank_differences > stored.comparisons / 2


def test_stored_baselines_are_silent_where_nothing_differs() -> None:
    """Exactly alike blocks: the comparison beside the gate can come out well, too."""
    stored = proven(record(IDENTICAL, round_noise=0.0)).stored
    assert stored is not None
    assert (stored.mean_failures, stored.rank_differences) == (0, 0)


def test_the_document_names_machine_date_and_every_figure() -> None:
    """As Markdown, and as plain values that agree with it."""
    proof = proven(record(IDENTICAL, block_noise=0.1), record(SLOW, slow=1.1), trials=[IDENTICAL, SLOW])
    text = proof_document.markdown(proof)
    assert "2 cores (a processor), kernel 6.1; 0 pairs per second to each arm." in text
    assert f"| 2026-01-02 03:04 to 2026-01-02 03:24 | abc | `{COMMAND}` | 2 | 0 |" in text
    assert "| 0 of 10 failed (10 PASS) | 0 of 1 failed | ≤ 1%: met | 200 s |" in text
    assert "| 10 of 10 found | 1 of 1 found; of 1 meant to be so 1 found | ≥ 95%: met | 200 s |" in text
    assert "--benchmark-compare-fail=mean:5%" in text
    document = proof_document.document(proof)
    assert document["is_met"] is True
    assert [one["resampled_hits"] for one in document["trials"]] == [0, 10]
    assert [one["real_seconds"] for one in document["trials"]] == [[200.0], [200.0]]


def test_a_section_is_written_between_its_marks_alone() -> None:
    """What stands around it stays; a document without marks is none to write into."""
    marked = f"before\n{proof_document.BEGIN}\nold\n{proof_document.END}\nafter\n"
    written = proof_document.with_section(marked, "new\n")
    assert written == f"before\n{proof_document.BEGIN}\n\nnew\n\n{proof_document.END}\nafter\n"
    assert proof_document.with_section(written, "new\n") == written
    assert proof_document.with_section("before", "new") is None


def test_the_committed_document_is_that_of_the_committed_records() -> None:
    """All but what is drawn, line by line, and the aims by what was drawn; drawing again takes a minute."""
    proof = prove(read_records(ROOT / "docs" / "gate-trials.jsonl"), TRIALS, 5, 3, drawn=0)
    committed = (ROOT / "docs" / "gate.md").read_text(encoding="utf-8")
    section = committed.split(proof_document.BEGIN)[1].split(proof_document.END)[0].splitlines()
    drawn = [cells[DRAWN_CELL] for line in section if len(cells := line.strip("| ").split(" | ")) == COLUMNS][1:]
    results = [as_drawn(result, cell) for result, cell in zip(proof.results, drawn, strict=True)]
    for line in proof_document.markdown(replace(proof, results=tuple(results))).splitlines():
        if "| none |" not in line or len(line.strip("| ").split(" | ")) == COLUMNS:  # else a slow-down, which is drawn
            assert line in section


def as_drawn(result: TrialResult, cell: str) -> TrialResult:
    """The result with the drawn decisions that a cell of the table tells of."""
    hits = re.match(r"(\d+) of (\d+)", cell)
    if hits is None:
        return result
    verdicts = {name: int(count) for count, name in re.findall(r"(\d+) ([A-Z]+)", cell)}
    return replace(result, hits=int(hits[1]), verdicts=verdicts or {"REGRESSED": int(hits[2])})
