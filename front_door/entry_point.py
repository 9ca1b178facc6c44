"""Where a command begins: whoever interrupts it while it is still being imported gets a sentence, not a traceback."""

import os
import signal


def main() -> None:
    """Imports the command line and runs it; from there on, interrupts are the command line's."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    from chatbench import main as run_command_line  # noqa: PLC0415 - importing is what may be interrupted

    run_command_line()


def _end(number: int, frame: object) -> None:  # noqa: ARG001 - as handlers are called
    # At once, past all clean-up: half-imported modules have nothing to clean up, and an exception would be printed.
    os.write(2, b"chatbench: stopped early\n")
    os._exit(3)  # as a command that is cut short later
