"""`python -m reference_server`: one server process, for programs; people use `chatbench serve`.

Prints one line of JSON when it is ready. Secrets come from the environment, where other users cannot see them.
"""

import argparse
import json
import logging
import os
import sys
from typing import Any

from fixtures.errors import ChatbenchError, InputError
from reference_server.server import run
from reference_server.settings import DEFAULT_LOGIN_KEY, DEFAULT_OPERATOR_KEY, Settings


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m reference_server", description=__doc__)
    parser.add_argument("--database-url", default=os.environ.get("CHATBENCH_DATABASE_URL"))
    parser.add_argument("--login-key", default=os.environ.get("CHATBENCH_LOGIN_KEY", DEFAULT_LOGIN_KEY))
    parser.add_argument("--operator-key", default=os.environ.get("CHATBENCH_OPERATOR_KEY", DEFAULT_OPERATOR_KEY))
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--http-port", type=int, default=0, help="0: any free one")
    parser.add_argument("--gateway-port", type=int, default=0, help="0: any free one")
    arguments = vars(parser.parse_args())
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        if not arguments["database_url"]:
            raise InputError("no database named; give --database-url or set CHATBENCH_DATABASE_URL")
        run(Settings(**arguments), _print_record)
    except ChatbenchError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the one sentence
        return error.exit_code
    return 0


def _print_record(record: dict[str, Any]) -> None:
    print(json.dumps(record), flush=True)  # noqa: T201 - the line that the starting program waits for


if __name__ == "__main__":
    sys.exit(main())
