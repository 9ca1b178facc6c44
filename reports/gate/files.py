"""Puts a verdict where CI looks for it."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from fixtures.errors import InputError
from reports.gate.outputs import Outcome, annotations, document, junit, markdown
from reports.gate.page import verdict_page


def write_outcome(
    outcome: Outcome,
    *,
    junit_file: Path | None = None,
    markdown_file: Path | None = None,
    json_file: Path | None = None,
    html_file: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Writes the asked files, GitHub's step summary where there is one, and annotations in GitHub's log.

    InputError names the file that cannot be written.
    """
    files: dict[Path | None, bytes] = {
        junit_file: junit(outcome),
        markdown_file: markdown(outcome).encode(),
        json_file: json.dumps(document(outcome), indent=2, allow_nan=False).encode() + b"\n",
        html_file: verdict_page(outcome).encode(),
    }
    for path, content in files.items():
        if path is not None:
            _write(path, content, "wb")
    summary = environment.get("GITHUB_STEP_SUMMARY")
    if summary:
        _write(Path(summary), markdown(outcome).encode(), "ab")
    if environment.get("GITHUB_ACTIONS") == "true":
        # Workflow commands are read from either stream; standard output may be one JSON document.
        sys.stderr.write("".join(f"{line}\n" for line in annotations(outcome)))


def _write(path: Path, content: bytes, mode: str) -> None:
    try:
        with path.open(mode) as file:
            file.write(content)
    except OSError as error:
        raise InputError(f"cannot write {path} ({error.strerror}); name a file in a folder that is there") from error
