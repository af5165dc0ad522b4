"""``carnet demo``."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from typing import NoReturn

import click
import fastapi  # noqa: F401 - what the demo's processes need is told here, where it is missing
import uvicorn  # noqa: F401

from carnet.cli import ink
from carnet.cli.demo.walk import Addresses, walk
from carnet.cli.processes import Processes, check_ports
from carnet.server.accounts.accounts import AccountRefused
from carnet.server.audit import OPERATOR
from carnet.server.service import open_service
from carnet.server.settings import Settings

__all__ = ["demo"]

ACCOUNTS = {"alice": ("ADMIN", "carnet:admin"), "bob": ()}
PASSWORD = "paper-boat-harbour"
GRACE_SECONDS = 2


@click.command()
@click.option("--exit", "exit_after", is_flag=True, help="Stop after the walk.")
@click.option(
    "--port",
    type=click.IntRange(1024, 65533),
    default=8400,
    show_default=True,
    metavar="PORT",
    help="The first of three ports in a row.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=".carnet-demo",
    show_default=True,
    metavar="DIR",
    help="Folder of the demo's database and master key.",
)
def demo(exit_after: bool, port: int, data: Path) -> None:
    """Run the authentication server and two services, and walk through a token's life.

    Three processes start on this machine: the server, and the services `orders` and `billing`,
    which hold no secret. Each step shows the real request and the real answer. Then all keeps
    running until Ctrl-C, for you to try.

    \b
    Exit status: 0 if every step went as told, 1 if one did not, 2 if it could not start.
    """
    check_ports(
        {"the server": port, "orders": port + 1, "billing": port + 2},
        "choose where the demo's ports begin with --port",
    )
    # SIGTERM ends the demo as Ctrl-C does: with its children. A shell starts its background jobs
    # with SIGINT ignored; whoever sends it all the same means it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    at = Addresses(*(f"http://127.0.0.1:{port + number}" for number in range(3)))
    asyncio.run(_make_accounts(Settings(data=str(data), issuer=at.server)))
    went_as_told = None
    try:
        with Processes() as processes:
            _start(processes, at, port, data)
            went_as_told = walk(at, PASSWORD, GRACE_SECONDS)
            processes.check()
            if not exit_after:
                _stay_up(at, processes)
    except KeyboardInterrupt:
        click.echo("\nStopped.")
        if went_as_told is None:
            raise
    if not went_as_told:
        raise click.exceptions.Exit(1)


def _start(processes: Processes, at: Addresses, port: int, data: Path) -> None:
    click.echo(ink.faint("Starting the server, orders and billing …"))
    processes.start(
        "the server",
        "carnet",
        *("serve", "--data", str(data), "--port", str(port), "--issuer", at.server),
        *("--audience", "orders", "--audience", "billing"),
        *("--refresh-grace", str(GRACE_SECONDS)),
    )
    for number, name in enumerate(("orders", "billing"), 1):
        processes.start(
            name,
            "carnet.cli.demo.service",
            *(name, str(port + number)),
            DEMO_ISSUER=at.server,
        )
    processes.wait_until_ready("the server", f"{at.server}/healthz")
    processes.wait_until_ready("orders", f"{at.orders}/")
    processes.wait_until_ready("billing", f"{at.billing}/")


async def _make_accounts(settings: Settings) -> None:
    async with open_service(settings) as service:
        for username, roles in ACCOUNTS.items():
            try:
                await service.accounts.create(username, PASSWORD, roles)
            except AccountRefused as error:
                if error.code != "username_taken":
                    raise
                account = await service.accounts.find(username)
                if not set(roles) <= set(account.roles):
                    await service.accounts.set_roles(account.id, roles, OPERATOR)


def _stay_up(at: Addresses, processes: Processes) -> NoReturn:
    click.echo(
        f"""
{ink.strong("Now it is yours.")} Everything keeps running until Ctrl-C.

  server   {at.server}   key set: {at.server}/.well-known/jwks.json
           {at.server}/me  your account; {at.server}/admin  everybody's, for alice;
           {at.server}/debugger  tokens, taken apart and checked
  orders   {at.orders}   GET /orders, DELETE /orders (needs the role ADMIN), docs: {at.orders}/docs
  billing  {at.billing}   GET /invoices

  accounts: alice (ADMIN; runs the server) and bob (no role), both with the password {PASSWORD}

{ink.faint("# sign in, keep the token, use it")}
TOKEN=$(curl -s {at.server}/sessions -H 'Content-Type: application/json' \\
  -d '{{"username": "alice", "password": "{PASSWORD}"}}' \\
  | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
curl -i {at.orders}/orders -H "Authorization: Bearer $TOKEN"
"""
    )
    while True:
        processes.check()
        time.sleep(0.5)
