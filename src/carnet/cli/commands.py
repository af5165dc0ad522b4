"""The ``carnet`` group: its commands are imported only when they are called."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

from carnet import __version__

__all__ = ["root"]

SECTIONS: Final = {
    "Begin here": {
        "demo": ("carnet.cli.demo.command:demo", "Run the whole system, with a narrated walk."),
        "inspect": ("carnet.cli.inspect:inspect_token", "Show what a token says, unverified."),
        "mcp": ("carnet.cli.mcp.protect:mcp", "Put access tokens in front of MCP servers."),
        "serve": ("carnet.cli.serve:serve", "Run the authentication service."),
    },
    "Tokens and keys": {
        "verify": ("carnet.cli.verify:verify", "Check a token, and say which check failed."),
        "sign": ("carnet.cli.sign:sign", "Make a signed token."),
        "encrypt": ("carnet.cli.encrypt:encrypt", "Encrypt for whoever holds a private key."),
        "decrypt": ("carnet.cli.encrypt:decrypt", "Decrypt what was encrypted for a key."),
        "key": ("carnet.cli.key:key", "Make, convert and name keys."),
        "issuer": (
            "carnet.cli.issuer:issuer",
            "Show the settings with which a service trusts an issuer.",
        ),
        "conform": ("carnet.cli.conform:conform", "Check how any issuer behaves."),
        "revocations": ("carnet.cli.revocations:revocations", "Watch what an issuer revokes."),
        "gate": ("carnet.cli.gate:gate", "Check requests for a reverse proxy."),
    },
    "Sign in from here": {
        "login": ("carnet.cli.login:login", "Sign in from the terminal."),
        "token": ("carnet.cli.login:token", "Print a fresh access token of whoever is signed in."),
        "logout": ("carnet.cli.login:logout", "Sign out in the terminal."),
    },
    "Accounts and clients": {
        "user": ("carnet.cli.user:user", "Make, change and list the accounts of the service."),
        "client": (
            "carnet.cli.client:client",
            "Make, change and list the clients that ask for tokens.",
        ),
        "resource": ("carnet.cli.resource:resource", "Make, change and list what tokens are for."),
        "provider": (
            "carnet.cli.provider:provider",
            "Look at the services that people may sign in with.",
        ),
        "scim": ("carnet.cli.scim:scim", "Let a company's directory keep accounts here."),
        "session": ("carnet.cli.session:session", "List and end people's sessions."),
        "audit": ("carnet.cli.audit:audit", "Show the audit log."),
        "apply": ("carnet.cli.apply:apply", "Make the clients and resources match a file."),
        "export": ("carnet.cli.apply:export", "Write the clients and resources to a file."),
    },
    "The service's data": {
        "keys": ("carnet.cli.keys:keys", "Manage the signing keys and the master key."),
        "passwords": (
            "carnet.cli.passwords:passwords",
            "Refuse passwords that have appeared in leaks.",
        ),
        "backup": ("carnet.cli.backup:backup", "Copy the SQLite database while servers go on."),
        "restore": ("carnet.cli.backup:restore", "Restore the database from a backup."),
        "migrate": ("carnet.cli.migrate:migrate", "Apply the migrations that the database lacks."),
        "migrate-store": (
            "carnet.cli.migrate_store:migrate_store",
            "Move the data between SQLite and PostgreSQL.",
        ),
    },
    "Your shell": {
        "completion": ("carnet.cli.completion:completion", "Print a shell's completions."),
    },
}
COMMANDS: Final = {name: said for section in SECTIONS.values() for name, said in section.items()}


class LazyGroup(click.Group):
    """A group that knows its commands' names and one-line helps before it imports them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = _load(COMMANDS[cmd_name][0])
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_sections(formatter)


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="carnet")
@click.pass_context
def root(ctx: click.Context) -> None:
    """JSON Web Tokens: issue them, look into them, and let every service check them.

    Start with `carnet demo`: it runs the whole system on this machine and explains each step.

    \b
    Exit statuses:
      0    done
      1    the answer is no, such as a token that is refused
      2    wrong use, or a setting, file or port that can't be used
      70   a bug in Carnet
      130  interrupted
    """
    if ctx.invoked_subcommand is None:
        _greet(ctx)


def _greet(ctx: click.Context) -> None:
    """Say what this is and what it can do, to whoever has typed its name alone."""
    formatter = ctx.make_formatter()
    _write_sections(formatter)
    click.echo(
        f"Welcome to Carnet {__version__}: it issues JSON Web Tokens, decodes them, and lets "
        "every\nservice verify them. New here? `carnet demo` runs it all on this machine and "
        "explains each step."
    )
    click.echo(f"{formatter.getvalue()}\n`carnet COMMAND --help` shows what a command takes.")


def _write_sections(formatter: click.HelpFormatter) -> None:
    width = max(map(len, COMMANDS))
    for heading, section in SECTIONS.items():
        with formatter.section(heading):
            formatter.write_dl([(name.ljust(width), said) for name, (_, said) in section.items()])


def _load(target: str) -> object:
    """Import what a ``module:name`` names."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)
