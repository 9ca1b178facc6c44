"""What gates with a stored baseline would have said of identical code, by the very rounds that the duet measured.

A block of one arm is the stored baseline, another block of the other arm the new measurement: the same code on the same
machine, some minutes apart. Two rules that are in use:

- pytest-benchmark's `--benchmark-compare-fail=mean:5%`: red when the new mean is more than 5 % above the stored one;
- a Mann-Whitney test over single requests, p < 0.05.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from reports.distributions import Distribution, merge
from reports.gate.duet import BASE, DELIVERY, HEAD, REQUESTS, DuetData
from scenarios.trial_records import StoredCounts

MEAN_RULE = 0.05  # cited: the value in pytest-benchmark's own documentation of compare-fail
SIGNIFICANCE = 0.05  # the usual one

Arm = Mapping[str, Distribution]  # operation → latencies of one block


def compare_with_stored(duets: Iterable[DuetData]) -> StoredCounts:
    """Every block of the base as a baseline for every other block's head, within each duet."""
    pairs = comparisons = 0
    failures: list[int] = []
    differences: list[int] = []
    for data in duets:
        stored, new = _blocks(data, BASE), _blocks(data, HEAD)
        for before in stored:
            for after in new:
                if before == after:
                    continue
                shared = sorted(stored[before].keys() & new[after].keys())
                both = [(stored[before][name], new[after][name]) for name in shared]
                pairs += 1
                comparisons += len(both)
                failures.append(sum(_fails_by_mean(*one) for one in both))
                differences.append(sum(_differs_by_rank(*one) for one in both))
    return StoredCounts(
        pairs=pairs,
        comparisons=comparisons,
        mean_failures=sum(failures),
        mean_failed_pairs=sum(count > 0 for count in failures),
        rank_differences=sum(differences),
        rank_different_pairs=sum(count > 0 for count in differences),
    )


def _blocks(data: DuetData, arm: str) -> dict[int, Arm]:
    """One arm's latencies by block, all rounds together."""
    parts: dict[int, dict[str, list[Distribution]]] = defaultdict(lambda: defaultdict(list))
    sound = {record.block for record in data.manifest.scenarios if not record.reasons}
    for (operation, of, block, _), one in data.values.items():
        if of == arm and block in sound and operation in (*REQUESTS, DELIVERY):
            parts[block][operation].append(one)
    return {block: {name: merge(found) for name, found in by_name.items()} for block, by_name in parts.items()}


def _fails_by_mean(stored: Distribution, new: Distribution) -> bool:
    before, after = stored.mean, new.mean
    return before is not None and after is not None and after > before * (1 + MEAN_RULE)


def _differs_by_rank(stored: Distribution, new: Distribution) -> bool:
    if not stored.count or not new.count:
        return False
    return float(mannwhitneyu(_values(stored), _values(new)).pvalue) < SIGNIFICANCE


def _values(one: Distribution) -> NDArray[np.int64]:
    """As many as were measured, each as its bucket: ranks need no more."""
    return np.repeat(one.buckets, one.counts)
