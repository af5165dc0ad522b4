"""Changing a resource piece by piece (RFC 7644 section 3.5.2), as Entra and Okta do it, too.

What they send, and what is meant:

- ``{"op": "Replace", "path": "active", "value": "False"}``: ``active`` is false.
- ``{"op": "replace", "value": {"active": false}}``: the same.
- ``{"op": "add", "value": {"name.givenName": "Ada"}}``: that part of the name.
- ``{"op": "Add", "path": "emails[type eq 'work'].value", …}``: the address for work, also where
  there is none yet.
- ``{"op": "Remove", "path": "members", "value": [{…}]}``: these members, not all of them.
"""

from __future__ import annotations

from typing import Any, Final

from carnet.server.scim.filters import Place, equalities, matches, read_place
from carnet.server.scim.refusals import ScimRefused
from carnet.server.scim.resources import MOST_VALUES, one_primary, read_value
from carnet.server.scim.schemas import Attribute, Schema

__all__ = ["patched"]

MOST_OPERATIONS: Final = 100
OPERATIONS: Final = ("add", "remove", "replace")


def patched(content: dict[str, Any], given: Any, schema: Schema) -> dict[str, Any]:
    """Give a resource with changes.

    Args:
        content: the resource, which stays as it is.
        given: the body of the request.
        schema: of the resource.

    Raises:
        ScimRefused: saying what was expected; nothing is changed then.
    """
    members = {name.lower(): value for name, value in given.items()}
    operations = members.get("operations")
    if not isinstance(operations, list) or not 0 < len(operations) <= MOST_OPERATIONS:
        raise ScimRefused(
            f"Operations must be a list of 1 to {MOST_OPERATIONS} changes", code="invalidSyntax"
        )
    found = dict(content)
    for one in operations:
        if not isinstance(one, dict):
            raise ScimRefused("a change must be a JSON object", code="invalidSyntax")
        _change(found, {name.lower(): value for name, value in one.items()}, schema)
    for attribute in schema.attributes:
        if attribute.required and found.get(attribute.name) in (None, ""):
            raise ScimRefused(f"{attribute.name} can't be taken away")
        if attribute.many and len(found.get(attribute.name) or ()) > MOST_VALUES:
            raise ScimRefused(f"{attribute.name} has at most {MOST_VALUES} values")
    return found


def _change(content: dict[str, Any], given: dict[str, Any], schema: Schema) -> None:
    operation, path, value = str(given.get("op")).lower(), given.get("path"), given.get("value")
    if operation not in OPERATIONS:
        raise ScimRefused("op must be add, remove or replace", code="invalidSyntax")
    if path is not None and not isinstance(path, str):
        raise ScimRefused("path must be a string", code="invalidPath")
    if path:
        place = read_place(path, schema)
        if place.attribute.read_only or place.last.read_only:
            raise ScimRefused(f"the service itself sets {place.last.name}", code="mutability")
        _apply(content, operation, place, value)
        return
    if operation == "remove":
        raise ScimRefused("remove needs a path", code="noTarget")
    if not isinstance(value, dict):
        raise ScimRefused("without a path, value must be an object", code="invalidValue")
    for name, one in value.items():
        # Of a resource without a path, as of a whole one, what nobody knows is ignored.
        try:
            place = read_place(name, schema)
        except ScimRefused:
            continue
        if not (place.attribute.read_only or place.last.read_only):
            _apply(content, operation, place, one)


def _apply(content: dict[str, Any], operation: str, place: Place, value: Any) -> None:
    attribute, name = place.attribute, place.attribute.name
    if attribute.many:
        values = _several(list(content.get(name) or []), operation, place, value)
        changed: Any = one_primary(values)
    elif place.part is None:
        changed = None
        if operation != "remove":
            changed = read_value(attribute, value)
            if attribute.type == "complex" and changed:
                changed = {**(content.get(name) or {}), **changed}
    else:
        inner = place._replace(attribute=place.part, part=place.inner, inner=None)
        changed = dict(content.get(name) or {})
        _apply(changed, operation, inner, value)
    if changed in (None, [], {}):
        content.pop(name, None)
    else:
        content[name] = changed


def _several(values: list[Any], operation: str, place: Place, value: Any) -> list[Any]:
    """Change an attribute with several values."""
    attribute, part = place.attribute, place.part
    if place.filter is None and part is None:
        return _whole(values, operation, attribute, value)
    is_meant = [place.filter is None or matches(place.filter, one) for one in values]
    if operation == "remove":
        if part is None:
            return [one for one, meant in zip(values, is_meant, strict=True) if not meant]
        return [
            {name: inner for name, inner in one.items() if not meant or name != part.name}
            for one, meant in zip(values, is_meant, strict=True)
        ]
    if part is None:
        read = read_value(attribute, value) or [{}]
        new = read[0]
    else:
        inner = read_value(part, value)
        new = {part.name: inner} if inner is not None else {}
    if any(is_meant):
        return [
            {**one, **new} if meant else one for one, meant in zip(values, is_meant, strict=True)
        ]
    named = {} if place.filter is None else dict(equalities(place.filter))
    if place.filter is not None and not (named and matches(place.filter, named)):
        raise ScimRefused(f"no value of {attribute.name} is meant", code="noTarget")
    return [*values, {**named, **new}]


def _whole(values: list[Any], operation: str, attribute: Attribute, value: Any) -> list[Any]:
    given = [] if value is None else read_value(attribute, value) or []
    if operation == "replace":
        return _without_repeats([], given)
    if operation == "add":
        return _without_repeats(values, given)
    if value is None:
        return []
    gone = {_key(one) for one in given}
    return [one for one in values if _key(one) not in gone]


def _without_repeats(values: list[Any], more: list[Any]) -> list[Any]:
    known = {_key(one) for one in values}
    found = list(values)
    for one in more:
        if _key(one) not in known:
            known.add(_key(one))
            found.append(one)
    return found


def _key(value: dict[str, Any]) -> str:
    """Give what tells a value from others of its attribute."""
    return str(value["value"]) if "value" in value else repr(sorted(value.items()))
