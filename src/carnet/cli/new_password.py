"""Asking for a new password."""

from __future__ import annotations

import click

from carnet.server.accounts.passwords import MAX_PASSWORD, MIN_PASSWORD

__all__ = ["ask_password"]


def ask_password() -> str:
    """Say what a password has to be, and ask for one, twice."""
    click.echo(
        f"A password has {MIN_PASSWORD} to {MAX_PASSWORD} characters, and is not a common one.",
        err=True,
    )
    return str(click.prompt("Password", hide_input=True, confirmation_prompt="Once more", err=True))
