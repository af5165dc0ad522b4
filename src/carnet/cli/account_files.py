"""Files of accounts: CSV, JSON lines, and JSON documents as Keycloak and Auth0 write them.

What is read line by line stays small in memory, however long the file is.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import msgspec

from carnet.errors import ConfigurationError
from carnet.server.accounts.import_shapes import COLUMNS, ImportedAccount, RowRefused, read_row

__all__ = ["FORMATS", "Row", "format_of", "read_accounts"]

MAX_LINE: Final = 256 * 1024
MAX_DOCUMENT: Final = 64 * 1024 * 1024
SUFFIXES: Final = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json"}
BOOLEANS: Final = {
    **dict.fromkeys(("true", "t", "yes", "1"), True),
    **dict.fromkeys(("false", "f", "no", "0"), False),
}
BOOLEAN_COLUMNS: Final = ("disabled", "email_verified", "phone_number_verified")


class Row(NamedTuple):
    """One account of a file.

    Attributes:
        place: of a line, its number in the file; of an account in a JSON document, its own; from 1.
        account: what it says, or why it can't be read.
    """

    place: int
    account: ImportedAccount | RowRefused


def format_of(name: str, chosen: str | None) -> str:
    """Give the format of a file.

    Raises:
        ConfigurationError: if its name does not say so, and none was chosen.
    """
    found = chosen or SUFFIXES.get(Path(name).suffix.lower())
    if found is None:
        raise ConfigurationError(
            f"the name {name!r} doesn't tell the format: add --format {', '.join(FORMATS)}"
        )
    return found


def read_accounts(file: BinaryIO, format: str) -> Iterator[Row]:
    """Read the accounts of a file.

    Args:
        file: the bytes.
        format: one of ``FORMATS``.

    Raises:
        ConfigurationError: if the file is not of the format.
    """
    for place, read in FORMATS[format](file):
        try:
            yield Row(place, read_row(read()))
        except RowRefused as error:
            yield Row(place, error)


_Reading = Iterator[tuple[int, Callable[[], Mapping[str, object]]]]


def _read_csv(file: BinaryIO) -> _Reading:
    text = io.TextIOWrapper(file, "utf-8-sig", newline="")
    try:
        rows = csv.reader(text, strict=True)
        columns = [name.strip() for name in next(rows, [])]
        _check_columns(columns)
        for row in rows:
            if row:
                yield rows.line_num, partial(_from_csv, columns, row)
    except UnicodeDecodeError:
        raise ConfigurationError("the file is not UTF-8 text") from None
    except csv.Error as error:
        place = rows.line_num
        raise ConfigurationError(f"line {place} is not valid CSV: {error}") from None
    finally:
        # The file is its opener's.
        text.detach()


def _check_columns(columns: list[str]) -> None:
    unknown = [name for name in columns if name not in COLUMNS]
    if unknown or "username" not in columns or len(set(columns)) < len(columns):
        wrong = f"; this one has {unknown[0][:40]!r}" if unknown else ""
        raise ConfigurationError(
            "the first line of CSV names the columns: username, and each once some of "
            f"{', '.join(name for name in COLUMNS if name != 'username')}{wrong}"
        )


def _from_csv(columns: list[str], row: list[str]) -> dict[str, object]:
    if len(row) != len(columns):
        raise RowRefused(f"the line has {len(row)} fields, and the first line {len(columns)}")
    # An empty field says nothing.
    members: dict[str, object] = {
        name: value for name, value in zip(columns, row, strict=True) if value
    }
    for name in BOOLEAN_COLUMNS:
        if name in members:
            value = BOOLEANS.get(str(members[name]).strip().lower())
            if value is None:
                raise RowRefused(f"{name} must be true or false")
            members[name] = value
    if "roles" in members:
        members["roles"] = str(members["roles"]).split()
    for name in ("claims", "address"):
        if name in members:
            members[name] = _object(str(members[name]).encode(), name)
    return members


def _read_lines(file: BinaryIO) -> _Reading:
    place = 0
    while line := file.readline(MAX_LINE + 1):
        place += 1
        if len(line) > MAX_LINE:
            while line and not line.endswith(b"\n"):
                line = file.readline(MAX_LINE)
            yield place, _too_long
        elif line.strip():
            text = line.removeprefix(b"\xef\xbb\xbf") if place == 1 else line
            yield place, partial(_object, text, "a line")


def _read_document(file: BinaryIO) -> _Reading:
    content = file.read(MAX_DOCUMENT + 1)
    if len(content) > MAX_DOCUMENT:
        raise ConfigurationError(
            f"a JSON document has at most {MAX_DOCUMENT // 1024**2} MiB; make JSON lines of it, "
            "such as by jq -c '.users[]'"
        )
    try:
        document = msgspec.json.decode(content, type=_Document | list[msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError):
        raise ConfigurationError(
            "the file must be a JSON document: a list of accounts, or an object with users"
        ) from None
    found = document if isinstance(document, list) else document.users
    for place, raw in enumerate(found, 1):
        yield place, partial(_object, bytes(raw), "an account")


class _Document(msgspec.Struct):
    """What Keycloak exports of a realm, as far as it concerns us."""

    users: list[msgspec.Raw]


def _object(text: bytes, what: str) -> dict[str, object]:
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise RowRefused(f"{what} must be a JSON object") from None


def _too_long() -> dict[str, object]:
    raise RowRefused(f"a line has at most {MAX_LINE} bytes")


FORMATS: Final[Mapping[str, Callable[[BinaryIO], _Reading]]] = {
    "csv": _read_csv,
    "jsonl": _read_lines,
    "json": _read_document,
}
