"""A fork server for tests: starts ``python -m carnet`` without importing the product each time.

To import it takes three quarters of the processor time of a start, and the tests start it more than
a thousand times. So one process of each run of pytest imports it once; whoever asks gets a fork of
that, which then runs ``carnet`` as ``python -m`` does, with its own arguments, folder, environment,
and standard streams. What a start might do differently for another environment than ours (Python's
own variables, a library's) is never done so, but by ``child_processes``.

The fork server ends when pytest does, and its forks are sent a signal then. It has one thread.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from carnet import child_processes

PROGRAM = [sys.executable, "-m", "carnet"]
# Programs of the tests that are the product with something added.
SCRIPTS = {str(path) for path in Path(__file__).parent.rglob("killed.py")}
# What a fork can be given; with any other option a process is started from nothing.
OPTIONS = {"stdin", "stdout", "stderr", "text", "errors", "env", "cwd"}
# These are read at run time, and not before; any other may change what an import does.
LATE_VARIABLES = ("CARNET_", "KILL_", "PYTEST_")
ENVIRONMENT: dict[str, str] = {}
HEADER = 4

_starting = threading.Lock()
_server = []


def note_environment():
    """Take the environment as it is now for the one that the tests begin with."""
    ENVIRONMENT.update(os.environ)


def can_start(command, options):
    """Tell whether a fork is the same as what is to be started."""
    program = [*map(os.fspath, command[:3])]
    known = program == PROGRAM or (program[0] == sys.executable and program[1] in SCRIPTS)
    if sys.platform != "linux" or not known:
        return False
    given = _early(options.get("env") or os.environ)
    return options.keys() <= OPTIONS and given == _early(ENVIRONMENT)


def start(command, *, ending, stdin=None, stdout=None, stderr=None, **options):
    """Start Python, as ``subprocess.Popen`` does.

    Args:
        command: its arguments, Python's own among them.
        ending: the signal that it is sent when we are gone.
        stdin: as for ``Popen``; and so are all others that are in ``OPTIONS``.
    """
    streams = [_Stream(stdin, 0), _Stream(stdout, 1), _Stream(stderr, 2)]
    if stderr == subprocess.STDOUT:
        streams[2].theirs = streams[1].theirs
    arguments = [os.fsdecode(one) for one in command[1:]]
    asked = {
        "arguments": arguments,
        "ending": int(ending),
        "env": dict(options.get("env") or os.environ),
        "cwd": os.fspath(options.get("cwd") or Path.cwd()),
    }
    content = json.dumps(asked).encode()
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(_address())
    length = len(content).to_bytes(HEADER, "big")
    socket.send_fds(connection, [length], [stream.theirs for stream in streams])
    connection.sendall(content)
    pid = int.from_bytes(_receive(connection, HEADER), "big")
    for stream in streams:
        stream.close_theirs()
    text = options.get("text") or "errors" in options
    return Forked(command, pid, connection, [one.opened(text, options) for one in streams])


class Forked:
    """A fork that runs, with what ``subprocess.Popen`` offers of it."""

    def __init__(self, args, pid, connection, streams):
        self.args = args
        self.pid = pid
        self.stdin, self.stdout, self.stderr = streams
        self.returncode = None
        self._connection = connection
        self._waiting = threading.Lock()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for stream in (self.stdout, self.stderr, self.stdin):
            if stream is not None:
                stream.close()
        self.wait()

    def poll(self):
        """Give the exit status, or None while it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout=None):
        """Wait for the end, for some seconds at most, and give the exit status."""
        if not self._waiting.acquire(timeout=-1 if timeout is None else timeout):
            raise subprocess.TimeoutExpired(self.args, timeout)
        try:
            if self.returncode is None:
                # Zero would not even take what has come already.
                self._connection.settimeout(None if timeout is None else max(timeout, 0.001))
                status = _receive(self._connection, HEADER)
                self._connection.close()
                self.returncode = int.from_bytes(status, "big", signed=True)
        except TimeoutError:
            raise subprocess.TimeoutExpired(self.args, timeout) from None
        finally:
            self._waiting.release()
        return self.returncode

    def send_signal(self, number):
        """Send a signal, unless it has ended."""
        # It may be gone, and its end on the way to here.
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self):
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self):
        """End it."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, input=None, timeout=None):
        """Write all input, read all output, wait for the end; and give what was read."""
        found = {}
        threads = [
            threading.Thread(target=self._read, args=(name, found))
            for name in ("stdout", "stderr")
            if getattr(self, name) is not None and not getattr(self, name).closed
        ]
        if self.stdin is not None:
            threads.append(threading.Thread(target=self._write, args=(input,)))
        until = None if timeout is None else time.monotonic() + timeout
        for thread in threads:
            thread.daemon = True
            thread.start()
        for thread in threads:
            thread.join(None if until is None else max(0, until - time.monotonic()))
            if thread.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout)
        self.wait(None if until is None else max(0, until - time.monotonic()))
        return found.get("stdout"), found.get("stderr")

    def _read(self, name, found):
        stream = getattr(self, name)
        found[name] = stream.read()
        stream.close()

    def _write(self, content):
        # It may have ended without reading all.
        with suppress(BrokenPipeError), self.stdin:
            if content:
                self.stdin.write(content)


class _Stream:
    """One of the three standard streams: what the fork has of it, and what is left to us."""

    def __init__(self, wanted, number):
        self.ours = self._made = None
        self.writing = number == 0
        if wanted == subprocess.PIPE:
            read, write = os.pipe()
            self.theirs, self.ours = (read, write) if self.writing else (write, read)
            self._made = self.theirs
        elif wanted == subprocess.DEVNULL:
            self.theirs = self._made = os.open(os.devnull, os.O_RDWR)
        elif wanted is None or wanted == subprocess.STDOUT:
            self.theirs = number
        else:
            self.theirs = wanted if isinstance(wanted, int) else wanted.fileno()

    def close_theirs(self):
        if self._made is not None:
            os.close(self._made)

    def opened(self, text, options):
        if self.ours is None:
            return None
        mode = "w" if self.writing else "r"
        if not text:
            return os.fdopen(self.ours, f"{mode}b")
        return os.fdopen(self.ours, mode, errors=options.get("errors"))


def _early(env):
    return {name: value for name, value in env.items() if not name.startswith(LATE_VARIABLES)}


def _address():
    """Give the address of this process's fork server, which is started when it is first needed."""
    with _starting:
        if not _server:
            folder = tempfile.TemporaryDirectory(prefix="carnet-forks-")
            address = f"{folder.name}/socket"
            process = child_processes.start(
                [sys.executable, "-m", "tests.fork_server", address],
                cwd=Path(__file__).parents[1],
                env=ENVIRONMENT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            process.stdout.readline()
            _server.extend((address, folder, process))
            atexit.register(_end)
        return _server[0]


def _end():
    _, folder, process = _server
    process.stdin.close()
    process.stdout.close()
    process.wait()
    folder.cleanup()


def _receive(connection, length):
    content = b""
    while len(content) < length:
        part = connection.recv(length - len(content))
        if not part:
            raise EOFError("the fork server has gone")
        content += part
    return content


# What follows runs in the fork server.


def serve(address):
    """Fork for whoever asks, until pytest ends; return what is asked, in the fork."""
    # The terminal's Ctrl-C is for pytest, which then ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen()
    print("ready", flush=True)
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
    selector.register(listening, selectors.EVENT_READ)
    # By the descriptor of the process: who waits for its end, and its id.
    running = {}
    parent = os.getpid()
    while True:
        for key, _ in selector.select():
            if key.fd == sys.stdin.fileno():
                sys.exit()
            if key.fileobj is listening:
                connection = listening.accept()[0]
                length, streams, *_ = socket.recv_fds(connection, HEADER, 3)
                asked = json.loads(_receive(connection, int.from_bytes(length, "big")))
                pid = os.fork()
                if pid == 0:
                    selector.close()
                    for one in (listening, connection, *(one for one, _ in running.values())):
                        one.close()
                    for descriptor in running:
                        os.close(descriptor)
                    return parent, streams, asked
                for descriptor in streams:
                    os.close(descriptor)
                connection.sendall(pid.to_bytes(HEADER, "big"))
                descriptor = os.pidfd_open(pid)
                selector.register(descriptor, selectors.EVENT_READ)
                running[descriptor] = connection, pid
            else:
                connection, pid = running.pop(key.fd)
                selector.unregister(key.fd)
                os.close(key.fd)
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                # Maybe nobody waits for it any more.
                with connection, suppress(OSError):
                    connection.sendall(status.to_bytes(HEADER, "big", signed=True))


def become(parent, streams, asked):
    """Be what ``python -m carnet`` would be."""
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
    for descriptor in streams:
        os.close(descriptor)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    child_processes.end_with_parent(parent, asked["ending"])
    program, *arguments = asked["arguments"]
    if program == "-m":
        sys.path[0] = asked["cwd"]
        sys.argv[1:] = arguments[1:]
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = str(Path(program).parent)
        sys.argv = [program, *arguments]
        runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    from tests import password_cost

    import carnet.cli.commands
    import carnet.server.running.program  # noqa: F401 - it is imported before it is asked for

    password_cost.lower()
    become(*serve(sys.argv[1]))
