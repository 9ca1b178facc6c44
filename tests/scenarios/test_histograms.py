from hypothesis import given
from hypothesis import strategies as st

from scenarios.histograms import (
    HIGHEST,
    Recorder,
    decode,
    encode,
    histogram_of,
    merge,
    new_histogram,
    percentile,
)

values = st.lists(st.integers(0, HIGHEST) | st.integers(0, 5000), max_size=300)


def test_an_empty_histogram_has_no_percentile() -> None:
    """Nothing recorded is not zero."""
    assert percentile(new_histogram(), 50) is None
    assert percentile(merge([]), 50) is None


@given(values=values)
def test_counting_by_buckets_equals_recording_one_by_one(values: list[int]) -> None:
    """The vectorised histogram is, counter for counter, the library's own."""
    reference = new_histogram()
    for value in values:
        reference.record_value(value)
    histogram = histogram_of(values)
    assert list(histogram.counts) == list(reference.counts)
    assert histogram.get_total_count() == len(values)
    assert encode(histogram) == encode(reference)


@given(values=st.lists(st.integers(HIGHEST + 1, 2**62) | st.integers(-(2**62), -1), min_size=1, max_size=20))
def test_what_does_not_fit_counts_at_the_nearer_end(values: list[int]) -> None:
    """No value is lost, however wrong a clock was."""
    histogram = histogram_of(values)
    assert histogram.get_total_count() == len(values)


@given(parts=st.lists(values, max_size=5), percent=st.sampled_from([1, 50, 90, 99, 99.9, 100]))
def test_merged_workers_equal_the_pooled_samples(parts: list[list[int]], percent: float) -> None:
    """Merging what several workers encoded gives exactly the histogram of all their samples."""
    pooled = histogram_of([value for part in parts for value in part])
    merged = merge(encode(histogram_of(part)) for part in parts)
    assert merged.get_total_count() == pooled.get_total_count()
    assert percentile(merged, percent) == percentile(pooled, percent)


@given(parts=st.lists(values, min_size=1, max_size=5).filter(any), percent=st.sampled_from([1, 50, 90, 99, 99.9, 100]))
def test_percentiles_of_merged_workers_are_those_of_the_samples(parts: list[list[int]], percent: float) -> None:
    """The same rank among all workers' samples, sorted, within 0.1 %; never the mean of the workers' percentiles."""
    samples = sorted(value for part in parts for value in part)
    exact = samples[max(1, int(percent / 100 * len(samples) + 0.5)) - 1]
    told = percentile(merge(encode(histogram_of(part)) for part in parts), percent)
    assert told is not None
    assert abs(told - exact) <= exact / 1000


def test_latencies_below_a_millisecond_are_resolved_to_10_us() -> None:
    """Values 10 µs apart stay apart all the way: recorded by two workers, encoded, merged and read as percentiles."""
    steps = range(10, 1000, 10)
    recorders = [Recorder(worker, {"scenario": "fanout"}) for worker in ("1", "2")]
    for number, latency_us in enumerate(steps):
        recorders[number % 2].series("delivery_us", group_size="2")(latency_us)
    merged = merge(line.payload for recorder in recorders for line in recorder.flush(0))
    assert [percentile(merged, 100 * (rank + 1) / len(steps)) for rank in range(len(steps))] == list(steps)


@given(value=st.integers(0, HIGHEST))
def test_a_value_survives_to_three_digits(value: int) -> None:
    """Encoding and decoding keeps a value to 0.1 %, and below 2 ms exactly."""
    back = percentile(decode(encode(histogram_of([value]))), 50)
    assert back is not None
    assert abs(back - value) <= value / 1000
    assert value >= 2048 or back == value


def test_flush_gives_one_line_per_labels_and_starts_afresh() -> None:
    """A second's values are in that second's line and in no other."""
    recorder = Recorder("3", {"scenario": "fanout"})
    small, large = recorder.series("delivery_us", group_size="2"), recorder.series("delivery_us", group_size="50")
    small(100)
    small(200)
    large(300)
    lines = {line.labels["group_size"]: line for line in recorder.flush(7)}
    assert {size: line.count for size, line in lines.items()} == {"2": 2, "50": 1}
    assert all(line.second == 7 and line.worker == "3" for line in lines.values())
    assert lines["2"].labels == {"scenario": "fanout", "group_size": "2"}
    assert percentile(decode(lines["2"].payload), 100) == 200
    assert list(recorder.flush(8)) == []
    recorder.batch("delivery_us", group_size="50")([1, 2, 3])
    assert [line.count for line in recorder.flush(9)] == [3]
