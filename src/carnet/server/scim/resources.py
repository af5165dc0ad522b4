"""Reading what a client sends of a resource, and writing what it is told (RFC 7643 section 2).

Where Entra and Okta write otherwise than the RFCs, what they mean is taken: booleans as texts, and
a manager without the object around its id.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from carnet.server.scim.refusals import ScimRefused
from carnet.server.scim.schemas import EXTENSIONS, Attribute, Schema, attributes_of, find_attribute

__all__ = [
    "MOST_VALUES",
    "Resource",
    "Selection",
    "checked_version",
    "one_primary",
    "read_content",
    "read_value",
    "schemas_of",
]

MOST_TEXT: Final = 1024
MOST_VALUES: Final = 5000
"""How many values an attribute may have: of a group, how many members."""
MOST_VALUES_OF_USER: Final = 50

BOOLEANS: Final = {"true": True, "false": False}


class Resource(NamedTuple):
    """A user or a group; moments in microseconds since 1970.

    Attributes:
        id: what the service calls it.
        content: its attributes, in the names of the schema.
        created_at: when it was made.
        changed_at: when it was changed last.
    """

    id: str
    content: dict[str, Any]
    created_at: int
    changed_at: int

    @property
    def version(self) -> str:
        """What tells it from what it was before (RFC 7644 section 3.14)."""
        return f'W/"{self.changed_at}"'


def checked_version(resource: Resource, version: str | None) -> None:
    """Check that a resource is what a client thinks it is.

    Raises:
        ScimRefused: ``changed``.
    """
    if version not in (None, "*", resource.version):
        raise ScimRefused("it was changed since you read it: read it again", code="changed")


def read_content(given: Any, schema: Schema) -> dict[str, Any]:
    """Read a resource, without what the service itself sets and what the schema does not have.

    Raises:
        ScimRefused: ``invalidSyntax``, or ``invalidValue`` with the attribute at fault.
    """
    if not isinstance(given, dict):
        raise ScimRefused("a resource must be a JSON object", code="invalidSyntax")
    found = _parts(tuple(attributes_of(schema)), given)
    for attribute in schema.attributes:
        if attribute.required and not attribute.assumed and not found.get(attribute.name):
            raise ScimRefused(f"{attribute.name} is missing")
    return found


def read_value(attribute: Attribute, value: Any) -> Any:
    """Read a value of an attribute; None is for one that is to be without.

    Raises:
        ScimRefused: ``invalidValue``.
    """
    if not attribute.many:
        return _single(attribute, value)
    values = value if isinstance(value, list) else [value]
    most = MOST_VALUES if attribute.name == "members" else MOST_VALUES_OF_USER
    if len(values) > most:
        raise ScimRefused(f"{attribute.name} has at most {most} values")
    read = [_single(attribute, one) for one in values]
    if attribute.name == "members" and {} in read:
        # Nobody is taken out of a group because nobody knows who is meant.
        raise ScimRefused("a member is named by its value")
    return one_primary([one for one in read if one not in (None, {})]) or None


def one_primary(values: list[Any]) -> list[Any]:
    """Give values of which the last that says so is the primary one (RFC 7643 section 2.4)."""
    primary = [one for one in values if isinstance(one, dict) and one.get("primary")]
    return [
        {**one, "primary": False} if any(one is other for other in primary[:-1]) else one
        for one in values
    ]


def schemas_of(schema: Schema, content: dict[str, Any]) -> list[str]:
    """Give the URNs of what a resource holds."""
    return [schema.id, *(one.id for one in EXTENSIONS[schema.id] if one.id in content)]


class Selection:
    """Which attributes a client wants to be told (RFC 7644 section 3.9).

    Args:
        wanted: those alone, by comma-separated paths; "" for all.
        unwanted: all but those.
    """

    def __init__(self, wanted: str, unwanted: str) -> None:
        if wanted and unwanted:
            raise ScimRefused("send attributes or excludedAttributes, not both")
        self._wanted = _names(wanted)
        self._unwanted = _names(unwanted)

    def has(self, name: str) -> bool:
        """Tell whether anything of an attribute is told."""
        low = name.casefold()
        if self._wanted:
            return any(_first(one, low) is not None for one in self._wanted)
        return low not in self._unwanted

    def of(self, document: dict[str, Any]) -> dict[str, Any]:
        """Give what is told of a resource: ``id`` and ``schemas`` always."""
        if self._wanted:
            found = {}
            for name, value in document.items():
                rests = [_first(one, name.casefold()) for one in self._wanted]
                told = [rest for rest in rests if rest is not None]
                if name in ("id", "schemas") or "" in told:
                    found[name] = value
                elif told:
                    found[name] = _inside(value, told, keep=True)
            return found
        found = {}
        for name, value in document.items():
            rests = [_first(one, name.casefold()) for one in self._unwanted]
            told = [rest for rest in rests if rest is not None]
            if name in ("id", "schemas") or not told:
                found[name] = value
            elif "" not in told:
                found[name] = _inside(value, told, keep=False)
        return found


def _parts(attributes: Iterable[Attribute], given: dict[str, Any]) -> dict[str, Any]:
    known = tuple(attributes)
    found = {}
    for name, value in given.items():
        attribute = find_attribute(iter(known), name)
        if attribute is None or attribute.read_only:
            continue
        read = read_value(attribute, value)
        if read not in (None, {}):
            found[attribute.name] = read
    return found


def _single(attribute: Attribute, value: Any) -> Any:
    if value is None:
        return None
    match attribute.type:
        case "complex":
            if isinstance(value, str) and find_attribute(iter(attribute.parts), "value"):
                value = {"value": value}
            if isinstance(value, dict):
                return _parts(attribute.parts, value)
        case "boolean":
            if isinstance(value, str):
                value = BOOLEANS.get(value.lower())
            if isinstance(value, bool):
                return value
        case _:
            if isinstance(value, str) and len(value) <= MOST_TEXT and "\0" not in value:
                return value
    raise ScimRefused(f"{attribute.name} must be a value of the type {attribute.type}")


def _names(text: str) -> tuple[str, ...]:
    # The attributes of the core schemas may be named with their URNs.
    core = "urn:ietf:params:scim:schemas:core:2.0:"
    names = [one.strip().casefold() for one in text.split(",") if one.strip()]
    return tuple(
        one.removeprefix(f"{core}user:").removeprefix(f"{core}group:") for one in names[:64]
    )


def _first(path: str, name: str) -> str | None:
    """Give what of a path stands below an attribute: "" for all of it; None where it is another."""
    if path == name:
        return ""
    if path.startswith((f"{name}.", f"{name}:")):
        return path[len(name) + 1 :]
    return None


def _inside(value: Any, paths: list[str], *, keep: bool) -> Any:
    if isinstance(value, list):
        return [_inside(one, paths, keep=keep) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: one
        for name, one in value.items()
        if any(_first(path, name.casefold()) is not None for path in paths) == keep
    }
