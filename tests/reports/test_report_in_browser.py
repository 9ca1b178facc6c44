"""The report in a real Chromium: nothing from outside, readable in both themes, usable on a phone."""

from collections.abc import Iterator

import pytest
from page_checks import THEMES, WIDTHS, asked_and_said, cut_labels, installed_browser, luminance, opened, unreadable
from playwright.sync_api import Browser, Page

from reports.report import Report


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """An installed Chromium."""
    with installed_browser() as instance:
        yield instance


@pytest.fixture(scope="module")
def pages(browser: Browser, rendered_tour: Report) -> Iterator[dict[tuple[str, str], Page]]:
    """The report of a tour, open by width and theme."""
    found = {(width, theme): opened(browser, rendered_tour.page, width, theme) for width in WIDTHS for theme in THEMES}
    yield found
    for page in found.values():
        page.close()


def test_the_page_asks_for_nothing_and_complains_of_nothing(browser: Browser, rendered_tour: Report) -> None:
    """One request, the file itself; no message on the console, no script error."""
    assert asked_and_said(browser, rendered_tour.page) == ([rendered_tour.page.as_uri()], [])


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
    assert cut_labels(pages[width, "light"]) == []


@pytest.mark.parametrize("theme", THEMES)
def test_text_is_readable(pages: dict[tuple[str, str], Page], theme: str) -> None:
    """Contrast of every piece of text against what lies behind it, in both themes."""
    assert unreadable(pages["desktop", theme]) == []


def test_themes_differ(pages: dict[tuple[str, str], Page]) -> None:
    """Dark is dark."""
    papers = [
        pages["desktop", theme].evaluate("getComputedStyle(document.body).backgroundColor")
        for theme in ("light", "dark")
    ]
    assert luminance(papers[0]) > 0.9
    assert luminance(papers[1]) < 0.1
