"""``carnet serve``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from carnet.cli.options import data_options, settings_from
from carnet.server.program import serve as run

__all__ = ["serve"]


@click.command()
@data_options
@click.option("--host", metavar="ADDRESS", help="Address to listen on. [default: 127.0.0.1]")
@click.option("--port", type=int, metavar="PORT", help="Port to listen on. [default: 8400]")
@click.option("--issuer", metavar="URL", help="The service's own URL. [default: where it listens]")
@click.option(
    "--audience",
    "audiences",
    multiple=True,
    metavar="NAME",
    help="A service that tokens may be for; may be repeated, the first is the default.",
)
@click.option("--access-token-lifetime", type=int, metavar="SECONDS", help="[default: 300]")
@click.option(
    "--refresh-grace",
    type=int,
    metavar="SECONDS",
    help="How long a refresh token that was just used gets the same answer. [default: 30]",
)
@click.option(
    "--stop-with-stdin",
    is_flag=True,
    help="Stop when standard input closes, so that no service outlives its supervisor.",
)
def serve(
    config: Path | None, stop_with_stdin: bool, audiences: tuple[str, ...], **given: Any
) -> None:
    """Run the authentication service until Ctrl-C.

    Every setting can also stand in a TOML file (--config) or in a variable such as CARNET_ISSUER;
    flags win over variables, variables over the file.

    \b
    Examples:
      carnet serve --audience orders --audience billing
      carnet serve --config carnet.toml
      CARNET_ISSUER=https://auth.example.com carnet serve
    """
    settings = settings_from(config, audiences=list(audiences) or None, **given)
    run(settings, stop_with_stdin=stop_with_stdin)
