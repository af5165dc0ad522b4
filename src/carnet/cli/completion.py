"""``carnet completion``: what a shell needs to complete the command line."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from carnet.cli.commands import root
from carnet.errors import ConfigurationError

__all__ = ["completion"]


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completions for a shell.

    \b
    Examples:
      carnet completion bash > ~/.local/share/bash-completion/completions/carnet
      carnet completion zsh > ~/.zfunc/_carnet
      carnet completion fish > ~/.config/fish/completions/carnet.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise ConfigurationError(f"there are no completions for {shell}")
    try:
        click.echo(kind(root, {}, "carnet", "_CARNET_COMPLETE").source())
    except RuntimeError as error:
        raise ConfigurationError(str(error)) from None
