"""What a user and a group of SCIM hold (RFC 7643): one table that everything else goes by.

What is not in it is nobody's business here, and is ignored where it is sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple

__all__ = [
    "ENTERPRISE",
    "EXTENSIONS",
    "GROUP",
    "SCHEMAS",
    "USER",
    "Attribute",
    "Schema",
    "attributes_of",
    "find_attribute",
    "schema_document",
]

Type = Literal["string", "boolean", "reference", "complex"]

ENTERPRISE: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
SCHEMA_OF_SCHEMAS: Final = "urn:ietf:params:scim:schemas:core:2.0:Schema"


class Attribute(NamedTuple):
    """An attribute (RFC 7643 section 7).

    Attributes:
        name: as it is written.
        type: of its values.
        text: what it is, in a sentence for people.
        many: whether it has several values.
        required: whether a resource has it in any case.
        assumed: whether it may be left out all the same, and is then what it was.
        exact: whether its case counts.
        read_only: whether what is sent for it is ignored.
        always: whether it is told although only others were asked for.
        unique: whether no two resources have the same.
        values: the usual ones.
        refers_to: what a reference leads to.
        parts: of a complex attribute, by which it is made up.
    """

    name: str
    type: Type = "string"
    text: str = ""
    many: bool = False
    required: bool = False
    assumed: bool = False
    exact: bool = False
    read_only: bool = False
    always: bool = False
    unique: bool = False
    values: tuple[str, ...] = ()
    refers_to: tuple[str, ...] = ()
    parts: tuple[Attribute, ...] = ()


class Schema(NamedTuple):
    """A schema.

    Attributes:
        id: its URN.
        name: what it is called.
        text: what it is, in a sentence for people.
        attributes: what resources of it hold, besides what all have in common.
    """

    id: str
    name: str
    text: str
    attributes: tuple[Attribute, ...]


def _plural(name: str, text: str, values: tuple[str, ...], *more: Attribute) -> Attribute:
    parts = more or (Attribute("value", text="The value"),)
    common = (
        Attribute("display", text="A name for people"),
        Attribute("type", text="What it is for", values=values),
        Attribute("primary", "boolean", "Whether it is the first one"),
    )
    return Attribute(name, "complex", text, many=True, parts=(*parts, *common))


EXTERNAL_ID: Final = Attribute("externalId", text="What the client calls it", exact=True)
_ID: Final = Attribute(
    *("id", "string", "What the service calls it"),
    exact=True,
    read_only=True,
    always=True,
    unique=True,
)
COMMON: Final = (_ID, EXTERNAL_ID)
"""What all resources have, and what no schema lists (RFC 7643 section 3.1)."""

USER: Final = Schema(
    "urn:ietf:params:scim:schemas:core:2.0:User",
    "User",
    "Somebody's account",
    (
        Attribute(
            *("userName", "string", "What the person signs in with"), required=True, unique=True
        ),
        Attribute(
            *("name", "complex", "The parts of the person's name"),
            parts=tuple(
                Attribute(name, text=text)
                for name, text in (
                    ("formatted", "The whole name"),
                    ("familyName", "The family name"),
                    ("givenName", "The given name"),
                    ("middleName", "The middle name"),
                    ("honorificPrefix", "What stands before the name"),
                    ("honorificSuffix", "What stands after the name"),
                )
            ),
        ),
        Attribute("displayName", text="The name as it is shown"),
        Attribute("nickName", text="What friends call the person"),
        Attribute("title", text="The person's title in the company"),
        Attribute("userType", text="What the person is to the company"),
        Attribute("preferredLanguage", text="The language of pages"),
        Attribute("locale", text="How numbers and dates are written"),
        Attribute("timezone", text="The person's time zone"),
        Attribute(
            *("active", "boolean", "Whether the person may sign in"), required=True, assumed=True
        ),
        _plural("emails", "E-mail addresses", ("work", "home", "other")),
        _plural("phoneNumbers", "Telephone numbers", ("work", "home", "mobile", "fax", "other")),
        _plural(
            *("addresses", "Postal addresses", ("work", "home", "other")),
            *(
                Attribute(name, text=text)
                for name, text in (
                    ("formatted", "The whole address"),
                    ("streetAddress", "Street and number"),
                    ("locality", "The city"),
                    ("region", "The state or region"),
                    ("postalCode", "The postal code"),
                    ("country", "The country"),
                )
            ),
        ),
        Attribute(
            *("groups", "complex", "The groups that the person is in"),
            many=True,
            read_only=True,
            parts=(
                Attribute("value", text="The group's id", exact=True, read_only=True),
                Attribute(
                    *("$ref", "reference", "The group's address"),
                    exact=True,
                    read_only=True,
                    refers_to=("Group",),
                ),
                Attribute("display", text="The group's name", read_only=True),
            ),
        ),
    ),
)

ENTERPRISE_USER: Final = Schema(
    ENTERPRISE,
    "EnterpriseUser",
    "What a company keeps of its people",
    (
        Attribute("employeeNumber", text="The number that the company has given the person"),
        Attribute("costCenter", text="The cost center"),
        Attribute("organization", text="The organization"),
        Attribute("division", text="The division"),
        Attribute("department", text="The department"),
        Attribute(
            *("manager", "complex", "The person's manager"),
            parts=(
                Attribute("value", text="The manager's id", exact=True),
                Attribute(
                    *("$ref", "reference", "The manager's address"),
                    exact=True,
                    refers_to=("User",),
                ),
                Attribute("displayName", text="The manager's name", read_only=True),
            ),
        ),
    ),
)

GROUP: Final = Schema(
    "urn:ietf:params:scim:schemas:core:2.0:Group",
    "Group",
    "Several accounts; its name says which roles they have",
    (
        Attribute("displayName", text="The group's name", required=True),
        Attribute(
            *("members", "complex", "The accounts in it"),
            many=True,
            parts=(
                Attribute("value", text="The user's id", exact=True),
                Attribute(
                    *("$ref", "reference", "The user's address"), exact=True, refers_to=("User",)
                ),
                Attribute("type", text="What it is", values=("User",)),
            ),
        ),
    ),
)

SCHEMAS: Final[Mapping[str, Schema]] = {one.id: one for one in (USER, ENTERPRISE_USER, GROUP)}

EXTENSIONS: Final = {USER.id: (ENTERPRISE_USER,), GROUP.id: ()}
"""What else resources of a schema may hold, in an object named by the other one's URN."""


