"""A page in a real Chromium: what it asks for, what is cut, and what cannot be read."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
WIDTHS = {"phone": 390, "desktop": 1200}
THEMES = ("light", "dark")
READABLE = 4.5  # WCAG 2.1 AA, contrast of body text


@contextmanager
def installed_browser() -> Iterator[Browser]:
    """A Chromium that is installed; skips the test where there is none."""
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no Chromium is installed; looked for {', '.join(PROGRAMS)}")
    with sync_playwright() as playwright:
        instance = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield instance
        instance.close()


def opened(browser: Browser, path: Path, width: str, theme: Any = "light") -> Page:
    """A page as it opens from a file."""
    page = browser.new_page(viewport={"width": WIDTHS[width], "height": 844}, color_scheme=theme)
    page.goto(path.as_uri())
    return page


def asked_and_said(browser: Browser, path: Path) -> tuple[list[str], list[str]]:
    """What a page requests, and what it says on the console or as a script error."""
    page = browser.new_page()
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(path.as_uri(), wait_until="networkidle")
    page.close()
    return requests, complaints


def cut_labels(page: Page) -> list[str]:
    """The texts of shown figures that do not lie within their drawing, give or take a pixel."""
    found: list[str] = page.evaluate(
        """[...document.querySelectorAll('svg')].filter(svg => svg.getBoundingClientRect().width).flatMap(svg => {
            const frame = svg.getBoundingClientRect();
            return [...svg.querySelectorAll('text')].filter(text => {
                const box = text.getBoundingClientRect();
                return box.left < frame.left - 1 || box.right > frame.right + 1
                    || box.top < frame.top - 1 || box.bottom > frame.bottom + 1;
            }).map(text => text.textContent);
        })"""
    )
    return found


def unreadable(page: Page) -> list[tuple[str, str, float]]:
    """(text's colour, colour behind it, contrast) wherever contrast is too low, every fold open."""
    pairs = page.evaluate(
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
    assert len(pairs) > 2, "a page without text has nothing to be read"
    return [(text, paper, contrast(text, paper)) for text, paper in pairs if contrast(text, paper) < READABLE]


def contrast(one: str, other: str) -> float:
    """By WCAG 2.1: 1 for the same, 21 for black on white."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    """Of `rgb(1, 2, 3)`, by WCAG 2.1."""
    channels = [int(value) / 255 for value in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
