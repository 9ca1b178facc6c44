"""`python -m reference_server`: one server process, for programs; people use `chatbench serve`.

Prints one line of JSON when it is ready. Secrets come from the environment, where other users cannot see them.
"""

import argparse
import json
import os
import sys
from typing import Any, get_args

from fixtures.errors import ChatbenchError, InputError
from reference_server import logs
from reference_server.read_routing import Policy
from reference_server.server import run
from reference_server.settings import DEFAULT_LOGIN_KEY, DEFAULT_OPERATOR_KEY, Settings, with_pool_size, with_values


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m reference_server", description=__doc__)
    parser.add_argument("--database-url", default=os.environ.get("CHATBENCH_DATABASE_URL"))
    parser.add_argument("--login-key", default=os.environ.get("CHATBENCH_LOGIN_KEY", DEFAULT_LOGIN_KEY))
    parser.add_argument("--operator-key", default=os.environ.get("CHATBENCH_OPERATOR_KEY", DEFAULT_OPERATOR_KEY))
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--http-port", type=int, default=0, help="0: any free one")
    parser.add_argument("--gateway-port", type=int, default=0, help="0: any free one")
    parser.add_argument("--replica-url", help="of a standby of the database, to read pages of messages from")
    parser.add_argument("--read-your-writes", choices=get_args(Policy), default=Settings.read_your_writes)
    parser.add_argument("--pool-size", type=int, default=Settings.pool_size_max, help="connections to each database")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any other setting")
    parser.add_argument("--log-format", choices=("json", "text"), default="json", help="of standard error")
    for what in ("requests", "sends", "commands"):
        parser.add_argument(f"--{what}-per-second-max", type=float, help="of one user; none: no limit")
    arguments = vars(parser.parse_args())
    log_format = arguments.pop("log_format")
    try:
        if not arguments["database_url"]:
            raise InputError("no database named; give --database-url or set CHATBENCH_DATABASE_URL")
        pool_size = arguments.pop("pool_size")
        values = arguments.pop("set")
        settings = with_values(with_pool_size(Settings(**arguments), pool_size), values)
        logs.set_up(log_format, secrets=settings.secrets)
        run(settings, _print_record)
    except ChatbenchError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the one sentence
        return error.exit_code
    return 0


def _print_record(record: dict[str, Any]) -> None:
    print(json.dumps(record), flush=True)  # noqa: T201 - the line that the starting program waits for


if __name__ == "__main__":
    sys.exit(main())
