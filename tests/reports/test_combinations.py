"""Servers of a fan-out comparison side by side, from counts and latencies that are known."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from msgspec import structs

from reports.report import render, summarise
from scenarios.run_folder import RunFolder
from scenarios.run_records import ArmRecord, CountRecord

BYTES = {"json-plain": 200, "json-deflate": 120, "msgpack-plain": 150, "msgpack-deflate": 90}
CPU_US = {"json-plain": 20, "json-deflate": 44, "msgpack-plain": 16, "msgpack-deflate": 40}
DELIVERIES = 50


@pytest.fixture
def crossed(build_run: Callable[..., RunFolder], parts: SimpleNamespace) -> RunFolder:
    """Two blocks on each of four servers; latency follows CPU, in groups of two sizes."""
    records, lines = [], []
    second = 0
    for block in range(2):
        for arm, wire in BYTES.items():
            for size in (5, 30):
                labels = {"scenario": "fanout", "group_size": str(size), "arm": arm}
                lines.append(parts.line(second, "delivery_us", [100 * size * CPU_US[arm]] * DELIVERIES, **labels))
            counts = [
                CountRecord(name="fanout_deliveries", value=DELIVERIES),
                CountRecord(name="fanout_received_bytes", value=DELIVERIES * wire),
                CountRecord(name="fanout_content_bytes", value=DELIVERIES * 60),
                CountRecord(name="fanout_server_cpu_us", value=DELIVERIES * CPU_US[arm]),
            ]
            record = parts.record("fanout", second, 2, started=10)
            records.append(structs.replace(record, arm=arm, block=block, counts=counts))
            second += 4
    arms = {"fanout": [ArmRecord(name=arm, settings={}) for arm in BYTES]}
    return build_run(parts.manifest(records, arms=arms), lines)


def test_each_server_has_its_costs(crossed: RunFolder) -> None:
    """Bytes, CPU and latency of a delivery by server, and the sentence names the ends."""
    summary = summarise(crossed.path)
    numbers = {key: number.value for key, number in summary.numbers.items()}
    for arm, wire in BYTES.items():
        assert numbers[f"combinations.received_bytes_per_delivery.arm={arm}"] == wire
        assert numbers[f"combinations.server_cpu_us_per_delivery.arm={arm}"] == CPU_US[arm]
        for size in (5, 30):
            key = f"combinations.delivery_ms_p95.arm={arm},group_size={size}"
            assert numbers[key] == pytest.approx(size * CPU_US[arm] / 10, rel=0.001)
    assert "combinations.written_bytes_per_delivery.arm=json-plain" not in numbers
    (section,) = [section for section in summary.sections if section.name == "combinations"]
    assert section.reading == (
        "The fewest bytes per delivery “msgpack-deflate” has (90.0 B) and the most “json-plain” (200 B) and the least "
        "server CPU per delivery “msgpack-plain” has (16.0 µs) and the most “json-deflate” (44.0 µs)."
    )


def test_the_figure_is_drawn(crossed: RunFolder) -> None:
    """Beside that of the comparison."""
    assert {"combinations.png", "arms-fanout.png"} <= {figure.name for figure in render(crossed.path).figures}
