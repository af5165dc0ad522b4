"""The options for the members of a client's or a resource's metadata: a table, for two commands.

What makes one and what changes one take the same options, and an error about a member names the
option that it is given with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, TypeVar

import click
import msgspec

from carnet.errors import ConfigurationError
from carnet.server.clients.clients import ClientMetadata, ClientRefused
from carnet.server.clients.resources import ResourceMetadata

__all__ = ["Members", "naming_options", "read_json_file"]

F = TypeVar("F", bound=Callable[..., Any])


class Members:
    """The options for the members of one kind of metadata.

    Args:
        options: by the member: how the option is written, and what else click is told of it.
        kind: the metadata.
    """

    def __init__(
        self,
        options: Mapping[str, tuple[str, Mapping[str, Any]]],
        kind: type[ClientMetadata | ResourceMetadata],
    ) -> None:
        self._options = options
        self._default = msgspec.to_builtins(kind())
        self.names = {member: name.partition("/")[0] for member, (name, _) in options.items()}

    def options(self, command: F) -> F:
        """Add the options to a command."""
        for member, (name, more) in reversed(list(self._options.items())):
            command = click.option(name, member, **more)(command)
        return command

    def clear_option(self, command: F) -> F:
        """Add the option that gives members their defaults again."""
        names = [name.removeprefix("--") for name, _ in self._options.values() if "/" not in name]
        return click.option(
            "--clear",
            multiple=True,
            type=click.Choice(names),
            metavar="OPTION",
            help="Reset the member that this option names to its default; repeatable.",
        )(command)

    def given(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Give the members whose options were given."""
        return {name: value for name, value in values.items() if value is not None and value != ()}

    def cleared(self, options: tuple[str, ...]) -> dict[str, Any]:
        """Give the defaults of the members that these options name, without their dashes."""
        return {
            member: self._default[member]
            for member, name in self.names.items()
            if name.removeprefix("--") in options
        }


@contextmanager
def naming_options(names: Mapping[str, str]) -> Iterator[None]:
    """Name the option where what is done here is refused.

    Args:
        names: the options, by the member that each gives.

    Raises:
        ClientRefused: as it was raised here, with the option before its text.
    """
    try:
        yield
    except ClientRefused as error:
        if error.member not in names:
            raise
        text = f"{names[error.member]}: {error}"
        raise ClientRefused(text, code=error.code, member=error.member) from None


def read_json_file(file: IO[bytes], option: str, what: str) -> Any:
    """Read a file that an option names.

    Raises:
        ConfigurationError: if there is no JSON in it.
    """
    try:
        return msgspec.json.decode(file.read())
    except msgspec.DecodeError:
        raise ConfigurationError(f"the file of {option} is {what}: a JSON object") from None
