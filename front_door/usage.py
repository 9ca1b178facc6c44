"""What is wrong with a command line, in one sentence: the option, its value, and where to read what fits.

Typer tells a value's fault without the value, above it the whole usage.
"""

import sys
from typing import Any


def usage_sentence(error: Any) -> str:
    """The sentence for a usage error of Typer; help, as it is, where a command was called without anything."""
    told = _told(error)
    if "\n" in told:
        return told
    return f"{told.rstrip('.')}; see: {' '.join(('chatbench', *_verb(error)))} --help"


def _told(error: Any) -> str:
    parameter, faults = getattr(error, "param", None), _faults(error)
    if parameter is None or not faults:
        told: str = error.format_message()
        return told
    value = faults[0].get("input")
    # "Value error, 'pdf' is not one of …" and "Input should be …", as they come.
    fault = error.message.removeprefix("Value error, ").removeprefix("Input ")
    name = max(parameter.opts, key=len) if parameter.param_type_name == "option" else parameter.make_metavar(error.ctx)
    return f"{name}: {fault}" if repr(value) in fault else f"{name} {value!r} does not fit, it {fault}"


def _faults(error: Any) -> list[dict[str, Any]]:
    """What the validation behind the error found; none where there was no validation."""
    errors = getattr(error.__cause__, "errors", None)
    return errors() if callable(errors) else []


def _verb(error: Any) -> list[str]:
    context = getattr(error, "ctx", None)
    if context is not None:
        return list(context.command_path.split()[1:])
    return [word for word in sys.argv[1:2] if not word.startswith("-")]
