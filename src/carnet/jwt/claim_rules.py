"""Where a claim stands in a claim set, and the checks of claims that must have a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from carnet.errors import ConfigurationError, InvalidToken

__all__ = ["Path", "Rule", "Where", "exact", "reader", "steps"]

Path = str | tuple[str, ...]
"""Where a claim stands: ``realm_access.roles``, or the names one by one; a name with ``/`` or ``:``
in it, as URLs are, is one name."""

Where = Path | list[Path] | Callable[[Mapping[str, Any]], Any]
"""A path, a list of paths of which the first that is there counts, or a function of the claims."""

Read = Callable[[Mapping[str, Any]], Any]
Rule = Callable[[Mapping[str, Any]], None]
"""Checks verified claims; raises InvalidToken."""

_SCALARS: Final = (str, int, float, bool)
_COLLECTIONS: Final = (list, tuple, set, frozenset)


def reader(where: Where, what: str) -> Read:
    """Make what reads a claim.

    Args:
        where: where it stands.
        what: the argument's name, for the error.

    Raises:
        ConfigurationError: if that is no place.
    """
    if callable(where):
        return where
    paths = [steps(path, what) for path in (where if isinstance(where, list) else [where])]
    if not paths:
        raise _no_place(what)
    if len(paths) == 1 and len(paths[0]) == 1:
        (name,) = paths[0]
        return lambda claims: claims.get(name)

    def read(claims: Mapping[str, Any]) -> Any:
        for path in paths:
            value: Any = claims
            for step in path:
                value = value.get(step) if isinstance(value, Mapping) else None
            if value is not None:
                return value
        return None

    return read


def exact(wanted: Mapping[Path, Any]) -> list[Rule]:
    """Make the checks of claims that must have a value, or one of several.

    Args:
        wanted: the value, or a list or set of values, by the claim's place. A value is a text, a
            number or a boolean; it is compared with its type.

    Raises:
        ConfigurationError: if it is anything else.
    """
    if not isinstance(wanted, Mapping):
        raise ConfigurationError(
            "claims must map names to the values that they must have, such as "
            "{'token_use': 'access'}"
        )
    return [_exactly(path, value) for path, value in wanted.items()]


def _exactly(path: Path, wanted: Any) -> Rule:
    values = tuple(wanted) if isinstance(wanted, _COLLECTIONS) else (wanted,)
    if not values or not all(value.__class__ in _SCALARS for value in values):
        raise ConfigurationError(
            "a value of claims must be a text, a number or a boolean, or a list of those of "
            "which the token must have one"
        )
    read = reader(path, "claims")
    name = path if isinstance(path, str) else ".".join(path)
    expected = " or ".join(str(value) for value in values)

    def check(claims: Mapping[str, Any]) -> None:
        said = read(claims)
        if not any(said.__class__ is value.__class__ and said == value for value in values):
            raise InvalidToken(
                f"the claim '{name}' does not have the required value",
                code="claim_mismatch" if said is not None else "claim_missing",
                claim=name,
                expected=expected,
            )

    return check


def steps(path: object, what: str) -> tuple[str, ...]:
    """Give the names, from the outermost, under which a claim stands.

    Raises:
        ConfigurationError: if that is no place.
    """
    if isinstance(path, str) and path:
        one_name = "/" in path or ":" in path
        path = (path,) if one_name else tuple(path.split("."))
    if (
        not isinstance(path, tuple)
        or not path
        or not all(isinstance(step, str) and step for step in path)
    ):
        raise _no_place(what)
    return path


def _no_place(what: str) -> ConfigurationError:
    return ConfigurationError(
        f"{what} must name the place of a claim, such as 'realm_access.roles', "
        "('kubernetes.io', 'namespace'), ['azp', 'appid'] for the first that is there, or a "
        "function of the claims"
    )
