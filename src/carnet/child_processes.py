"""Child processes that end with the program that started them, even when that is killed.

Linux sends a process a signal when the thread that started it has ended, if the process asks for
that (prctl(2), PR_SET_PDEATHSIG). It has to ask itself, and after any change of its user, which
takes the wish back. So ``start`` runs this file first, in the child: it becomes the other user,
gives every signal back what it does by default, asks, looks whether the parent is still there, and
becomes the command. The process has one id all along.

Where there is no such signal, or where a thread starts a process that may outlive the thread, and
for what is not our own child, a watcher reads a pipe that ends when we do: ``watch``.
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

__all__ = ["end_with_parent", "ending_with_us", "start", "watch"]

PR_SET_PDEATHSIG: Final = 1
UNCHANGEABLE: Final = frozenset({signal.SIGKILL, signal.SIGSTOP})
CHECK_SECONDS: Final = 0.5
FILE_SECONDS: Final = 10
NO_SIGNAL: Final = 0
NOT_FOUND: Final = 127
PARENT_GONE: Final = 1

# -I -S: a start within milliseconds, and no module from where the command shall run.
_THIS_FILE: Final = (sys.executable, "-I", "-S", str(Path(__file__).resolve()))
# Their pipes stay open for as long as we live.
_watchers: list[subprocess.Popen[bytes]] = []
_watching = threading.Lock()


def start(
    command: Sequence[str | os.PathLike[str]],
    *,
    user: str | None = None,
    ending: int = signal.SIGTERM,
    **options: Any,
) -> subprocess.Popen[Any]:
    """Start a process that ends with this one.

    Args:
        command: the program and its arguments.
        user: the account to run it as; only root may.
        ending: the signal that it is sent when we are gone.
        options: as for ``subprocess.Popen``.

    Raises:
        FileNotFoundError: if there is no such program.
    """
    program, *arguments = (os.fspath(part) for part in command)
    search = (options.get("env") or os.environ).get("PATH")
    if os.sep not in program and shutil.which(program, path=search) is None:
        raise FileNotFoundError(f"there is no program {program}")
    in_main_thread = threading.current_thread() is threading.main_thread()
    by_signal = in_main_thread and _has_parent_death_signal()
    wrapper = ("start", str(os.getpid()), str(int(ending) if by_signal else NO_SIGNAL), user or "")
    process: subprocess.Popen[Any] = subprocess.Popen(  # noqa: S603 - what the caller asks for
        [*_THIS_FILE, *wrapper, program, *arguments], **options
    )
    if not by_signal:
        watch(process.pid, ending)
    return process


def ending_with_us(command: Sequence[str], *, ending: int = signal.SIGTERM) -> list[str]:
    """Give the command that runs another one so that it ends with this process, where Linux helps.

    For those who have to leave starting it to somebody else; that has to be in the main thread.

    Args:
        command: the program and its arguments.
        ending: the signal that it is sent when we are gone.
    """
    number = int(ending) if _has_parent_death_signal() else NO_SIGNAL
    return [*_THIS_FILE, "start", str(os.getpid()), str(number), "", *command]


def watch(process: int | Path, ending: int = signal.SIGTERM) -> None:
    """Have a process that need not be a child of ours sent a signal when we are gone.

    Args:
        process: its id; or the file of which the first line is its id, as soon as it runs.
        ending: the signal.
    """
    watcher = subprocess.Popen(  # noqa: S603 - this file
        [*_THIS_FILE, "watch", str(process), str(int(ending))],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    with _watching:
        for ended in [one for one in _watchers if one.poll() is not None]:
            _watchers.remove(ended)
            if ended.stdin is not None:
                ended.stdin.close()
        _watchers.append(watcher)


def end_with_parent(parent: int, ending: int = signal.SIGTERM) -> None:
    """Have this process sent a signal when its parent is gone; end at once where it is already.

    Args:
        parent: the parent's id, as the parent knows it.
        ending: the signal.
    """
    if not _has_parent_death_signal():
        return
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(PR_SET_PDEATHSIG, int(ending), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "can't ask for a signal at the parent's death")
    # It may have gone before we asked, and then no signal comes.
    if os.getppid() != parent:
        sys.exit(PARENT_GONE)


def _has_parent_death_signal() -> bool:
    return sys.platform == "linux"


def _become(parent: str, ending: str, user: str, *command: str) -> None:
    """Become the command."""
    if user:
        _become_user(user)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    # What a shell's background job or nohup ignores, and what Python itself does.
    for number in signal.valid_signals() - UNCHANGEABLE:
        signal.signal(number, signal.SIG_DFL)
    end_with_parent(int(parent), int(ending))
    try:
        os.execvp(command[0], command)  # noqa: S606 - what the caller asks for
    except OSError as error:
        sys.stderr.write(f"can't run {command[0]}: {error.strerror}\n")
        sys.exit(NOT_FOUND)


def _become_user(name: str) -> None:
    import pwd

    account = pwd.getpwnam(name)
    os.setgroups([account.pw_gid])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)


def _wait_and_end(process: str, ending: str) -> None:
    """Wait until standard input ends, and signal the process; or until the process has ended."""
    named = process.isdigit()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        while not select.select([0], [], [], CHECK_SECONDS)[0]:
            if named:
                os.kill(int(process), 0)
        os.kill(int(process) if named else _read_id(Path(process)), int(ending))
    except ProcessLookupError:
        pass


def _read_id(file: Path) -> int:
    """Read a process's id from its file, which may be about to be written."""
    until = time.monotonic() + FILE_SECONDS
    while time.monotonic() < until:
        with suppress(OSError, ValueError, IndexError):
            return int(file.read_text().split()[0])
        time.sleep(CHECK_SECONDS / 10)
    raise ProcessLookupError


if __name__ == "__main__":
    if sys.argv[1] == "watch":
        _wait_and_end(*sys.argv[2:])
    else:
        _become(*sys.argv[2:])
