from pathlib import Path

import pytest

from fixtures.errors import InputError
from scenarios.histograms import encode, histogram_of
from scenarios.provenance import new_manifest
from scenarios.run_folder import RunFolder
from scenarios.run_measures import measure_values, parse_measure
from scenarios.run_records import HistogramLine, LedgerFile, LedgerTotals, ScenarioRecord


def line(metric: str, values: list[int], **labels: str) -> HistogramLine:
    payload = encode(histogram_of(values))
    return HistogramLine(second=0, worker="1", metric=metric, labels=labels, count=len(values), payload=payload)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run of fan-out with known numbers, below 2 048 where histograms are exact."""
    folder = RunFolder(tmp_path)
    manifest = new_manifest(run_id="run", title="fanout", seed=1, options={})
    record = ScenarioRecord(name="fanout", options={}, started_second=0, seconds=8, started=200, failed=3)
    manifest.scenarios = [record]
    folder.write_manifest(manifest)
    folder.append_histograms(
        [
            line("delivery_us", [1000] * 99, scenario="fanout", group_size="10"),
            line("delivery_us", [2000], scenario="fanout", group_size="100"),
            line("delivery_wire_bytes", [100, 300], scenario="fanout", group_size="10"),
            line("server_cpu_permille", [500], scenario="fanout"),
        ]
    )
    books = {"duplicate": 0, "reordered": 0, "leaked": 0, "messages": 10, "expected": 100, "delivered": 97}
    totals = [
        LedgerTotals(scenario="fanout", labels={"group_size": size}, missing=missing, late=0, **books)
        for size, missing in (("10", 1), ("100", 2))
    ]
    folder.write_ledger(LedgerFile(ledgers=totals))
    return folder


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("delivery_ms_p50", 1.0),
        ("delivery_ms_p99", 1.0),
        ("delivery_ms_p99.9", 2.0),
        ("delivery_us_max", 2000),
        ("delivery_ms_max.group_size=10", 1.0),
        ("delivery_ms_p99.9.group_size=100", 2.0),
        ("delivery_ms_mean", 1.01),
        ("bytes_per_delivery", 200),
        ("server_cpu_percent_mean", 50),
        ("missing", 3),
        ("missing.group_size=100", 2),
        ("missing.group_size=7", None),
        ("failed_percent", 1.5),
        ("started.scenario=fanout", 200),
        ("presence_convergence_ms_p99", None),
        ("delivery_ms_p50.group_size=7", None),
    ],
)
def test_a_number_is_found_by_its_name(folder: RunFolder, name: str, value: float | None) -> None:
    """Percentiles, means, maxima, units, labels, counts; None for what was not measured."""
    found = measure_values(folder, [parse_measure(name)])[name]
    assert found == (None if value is None else pytest.approx(value, rel=1e-3))


@pytest.mark.parametrize("name", ["delivery_p99", "delivery_kg_p99", "delivery_ms_p100", "delivery_ms", "lost", ""])
def test_an_unknown_number_is_refused_naming_the_known_ones(name: str) -> None:
    """The sentence holds the name and what can be asked for."""
    with pytest.raises(InputError, match=r"known are: .*missing.*delivery_ms_pNN"):
        parse_measure(name)


def test_an_unknown_label_is_refused() -> None:
    """A label that the metric does not have would silently measure nothing."""
    with pytest.raises(InputError, match="there is no label 'size'; choose from scenario, group_size"):
        parse_measure("delivery_ms_p99.size=100")
