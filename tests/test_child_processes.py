"""What starts a process takes it along when it ends, however it ends."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from tests import processes

from carnet import child_processes

# What all starters of these tests do: say which process they have started, and stay.
STARTER = """
import os, signal, sys, time
from carnet import child_processes

{body}
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def starter():
    """Start a program that starts a child; give the program and the child's id."""
    started = []

    def run(body):
        code = STARTER.format(body=textwrap.dedent(body))
        process = processes.start(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        line = process.stdout.readline()
        assert line, process.stderr.read()
        return process, int(line)

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    "options",
    [
        "",
        "ending=signal.SIGKILL",
        "start_new_session=True",
        pytest.param(
            "user='nobody'",
            marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user"),
        ),
    ],
)
def test_a_child_ends_with_its_parent(starter, number, options):
    process, child = starter(f"child = child_processes.start(['sleep', '600'], {options})")
    processes.wait_until(lambda: Path(f"/proc/{child}/comm").read_text() == "sleep\n")
    process.send_signal(number)
    processes.wait_until(lambda: processes.has_ended(child))


def test_a_child_that_is_started_too_late_does_not_become_the_command(tmp_path):
    # As if the parent had ended, and another process had adopted the child.
    file = child_processes.__file__
    command = ["touch", str(tmp_path / "made")]
    done = processes.run([sys.executable, file, "start", "1", "15", "", *command])
    assert done.returncode == child_processes.PARENT_GONE
    assert not (tmp_path / "made").exists()


def test_a_process_that_is_no_child_ends_too(starter):
    # As PostgreSQL, which leaves whoever started it.
    process, other = starter("""
        import subprocess
        from types import SimpleNamespace
        shell = ["sh", "-c", "sleep 600 >&- & echo $!"]
        child = SimpleNamespace(pid=int(subprocess.check_output(shell)))
        child_processes.watch(child.pid)
    """)
    assert other not in processes.descendants(process.pid)
    process.kill()
    processes.wait_until(lambda: processes.has_ended(other))


def test_a_process_that_tells_its_id_in_a_file_ends_too_even_when_that_comes_late(
    starter, tmp_path
):
    file = tmp_path / "pid"
    process, watcher = starter(f"""
        from pathlib import Path
        child_processes.watch(Path({str(file)!r}))
        child = child_processes._watchers[0]
    """)
    other = processes.start(["sleep", "600"])
    process.kill()
    assert not processes.has_ended(watcher)
    file.write_text(f"{other.pid}\nmore\n")
    assert other.wait(processes.PATIENCE) == -signal.SIGTERM
    processes.wait_until(lambda: processes.has_ended(watcher))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_where_there_is_no_such_signal_a_watcher_ends_the_child(starter, number):
    process, child = starter("""
        child_processes._has_parent_death_signal = lambda: False
        child = child_processes.start(["sleep", "600"], start_new_session=True)
    """)
    process.send_signal(number)
    processes.wait_until(lambda: processes.has_ended(child))


def test_a_child_outlives_the_thread_that_started_it_and_ends_with_the_process(starter):
    process, child = starter("""
        import threading
        made = []
        def start():
            made.append(child_processes.start(["sleep", "600"]))
            while open(f"/proc/{made[0].pid}/comm").read() != "sleep\\n":
                time.sleep(0.01)
        thread = threading.Thread(target=start)
        thread.start()
        thread.join()
        child = made[0]
    """)
    for _ in range(20):
        assert not processes.has_ended(child)
        time.sleep(0.01)
    process.kill()
    processes.wait_until(lambda: processes.has_ended(child))


def test_a_watcher_ends_with_what_it_watches(starter):
    process, child = starter("""
        child = child_processes.start(["sleep", "600"])
        child_processes.watch(child.pid)
        child.kill()
        child.wait()
        child = child_processes._watchers[0]
    """)
    processes.wait_until(lambda: processes.has_ended(child))
    assert process.poll() is None


def test_every_signal_does_to_a_child_what_it_does_by_default(starter):
    process, child = starter("""
        numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT]
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
        child = child_processes.start(["sleep", "600"])
    """)
    processes.wait_until(lambda: Path(f"/proc/{child}/comm").read_text() == "sleep\n")
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{child}/status").read_text().splitlines()
    )
    # Two signals, 32 and 33, are the C library's own, which nobody else can set.
    ours = ~(0b11 << 31)
    assert int(status["SigIgn"], 16) & ours == int(status["SigBlk"], 16) & ours == 0
    assert "sleep" in Path(f"/proc/{child}/cmdline").read_text()
    process.kill()


def test_a_program_that_is_not_there_is_told_at_once():
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        child_processes.start(["no-such-program"])
    done = processes.run(["/no/such/program"], capture_output=True, text=True)
    assert done.returncode == child_processes.NOT_FOUND
    assert done.stderr == "can't run /no/such/program: No such file or directory\n"
