"""Runs one of the demo's services: ``python -m carnet.cli.demo.service orders 8401``."""

from __future__ import annotations

import sys

import uvicorn

__all__ = ["main"]


def main(name: str, port: str) -> None:
    """Serve until SIGTERM."""
    uvicorn.run(
        f"carnet.cli.demo.{name}:app",
        host="127.0.0.1",
        port=int(port),
        log_level="warning",
        access_log=False,
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
