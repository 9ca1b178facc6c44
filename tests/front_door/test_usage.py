"""Command lines that are none: every verb, every option, one sentence with the value and the way out, exit code 2."""

import inspect
import sys
import typing
from pathlib import Path
from typing import Any

import pytest
import typer

import chatbench
from front_door.endings import exit_code_of

VERBS = {
    command.callback.__name__: command.callback
    for app in (chatbench.app, *(group.typer_instance for group in chatbench.app.registered_groups))
    for command in (app.registered_commands if app is not None else ())
    if command.callback is not None
}
ARGUMENTS = {"capacity": ["fanout"], "ab": ["a", "b"], "report": ["run"], "gate": ["run"], "compare": ["a", "b"]}
OBJECTIVE = {"capacity": ["--objective", "missing==0"]}

# Verb, words of the command line, what the sentence must hold.
Case = tuple[str, list[str], tuple[str, ...]]


def _option(name: str, hint: Any) -> tuple[str, Any, typer.models.OptionInfo] | None:
    """The option's longest name, its kind of value and what Typer knows of it; None for an argument."""
    kind, *notes = typing.get_args(hint) if typing.get_origin(hint) is typing.Annotated else (hint,)
    found = next((note for note in notes if isinstance(note, typer.models.OptionInfo)), None)
    if found is None:
        return None
    # Within Annotated, the first name stands where a default would.
    given = (found.default, *(found.param_decls or ()))
    declared = [one for one in given if isinstance(one, str) and one.startswith("--")]
    return (declared[0].partition("/")[0] if declared else f"--{name.replace('_', '-')}"), kind, found


def _kinds(kind: Any) -> set[Any]:
    return {kind} if typing.get_origin(kind) is not None and type(None) not in typing.get_args(kind) else {
        one for one in (typing.get_args(kind) or (kind,)) if one is not type(None)
    }  # fmt: skip


def _bad_values(kind: Any, info: typer.models.OptionInfo) -> list[str]:
    kinds = _kinds(kind)
    bad = []
    if kinds & {int, float}:
        bad += ["many", ""]
        bad += [] if info.min is None else [str(info.min - 1)]
        bad += [] if info.max is None else [str(info.max + 1)]
        bad += ["nan", "inf"]
    if any(typing.get_origin(one) is typing.Literal for one in kinds):
        bad += ["nosuch"]
    return bad


def walked() -> list[Case]:
    """Every option of every verb with values that do not fit it, and without one."""
    cases: list[Case] = []
    for verb, callback in VERBS.items():
        for name, hint in typing.get_type_hints(callback, include_extras=True).items():
            option = _option(name, hint) if name in inspect.signature(callback).parameters else None
            if option is None:
                continue
            text, kind, info = option
            if kind is bool:
                cases.append((verb, [f"{text}=5"], (text, "does not take a value")))
                continue
            cases.append((verb, [text], (text, "requires")))
            cases += [(verb, [f"{text}={bad}"], (text, repr(bad))) for bad in _bad_values(kind, info)]
        cases.append((verb, ["--nosuch"], ("No such option: --nosuch",)))
    return cases


CASES = walked()


def said(words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command line."""
    monkeypatch.setattr(sys, "argv", ["chatbench", *words])
    code = exit_code_of(chatbench.app)
    shown = capsys.readouterr()
    return code, shown.out, shown.err


@pytest.mark.parametrize(("verb", "words", "parts"), CASES, ids=[" ".join([one[0], *one[1]]) for one in CASES])
def test_a_value_that_does_not_fit_is_one_sentence(
    verb: str,
    words: list[str],
    parts: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the option, the value, and where to read what fits; nothing runs."""
    code, out, err = said([verb, *ARGUMENTS.get(verb, []), *OBJECTIVE.get(verb, []), *words], capsys, monkeypatch)
    assert (code, out) == (2, "")
    (line,) = err.strip().splitlines()
    assert line.startswith("chatbench: ")
    assert line.endswith(f"; see: chatbench {verb} --help")
    assert all(part in line for part in parts), line


def test_the_walk_reaches_every_verb_and_every_kind_of_value() -> None:
    """So that it cannot pass by finding nothing."""
    assert {verb for verb, _, _ in CASES} == set(VERBS) >= {"run", "indexes", "ab", "serve", "gate", "trend"}
    told = {" ".join([verb, *words]) for verb, words, _ in CASES}
    assert {
        "run --users=0", "run --seconds=nan", "ab --rate=inf", "capacity --rate-max=inf", "serve --http-port=65536",
        "report --format=nosuch", "indexes --explain", "gate --json=5", "serve --read-your-writes=nosuch",
    } <= told  # fmt: skip


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nosuch"], "No such command 'nosuch'; see: chatbench --help"),
        (["--nosuch"], "No such option: --nosuch; see: chatbench --help"),
        (["report"], "Missing argument 'RUN'; see: chatbench report --help"),
        (["report", "a", "b"], "Got unexpected extra argument(s) (b); see: chatbench report --help"),
        (["ab", "HEAD"], "Missing argument 'head'; see: chatbench ab --help"),
        (["capacity", "fanout"], "Missing option '--objective'; see: chatbench capacity --help"),
        (["indexes", "--explain", "none"], "Option '--explain' requires 2 arguments; see: chatbench indexes --help"),
        (["run", "--see", "1"], "No such option: --see (Possible options: --seed, --size, --users)"),
        (["indexes", "--statements", ""], "'' names nothing; write names with commas between, or leave the option out"),
        (["indexes", "--sizes", " , "], "' , ' names nothing; write names with commas between"),
        (["indexes", "--strategies", ""], "'' names nothing; write names with commas between"),
        (["run", "fanout", "--seed=-1"], "the seed -1 is negative; choose a whole number from 0"),
        (["trend", "--metric", "x"], "'x' names no number of a scenario; write SCENARIO:MEASURE"),
    ],
)
def test_a_command_line_that_is_none_is_one_sentence(
    words: list[str],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Verbs, arguments and options that are not there, too many or too few."""
    monkeypatch.chdir(tmp_path)
    code, out, err = said(words, capsys, monkeypatch)
    assert (code, out) == (2, "")
    assert err.startswith(f"chatbench: {sentence}")
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("words", [["ab", "a", "b", "--junit"], ["gate", "run", "--markdown"], ["trend", "--html"]])
@pytest.mark.parametrize("path", ["nowhere/file", "."])
def test_a_file_that_could_not_be_written_is_refused_before_anything_is_measured(
    words: list[str],
    path: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """A verdict of minutes is not lost for a mistyped folder."""
    monkeypatch.chdir(tmp_path)
    code, out, err = said([*words, path], capsys, monkeypatch)
    assert (code, out, err) == (2, "", f"chatbench: cannot write {path}; name a file in a folder that is there\n")


def test_a_call_without_anything_shows_the_verbs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole, as --help does, and with exit code 2."""
    code, out, err = said([], capsys, monkeypatch)
    assert (code, out) == (2, "")
    assert all(f"  {verb} " in err for verb in VERBS)
