"""ARCHITECTURE.md names every decision of docs/decisions.md, once, in its order: the page is the way to the reasons."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_page_names_every_decision() -> None:
    """One paragraph per part, of the decisions' titles and nothing else."""
    parts = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8").split("\n## ")[1:]
    expected = []
    for part in parts:
        titles = re.findall(r"^\*\*\d{4}-\d\d-\d\d — (.*?)\*\*", part, flags=re.MULTILINE | re.DOTALL)
        assert titles, part
        expected.append(f"*{part.splitlines()[0]}*: {' '.join(titles)}")
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").split("\n## Decisions\n")[1]
    assert [" ".join(one.split()) for one in page.strip().split("\n\n")[1:]] == [
        " ".join(one.split()) for one in expected
    ]
