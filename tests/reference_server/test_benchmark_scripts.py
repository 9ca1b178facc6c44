"""The script that the fan-out benchmark starts as its yardstick, run for a moment."""

import subprocess
import sys
from pathlib import Path

from websockets.sync.client import connect


def test_a_bare_server_broadcasts_to_all_and_ends_with_its_input() -> None:
    """What one connection says, everyone hears."""
    script = Path(__file__).parent / "serving" / "broadcast_server.py"
    with subprocess.Popen([sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        url = f"ws://127.0.0.1:{int(process.stdout.readline())}"
        with connect(url, compression=None) as speaker, connect(url, compression=None) as listener:
            speaker.send("hello")
            assert speaker.recv(timeout=10) == listener.recv(timeout=10) == "hello"
    assert process.returncode == 0
