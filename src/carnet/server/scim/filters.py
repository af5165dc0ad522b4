"""Filters and paths of SCIM (RFC 7644 sections 3.4.2.2 and 3.5.2), within bounds.

    filter   =  and *( "or" and )
    and      =  factor *( "and" factor )
    factor   =  [ "not" ] "(" filter ")"  /  path operator value  /  path "pr"
             /  path "[" filter "]"
    path     =  [ URN ":" ] name [ "." name ]

Operators compare as the attribute's row in the schema says: case counts or does not. Whatever is
not in the schema is refused, so that a client's mistake never looks like "nobody is found".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from carnet.server.scim.refusals import ScimRefused
from carnet.server.scim.schemas import SCHEMAS, Attribute, Schema, attributes_of, find_attribute

__all__ = ["Filter", "Place", "equalities", "matches", "names_in", "read_filter", "read_place"]

MOST_TEXT: Final = 1024
MOST_TERMS: Final = 32
MOST_DEPTH: Final = 8

_TOKEN: Final = re.compile(
    r"""\s*(?: (?P<string>"(?:[^"\\]|\\.)*") | (?P<mark>[()\[\]])
    | (?P<word>[A-Za-z$][\w$:.\-]*) | (?P<number>-?[0-9]+(?:\.[0-9]+)?) )""",
    re.VERBOSE | re.ASCII,
)

COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "eq": lambda found, wanted: found == wanted,
    "ne": lambda found, wanted: found != wanted,
    "co": lambda found, wanted: wanted in found,
    "sw": lambda found, wanted: found.startswith(wanted),
    "ew": lambda found, wanted: found.endswith(wanted),
    "gt": lambda found, wanted: found > wanted,
    "ge": lambda found, wanted: found >= wanted,
    "lt": lambda found, wanted: found < wanted,
    "le": lambda found, wanted: found <= wanted,
}
OF_ANYTHING: Final = frozenset(("eq", "ne"))
LITERALS: Final = {"true": True, "false": False, "null": None}


class Place(NamedTuple):
    """Where something stands in a resource.

    Attributes:
        attribute: the attribute, or an extension.
        part: the one of a complex attribute that is meant, or None for all of it.
        inner: that of a part which is complex itself, as an extension's are.
        filter: which of several values are meant, or None for all.
    """

    attribute: Attribute
    part: Attribute | None = None
    inner: Attribute | None = None
    filter: Filter | None = None

    @property
    def last(self) -> Attribute:
        """What is meant in the end."""
        return self.inner or self.part or self.attribute


class Compared(NamedTuple):
    """A comparison; ``pr`` compares with nothing."""

    place: Place
    operator: str
    value: Any


class Both(NamedTuple):
    """Several filters that all let it through."""

    filters: tuple[Filter, ...]


class Either(NamedTuple):
    """Several filters of which one lets it through."""

    filters: tuple[Filter, ...]


class Not(NamedTuple):
    """A filter that does not let it through."""

    filter: Filter


class Having(NamedTuple):
    """A filter that lets one of several values through."""

    place: Place
    filter: Filter


Filter: TypeAlias = Compared | Both | Either | Not | Having


def read_filter(text: str, schema: Schema) -> Filter:
    """Read a filter.

    Args:
        text: the filter.
        schema: of the resources.

    Raises:
        ScimRefused: ``invalidFilter``.
    """
    reading = _Reading(text, schema, "invalidFilter")
    found = reading.filter(tuple(attributes_of(schema)))
    reading.end()
    return found


def read_place(text: str, schema: Schema) -> Place:
    """Read the path of a change.

    Args:
        text: the path.
        schema: of the resource.

    Raises:
        ScimRefused: ``invalidPath``.
    """
    reading = _Reading(text, schema, "invalidPath")
    found = reading.target(tuple(attributes_of(schema)))
    reading.end()
    return found


def matches(filter: Filter, content: dict[str, Any]) -> bool:
    """Tell whether a filter lets a resource, or one of several values, through."""
    match filter:
        case Both(filters):
            return all(matches(one, content) for one in filters)
        case Either(filters):
            return any(matches(one, content) for one in filters)
        case Not(inner):
            return not matches(inner, content)
        case Having(place, inner):
            return any(matches(inner, one) for one in _found(place, content))
        case Compared(place, operator, value):
            found = list(_found(place, content))
            if operator == "pr":
                return any(one not in (None, "", [], {}) for one in found)
            if operator == "ne" or value is None:
                # RFC 7644: what is not there equals null, and nothing else.
                equal = _any_equal(place.last, found, value)
                return equal != (operator == "ne")
            return any(_compare(place.last, operator, one, value) for one in found)


def equalities(filter: Filter) -> Iterator[tuple[str, Any]]:
    """Give the attributes that must have a certain value, with that, where a filter says so."""
    match filter:
        case Compared(Place(attribute, None, None, None), "eq", value):
            yield attribute.name, value
        case Both(filters):
            for one in filters:
                yield from equalities(one)


def names_in(filter: Filter) -> Iterator[str]:
    """Give the names of the attributes that a filter looks at."""
    match filter:
        case Both(filters) | Either(filters):
            for one in filters:
                yield from names_in(one)
        case Not(inner):
            yield from names_in(inner)
        case Compared(place) | Having(place):
            yield place.attribute.name


def _any_equal(attribute: Attribute, found: list[Any], value: Any) -> bool:
    if value is None:
        return not any(one is not None for one in found)
    return any(_compare(attribute, "eq", one, value) for one in found)


def _compare(attribute: Attribute, operator: str, found: Any, wanted: Any) -> bool:
    if isinstance(found, str) and isinstance(wanted, str):
        if not attribute.exact:
            found, wanted = found.casefold(), wanted.casefold()
        return COMPARE[operator](found, wanted)
    return type(found) is type(wanted) and operator in OF_ANYTHING and found == wanted


def _found(place: Place, content: dict[str, Any]) -> Iterator[Any]:
    """Give the values that stand at a place; of several that are complex, their ``value``."""
    value = content.get(place.attribute.name)
    for one in value if isinstance(value, list) else [value]:
        found: Any = one
        for part in (place.part, place.inner):
            if part is not None:
                found = found.get(part.name) if isinstance(found, dict) else None
        if found is not None:
            yield found


class _Reading:
    """Reads a text from its beginning; a recursive descent of bounded depth."""

    def __init__(self, text: str, schema: Schema, code: str) -> None:
        self._code, self._schema = code, schema
        if len(text) > MOST_TEXT:
            raise self._wrong(f"it has more than {MOST_TEXT} characters")
        self._tokens = list(self._split(text))
        self._at, self._terms, self._depth = 0, 0, 0

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise self._wrong(f"nothing can follow before {self._tokens[self._at]!r}")

    def filter(self, attributes: tuple[Attribute, ...]) -> Filter:
        return self._several("or", Either, lambda: self._all(attributes))

    def target(self, attributes: tuple[Attribute, ...]) -> Place:
        """Read a path of a change: with the filter in the middle of it, where there is one."""
        place = self._place(attributes)
        if self._peek() != "[":
            return place
        if not place.last.many:
            raise self._wrong(f"{place.last.name} does not have several values")
        place = place._replace(filter=self._inside(place))
        if self._peek().startswith("."):
            part = find_attribute(iter(place.last.parts), self._next()[1:])
            if part is None:
                raise self._wrong(f"{place.last.name} has no such part")
            place = place._replace(part=part)
        return place

    def _all(self, attributes: tuple[Attribute, ...]) -> Filter:
        return self._several("and", Both, lambda: self._factor(attributes))

    def _several(
        self,
        word: str,
        joined: type[Both | Either],
        read: Callable[[], Filter],
    ) -> Filter:
        found = [read()]
        while self._peek().lower() == word:
            self._next()
            found.append(read())
        return found[0] if len(found) == 1 else joined(tuple(found))

    def _factor(self, attributes: tuple[Attribute, ...]) -> Filter:
        self._terms += 1
        if self._terms > MOST_TERMS:
            raise self._wrong(f"it compares more than {MOST_TERMS} times")
        is_not = self._peek().lower() == "not"
        if is_not:
            self._next()
        if self._peek() == "(":
            self._next()
            inner = self._deeper(attributes)
            self._expect(")")
            return Not(inner) if is_not else inner
        if is_not:
            raise self._wrong("after `not` comes a filter in parentheses")
        place = self._place(attributes)
        if self._peek() == "[":
            return Having(place, self._inside(place))
        value = find_attribute(iter(place.last.parts), "value")
        if value is not None and self._peek().lower() != "pr":
            # RFC 7643 section 2.4: what a complex attribute is compared by.
            has_part = place.part is not None
            place = place._replace(inner=value) if has_part else place._replace(part=value)
        return self._comparison(place)

    def _comparison(self, place: Place) -> Filter:
        operator = self._next().lower()
        if operator == "pr":
            return Compared(place, operator, None)
        if operator not in COMPARE:
            raise self._wrong(f"{operator!r} is not an operator")
        literal = self._next()
        if literal.startswith('"'):
            try:
                return Compared(place, operator, msgspec.json.decode(literal, type=str))
            except msgspec.DecodeError:
                raise self._wrong(f"{literal} is not a JSON string") from None
        if literal.lower() not in LITERALS:
            raise self._wrong(f'a value is "text", true, false or null, not {literal!r}')
        if operator not in OF_ANYTHING:
            raise self._wrong(f"{operator} compares texts")
        return Compared(place, operator, LITERALS[literal.lower()])

    def _inside(self, place: Place) -> Filter:
        self._expect("[")
        inner = self._deeper(place.last.parts)
        self._expect("]")
        return inner

    def _deeper(self, attributes: tuple[Attribute, ...]) -> Filter:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise self._wrong(f"it is nested more than {MOST_DEPTH} times")
        found = self.filter(attributes)
        self._depth -= 1
        return found

    def _place(self, attributes: tuple[Attribute, ...]) -> Place:
        text = self._next()
        names: list[str] = []
        for urn in SCHEMAS:
            if text.casefold() == urn.casefold():
                text = ""
            elif not text.casefold().startswith(f"{urn.casefold()}:"):
                continue
            if urn != self._schema.id:
                names.append(urn)
            text = text[len(urn) + 1 :]
            break
        names += text.split(".") if text else []
        found: list[Attribute] = []
        within = iter(attributes)
        for name in names:
            one = find_attribute(within, name)
            if one is None or len(found) == 3:
                raise self._wrong(f"there is no attribute {'.'.join(names)}")
            found.append(one)
            within = iter(one.parts)
        if not found:
            raise self._wrong("it names no attribute")
        part, inner, *_ = (*found[1:], None, None)
        return Place(found[0], part, inner)

    def _split(self, text: str) -> Iterator[str]:
        at = 0
        while at < len(text.rstrip()):
            token = _TOKEN.match(text, at)
            after = re.compile(r"\.[A-Za-z$]\w*", re.ASCII).match(text, at)
            if token is None and after is not None:
                yield after.group()
                at = after.end()
            elif token is not None:
                yield token.group().strip()
                at = token.end()
            else:
                raise self._wrong(f"it can't be read from character {at + 1} on")

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise self._wrong("it ends too early")
        self._at += 1
        return token

    def _expect(self, mark: str) -> None:
        if self._next() != mark:
            raise self._wrong(f"a {mark} is missing")

    def _wrong(self, text: str) -> ScimRefused:
        what = "filter" if self._code == "invalidFilter" else "path"
        return ScimRefused(f"the {what} can't be used: {text}", code=self._code)
