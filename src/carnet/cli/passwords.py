"""``carnet passwords``: which passwords are refused."""

from __future__ import annotations

from typing import BinaryIO

import click

from carnet.cli.files import output_file
from carnet.cli.options import echo_json, json_option
from carnet.errors import ConfigurationError
from carnet.server.accounts.breached_passwords import build_filter

__all__ = ["passwords"]


@click.group()
def passwords() -> None:
    """Refuse passwords that have appeared in leaks."""


@passwords.command("build-filter")
@click.argument("list", type=click.File("rb"))
@click.argument("out")
@click.option(
    "--seen",
    type=click.IntRange(1),
    default=1,
    metavar="N",
    help="Leave out passwords that the list counts less often than this.",
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@json_option
def build(list: BinaryIO, out: str, seen: int, force: bool, as_json: bool) -> None:
    """Make the file of the setting breached_passwords.

    LIST has one password a line, or one SHA-1 hash, as Pwned Passwords has them (HASH:COUNT).
    Nothing is asked over the network, then or later.

    \b
    Examples:
      carnet passwords build-filter pwned-passwords-sha1-ordered-by-hash.txt breached.bin --seen 10
      carnet passwords build-filter leaked.txt breached.bin
    """
    if out == "-":
        raise ConfigurationError("OUT is a file: the service maps it into memory")
    with output_file(out, force=force) as file:
        built = build_filter(list, file, least=seen)
    if as_json:
        echo_json({"entries": built.entries, "bytes_each": built.bytes_each})
        return
    click.echo(
        f"{out} has {built.entries:,} passwords, of each {built.bytes_each} bytes of its hash; "
        "name it in the setting breached_passwords"
    )
