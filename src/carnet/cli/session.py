"""``carnet session``: who is signed in, and ending it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from carnet.cli.options import data_options, echo_json, json_option, settings_from
from carnet.cli.running import with_service
from carnet.cli.tables import show_table
from carnet.cli.times import when
from carnet.errors import ConfigurationError
from carnet.server.audit import OPERATOR
from carnet.server.service import Service
from carnet.server.sessions.agents import AgentSession
from carnet.server.sessions.sessions import Session

__all__ = ["session"]


@click.group()
def session() -> None:
    """List and end people's sessions."""


@session.command("list")
@click.argument("username")
@json_option
@data_options
def list_sessions(username: str, as_json: bool, config: Path | None, **given: Any) -> None:
    """List the sessions of an account, and the programs that act for it, the one used last first.

    A program's session is ended as any other is; it gets nothing more until its person signs in
    again.
    """

    async def work(service: Service) -> tuple[list[Session], list[AgentSession]]:
        account = await service.accounts.find(username)
        sessions = await service.sessions.of_account(account.id)
        return sessions, await service.agents.of_account(account.id)

    sessions, agents = with_service(settings_from(config, **given), work, reading=True)
    if as_json:
        echo_json([*(one._asdict() for one in sessions), *(agent._asdict() for agent in agents)])
        return
    if not sessions:
        click.echo(f"{username} is not signed in anywhere")
    show_table(
        ("session", "used", "from", "with"),
        [
            *(
                (one.id, when(one.rotated_at), one.address or "-", one.user_agent[:40])
                for one in sessions
            ),
            *(
                (
                    *(one.id, when(one.used_at), one.address or "-"),
                    f"acts as {one.client_id} at {one.resource}",
                )
                for one in agents
            ),
        ],
    )


@session.command()
@click.argument("username")
@click.argument("session_id", required=False)
@click.option("--all", "everything", is_flag=True, help="End all of the account's sessions.")
@data_options
def end(
    username: str, session_id: str | None, everything: bool, config: Path | None, **given: Any
) -> None:
    """End a session, or all of an account; running services refuse its tokens within a moment.

    \b
    Examples:
      carnet session end alice xKd8fL2…
      carnet session end alice --all
    """
    if (session_id is None) is not everything:
        raise click.UsageError("name the session to end, or all of them with --all")

    async def work(service: Service) -> int:
        account = await service.accounts.find(username)
        reason = "ended_by_operator"
        if session_id is None:
            return await service.sessions.end_all(account.id, reason, OPERATOR)
        ended = await service.sessions.end_of_account(account.id, session_id, reason, OPERATOR)
        return int(ended)

    ended = with_service(settings_from(config, **given), work)
    if session_id is not None and not ended:
        raise ConfigurationError(
            f"{username} has no such session; `carnet session list {username}` shows them"
        )
    click.echo(f"ended {ended} session{'' if ended == 1 else 's'}")
