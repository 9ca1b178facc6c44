import os
import subprocess
import sys

import psutil

from scenarios.process_usage import ProcessUsage, read

BUSY = "import sys\nwhile True:\n    sum(range(10**6)); sys.stdout.write('x'); sys.stdout.flush()\n"


def test_a_process_that_works_uses_cpu_and_memory() -> None:
    """What a child used between two looks is its CPU time over the time between."""
    with subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        usage = ProcessUsage()
        assert usage.look([child.pid]) is not None
        child.stdout.read(20)
        found = usage.look([child.pid])
        child.kill()
    assert found is not None
    assert found.cpu_percent > 0
    assert found.memory_bytes > 2**20


def test_what_was_used_before_the_first_look_is_not_counted() -> None:
    """This process has used CPU for long: at the first look, that is no usage."""
    now = [100.0]
    usage = ProcessUsage(lambda: now[0])
    now[0] += 0.001
    found = usage.look([os.getpid()])
    assert found is not None
    assert found.cpu_percent == 0


def test_a_process_that_is_gone_or_another_is_none() -> None:
    """No process of the name, no figure: a wrong one would be worse."""
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    usage = ProcessUsage()
    assert usage.look([child.pid]) is None
    assert usage.look([os.getpid()], name="postgres") is None


def test_a_reading_is_none_of_a_process_that_ended_and_waits_to_be_buried() -> None:
    """As long as it lives it has used CPU and holds memory and descriptors."""
    command = [sys.executable, "-c", "print('up', flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()  # it is Python by now, and no fork of this process
        process = psutil.Process(child.pid)
        reading = read(process)
        assert reading is not None
        assert reading.resident_bytes >= reading.shared_bytes > 0
        assert reading.descriptors is not None
        assert reading.descriptors >= 3
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and still to be waited for
        assert read(process) is None
    assert read(process) is None
