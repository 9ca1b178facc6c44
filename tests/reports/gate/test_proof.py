"""Duets of known truth give the shares, the real decisions and the sentences that they should."""

from collections.abc import Sequence
from random import Random

import pytest

from reports.distributions import decode
from reports.gate import proof_document
from reports.gate.duet import DELIVERY, REQUESTS, DuetData
from reports.gate.proof import Proof, TrialKey, TrialResult, prove
from scenarios import histograms
from scenarios.run_folder import ArmRecord, RunManifest, ScenarioRecord

IDENTICAL = TrialKey("A/A")
SLOW = TrialKey("one statement", 0.10, "list_conversations_ms_p50")
BASE_US = 5000
DRAWN = 20


def duet(
    *,
    slow: float = 1.0,
    block_noise: float = 0.0,
    round_noise: float = 0.005,
    requests: int = 250,
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
                    middle = BASE_US * shared * factor * (1 + round_noise * random.uniform(-1, 1))
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
        options={},
        scenarios=records,
        arms={"duet": [ArmRecord(name=name, settings={"version": "."}) for name in ("base", "head")]},
        reasons=[reason for said in reasons for reason in said],
    )
    return DuetData(manifest, values, {}, {})


def only(proof: Proof) -> TrialResult:
    """The one result."""
    (result,) = proof.results
    return result


def test_identical_arms_never_fail() -> None:
    """However much the blocks differ, as long as both arms share it; the aim is met and the real decision passes."""
    result = only(prove([(IDENTICAL, duet(block_noise=0.3))], 5, 3, DRAWN))
    assert (result.hits, sum(result.verdicts.values())) == (0, DRAWN)
    assert (result.real, result.real_hits) == (1, 0)
    assert result.is_met


def test_a_slow_down_beyond_the_margin_is_found() -> None:
    """In every drawn decision and in the real one, and its size is told."""
    result = only(prove([(SLOW, duet(slow=1.1))], 5, 3, DRAWN))
    assert result.hits == DRAWN
    assert result.real_hits == 1
    assert result.shift is not None
    assert result.shift.value == pytest.approx(1.1, abs=0.01)
    assert result.is_met


def test_a_slow_down_within_the_margin_is_not_found() -> None:
    """The proof can fail: 4 % is below the margin of 5 %."""
    proof = prove([(SLOW, duet(slow=1.04))], 5, 3, DRAWN)
    assert only(proof).hits == 0
    assert not proof.is_met


def test_decisions_that_judge_nothing_prove_nothing() -> None:
    """Too few operations: no failure of identical code, and no evidence that there would be none."""
    proof = prove([(IDENTICAL, duet(requests=100))], 5, 3, DRAWN)
    assert only(proof).share is None
    assert only(proof).real_unjudged == 1
    assert not proof.is_met


def test_blocks_that_must_not_be_believed_are_left_out_and_told() -> None:
    """With their reasons."""
    late = "generator late_share_percent is 14.73"
    proof = prove([(IDENTICAL, duet(reasons=[[late] if block == 3 else [] for block in range(8)]))], 5, 3, DRAWN)
    assert (only(proof).blocks, only(proof).left_out) == (7, (late,))
    assert late in proof_document.markdown(proof, [])


def test_nothing_measured_is_nothing_proven() -> None:
    """No result, no aim met."""
    assert not prove([], 5, 3, DRAWN).is_met


def test_stored_baselines_fail_on_what_blocks_share() -> None:
    """Blocks that differ by ± 30 % are slower or faster than each other, though the code is the same."""
    stored = prove([(IDENTICAL, duet(block_noise=0.3))], 5, 3, DRAWN).stored
    assert stored is not None
    assert (stored.pairs, stored.comparisons) == (8 * 7, 8 * 7 * 5)
    assert stored.mean_failures > stored.comparisons / 4
    assert stored.rank_differences > stored.comparisons / 2


def test_stored_baselines_are_silent_where_nothing_differs() -> None:
    """Exactly alike blocks: the comparison beside the gate can come out well, too."""
    stored = prove([(IDENTICAL, duet(round_noise=0.0))], 5, 3, DRAWN).stored
    assert stored is not None
    assert (stored.mean_failures, stored.rank_differences) == (0, 0)


def test_the_document_names_machine_date_and_every_figure() -> None:
    """As Markdown, and as plain values that agree with it."""
    identical = duet(block_noise=0.1)
    proof = prove([(IDENTICAL, identical), (SLOW, duet(slow=1.1))], 5, 3, DRAWN)
    text = proof_document.markdown(proof, [identical])
    assert "2026-01-02 03:04 to 2026-01-02 03:24 UTC, 2 cores (a processor), kernel 6.1. Code: abc." in text
    assert "0 of 20 drawn decisions failed (aim: at most 1%; met); 0 of 1 real failed" in text
    assert "| one statement (`list_conversations_ms_p50`) | +10% |" in text
    assert "| 20 of 20 | ≥ 95%: met | 1 of 1 real |" in text
    assert "--benchmark-compare-fail=mean:5%" in text
    document = proof_document.document(proof)
    assert document["is_met"] is True
    assert [one["resampled_hits"] for one in document["trials"]] == [0, 20]
