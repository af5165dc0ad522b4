"""Reading what a command is given, and writing what it makes; ``-`` is standard input or output."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click

from carnet.errors import ConfigurationError

__all__ = ["ask_passphrase", "output_file", "read_input", "read_text", "write_output"]

MAX_INPUT = 16 * 1024 * 1024


def read_input(path: str, what: str) -> bytes:
    """Read a file, or standard input.

    Args:
        path: the file's path, or ``-``.
        what: what it is to hold, for the error.

    Raises:
        ConfigurationError: if it can't be read, or is larger than 16 MiB.
    """
    try:
        if path == "-":
            data = sys.stdin.buffer.read(MAX_INPUT + 1)
        else:
            with Path(path).open("rb") as file:
                data = file.read(MAX_INPUT + 1)
    except OSError as error:
        raise ConfigurationError(
            f"can't read {what} from {path}: {error.strerror}; name a file, or - for a pipe"
        ) from None
    if len(data) > MAX_INPUT:
        raise ConfigurationError(f"{path} is larger than {MAX_INPUT} bytes: that is not {what}")
    return data


def read_text(given: str, what: str) -> bytes:
    """Read a token: the argument itself, or with ``-`` standard input, without white space."""
    return read_input("-", what).strip() if given == "-" else given.encode()


def write_output(path: str, data: bytes, *, secret: bool = False, force: bool = False) -> None:
    """Write a file whole or not at all, or write to standard output.

    Args:
        path: the file's path, or ``-``.
        data: the content.
        secret: whether only its owner may read the file.
        force: whether a file that is there may be replaced.

    Raises:
        ConfigurationError: if it can't be written, or is there already.
    """
    with output_file(path, secret=secret, force=force) as file:
        file.write(data)


@contextmanager
def output_file(path: str, *, secret: bool = False, force: bool = False) -> Iterator[BinaryIO]:
    """Open what a file's content is written to: it is there once all is written, or not at all.

    Args:
        path: the file's path, or ``-`` for standard output.
        secret: whether only its owner may read the file.
        force: whether a file that is there may be replaced.

    Raises:
        ConfigurationError: if it can't be written, or is there already.
    """
    if path == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = Path(path)
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if not secret:
            Path(temporary).chmod(0o644)
        if force:
            Path(temporary).replace(target)
        else:
            # A link is made only where nothing is yet; a rename would replace it.
            os.link(temporary, target)
    except FileExistsError:
        raise ConfigurationError(f"{path} is there already; --force replaces it") from None
    except OSError as error:
        raise ConfigurationError(f"can't write {path}: {error.strerror}") from None
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)


def ask_passphrase(file: str | None, prompt: str, *, confirm: bool = False) -> bytes:
    """Get a passphrase from a file's first line, from a pipe with ``-``, or by asking.

    Raises:
        ConfigurationError: if it is empty.
    """
    if file is None:
        text = click.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True)
        passphrase = str(text).encode()
    else:
        passphrase = read_input(file, "a passphrase").partition(b"\n")[0].rstrip(b"\r")
    if not passphrase:
        raise ConfigurationError("a passphrase can't be empty")
    return passphrase
