"""reference_server.loop_histograms: what Prometheus reads is what its own client's histograms would say."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from reference_server.loop_histograms import LoopHistogram

BUCKETS = (0.0002, 0.001, 0.5, 5.0)

# Sums of eighths are exact in any order; the bounds themselves are where "at most" and "less" differ.
VALUES = st.one_of(st.integers(0, 64).map(lambda eighths: eighths / 8), st.just(0.5))


@given(st.dictionaries(st.sampled_from(("a", 'b"\\', "c\n")), st.lists(VALUES, min_size=1)))
def test_exposition_is_that_of_the_usual_histogram(observed: dict[str, list[float]]) -> None:
    """Any values, any labels: the same text, to the byte."""
    ours, usual = CollectorRegistry(), CollectorRegistry()
    lean = LoopHistogram("wait_seconds", "Waiting.", ("pool",), BUCKETS, ours)
    plain = Histogram("wait_seconds", "Waiting.", ("pool",), buckets=BUCKETS, registry=usual)
    for label, values in observed.items():
        for value in values:
            lean.labels(label).observe(value)
            plain.labels(label).observe(value)
    assert generate_latest(ours) == generate_latest(usual)
