"""The ``carnet`` group: its commands are imported only when they are called."""

from __future__ import annotations

from difflib import get_close_matches

import click

from carnet import __version__
from carnet.cli.main import COMMANDS, load

__all__ = ["root"]


class LazyGroup(click.Group):
    """A group that knows its commands' names and one-line helps before it imports them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            near = get_close_matches(cmd_name, COMMANDS, 1)
            if near:
                ctx.fail(f"No such command '{cmd_name}'. Did you mean '{near[0]}'?")
            return None
        command = load(COMMANDS[cmd_name][0])
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help) for name, (_, help) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="carnet")
def root() -> None:
    """JSON Web Tokens: issue them, look into them, and let every service check them.

    Start with `carnet demo`: it runs the whole system on this machine and explains each step.

    \b
    Exit statuses:
      0    done
      1    the answer is no, such as a token that is refused
      2    wrong use, or a setting, file or port that can't be used
      70   a fault of Carnet's own
      130  interrupted
    """
