"""The command line: exit codes, one sentence for bad input, one JSON document for programs."""

import json
import resource
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import pytest

from fixtures.postgres import EmbeddedPostgres
from reference_server.statements import shipped_strategies
from scenarios.queries.policies import policies
from scenarios.run_folder import RunFolder

pytestmark = pytest.mark.usefixtures("laboratory_turn")

Chatbench = Callable[..., "subprocess.CompletedProcess[str]"]


def complaint(result: subprocess.CompletedProcess[str]) -> str:
    """The one line that a refused command says; it must be the only one, with nothing on standard output."""
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("chatbench: ")
    return lines[0]


REFUSED = {
    "unknown scenario": (("run", "nosuch"), "no scenario named 'nosuch'"),
    "unknown size": (("seed", "--size", "huge"), "no size named 'huge'"),
    "unknown strategy": (("indexes", "--strategies", "none,nosuch"), "no index strategy named 'nosuch'"),
    "missing strategy file": (("indexes", "--strategies", "none,my.sql"), "cannot read the SQL file my.sql"),
    "unknown statement": (("indexes", "--statements", "nosuch"), "no statement named 'nosuch'"),
    "unknown question": (("indexes", "--variants", "nosuch"), "no question named 'nosuch'"),
    "missing statement file": (("indexes", "--statement", "my.sql"), "cannot read the SQL file my.sql"),
    "unknown size among several": (("indexes", "--sizes", "tiny,nosuch"), "no size named 'nosuch'"),
    "nothing to explain": (("indexes", "--explain", "none", "nosuch"), "no statement named 'nosuch'"),
    "unknown scenario option": (("run", "fanout", "-o", "frob=1"), "fanout has no option 'frob'; choose from rate"),
    "an option without a value": (("run", "fanout", "-o", "rate"), "--option 'rate' names no value"),
    "no run folder": (("report", "nosuch"), "nosuch is no run folder"),
    "no database URL": (("seed", "--database-url", "chat.db"), "no PostgreSQL URL"),
    "an unreachable database": (
        ("seed", "--database-url", "postgresql://me:secret@127.0.0.1:1/chat"),
        "cannot reach PostgreSQL at postgresql://me@127.0.0.1:1/chat",
    ),
    "an embedded replica of another server": (
        ("serve", "--database-url", "postgresql://me:secret@127.0.0.1:1/chat", "--replica", "embedded"),
        "the replica of postgresql://me@127.0.0.1:1/chat cannot be embedded; give the URL of a standby",
    ),
    "an open door": (("serve", "--host", "0.0.0.0"), "the login key is the default one"),  # noqa: S104 - refused
    "a target elsewhere": (("run", "fanout", "--target", "http://192.0.2.1"), "192.0.2.1 is not this machine"),
    "a target that is no URL": (("run", "fanout", "--target", "localhost:8000"), "is no HTTP URL"),
    "a target that does not answer": (("run", "fanout", "--target", "http://127.0.0.1:1"), "no chat server answers"),
}


