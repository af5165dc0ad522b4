"""Where a program keeps what it was given for a person: a text that holds tokens."""

from __future__ import annotations

import os
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Protocol

__all__ = ["FileStore", "TokenStore"]


class TokenStore(Protocol):
    """Keeps one text; it holds tokens, and perhaps a secret.

    A keyring, a database's row or a file can be one.
    """

    def load(self) -> str | None:
        """Give the text, or None if there is none."""
        ...

    def save(self, text: str) -> None:
        """Keep another text."""
        ...


class FileStore:
    """Keeps the text in a file that only its owner may read.

    Args:
        path: the file; its folder is made.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)

    @classmethod
    def for_resource(cls, resource: str) -> FileStore:
        """Give the file of a resource in the person's own folder for such things."""
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        name = sha256(resource.encode()).hexdigest()[:32]
        return cls(Path(state) / "carnet" / "tokens" / f"{name}.json")

    def load(self) -> str | None:
        """Give the text, or None if there is no file."""
        try:
            return self._path.read_text("utf-8")
        except FileNotFoundError:
            return None

    def save(self, text: str) -> None:
        """Keep another text, all of it or nothing."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # mkstemp's file is its owner's alone.
        handle, draft = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            Path(draft).replace(self._path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
