"""A server process with the settings given as JSON: those included that the command line does not offer."""

import json
import sys

from reference_server import logs
from reference_server.server import run
from reference_server.settings import Settings

settings = Settings(**json.loads(sys.argv[1]))
logs.set_up("json", secrets=settings.secrets)
run(settings, lambda record: print(json.dumps(record), flush=True))  # noqa: T201 - awaited
