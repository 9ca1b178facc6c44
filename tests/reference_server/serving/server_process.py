"""A server process with the settings given as JSON: those included that the command line does not offer."""

import json
import sys

from reference_server.server import run
from reference_server.settings import Settings

run(Settings(**json.loads(sys.argv[1])), lambda record: print(json.dumps(record), flush=True))  # noqa: T201 - awaited
