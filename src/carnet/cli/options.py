"""The options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from carnet.server.settings import Settings, load_settings

__all__ = ["data_options", "settings_from"]

F = TypeVar("F", bound=Callable[..., Any])


def data_options(command: F) -> F:
    """Add ``--config`` and ``--data``: where the service's settings and data are."""
    for option in (
        click.option("--data", metavar="DIR", help="Folder of the database and the master key."),
        click.option(
            "--config",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="Settings in TOML.",
        ),
    ):
        command = option(command)
    return command


def settings_from(config: Path | None, **given: Any) -> Settings:
    """Put the settings together from the file, the environment and the flags."""
    return load_settings(config, os.environ, given)
