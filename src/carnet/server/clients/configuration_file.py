"""The file of clients and resources: TOML with a table for each of them.

    [resources.orders]                [clients.shop]
    scopes = ["orders:read"]          redirect_uris = ["https://shop.example.com/callback"]
                                      secret_sha256 = "…"

Members are those of ``ClientMetadata`` and ``ResourceMetadata``; one that is not there has its
default. A secret stands there as its hash, or in a file of its own, and never in clear.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from carnet.errors import ConfigurationError
from carnet.server.clients.clients import Client, ClientMetadata, Secrets, hash_secret
from carnet.server.clients.configuration import (
    Configuration,
    DescribedClient,
    EntryRefused,
    microseconds,
    utc,
)
from carnet.server.clients.resources import Resource, ResourceMetadata

__all__ = ["ConfigurationFile", "write_configuration"]

TABLES: Final = ("resources", "clients")
IN_CLEAR: Final = ("secret", "client_secret", "previous_secret")
WIDTH: Final = 100

_SECRET = re.compile(r"[\x21-\x7e]{32,512}")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class _ClientEntry(ClientMetadata, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A client as it stands in the file."""

    secret_sha256: Sha256 | None = None
    secret_file: str | None = None
    previous_secret_sha256: Sha256 | None = None
    previous_secret_file: str | None = None
    previous_secret_until: Annotated[datetime, Meta(tz=True)] | None = None


