"""What a started server says of itself."""

import json
import subprocess
from typing import Any


def ready_record(process: "subprocess.Popen[str]") -> Any:
    """The JSON document that `chatbench serve --json` prints once it serves; what it complained of, if it does not."""
    assert process.stdout is not None
    record = ""
    while not record.endswith("\n}\n"):
        line = process.stdout.readline()
        assert line, process.communicate()
        record += line
    return json.loads(record)
