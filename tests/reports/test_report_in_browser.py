"""The report in a real Chromium: nothing from outside, readable in both themes, usable on a phone."""

import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from reports.report import Report

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
WIDTHS = {"phone": 390, "desktop": 1200}
THEMES = ("light", "dark")
READABLE = 4.5  # WCAG 2.1 AA, contrast of body text


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """An installed Chromium."""
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no Chromium is installed; looked for {', '.join(PROGRAMS)}")
    with sync_playwright() as playwright:
        instance = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield instance
        instance.close()


def opened(browser: Browser, report: Report, width: str, theme: Any = "light") -> Page:
    page = browser.new_page(viewport={"width": WIDTHS[width], "height": 844}, color_scheme=theme)
    page.goto(report.page.as_uri())
    return page


@pytest.fixture(scope="module")
def pages(browser: Browser, rendered_tour: Report) -> Iterator[dict[tuple[str, str], Page]]:
    """The report of a tour, open by width and theme."""
    found = {(width, theme): opened(browser, rendered_tour, width, theme) for width in WIDTHS for theme in THEMES}
    yield found
    for page in found.values():
        page.close()


def test_the_page_asks_for_nothing_and_complains_of_nothing(browser: Browser, rendered_tour: Report) -> None:
    """One request, the file itself; no message on the console, no script error."""
    page = browser.new_page()
    requests, complaints = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(rendered_tour.page.as_uri(), wait_until="networkidle")
    page.close()
    assert requests == [rendered_tour.page.as_uri()]
    assert complaints == []


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_never_scrolls_sideways(pages: dict[tuple[str, str], Page], width: str) -> None:
    """With every fold open."""
    page = pages[width, "light"]
    folded = page.evaluate("[...document.querySelectorAll('details:not([open])')].map(e => (e.open = true, 1)).length")
    assert folded > 0
    assert page.evaluate("document.scrollingElement.scrollWidth") <= WIDTHS[width]


def test_wide_tables_scroll_inside_their_frames(pages: dict[tuple[str, str], Page]) -> None:
    """On a phone some tables are wider than the screen, their frames are not, and they can be moved."""
    frames = pages["phone", "light"].evaluate(
        """[...document.querySelectorAll('.scroll')].map(frame => {
            frame.closest('details').open = true;
            frame.scrollLeft = 10;
            return {inner: frame.scrollWidth, outer: frame.clientWidth, right: frame.getBoundingClientRect().right,
                    moved: frame.scrollLeft};
        })"""
    )
    wide = [frame for frame in frames if frame["inner"] > frame["outer"]]
    assert wide
    assert all(frame["right"] <= WIDTHS["phone"] for frame in frames)
    assert all(frame["moved"] > 0 for frame in wide)


@pytest.mark.parametrize("width", WIDTHS)
def test_every_figure_is_visible(pages: dict[tuple[str, str], Page], rendered_tour: Report, width: str) -> None:
    """Exactly one drawing per figure, inside the page, large enough to read."""
    figures = pages[width, "light"].evaluate(
        """[...document.querySelectorAll('figure')].map(figure => [...figure.querySelectorAll('svg')]
            .map(svg => svg.getBoundingClientRect()).filter(box => box.width > 0)
            .map(box => [box.left, box.right, box.height]))"""
    )
    assert len(figures) == len(rendered_tour.figures)
    for drawings in figures:
        ((left, right, height),) = drawings
        assert left >= 0
        assert right <= WIDTHS[width]
        assert right - left > 0.85 * min(WIDTHS[width], 960)
        assert height > 100


@pytest.mark.parametrize("width", WIDTHS)
def test_text_in_figures_is_large_enough(pages: dict[tuple[str, str], Page], width: str) -> None:
    """At least 10 px on the screen, phones included."""
    sizes = pages[width, "light"].evaluate(
        """[...document.querySelectorAll('svg')].filter(svg => svg.getBoundingClientRect().width).flatMap(svg =>
            [...svg.querySelectorAll('text')].map(text => parseFloat(getComputedStyle(text).fontSize)
                * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width))"""
    )
    assert sizes
    assert min(sizes) >= 10


@pytest.mark.parametrize("width", WIDTHS)
def test_no_label_of_a_figure_is_cut(pages: dict[tuple[str, str], Page], width: str) -> None:
    """Every text lies within its drawing, give or take a pixel."""
    cut = pages[width, "light"].evaluate(
        """[...document.querySelectorAll('svg')].filter(svg => svg.getBoundingClientRect().width).flatMap(svg => {
            const frame = svg.getBoundingClientRect();
            return [...svg.querySelectorAll('text')].filter(text => {
                const box = text.getBoundingClientRect();
                return box.left < frame.left - 1 || box.right > frame.right + 1
                    || box.top < frame.top - 1 || box.bottom > frame.bottom + 1;
            }).map(text => text.textContent);
        })"""
    )
    assert cut == []


@pytest.mark.parametrize("theme", THEMES)
def test_text_is_readable(pages: dict[tuple[str, str], Page], theme: str) -> None:
    """Contrast of every piece of text against what lies behind it, in both themes."""
    pairs = pages["desktop", theme].evaluate(
        """(() => {
            const behind = element => {
                for (; element; element = element.parentElement) {
                    const colour = getComputedStyle(element).backgroundColor;
                    if (colour !== 'rgba(0, 0, 0, 0)') return colour;
                }
                return 'none';
            };
            document.querySelectorAll('details').forEach(details => { details.open = true; });
            const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
            const found = new Set();
            while (walker.nextNode()) {
                const element = walker.currentNode.parentElement;
                if (!walker.currentNode.textContent.trim() || !element.getClientRects().length) continue;
                const style = getComputedStyle(element);
                found.add(JSON.stringify([element.closest('svg') ? style.fill : style.color, behind(element)]));
            }
            return [...found].map(JSON.parse);
        })()"""
    )
    assert len(pairs) > 3
    low = [(text, paper, contrast(text, paper)) for text, paper in pairs if contrast(text, paper) < READABLE]
    assert low == []


def test_themes_differ(pages: dict[tuple[str, str], Page]) -> None:
    """Dark is dark."""
    papers = [
        pages["desktop", theme].evaluate("getComputedStyle(document.body).backgroundColor")
        for theme in ("light", "dark")
    ]
    assert luminance(papers[0]) > 0.9
    assert luminance(papers[1]) < 0.1


def contrast(one: str, other: str) -> float:
    """By WCAG 2.1: 1 for the same, 21 for black on white."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    """Of `rgb(1, 2, 3)`, by WCAG 2.1."""
    channels = [int(value) / 255 for value in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
