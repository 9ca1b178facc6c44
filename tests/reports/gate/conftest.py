"""Duets of known truth, written into run folders."""

from collections.abc import Callable
from pathlib import Path

import pytest

from reports.gate.duet import DuetData, read_duet
from scenarios import histograms
from scenarios.run_folder import RunFolder
from scenarios.run_records import ArmRecord, CountRecord, HistogramLine, RunManifest, ScenarioRecord

OPERATIONS = ("first_page", "deep_page", "list_conversations", "send_message")
BASE_US = 1000
Build = Callable[..., DuetData]


def line(metric: str, values: list[int], **labels: str) -> HistogramLine:
    """One line of exactly these values."""
    payload = histograms.encode(histograms.histogram_of(values))
    return HistogramLine(second=0, worker="1", metric=metric, labels=labels, count=len(values), payload=payload)


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """A function that writes and reads a duet of `blocks` × 5 rounds, 300 requests each."""

    def make(
        slow: dict[str, float] | None = None,
        *,
        blocks: int = 5,
        requests: int = 300,
        arms: list[ArmRecord] | None = None,
        reasons: list[str] | None = None,
        more_counts: list[CountRecord] | None = None,  # of every block
        replaced: int | None = None,  # a block in which head was ten times as slow, and the generator late
    ) -> DuetData:
        folder = RunFolder(tmp_path / "run")
        folder.path.mkdir()
        records = []
        for block in range(blocks):
            for number in range(5):
                for arm in ("base", "head"):
                    place = {"scenario": "duet", "arm": arm, "block": str(block), "round": str(number)}
                    # Nothing is exactly alike: rounds differ by a few µs, in both arms alike.
                    for operation in (*OPERATIONS, "delivery"):
                        factor = (slow or {}).get(operation, 1.0) if arm == "head" else 1.0
                        factor *= 10 if arm == "head" and block == replaced else 1
                        value = round((BASE_US + 10 * number + block) * factor)
                        if operation == "delivery":
                            folder.append_histograms([line("duet_delivery_us", [value] * requests, **place)])
                        else:
                            more = {**place, "operation": operation}
                            folder.append_histograms([line("duet_request_us", [value] * requests, **more)])
            counts = [
                CountRecord(name=f"duet_{name}", labels={"arm": arm}, value=value)
                for arm in ("base", "head")
                for name, value in (("deliveries", 100), ("delivery_bytes", 20_000))
            ]
            counts += more_counts or []
            record = ScenarioRecord(
                name="duet", options={}, started_second=0, seconds=20, arm="pair", block=block, counts=counts
            )
            if block == replaced:
                record.replaced, record.warnings = True, [f"{record.part} was replaced by a fresh block: it was late"]
                counts.append(CountRecord(name="duet_deliveries", labels={"arm": "head"}, value=1_000_000))
            records.append(record)
        known = [
            ArmRecord(name="base", settings={"version": "main"}),
            ArmRecord(name="head", settings={"version": "x"}),
        ]
        folder.write_manifest(
            RunManifest(
                run_id="run",
                title="duet",
                started_at="2025-01-02T03:04:05+00:00",
                seed=1,
                commit=None,
                versions={},
                host={},
                dataset=None,
                postgres_settings={},
                server_settings={},
                options={"blocks": 5},
                scenarios=records,
                arms={"duet": known if arms is None else arms},
                reasons=reasons or [],
            )
        )
        return read_duet(folder.path)

    return make
