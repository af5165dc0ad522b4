"""Passwords that have been in a leak: a file of sorted prefixes of their SHA-1 hashes.

    bytes     what
    ────────  ─────────────────────────────────────────────────────────────────────────────────────
    0 … 7     CARNETP1
    8         n, how many bytes of each hash there are
    9 … 15    0
    16 … 23   how many there are, big-endian
    24 …      the first n bytes of each hash, in order, each once

It is mapped into memory and searched by halving: a look costs some thirty comparisons and no room.
n is chosen so that a good password is taken for a breached one less than once in a million.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import re
import struct
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from carnet.errors import ConfigurationError

__all__ = ["BreachedPasswords", "Built", "build_filter"]

_HEADER: Final = struct.Struct(">8sB7xQ")
_MAGIC: Final = b"CARNETP1"
_LEAST_BYTES, _MOST_BYTES = 4, 20
# Of how many good passwords one may be refused, as a power of 2.
_SELDOM_BITS: Final = 20
# Enough for 10^18 hashes.
_KEPT_BYTES: Final = 10
_PARTS: Final = 256
_MAX_LINE: Final = 4096
_PWNED: Final = re.compile(rb"([0-9A-Fa-f]{40})(?::([0-9]{1,18}))?")


class BreachedPasswords:
    """A file that ``build_filter`` has made.

    Args:
        path: the file; it may be replaced by another, which counts from the next start.

    Raises:
        ConfigurationError: if it can't be read, or is something else.
    """

    def __init__(self, path: str) -> None:
        try:
            with Path(path).open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is empty"
            raise ConfigurationError(
                f"the setting breached_passwords: can't read {path}: {why}"
            ) from None
        begin = self._map[: _HEADER.size]
        magic, size, count = _HEADER.unpack(begin) if len(begin) == _HEADER.size else (b"", 0, 0)
        whole = _HEADER.size + size * count == len(self._map)
        if magic != _MAGIC or not _LEAST_BYTES <= size <= _MOST_BYTES or not whole:
            self._map.close()
            raise ConfigurationError(
                f"the setting breached_passwords: {path} is no whole file of "
                "`carnet passwords build-filter`"
            )
        self._size: int = size
        self._count: int = count

    def __contains__(self, password: object) -> bool:
        """Tell whether a password is one of them."""
        if not isinstance(password, str):
            return False
        # As it was typed, and as it would be on another keyboard.
        forms = {password, unicodedata.normalize("NFC", password)}
        return any(self._has(form.encode("utf-8", "surrogatepass")) for form in forms)

    def __len__(self) -> int:
        """Give how many there are."""
        return self._count

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()

    def _has(self, password: bytes) -> bool:
        # SHA-1 is what the lists are of; nothing rests on its strength here.
        wanted = hashlib.sha1(password, usedforsecurity=False).digest()[: self._size]
        low, high = 0, self._count
        while low < high:
            middle = (low + high) // 2
            if self._at(middle) < wanted:
                low = middle + 1
            else:
                high = middle
        return low < self._count and self._at(low) == wanted

    def _at(self, place: int) -> bytes:
        start = _HEADER.size + place * self._size
        return self._map[start : start + self._size]


class Built(NamedTuple):
    """What a file has become.

    Attributes:
        entries: how many prefixes of hashes it has.
        bytes_each: how long each is.
    """

    entries: int
    bytes_each: int


def build_filter(lines: Iterable[bytes], output: BinaryIO, *, least: int = 1) -> Built:
    """Make the file of a list.

    The list is sorted in parts on the disk, in the folder for temporary files: ten bytes a line.

    Args:
        lines: of the list: hashes as Pwned Passwords has them (40 hexadecimal digits of SHA-1, with
            a colon and how often it was seen, or without), or the passwords themselves; all of one
            kind.
        output: where to write.
        least: how often one has to have been seen; hashes without a number, and passwords, were.

    Raises:
        ConfigurationError: if there is nothing in the list.
    """
    with ExitStack() as stack:
        parts = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(_PARTS)]
        for digest in _digests(lines, least):
            parts[digest[0]].write(digest[:_KEPT_BYTES])
        count = sum(1 for part in parts for _ in _sorted(part, _KEPT_BYTES))
        if not count:
            raise ConfigurationError("there is no password in the list")
        size = max(_LEAST_BYTES, -(-(count.bit_length() + _SELDOM_BITS) // 8))
        output.write(_HEADER.pack(_MAGIC, size, count))
        written = 0
        for part in parts:
            for prefix in _sorted(part, size):
                output.write(prefix)
                written += 1
        if written < count:
            # Some had more of their hashes in common than is kept.
            output.seek(0)
            output.write(_HEADER.pack(_MAGIC, size, written))
            output.seek(0, os.SEEK_END)
    return Built(written, size)


def _digests(lines: Iterable[bytes], least: int) -> Iterator[bytes]:
    are_hashes: bool | None = None
    for number, raw in enumerate(lines, 1):
        line = raw.rstrip(b"\r\n")
        if not line:
            continue
        match = _PWNED.fullmatch(line)
        if are_hashes is None:
            are_hashes = match is not None
        if are_hashes:
            if match is None:
                raise ConfigurationError(f"line {number} of the list is no hash, as the first is")
            if int(match[2] or least) >= least:
                yield bytes.fromhex(match[1].decode())
        elif len(line) <= _MAX_LINE:
            yield hashlib.sha1(line, usedforsecurity=False).digest()


def _sorted(part: BinaryIO, size: int) -> Iterator[bytes]:
    """Give the first bytes of each hash of a part, in order, each once."""
    part.seek(0)
    content = part.read()
    found = sorted(content[place : place + size] for place in range(0, len(content), _KEPT_BYTES))
    return (prefix for prefix, _ in groupby(found))