@pytest.mark.parametrize(("arguments", "said"), REFUSED.values(), ids=REFUSED)
def test_bad_input_gets_one_sentence_and_exit_code_2(
    chatbench: Chatbench, arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    """The sentence holds the value; no password is repeated, no stack trace shown, no run folder left."""
    result = chatbench(*arguments, folder=tmp_path)
    assert said in complaint(result)
    assert "secret" not in result.stderr
    assert result.returncode == 2
    assert not list(tmp_path.glob("out/runs/*"))


def test_bad_usage_exits_with_2(chatbench: Chatbench, tmp_path: Path) -> None:
    """An unknown verb and an unknown option are usage errors."""
    assert chatbench("nosuch", folder=tmp_path).returncode == 2
    assert chatbench("run", "--nosuch", folder=tmp_path).returncode == 2


def test_it_says_which_version_it_is_and_what_each_verb_does(chatbench: Chatbench, tmp_path: Path) -> None:
    """--version is the installed package's; in the list of verbs no sentence is cut."""
    assert chatbench("--version", folder=tmp_path).stdout == f"chatbench {metadata.version('chatbench')}\n"
    shown = chatbench("--help", folder=tmp_path)
    assert "doctor " in shown.stdout
    assert "..." not in shown.stdout.partition("Commands:")[2]


def test_bad_settings_are_told_before_a_database_is_filled(chatbench: Chatbench, tmp_path: Path) -> None:
    """Seeding takes a while, and would have been for nothing."""
    result = chatbench("serve", "--set", "pool_size_max=many", folder=tmp_path)
    assert "--set 'pool_size_max=many' does not fit" in complaint(result)
    assert result.returncode == 2
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_named(chatbench: Chatbench, tmp_path: Path) -> None:
    """Output into a place that is no folder is refused with its name."""
    (tmp_path / "file").write_text("")
    result = chatbench("seed", "--size", "tiny", "--out", "file", folder=tmp_path)
    assert "file" in complaint(result)
    assert result.returncode == 2


@pytest.mark.parametrize("verb", ["run", "indexes"])
def test_lists_name_what_there_is(chatbench: Chatbench, verb: str, tmp_path: Path) -> None:
    """--list prints one JSON document with names and their meaning."""
    result = chatbench(verb, "--list", "--json", folder=tmp_path)
    assert result.returncode == 0
    names = {item["name"] for item in json.loads(result.stdout)}
    expected = {"run": {"pagination", "fanout", "presence", "queries"}, "indexes": {"none", "roadmap", "list_messages"}}
    assert expected[verb] <= names


def test_a_port_in_use_is_named(chatbench: Chatbench, tiny_url: str, tmp_path: Path) -> None:
    """The sentence says which port is taken and how to choose another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = chatbench("serve", "--database-url", tiny_url, "--http-port", port, folder=tmp_path)
    assert str(port) in complaint(result)
    assert result.returncode == 2


def test_serve_refuses_a_database_that_is_not_seeded(chatbench: Chatbench, empty_url: str, tmp_path: Path) -> None:
    """An empty database of somebody's is not filled unasked."""
    result = chatbench("serve", "--database-url", empty_url, "--http-port", 0, "--gateway-port", 0, folder=tmp_path)
    assert "chatbench seed" in complaint(result)
    assert result.returncode == 2


def test_serve_refuses_another_size_than_is_there(chatbench: Chatbench, tiny_url: str, tmp_path: Path) -> None:
    """In a database of one's own, too."""
    result = chatbench("serve", "--database-url", tiny_url, "--size", "small", "--http-port", 0, folder=tmp_path)
    assert "holds size 'tiny' with seed 1, not what --size and --seed ask for" in complaint(result)
    assert result.returncode == 2


def test_seed_prints_one_document(chatbench: Chatbench, empty_url: str, tmp_path: Path) -> None:
    """--json puts one JSON document on standard output and nothing else there."""
    result = chatbench("seed", "--size", "tiny", "--database-url", empty_url, "--json", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["rows"]["chat_messages"] == 2000
    assert len(document["sha256"]) == 64


def test_a_strategy_of_ones_own_may_only_make_indexes(chatbench: Chatbench, tmp_path: Path) -> None:
    """A file that would drop a table is refused before anything is touched, wherever it is named."""
    (tmp_path / "mine.sql").write_text("CREATE INDEX fine ON users (id);\nDROP TABLE users CASCADE;\n")
    for command in ("seed", "run"):
        result = chatbench(command, "--size", "tiny", "--strategy", "mine.sql", folder=tmp_path)
        assert "may not run 'DROP TABLE users CASCADE'" in complaint(result)
        assert result.returncode == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--users", "3", "--seconds", "3"), "fits 3 users"),
        (("-o", "rate=nan"), "argument --rate: 'nan' is not a number above 0"),
    ],
    ids=["users", "rate"],
)
def test_what_a_scenario_refuses_is_told(
    chatbench: Chatbench, postgres: EmbeddedPostgres, arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    """A generator's own sentence reaches whoever started the run, and no folder is left."""
    url = postgres.url("postgres")
    result = chatbench("run", "fanout", "--size", "tiny", "--database-url", url, *arguments, folder=tmp_path)
    assert said in complaint(result)
    assert result.returncode == 2
    assert not list(tmp_path.glob("out/runs/*"))


@contextmanager
def small_file_system(parent: Path, size: str) -> Iterator[Path]:
    """A file system of its own below a folder."""
    folder = parent / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 128 KiB: run.json, written anew beside itself, takes 45, and twelve seconds of lines 100."""
    with small_file_system(tmp_path, "128k") as folder:
        yield folder


def test_a_full_disk_is_told_and_what_was_measured_is_kept(
    chatbench: Chatbench, postgres: EmbeddedPostgres, small_disk: Path, tmp_path: Path
) -> None:
    """A run whose folder fills up ends with one sentence; the lines written until then can be read."""
    url = postgres.url("postgres")
    result = chatbench(
        *("run", "fanout", "--size", "tiny", "--seconds", 12, "--database-url", url, "--out", small_disk / "out"),
        folder=tmp_path,
    )
    assert "No space left on device" in complaint(result)
    assert result.returncode == 2
    (run_folder,) = small_disk.glob("out/runs/*")
    assert sum(line.count for line in RunFolder(run_folder).read_histograms() if line.metric == "delivery_us") > 0


def test_copies_that_do_not_fit_are_told_before_one_is_made(chatbench: Chatbench, empty_folder: Path) -> None:
    """On a disk of 192 MiB, all strategies, set-ups and policies are refused, and what fits is compared."""
    with small_file_system(empty_folder, "192m") as disk:
        where = ("--size", "tiny", "--out", disk / "out")
        every = ",".join(shipped_strategies())
        refused = chatbench("indexes", "--strategies", every, *where, folder=empty_folder)
        copies = len(shipped_strategies()) + 1 + len(policies())
        assert f"{copies} copies of tiny need about" in complaint(refused)
        assert refused.returncode == 2
        assert not list(disk.glob("out/runs/*"))
        few = ("--strategies", "none,roadmap", "--statements", "find_user", "--variants", "none", "--no-policies")
        compared = chatbench("indexes", *few, "--blocks", 2, *where, folder=empty_folder)
        assert compared.returncode == 0, compared.stderr


def test_too_few_file_descriptors_for_the_users_are_told(
    chatbench: Chatbench, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    """The sentence says how many are needed and how many there are; nothing is left behind."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    users = hard + 1
    url = postgres.url("postgres")
    result = chatbench(*("run", "fanout", "--size", "tiny", "--users", users, "--database-url", url), folder=tmp_path)
    assert f"{users} users need" in complaint(result)
    assert result.returncode == 2
    assert not list(tmp_path.glob("out/runs/*"))


def test_serve_logs_in_one_format_and_serves_what_was_asked_for(
    start_chatbench: Callable[..., "subprocess.Popen[str]"], chatbench: Chatbench, empty_folder: Path
) -> None:
    """From the first line on, seeding included, standard error is JSON; another size than is there is refused."""
    serve = ("serve", "--http-port", 0, "--gateway-port", 0, "--log-format", "json", "--json")
    with start_chatbench(*serve, "--size", "tiny", folder=empty_folder) as process:
        assert process.stdout is not None
        assert json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")["ready"]
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate()
    assert process.returncode == 0, complaints
    events = [json.loads(line)["event"] for line in complaints.splitlines()]
    assert (events[0], events[-1]) == ("started", "stopped")
    for asked, replacing in (
        (("--size", "small"), "chatbench seed --size small --seed 1"),
        (("--size", "tiny", "--seed", 2), "chatbench seed --size tiny --seed 2"),
    ):
        refused = chatbench(*serve, *asked, folder=empty_folder)
        assert "holds size 'tiny' with seed 1" in complaint(refused)
        assert complaint(refused).endswith(replacing)
        assert refused.returncode == 2
