"""The pages of gate, compare and trend in a real Chromium, as the report's own is looked at."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from page_checks import THEMES, WIDTHS, asked_and_said, cut_labels, installed_browser, opened, unreadable
from playwright.sync_api import Browser

from fixtures.progress import silent
from reports.compare import compare_runs
from reports.compare_page import write_comparison
from reports.gate.files import write_outcome
from reports.gate.stored import judge_stored
from reports.gate.thresholds import SHIPPED, read_thresholds
from reports.trend import follow
from reports.trend_page import write_trend

PAGES = ("gate", "compare", "trend")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """An installed Chromium."""
    with installed_browser() as instance:
        yield instance


@pytest.fixture(scope="module")
def written(parts: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One page of each kind, of a dozen runs of which the last half is slower and differs in a setting."""
    folder = tmp_path_factory.mktemp("pages")
    runs = []
    for number in range(12):
        slow = number > 5
        lines = [
            parts.line(line.second, line.metric, [1700] * line.count, **line.labels)
            if slow and line.metric in ("delivery_us", "delivery_last_us")
            else line
            for line in parts.known_lines()
        ]
        run = parts.known_manifest(
            run_id=f"run-{number}",
            started_at=f"2025-01-{number + 1:02}T00:00:00+00:00",
            **({"server_settings": {"pool_size": 10, "a_setting_with_a_rather_long_name": "x" * 90}} if slow else {}),
        )
        runs.append(parts.write_run(folder / run.run_id, run, lines, parts.known_ledgers(), parts.known_queries()))
    thresholds = read_thresholds(SHIPPED)
    pages = {name: folder / f"{name}.html" for name in PAGES}
    outcome = judge_stored(runs[-1].path, thresholds, runs[0].path)
    write_outcome(outcome, html_file=pages["gate"], environment={})
    write_comparison(compare_runs(runs[0].path, runs[-1].path), pages["compare"])
    write_trend(follow(folder, None, silent), pages["trend"])
    return pages


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_for_nothing_and_complains_of_nothing(
    browser: Browser, written: dict[str, Path], name: str
) -> None:
    """One request, the file itself; no message on the console."""
    assert asked_and_said(browser, written[name]) == ([written[name].as_uri()], [])


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_its_width(browser: Browser, written: dict[str, Path], name: str, width: str) -> None:
    """It never scrolls sideways, every fold open, and no label of a figure is cut."""
    page = opened(browser, written[name], width)
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
    assert page.evaluate("document.scrollingElement.scrollWidth") <= WIDTHS[width]
    assert cut_labels(page) == []
    page.close()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_readable(browser: Browser, written: dict[str, Path], name: str, theme: str) -> None:
    """Contrast of every text, in both themes."""
    page = opened(browser, written[name], "desktop", theme)
    assert unreadable(page) == []
    page.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_on_paper(browser: Browser, written: dict[str, Path], name: str) -> None:
    """What is folded on the screen is printed, in dark ink on white paper, whatever the screen's theme is."""
    page = opened(browser, written[name], "desktop", "dark")
    page.emulate_media(media="print")
    hidden = page.evaluate(
        "[...document.querySelectorAll('table')].filter(table => !table.getBoundingClientRect().height).length"
    )
    assert page.evaluate("document.querySelectorAll('table').length") > 0
    assert hidden == 0
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_read_by_keyboard_and_by_ear(browser: Browser, written: dict[str, Path], name: str) -> None:
    """Every fold and every wide table takes the focus, every region has a name, every figure says what it shows."""
    page = opened(browser, written[name], "phone")
    unreachable = page.evaluate(
        """[...document.querySelectorAll('summary, .scroll, a[href]')].filter(element => {
            element.closest('details') && (element.closest('details').open = true);
            element.focus();
            return document.activeElement !== element;
        }).length"""
    )
    assert unreachable == 0
    nameless = page.evaluate(
        """[...document.querySelectorAll('[role=region], [role=img], nav')]
            .filter(element => !element.getAttribute('aria-label')).length"""
    )
    assert nameless == 0
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.evaluate("document.querySelectorAll('h1').length") == 1
    page.close()
