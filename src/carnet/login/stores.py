"""Where a command line keeps what it was given: the system's keyring, or a file of the person's."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final

from carnet.errors import ConfigurationError
from carnet.verifier.token_store import FileStore, TokenStore

__all__ = ["KeyringStore", "locked", "state_folder", "store_of"]

SERVICE: Final = "carnet"


class KeyringStore:
    """Keeps a text in the system's keyring, by the package ``keyring``.

    What the keyring does not take, as when it is locked or the text is too long for it, is kept by
    the other store.

    Args:
        name: names the text among those of Carnet.
        otherwise: the other store.

    Raises:
        ConfigurationError: if the package is not installed, or finds no keyring that is safe.
    """

    def __init__(self, name: str, otherwise: TokenStore) -> None:
        self._name = name
        self._otherwise = otherwise
        self._keyring, self._refused = _keyring()

    def load(self) -> str | None:
        """Give the text, or None if there is none."""
        text: str | None = None
        with suppress(self._refused):
            text = self._keyring.get_password(SERVICE, self._name)
        return self._otherwise.load() if text is None else text

    def save(self, text: str) -> None:
        """Keep another text."""
        try:
            self._keyring.set_password(SERVICE, self._name, text)
        except self._refused:
            with suppress(self._refused):
                # Otherwise the one before would be found first.
                self._keyring.delete_password(SERVICE, self._name)
            self._otherwise.save(text)


def store_of(name: str) -> TokenStore:
    """Give the store for a name: the system's keyring if there is one, else a file.

    The file is ``~/.local/state/carnet/login/NAME.json``, or below ``XDG_STATE_HOME``, and only its
    owner may read it.

    Args:
        name: what it is called there, a file's name.
    """
    file = FileStore(state_folder() / f"{name}.json")
    try:
        return KeyringStore(name, file)
    except ConfigurationError:
        return file


def state_folder() -> Path:
    """Give the person's own folder for such things; it may not be there yet."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "carnet" / "login"


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Let one thread of one process on this machine go on at a time.

    Args:
        name: of the lock, a file's name.
    """
    folder = state_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # It stays: whoever removed it would take it from under those who wait.
    with (folder / f"{name}.lock").open("a") as file:
        _lock(file)
        yield


def _lock(file: IO[str]) -> None:
    """Lock a file until it is closed."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)


def _keyring() -> tuple[Any, type[Exception]]:
    """Give the package ``keyring`` and the class of its errors."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        raise ConfigurationError("the package keyring is not installed") from None
    # Below 1 are those that keep nothing, or keep it unencrypted (keyring.backend).
    if keyring.get_keyring().priority < 1:
        raise ConfigurationError("the system has no keyring that is safe")
    return keyring, KeyringError
