"""The authorization server that ``carnet mcp protect`` runs itself."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Sequence
from typing import IO, Final

import click
import msgspec

from carnet.cli.new_password import ask_password
from carnet.cli.processes import Processes
from carnet.cli.running import with_service
from carnet.server.accounts.accounts import Account
from carnet.server.audit import OPERATOR
from carnet.server.clients.resources import ResourceMetadata
from carnet.server.identifiers import new_identifier
from carnet.server.service import Service
from carnet.server.settings import Settings

__all__ = ["NAME", "make_first_account", "offer", "start"]

NAME: Final = "the authorization server"
PASSWORD_FILE: Final = "first-password"


def offer(settings: Settings, endpoint: str, scopes: Sequence[str]) -> None:
    """Let tokens be for an MCP endpoint, also those of clients that nobody has registered.

    Args:
        settings: where the data are.
        endpoint: its address.
        scopes: what its tokens may be asked to have.
    """
    members = {"scopes": list(scopes), "unregistered_clients": True}

    async def work(service: Service) -> None:
        registry = service.registry
        if endpoint not in {one.audience for one in registry.resources()}:
            await registry.add_resource(endpoint, ResourceMetadata(), OPERATOR)
        await registry.edit_resource(endpoint, members, OPERATOR)

    with_service(settings, work)


def make_first_account(settings: Settings, username: str | None, file: IO[str] | None) -> None:
    """Make an account where there is none, so that somebody can sign in.

    Its password is read from the file that was named, or asked for. Where there is no terminal to
    ask at, one is made up, and left in a file of the data folder that only its owner can read.

    Args:
        settings: where the data are.
        username: of the account; by default asked for, or the name of who runs this.
        file: holds the password in its first line, or None.
    """
    if with_service(settings, _first_accounts):
        return
    asks = file is None and sys.stdin.isatty()
    path = settings.folder / PASSWORD_FILE
    if username is None:
        username = _own_name()
        if asks:
            click.echo("Nobody has an account yet. Make yours:", err=True)
            username = str(click.prompt("Username", default=username, err=True))
    if asks:
        password = ask_password()
    elif file is not None:
        password = file.readline().rstrip("\r\n")
    else:
        password = new_identifier()
        # Before the account is there: without it nobody could sign in.
        path.unlink(missing_ok=True)
        path.touch(0o600, exist_ok=False)
        path.write_text(f"{password}\n")
    with_service(settings, lambda service: service.accounts.create(username, password))
    if file is None and not asks:
        click.echo(
            f"carnet: made the account {username}; its password is in {path}: remove that file "
            "once you know it",
            err=True,
        )


def start(processes: Processes, settings: Settings) -> None:
    """Start the server, and wait until it answers.

    Raises:
        ServerError: if it does not.
    """
    processes.start(
        NAME,
        "carnet",
        *("serve", "--data", settings.data, "--issuer", settings.own_url),
        *("--host", settings.host, "--port", str(settings.port)),
        *("--audience", settings.audiences[0]),
        *("--client-registration", settings.client_registration),
        talks=True,
    )
    processes.wait_until_ready(NAME, f"{_address(settings)}/healthz")


def _address(settings: Settings) -> str:
    return msgspec.structs.replace(settings, issuer="").own_url


async def _first_accounts(service: Service) -> list[Account]:
    return await service.accounts.page("")


def _own_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user may have no name.
        return "me"
