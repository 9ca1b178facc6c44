"""The tiny tour from nothing to the report, whose numbers are computed a second time from the raw records."""

import base64
import json
import re
import subprocess
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from hdrh.histogram import HdrHistogram

from fixtures.postgres import EmbeddedPostgres

pytestmark = pytest.mark.usefixtures("laboratory_turn")

Chatbench = Callable[..., "subprocess.CompletedProcess[str]"]


class Tour:
    """One finished tour: what the command said, and the folder."""

    def __init__(self, result: "subprocess.CompletedProcess[str]", folder: Path) -> None:
        self.result = result
        self.document: dict[str, Any] = json.loads(result.stdout)
        self.run = folder / self.document["files"]["run"]
        self.page = (self.run / "report.html").read_text(encoding="utf-8")

    def lines(self, name: str) -> list[dict[str, Any]]:
        """The records of a file of the run folder."""
        return [json.loads(line) for line in (self.run / name).read_text(encoding="utf-8").splitlines()]

    def histogram(self, metric: str, **labels: str) -> HdrHistogram:
        """All seconds and workers of a metric with these labels, merged by the package itself."""
        merged = HdrHistogram(1, 600_000_000, 3)
        for line in self.lines("histograms.jsonl"):
            if line["metric"] == metric and labels.items() <= line["labels"].items():
                merged.add(HdrHistogram.decode(line["payload"]))
        return merged

    def shown(self, key: str) -> float:
        """The number that the page shows under a key."""
        (value,) = set(re.findall(rf'<data value="([^"]+)" data-key="{re.escape(key)}"', self.page))
        return float(value)


@pytest.fixture(scope="module")
def tour(chatbench: Chatbench, postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Tour:
    """The tour of every family on the tiny data set, short."""
    folder = tmp_path_factory.mktemp("tour")
    url = postgres.url("postgres")
    return Tour(
        chatbench("run", "--size", "tiny", "--seconds", 6, "--database-url", url, "--json", folder=folder), folder
    )


def test_the_exit_code_says_what_the_verdict_says(tour: Tour) -> None:
    """0 for VALID, 3 for INVALID; on a busy machine only the generator's own health may make a run INVALID."""
    verdict = tour.document["verdict"]
    assert tour.result.returncode == {"VALID": 0, "INVALID": 3}[verdict["verdict"]]
    assert all("generator" in reason for reason in verdict["reasons"]), verdict


def test_every_family_is_measured(tour: Tour) -> None:
    """All four have their records, their data and their figures, and no number that matters is missing."""
    manifest = json.loads((tour.run / "run.json").read_text())
    assert [record["name"] for record in manifest["scenarios"]] == ["pagination", "fanout", "presence", "queries"]
    assert manifest["finished_at"]
    assert manifest["dataset"]["size"] == "tiny"
    assert manifest["postgres_settings"]["server_version"]
    assert len(list((tour.run / "figures").glob("*.png"))) >= 6
    assert all(tour.document["numbers"][headline["key"]] is not None for headline in tour.document["headlines"])


def test_nothing_was_lost_repeated_or_leaked(tour: Tour) -> None:
    """The ledger expects what recipients and messages make, and everything came once."""
    ledgers = json.loads((tour.run / "ledger.json").read_text())["ledgers"]
    assert {ledger["scenario"] for ledger in ledgers} == {"pagination", "fanout", "presence"}
    for ledger in ledgers:
        assert ledger["expected"] > 0
        assert ledger["missing"] == ledger["duplicate"] == ledger["reordered"] == ledger["leaked"] == 0, ledger
        if ledger["scenario"] == "fanout":
            assert ledger["expected"] == ledger["messages"] * int(ledger["labels"]["group_size"])


def test_delivery_latencies_are_the_histograms(tour: Tour) -> None:
    """Per group size, the page's percentiles are those of the merged histograms, in ms."""
    ledgers = json.loads((tour.run / "ledger.json").read_text())["ledgers"]
    sizes = [ledger["labels"]["group_size"] for ledger in ledgers if ledger["scenario"] == "fanout"]
    assert len(sizes) >= 3
    for size in sizes:
        merged = tour.histogram("delivery_us", scenario="fanout", group_size=size)
        expected_ms = merged.get_value_at_percentile(50) / 1000
        keys = [key for key in tour.document["numbers"] if re.search(rf"delivery_ms_p50.*group_size={size}\b", key)]
        assert keys, sorted(tour.document["numbers"])
        for key in keys:
            assert tour.shown(key) == pytest.approx(expected_ms, rel=0.002)


def test_the_document_and_the_page_say_the_same(tour: Tour) -> None:
    """Every number of the JSON document stands on the page under its key, with the same value."""
    numbers = {key: value for key, value in tour.document["numbers"].items() if value is not None}
    assert len(numbers) > 50
    for key, value in numbers.items():
        escaped = key.replace("&", "&amp;").replace("“", "“")
        assert tour.shown(escaped) == pytest.approx(value), key


def test_buffers_are_those_of_the_queries(tour: Tour) -> None:
    """The laboratory's counters reach the document unchanged: the median of a cell's blocks."""
    cells = defaultdict(list)
    for line in tour.lines("queries.jsonl"):
        cells[line["statement"], line["parameter_class"], line["strategy"]].append(
            line["buffers_hit"] + line["buffers_read"]
        )
    assert {strategy for _, _, strategy in cells} == {"none", "roadmap"}
    for (statement, parameter_class, strategy), buffers in cells.items():
        key = f"strategies.buffers.parameter_class={parameter_class},statement={statement},strategy={strategy}"
        assert tour.document["numbers"][key] == median(buffers), key


def test_the_report_is_drawn_again_from_the_folder_alone(tour: Tour, chatbench: Chatbench, tmp_path: Path) -> None:
    """Without page and figures, `chatbench report` makes the same page from what was measured."""
    (tour.run / "report.html").unlink()
    for figure in (tour.run / "figures").glob("*.png"):
        figure.unlink()
    chatbench("report", tour.run, folder=tmp_path)
    assert (tour.run / "report.html").read_text(encoding="utf-8") == tour.page


def test_the_page_is_one_file(tour: Tour) -> None:
    """Nothing on it comes from elsewhere: images are inside, and all that it links to is a plan in the run's folder."""
    links = re.findall(r'(?:src|href)="((?!data:|#)[^"]*)"', tour.page)
    assert links
    assert all(link.startswith("plans/") and (tour.run / link).is_file() for link in links)
    assert not re.search(r'<(?:link|script|img|iframe)[^>]*(?:src|href)="(?!data:)', tour.page)
    images = re.findall(r'src="data:image/png;base64,([^"]+)"', tour.page)
    assert all(base64.b64decode(image).startswith(b"\x89PNG") for image in images)
