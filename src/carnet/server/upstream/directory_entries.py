"""What stands in a directory: who an entry is, and what it says. Pure data, but for DNs.

Names of attributes are the directory's, whatever case it writes them in; the settings' writing of
them is the one that counts here, also in DNs that roles are given for.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import ldap.dn
import ldap.filter

from carnet.jwt.claim_rules import steps
from carnet.server.directory_settings import DirectorySettings
from carnet.server.provider_settings import ClaimRule

__all__ = ["Entry", "claims_of", "filled_in", "is_disabled", "subject_of", "wanted_of"]

NAMES: Final = ("sAMAccountName", "uid")
"""What a new account's username is made of: the first that is there."""
ALWAYS: Final = (*NAMES, "entryUUID", "objectGUID", "userAccountControl", "memberOf")
SAID_AS: Final = {"name": ("displayName", "cn"), "email": ("mail",)}
"""What the pages call a person by, and of what."""
DISABLED: Final = 0x2
GUID_SIZE: Final = 16
MOST_GROUPS: Final = 2000


class Entry(NamedTuple):
    """An entry.

    Attributes:
        dn: where it stands, which says nothing of who it is.
        attributes: its values, by the names of the attributes in lower case.
    """

    dn: str
    attributes: Mapping[str, list[bytes]]

    def texts(self, name: str) -> list[str]:
        """Give the values of an attribute that are texts."""
        found = []
        for value in self.attributes.get(name.lower(), ()):
            try:
                found.append(value.decode())
            except UnicodeDecodeError:
                continue
        return found


def filled_in(template: str, **values: str) -> str:
    """Give a filter in which values stand as nothing but values (RFC 4515 section 3)."""
    escaped = {name: ldap.filter.escape_filter_chars(value) for name, value in values.items()}
    return re.sub(r"\{(\w+)\}", lambda found: escaped.get(found[1], found[0]), template)


def subject_of(entry: Entry) -> str | None:
    """Give what an entry is, for ever: its UUID, which the directory itself has given it.

    ``entryUUID`` comes first: no user can write it (RFC 4530), where an ``objectGUID`` in another
    directory than Active Directory might be anybody's.
    """
    for text in entry.texts("entryUUID"):
        try:
            return str(uuid.UUID(text))
        except ValueError:
            return None
    for value in entry.attributes.get("objectguid", ()):
        return str(uuid.UUID(bytes_le=value)) if len(value) == GUID_SIZE else None
    return None


def is_disabled(entry: Entry) -> bool:
    """Tell whether Active Directory has disabled an account, or says of it what can't be read."""
    for text in entry.texts("userAccountControl"):
        if not text.isascii() or not text.isdecimal() or int(text) & DISABLED:
            return True
    return False


def wanted_of(settings: DirectorySettings) -> list[str]:
    """Give the attributes that something depends on."""
    rules = settings.roles
    places = [
        *settings.required,
        *(() if rules is None else (rules.claim,)),
        *(one.claim if isinstance(one, ClaimRule) else one for one in settings.claims.values()),
    ]
    of_settings = [steps(place, "claims")[0] for place in places]
    said = [name for names in SAID_AS.values() for name in names]
    made = {"groups", "group_names", "preferred_username", *SAID_AS}
    return [name for name in dict.fromkeys((*ALWAYS, *said, *of_settings)) if name not in made]


def claims_of(
    entry: Entry, groups: Iterable[str], settings: DirectorySettings, username: str
) -> dict[str, Any]:
    """Give what an entry says, as the settings' rules read it.

    Args:
        entry: the person's.
        groups: the DNs of the person's groups.
        settings: the rules.
        username: what was typed, for an entry that has no name of its own.
    """
    found: dict[str, Any] = {}
    for name in wanted_of(settings):
        texts = entry.texts(name)
        if texts:
            found[name] = texts if len(texts) > 1 else texts[0]
    for name, places in SAID_AS.items():
        said = [text for place in places for text in entry.texts(place)]
        if said:
            found[name] = said[0]
    names = [text for name in NAMES for text in entry.texts(name)]
    found["preferred_username"] = (names or [username])[0]
    dns = list(groups)[:MOST_GROUPS]
    written = dict(_written(settings))
    found["groups"] = [written.get(_form(dn), dn) for dn in dns]
    found["group_names"] = [name for dn in dns for name in _first(dn)]
    return found


def _written(settings: DirectorySettings) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Give the DNs of the rules, each in its one form and as it is written there."""
    rules = settings.roles
    for text in () if rules is None else rules.values:
        if ldap.dn.is_dn(text) and "=" in text:
            yield _form(text), text
    for wanted in settings.required.values():
        for text in (wanted,) if isinstance(wanted, str) else wanted:
            if ldap.dn.is_dn(text) and "=" in text:
                yield _form(text), text


def _form(dn: str) -> tuple[Any, ...]:
    """Give the one form of a DN: case and repeated spaces make no difference (RFC 4514)."""
    try:
        parsed = ldap.dn.str2dn(dn)
    except ldap.DECODING_ERROR:
        return (dn,)
    return tuple(
        tuple(sorted((name.lower(), " ".join(value.split()).casefold()) for name, value, _ in rdn))
        for rdn in parsed
    )


def _first(dn: str) -> list[str]:
    """Give the name that a DN begins with."""
    try:
        parsed = ldap.dn.str2dn(dn)
    except ldap.DECODING_ERROR:
        return []
    return [value for _, value, _ in parsed[0]][:1] if parsed else []
