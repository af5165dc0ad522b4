"""Runs one of the demo's services: ``python -m carnet.cli.demo.service orders 8401``."""

from __future__ import annotations

import os
import signal
import sys
import threading

import uvicorn

__all__ = ["main"]


def main(name: str, port: str) -> None:
    """Serve until SIGTERM, or until standard input closes because the demo has ended."""
    threading.Thread(target=_stop_with_stdin, daemon=True).start()
    uvicorn.run(
        f"carnet.cli.demo.{name}:app",
        host="127.0.0.1",
        port=int(port),
        log_level="warning",
        access_log=False,
    )


def _stop_with_stdin() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        continue
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