class ConfigurationFile:
    """A file that has been read.

    Args:
        data: what stands in it.
        name: what it is called in errors.
        folder: where the files are that it names.

    Attributes:
        wanted: what it describes.

    Raises:
        ConfigurationError: naming the line, the table, the member and what was expected.
    """

    def __init__(self, data: bytes, name: str, folder: Path) -> None:
        self._name = name
        self._folder = folder
        try:
            self._text = data.decode("utf-8")
            tables = tomllib.loads(self._text)
        except UnicodeDecodeError:
            raise ConfigurationError(f"{name} is not a TOML file: it is not UTF-8") from None
        except (ValueError, RecursionError) as error:
            # Most are a TOMLDecodeError; a number of thousands of digits is none.
            raise ConfigurationError(f"{name} is not a TOML file: {error}") from None
        for table, entries in tables.items():
            if table not in TABLES:
                raise self._error(
                    (table,),
                    "the file can have the tables resources and clients; the service's settings "
                    "go into a file of their own (--config)",
                )
            named = isinstance(entries, dict) and all(isinstance(e, dict) for e in entries.values())
            if not named:
                raise self._error((table,), f"each of them must be a table: [{table}.NAME]")
        self.wanted = Configuration(
            {one: self._client(one, entry) for one, entry in tables.get("clients", {}).items()},
            {
                one: self._convert(("resources", one), entry, ResourceMetadata)
                for one, entry in tables.get("resources", {}).items()
            },
        )

    def explain(self, error: EntryRefused) -> ConfigurationError:
        """Say where in the file that stands which was refused."""
        return self._error((f"{error.kind}s", error.name, error.member), str(error))

    def _client(self, client_id: str, entry: dict[str, Any]) -> DescribedClient:
        place = ("clients", client_id)
        for name in IN_CLEAR:
            if name in entry:
                text = "a secret can't be in the file: give secret_sha256 or secret_file"
                raise self._error((*place, name), text)
        read = self._convert(place, entry, _ClientEntry)
        current = self._secret(place, read, "secret")
        previous = self._secret(place, read, "previous_secret")
        until = read.previous_secret_until
        if current is None and previous is not None:
            raise self._error(
                (*place, "previous_secret_sha256"), "it only makes sense beside the current one"
            )
        if previous is None and until is not None:
            raise self._error(
                (*place, "previous_secret_until"), "it only makes sense beside the secret"
            )
        moment = None if until is None else microseconds(until)
        known = {name: getattr(read, name) for name in ClientMetadata.__struct_fields__}
        secrets = None if current is None else Secrets(current, previous, moment)
        return DescribedClient(ClientMetadata(**known), secrets)

    def _secret(self, place: tuple[str, str], read: _ClientEntry, which: str) -> bytes | None:
        """Give the hash of a secret, from the file that holds it where one is named."""
        hashed, file = getattr(read, f"{which}_sha256"), getattr(read, f"{which}_file")
        if file is None:
            return None if hashed is None else bytes.fromhex(hashed)
        place_of_file = (*place, f"{which}_file")
        if hashed is not None:
            raise self._error(place_of_file, f"give it or {which}_sha256, not both")
        try:
            with (self._folder / file).open("rb") as opened:
                secret = opened.read(1024).decode("utf-8", "replace").rstrip("\r\n")
        except (OSError, ValueError) as error:
            told = getattr(error, "strerror", None) or "no such name"
            raise self._error(place_of_file, f"it can't be read: {told}") from None
        if _SECRET.fullmatch(secret) is None:
            text = "it must hold one line: a random secret of 32 to 512 printable ASCII characters"
            raise self._error(place_of_file, text)
        return hash_secret(secret)

    def _convert(self, place: tuple[str, str], entry: dict[str, Any], kind: type[Any]) -> Any:
        try:
            read = msgspec.convert(entry, kind)
            # What JSON holds otherwise, such as a date in a key, is as the database will have it.
            if isinstance(read, ResourceMetadata):
                return msgspec.json.decode(msgspec.json.encode(read), type=kind)
            return msgspec.structs.replace(
                read, jwks=msgspec.json.decode(msgspec.json.encode(read.jwks))
            )
        except msgspec.ValidationError as error:
            text, _, at = str(error).partition(" - at `$")
            unknown = re.fullmatch(r"Object contains unknown field `(.*)`", text)
            if unknown is not None:
                near = get_close_matches(unknown[1], kind.__struct_fields__, 1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise self._error((*place, unknown[1]), f"there is no such member{hint}") from None
            member = re.match(r"\.?(\w*)", at)
            text = f"{text[:1].lower()}{text[1:]}".replace(
                "matching regex '^[0-9a-f]{64}$'", "of 64 digits 0-9 a-f"
            )
            name = member[1] if member else ""
            raise self._error((*place, name), text) from None

    def _error(self, path: tuple[str, ...], text: str) -> ConfigurationError:
        table, member = ".".join(_key(name) for name in path[:2]), "".join(path[2:3])
        told = text if text.startswith(member) else f"{member}: {text}"
        return ConfigurationError(f"{self._name}, line {self._line_of(path)}, [{table}]: {told}")

    def _line_of(self, path: tuple[str, ...]) -> int:
        """Give the number of the line on which the most of a path is named."""
        found, longest = 1, 0
        for number, named in _named_on_lines(self._text.splitlines()):
            if longest < len(named) and named == path[: len(named)]:
                found, longest = number, len(named)
        return found


def _named_on_lines(lines: Iterable[str]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Give what each line names: a table, or a key in the table above it."""
    table: tuple[str, ...] = ()
    for number, line in enumerate(lines, 1):
        is_table = line.lstrip().startswith("[")
        try:
            read: Any = tomllib.loads(line if is_table else f"{line.partition('=')[0]}=0")
        except (ValueError, RecursionError):
            continue  # a line of a value
        named = []
        while isinstance(read, dict) and read:
            [(name, read)] = read.items()
            named.append(name)
            read = read[0] if isinstance(read, list) else read
        if is_table:
            table = tuple(named)
            yield number, table
        else:
            yield number, (*table, *named)


def write_configuration(clients: Iterable[Client], resources: Iterable[Resource], now: int) -> str:
    """Write the file that describes clients and resources as they are.

    Args:
        clients: in the order in which they are to stand there.
        resources: the same.
        now: microseconds since 1970; a secret that has stopped working is left out.

    Raises:
        ConfigurationError: if TOML can't hold something.
    """
    parts = ["# What `carnet apply` makes of Carnet's clients and resources.\n"]
    for resource in resources:
        members = _members_of(resource.metadata)
        parts.append(_table("resources", resource.audience, members))
    for client in clients:
        secrets = client.secrets.at(now)
        members = _members_of(client.metadata)
        if secrets.current is not None:
            members["secret_sha256"] = secrets.current.hex()
        if secrets.previous is not None:
            members["previous_secret_sha256"] = secrets.previous.hex()
        if secrets.previous is not None and secrets.previous_until is not None:
            members["previous_secret_until"] = utc(secrets.previous_until)
        parts.append(_table("clients", client.id, members))
    return "\n".join(parts)


def _members_of(metadata: ClientMetadata | ResourceMetadata) -> dict[str, Any]:
    """Give the members that are not at their defaults."""
    written = msgspec.json.decode(msgspec.json.encode(metadata), type=dict)
    default = msgspec.json.decode(msgspec.json.encode(type(metadata)()), type=dict)
    return {name: value for name, value in written.items() if value != default[name]}


def _table(kind: str, name: str, members: Mapping[str, Any]) -> str:
    try:
        lines = [f"{_key(member)} = {_value(value)}\n" for member, value in members.items()]
    except TypeError:
        raise ConfigurationError(
            f"the file can't hold [{kind}.{_key(name)}]: there is a null in one of its keys, "
            "which TOML can't express"
        ) from None
    return "".join([f"[{kind}.{_key(name)}]\n", *lines])


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _string(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, dict):
        pairs = (f"{_key(name)} = {_value(one)}" for name, one in value.items())
        return f"{{ {', '.join(pairs)} }}" if value else "{}"
    if isinstance(value, list):
        items = [_value(one) for one in value]
        line = f"[{', '.join(items)}]"
        return (
            line if len(line) < WIDTH else "".join(["[\n", *(f"  {one},\n" for one in items), "]"])
        )
    raise TypeError


def _string(text: str) -> str:
    # JSON's escapes are TOML's too; TOML wants one more character escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
