"""Paths that need no token."""

from __future__ import annotations

from collections.abc import Collection

from carnet.errors import ConfigurationError

__all__ = ["Exempt"]


class Exempt:
    """A set of paths, each as it stands, or with ``/*`` at its end for all below it.

    Args:
        paths: such as ``["/health", "/static/*"]``.

    Raises:
        ConfigurationError: if one of them is no such path, or would leave everything open.
    """

    def __init__(self, paths: Collection[str]) -> None:
        if isinstance(paths, str) or not all(isinstance(path, str) for path in paths):
            raise ConfigurationError(
                "exempt must be a list of paths, such as ['/health', '/static/*']"
            )
        for path in paths:
            if not path.startswith("/") or path == "/*" or "*" in path.removesuffix("/*"):
                raise ConfigurationError(
                    "an exempt path must begin with '/' and can have '/*' only at its end; '/*' "
                    "alone would leave everything open"
                )
        self._exact = frozenset(path for path in paths if not path.endswith("/*"))
        self._below = tuple(path[:-1] for path in paths if path.endswith("/*"))

    def __contains__(self, path: str) -> bool:
        if path in self._exact:
            return True
        # What an app might read as another path is never below one.
        below = bool(self._below) and path.startswith(self._below)
        return below and "//" not in path and "\\" not in path and ".." not in path.split("/")
