"""The processes of a command: started together, watched, and never outliving it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import httpx

from carnet import child_processes
from carnet.errors import ServerError

__all__ = ["Processes", "check_ports"]

START_SECONDS = 30
STOP_SECONDS = 5


def check_ports(ports: Mapping[str, int], advice: str, host: str = "127.0.0.1") -> None:
    """Check that every port is free before anything is made or started.

    Args:
        ports: which program each belongs to.
        advice: how to choose another one.
        host: the address that they are ports of.

    Raises:
        ServerError: ``port_taken``.
    """
    for name, port in ports.items():
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                raise ServerError(
                    f"port {port}, for {name}, is taken; stop what listens there, or {advice}",
                    code="port_taken",
                ) from None


class Processes:
    """Child processes that end with this one, even when it is killed.

    Ctrl-C is ours alone: the children are in sessions of their own.
    """

    def __init__(self) -> None:
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for child in self._children.values():
            child.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for child in self._children.values():
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            if child.stderr is not None:
                child.stderr.close()

    def start(
        self, name: str, module: str, *arguments: str, talks: bool = False, **variables: str
    ) -> None:
        """Start ``python -m module arguments``.

        Args:
            name: what messages call it.
            module: which.
            arguments: its own.
            talks: whether what it says on standard error is said on ours; otherwise its last words
                are kept for when it has ended.
            variables: of the environment, added to ours.
        """
        self._children[name] = child_processes.start(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=None if talks else subprocess.PIPE,
            env={**os.environ, **variables},
            start_new_session=True,
        )

    def wait_until_ready(self, name: str, url: str) -> None:
        """Wait until a process answers HTTP at all.

        Raises:
            ServerError: with the process's own words, where it has ended instead.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._children[name].poll() is not None:
                raise ServerError(f"{name} did not start: {self._last_words(name)}")
            try:
                httpx.get(url, timeout=2, trust_env=False)
            except httpx.HTTPError:
                time.sleep(0.05)
            else:
                return
        raise ServerError(f"{name} did not answer at {url} within {START_SECONDS} seconds")

    def check(self) -> None:
        """Check that all still run.

        Raises:
            ServerError: with the words of the one that has ended.
        """
        for name, child in self._children.items():
            if child.poll() is not None:
                raise ServerError(f"{name} has ended: {self._last_words(name)}")

    def _last_words(self, name: str) -> str:
        stream = self._children[name].stderr
        if stream is None:
            return "what it has said above tells why"
        text = stream.read().decode("utf-8", "replace").strip()
        return text.splitlines()[-1].removeprefix("carnet: ") if text else "it said nothing"
