"""Several processes on one socket: started together, replaced when one dies, stopped together."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

import structlog
from prometheus_client import multiprocess

from carnet.child_processes import end_with_parent
from carnet.errors import ServerError
from carnet.server.log import configure_log
from carnet.server.running.serving import serve_on
from carnet.server.settings import Settings

__all__ = ["supervise"]

SHARED_MEMORY = "/dev/shm"  # noqa: S108 - a folder of our own is made in it
CHECK_SECONDS = 0.2
# What a worker needs to end beside what the settings give it.
STOP_SECONDS = 5
SHORT_LIFE_SECONDS = 5
SHORT_LIVES = 5
# How long a start is put off at most, after several that came to nothing.
LONGEST_WAIT_SECONDS = 5

_log = structlog.get_logger()


def supervise(
    listener: socket.socket,
    settings: Settings,
    announce: Callable[[], None],
    *,
    lifeline: int | None,
) -> None:
    """Run ``settings.workers`` processes until SIGINT or SIGTERM.

    Args:
        listener: the socket that they share.
        settings: the service's settings.
        announce: says that they are started.
        lifeline: a file whose end of input is a signal to stop too.

    Raises:
        ServerError: ``workers_die`` where all workers end as fast as they are started.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    if lifeline is not None:
        threading.Thread(target=_wait_for_end, args=(lifeline, stop), daemon=True).start()
    # Workers read from the pipe until it ends, which is when this process does.
    theirs, ours = multiprocessing.get_context("spawn").Pipe(duplex=False)
    with _temporary_folder(settings) as figures:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = figures
        workers = [_start(listener, settings, theirs) for _ in range(settings.workers)]
        try:
            announce()
            _watch(workers, listener, settings, theirs, stop)
        finally:
            # While it is open here, connections would wait in it for nobody.
            listener.close()
            _stop(workers, settings.stop_delay + settings.stop_grace + STOP_SECONDS)
            ours.close()


def _temporary_folder(settings: Settings) -> tempfile.TemporaryDirectory[str]:
    """Make a folder for what the workers count together, which needs not outlive them.

    Raises:
        ServerError: ``nowhere_to_write``.
    """
    # In a container, /dev/shm can be written in also where the file system is read-only.
    for place in (None, SHARED_MEMORY, settings.folder):
        with suppress(OSError):
            return tempfile.TemporaryDirectory(prefix="carnet-metrics-", dir=place)
    raise ServerError(
        "several workers count their requests together in a temporary folder, and none can be "
        "written in: set TMPDIR to one, such as a tmpfs, or the setting workers to 1",
        code="nowhere_to_write",
    )


@dataclass
class _Worker:
    process: SpawnProcess
    started: float
    missed: bool = False

    def is_young(self, now: float) -> bool:
        return now - self.started < SHORT_LIFE_SECONDS

    def is_settled(self, now: float) -> bool:
        return self.process.is_alive() and not self.is_young(now)


def _start(listener: socket.socket, settings: Settings, lifeline: Connection) -> _Worker:
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_work, args=(listener, settings, lifeline, os.getpid()))
    process.start()
    return _Worker(process, time.monotonic())


def _work(
    listener: socket.socket, settings: Settings, lifeline: Connection, supervisor: int
) -> None:
    # The lifeline ends too, but is read only once the worker serves.
    end_with_parent(supervisor)
    configure_log()
    try:
        serve_on(listener, settings, _say_nothing, lifeline=lifeline.fileno(), is_worker=True)
    except Exception as error:
        # multiprocessing would print it as it likes.
        _log.error("worker_failed", pid=os.getpid(), exc_info=error)
        sys.exit(1)


def _say_nothing() -> None:
    """The supervisor has said it for all."""


def _watch(
    workers: list[_Worker],
    listener: socket.socket,
    settings: Settings,
    lifeline: Connection,
    stop: threading.Event,
) -> None:
    short_lives, next_start = 0, 0.0
    while not stop.wait(CHECK_SECONDS):
        now = time.monotonic()
        for place, worker in enumerate(workers):
            if worker.process.is_alive():
                continue
            if not worker.missed:
                worker.missed = True
                _log.error("worker_died", pid=worker.process.pid, status=worker.process.exitcode)
                multiprocess.mark_process_dead(worker.process.pid)  # type: ignore[no-untyped-call]  # has no types
                short_lives = short_lives + 1 if worker.is_young(now) else 0
                # One that can't start, its database being away perhaps, must not end the others.
                if short_lives >= SHORT_LIVES and not any(one.is_settled(now) for one in workers):
                    raise ServerError(
                        "the workers end as soon as they are started; the lines above say why",
                        code="workers_die",
                    )
                if short_lives:
                    next_start = now + min(CHECK_SECONDS * 2**short_lives, LONGEST_WAIT_SECONDS)
            if now >= next_start:
                workers[place] = _start(listener, settings, lifeline)


def _stop(workers: list[_Worker], seconds: float) -> None:
    for worker in workers:
        worker.process.terminate()
    deadline = time.monotonic() + seconds
    for worker in workers:
        worker.process.join(max(0.1, deadline - time.monotonic()))
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()


def _wait_for_end(lifeline: int, stop: threading.Event) -> None:
    while os.read(lifeline, 1024):
        continue
    stop.set()
