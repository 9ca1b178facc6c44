"""The installed command as a person runs it: without this machine's settings, in a folder of the test's choice."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

CHATBENCH = Path(sys.executable).parent / "chatbench"
_OF_THE_MACHINE = ("CHATBENCH_", "GITHUB_")


def start(*arguments: object, folder: Path, environment: Mapping[str, str] | None = None) -> "subprocess.Popen[str]":
    """A command in a process of its own."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(_OF_THE_MACHINE)}
    return subprocess.Popen(
        [str(CHATBENCH), *map(str, arguments)],
        cwd=folder,
        env={**own, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(
    *arguments: object, folder: Path, environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """A command run to its end."""
    with start(*arguments, folder=folder, environment=environment) as process:
        output, complaints = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, output, complaints)
