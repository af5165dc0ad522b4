"""``carnet login``, ``carnet token``, ``carnet logout``: a person's own tokens in the terminal."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import click
import msgspec

from carnet.errors import ConfigurationError, GrantRefused
from carnet.login import TerminalSession
from carnet.login.stores import state_folder
from carnet.verifier.token_store import FileStore

__all__ = ["login", "logout", "token"]

F = TypeVar("F", bound=Callable[..., Any])

CLIENT_ID: Final = "carnet-cli"

_NAME: Final = re.compile(r"[A-Za-z0-9_\-]{1,64}")

profile_option = click.option(
    "--profile",
    metavar="NAME",
    default="default",
    show_default=True,
    help="The name under which this sign-in is kept.",
)


class _Profile(msgspec.Struct):
    """Where somebody has signed in, and to what; nothing of it is secret."""

    issuer: str
    client_id: str = CLIENT_ID
    scope: str | None = None
    resource: str | None = None

    @property
    def session(self) -> TerminalSession:
        """The session that this is about."""
        return TerminalSession(
            self.issuer, self.client_id, scope=self.scope, resource=self.resource
        )


@click.command()
@click.option("--issuer", metavar="URL", help="The issuer; by default that of the last sign-in.")
@click.option(
    "--client-id", metavar="ID", help=f"The client to sign in with; {CLIENT_ID} by default."
)
@click.option("--scope", metavar="SCOPES", help="The scopes to request, separated by spaces.")
@click.option("--resource", metavar="AUDIENCE", help="What the tokens are for.")
@click.option("--browser", "how", flag_value="browser", help="Open a browser on this machine.")
@click.option("--device", "how", flag_value="device", help="Show a code to enter in any browser.")
@profile_option
def login(
    issuer: str | None,
    client_id: str | None,
    scope: str | None,
    resource: str | None,
    how: str | None,
    profile: str,
) -> None:
    """Sign in, in a browser here or with a code that is typed elsewhere.

    The tokens are kept in the system's keyring where the Python package keyring is installed and
    finds one, and else in a file that only you may read.

    \b
    Examples:
      carnet login --issuer https://auth.example.com
      carnet login --device
      curl -H "Authorization: Bearer $(carnet token)" https://orders.example.com/orders
    """
    with _failing():
        before = _read(profile)
        if issuer is None and before is None:
            raise click.UsageError("name the issuer: --issuer https://auth.example.com")
        if before is not None and issuer in (None, before.issuer):
            given = {"client_id": client_id, "scope": scope, "resource": resource}
            changed = {name: text for name, text in given.items() if text is not None}
            wanted = msgspec.structs.replace(before, **changed)
        else:
            wanted = _Profile(issuer or "", client_id or CLIENT_ID, scope, resource)
        wanted.session.sign_in(how or "auto")  # type: ignore[arg-type]  # click knows these alone
        _file(profile).save(msgspec.json.encode(wanted).decode())
        if before is not None and before != wanted:
            before.session.sign_out()
    click.echo(f"signed in at {wanted.issuer}", err=True)


@click.command()
@profile_option
def token(profile: str) -> None:
    """Print an access token that is good for a while, for a script.

    \b
    Example:
      curl -H "Authorization: Bearer $(carnet token)" https://orders.example.com/orders
    """
    with _failing():
        found = _read(profile)
        if found is None:
            raise GrantRefused("nobody is signed in here; run `carnet login` first")
        text = found.session.access_token()
    click.echo(text)


@click.command()
@profile_option
def logout(profile: str) -> None:
    """Sign out: forget the tokens, and end the session at the issuer."""
    with _failing():
        found = _read(profile)
        ended = found is not None and found.session.sign_out()
    click.echo("signed out" if ended else "nobody was signed in", err=True)


@contextmanager
def _failing() -> Iterator[None]:
    """Tell a refusal by the exit status 1, and a folder that can't be used in words."""
    try:
        yield
    except GrantRefused as error:
        click.echo(f"carnet: {error}", err=True)
        raise click.exceptions.Exit(1) from None
    except OSError as error:
        raise ConfigurationError(
            f"can't keep anything in {state_folder()}: {error.strerror}; set XDG_STATE_HOME to a "
            "folder of your own"
        ) from None


def _read(profile: str) -> _Profile | None:
    text = _file(profile).load()
    try:
        return None if text is None else msgspec.json.decode(text, type=_Profile)
    except msgspec.MsgspecError:
        return None


def _file(profile: str) -> FileStore:
    if _NAME.fullmatch(profile) is None:
        raise click.UsageError("a profile's name has up to 64 of the characters A-Z a-z 0-9 _ -")
    return FileStore(state_folder() / f"profile-{profile}.json")
