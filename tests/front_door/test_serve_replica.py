"""`chatbench serve --replica embedded`: a streaming replica that comes and goes with the server, however it ends."""

import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
from ready_record import ready_record

Start = Callable[..., "subprocess.Popen[str]"]
OPTIONS = ("serve", "--replica", "embedded", "--size", "tiny", "--http-port", 0, "--gateway-port", 0, "--json")
WAIT_SECONDS = 60


@contextmanager
def serving(start: Start, folder: Path, *more: object) -> Iterator[tuple["subprocess.Popen[str]", Any]]:
    """The process, and what it says when it is ready."""
    with start(*OPTIONS, *more, folder=folder) as process:
        record = ready_record(process)
        try:
            yield process, record
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=WAIT_SECONDS)


def servers(folder: Path) -> list[psutil.Process]:
    """PostgreSQL's server processes with data below a folder; ended ones that nobody collected do not count."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        command = process.info["cmdline"] or []
        is_server = "-D" in command and str(folder) in " ".join(command) and Path(command[0]).name == "postgres"
        if is_server and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def served_by(record: Any) -> str:
    """Who serves a page of messages of some user's."""
    with httpx.Client(base_url=record["http_url"], trust_env=False, timeout=WAIT_SECONDS) as http:
        conversation = http.get("/v1/dataset").json()["conversations"][0]
        body = {"user_id": conversation["member_ids"][0], "login_key": "chatbench"}
        token = http.post("/v1/login", json=body).json()["access_token"]
        path = f"/v1/conversations/{conversation['conversation_id']}/messages"
        return http.get(path, headers={"Authorization": f"Bearer {token}"}).headers["chat-served-by"]


def test_a_replica_serves_and_goes_with_the_server(start_chatbench: Start, empty_folder: Path) -> None:
    """Pages come from it; after Ctrl-C no server and no copy of the data is left. Pools have the size asked for."""
    with serving(start_chatbench, empty_folder, "--pool-size", 3, "--read-your-writes", "eventual") as (
        process,
        record,
    ):
        assert served_by(record) == "replica"
        assert len(servers(empty_folder)) == 2
        settings = record["settings"]
        assert (settings["pool_size_max"], settings["replica_pool_size_max"]) == (3, 3)
        assert settings["read_your_writes"] == "eventual"
        assert "operator_key" not in settings
    assert process.returncode == 0
    assert servers(empty_folder) == []
    assert not (empty_folder / "out" / "postgres" / "replica" / "data").exists()


def test_what_a_killed_server_leaves_is_replaced(start_chatbench: Start, empty_folder: Path) -> None:
    """After kill -9 the next one starts with a replica of its own, and ends with nothing left."""
    with serving(start_chatbench, empty_folder) as (victim, _):
        victim.kill()
        victim.wait()
        left = servers(empty_folder)
        assert len(left) == 2
        with serving(start_chatbench, empty_folder) as (_, record):
            assert served_by(record) == "replica"
            assert len(servers(empty_folder)) == 2
            assert not set(left) & set(servers(empty_folder))
    assert servers(empty_folder) == []


def test_a_policy_that_is_none_is_bad_usage(start_chatbench: Start, empty_folder: Path) -> None:
    """The policies are named, and nothing is started."""
    with start_chatbench(*OPTIONS, "--read-your-writes", "hope", folder=empty_folder) as process:
        _, complaints = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 2
    assert all(policy in complaints for policy in ("primary", "wait", "eventual"))
    assert not list(empty_folder.iterdir())


def test_a_replica_that_is_not_reachable_is_refused(start_chatbench: Start, tiny_url: str, empty_folder: Path) -> None:
    """One sentence, without the password."""
    arguments = ("serve", "--database-url", tiny_url, "--replica", "postgresql://me:secret@127.0.0.1:1/chat")
    with start_chatbench(*arguments, folder=empty_folder) as process:
        _, complaints = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 2
    assert re.fullmatch(r"chatbench: cannot reach PostgreSQL at postgresql://me@127\.0\.0\.1:1/chat .*\n", complaints)