def attributes_of(schema: Schema) -> Iterator[Attribute]:
    """Give what a resource of a schema holds, each extension as one complex attribute."""
    yield from (*COMMON, *schema.attributes)
    for one in EXTENSIONS[schema.id]:
        yield Attribute(one.id, "complex", one.text, parts=one.attributes)


def find_attribute(attributes: Iterator[Attribute], name: str) -> Attribute | None:
    """Give the attribute of a name, whose case does not count (RFC 7643 section 2.1)."""
    wanted = name.casefold()
    return next((one for one in attributes if one.name.casefold() == wanted), None)


def schema_document(schema: Schema, base: str) -> dict[str, Any]:
    """Write a schema as it is published (RFC 7643 section 7)."""
    return {
        "schemas": [SCHEMA_OF_SCHEMAS],
        "id": schema.id,
        "name": schema.name,
        "description": schema.text,
        "attributes": [_document(one) for one in schema.attributes],
        "meta": {"resourceType": "Schema", "location": f"{base}/Schemas/{schema.id}"},
    }


def _document(attribute: Attribute) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": attribute.name,
        "type": attribute.type,
        "multiValued": attribute.many,
        "description": attribute.text,
        "required": attribute.required,
        "caseExact": attribute.exact,
        "mutability": "readOnly" if attribute.read_only else "readWrite",
        "returned": "always" if attribute.always else "default",
        "uniqueness": "server" if attribute.unique else "none",
    }
    if attribute.values:
        found["canonicalValues"] = list(attribute.values)
    if attribute.refers_to:
        found["referenceTypes"] = list(attribute.refers_to)
    if attribute.parts:
        found["subAttributes"] = [_document(one) for one in attribute.parts]
    return found
