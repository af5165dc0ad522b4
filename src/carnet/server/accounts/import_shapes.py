"""The shapes in which other systems export accounts: a table, and how an account is read from each.

Each row is an object of names and values. One of Keycloak's or Auth0's is known by members that
only these have; everything else is the shape that this service writes itself, as CSV has it too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from carnet.errors import CarnetError
from carnet.server.accounts.account_record import NO_PASSWORD
from carnet.server.claim_names import OF_THE_ACCOUNT, STANDARD_CLAIMS

__all__ = ["COLUMNS", "ImportedAccount", "RowRefused", "read_row"]

OWN_MEMBERS: Final = ("id", "username", "password_hash", "roles", "claims", "disabled")
# When an account was changed last, its new service knows better.
CLAIMS: Final = tuple(
    name
    for names in STANDARD_CLAIMS.values()
    for name in names
    if name not in (*OF_THE_ACCOUNT, "updated_at")
)
COLUMNS: Final = (*OWN_MEMBERS, *CLAIMS)
"""What a row may have, by the names of its members or of a CSV file's columns."""

# Every account of a realm has these: they say nothing.
KEYCLOAK_BUILT_IN: Final = ("offline_access", "uma_authorization")
KEYCLOAK_DEFAULT: Final = "default-roles-"

FAST_HASHES: Final = ("md4", "md5", "sha1", "sha256", "sha512", "hmac", "ldap")


class RowRefused(CarnetError):
    """A row can't be read as an account; the message says why, and never what a hash is."""

    code = "row_refused"


class ImportedAccount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account as another system has known it.

    Attributes:
        username: as it was typed there.
        password_hash: in one of the formats that are known.
        id: the ``sub`` of its tokens, or "" for a new one.
        roles: what it may do.
        claims: more claims for its tokens.
        disabled: whether it may not sign in.
    """

    username: str
    password_hash: str = NO_PASSWORD
    id: str = ""
    roles: tuple[str, ...] = ()
    claims: dict[str, Any] = {}
    disabled: bool = False


class _Shape(NamedTuple):
    """How another system writes its accounts.

    Attributes:
        members: one of these tells that a row is of this shape.
        read: reads it.
    """

    members: frozenset[str]
    read: Callable[[Mapping[str, Any]], dict[str, Any]]


def read_row(row: Mapping[str, Any]) -> ImportedAccount:
    """Read an account.

    Raises:
        RowRefused: saying what was expected.
    """
    read = next((one.read for one in _SHAPES if not one.members.isdisjoint(row)), _own)
    try:
        members = {name: value for name, value in read(row).items() if value is not None}
        return msgspec.convert(members, ImportedAccount)
    except msgspec.ValidationError as error:
        # It names the member and the type that was expected, and no value.
        raise RowRefused(f"the row can't be read: {error}") from None


def _own(row: Mapping[str, Any]) -> dict[str, Any]:
    """Read what this service writes itself: standard claims may stand beside the others."""
    unknown = [name for name in row if name not in COLUMNS]
    if unknown:
        raise RowRefused(f"there is no member {unknown[0][:40]!r}; claims stand in claims")
    members = {name: row[name] for name in OWN_MEMBERS if name in row}
    given = members.get("claims")
    if not isinstance(given, dict | None):
        raise RowRefused("claims are an object")
    return {**members, "claims": {**_claims(row), **(given or {})}}


def _claims(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in CLAIMS if row.get(name) is not None}


class _KeycloakCredential(msgspec.Struct):
    """A credential of Keycloak's; both members hold JSON."""

    type: str = ""
    secretData: str = "{}"  # noqa: N815 - Keycloak's name
    credentialData: str = "{}"  # noqa: N815 - Keycloak's name


class _KeycloakSecret(msgspec.Struct):
    """What a password of Keycloak's is compared with."""

    value: str
    salt: str


class _KeycloakParameters(msgspec.Struct):
    """How a password of Keycloak's was hashed."""

    algorithm: str
    hashIterations: int  # noqa: N815 - Keycloak's name
    additionalParameters: dict[str, list[str]] = {}  # noqa: N815 - Keycloak's name


def _keycloak(row: Mapping[str, Any]) -> dict[str, Any]:
    if row.get("serviceAccountClientId"):
        raise RowRefused("it is the account of a client, and no person's")
    given = msgspec.convert(row.get("credentials") or [], list[_KeycloakCredential])
    passwords = [one for one in given if one.type == "password"]
    claims = {
        "email": row.get("email"),
        "email_verified": row.get("emailVerified") if row.get("email") else None,
        "given_name": row.get("firstName"),
        "family_name": row.get("lastName"),
    }
    roles = msgspec.convert(row.get("realmRoles") or [], list[str])
    return {
        "id": row.get("id"),
        "username": row.get("username"),
        "password_hash": _keycloak_hash(passwords[0]) if passwords else None,
        "roles": [
            role
            for role in roles
            if role not in KEYCLOAK_BUILT_IN and not role.startswith(KEYCLOAK_DEFAULT)
        ],
        "claims": {name: value for name, value in claims.items() if value is not None},
        "disabled": row.get("enabled") is False,
    }


def _keycloak_hash(credential: _KeycloakCredential) -> str:
    try:
        secret = msgspec.json.decode(credential.secretData, type=_KeycloakSecret)
        how = msgspec.json.decode(credential.credentialData, type=_KeycloakParameters)
    except msgspec.MsgspecError:
        raise RowRefused("the password of its credentials can't be read") from None
    salt, value = secret.salt.rstrip("="), secret.value.rstrip("=")
    if how.algorithm == "argon2":
        more = {name: values[0] for name, values in how.additionalParameters.items() if values}
        version = {"1.3": 19, "1.0": 16}.get(more.get("version", "1.3"), 0)
        costs = f"m={more.get('memory')},t={how.hashIterations},p={more.get('parallelism')}"
        return f"$argon2{more.get('type')}$v={version}${costs}${salt}${value}"
    # Its first one was called pbkdf2 alone.
    digest = how.algorithm.removeprefix("pbkdf2").removeprefix("-") or "sha1"
    return f"$pbkdf2-{digest}$i={how.hashIterations}${salt}${value}"


class _Auth0Text(msgspec.Struct):
    """Bytes, as Auth0 writes them."""

    value: str
    encoding: str = "utf8"


class _Auth0Hash(msgspec.Struct):
    """A password that Auth0 takes over from elsewhere (its schema of bulk imports)."""

    algorithm: str
    hash: _Auth0Text
    salt: _Auth0Text | None = None
    cost: int = 16384
    blockSize: int = 8  # noqa: N815 - Auth0's name
    parallelization: int = 1


def _auth0(row: Mapping[str, Any]) -> dict[str, Any]:
    encoded = row.get("passwordHash") or row.get("password_hash")
    custom = row.get("custom_password_hash")
    if custom is not None:
        encoded = _auth0_hash(msgspec.convert(custom, _Auth0Hash))
    return {
        "username": row.get("username") or row.get("email"),
        "password_hash": encoded,
        "claims": _claims(row),
        "disabled": row.get("blocked") is True,
    }


def _auth0_hash(given: _Auth0Hash) -> str:
    if given.algorithm in FAST_HASHES:
        raise RowRefused(
            f"a password hash of {given.algorithm} is too fast to protect a password; leave it "
            "out, and have the password set again"
        )
    if given.algorithm != "scrypt":
        # They are whole texts: bcrypt's own, and PHC strings of PBKDF2 and Argon2.
        return given.hash.value
    n, r, p = given.cost, given.blockSize, given.parallelization
    if n < 2 or n & (n - 1):
        raise RowRefused("the cost of scrypt is a power of 2")
    salt = _bytes(given.salt) if given.salt is not None else b""
    texts = (_phc(salt), _phc(_bytes(given.hash)))
    return f"$scrypt$ln={n.bit_length() - 1},r={r},p={p}${texts[0]}${texts[1]}"


def _bytes(given: _Auth0Text) -> bytes:
    try:
        if given.encoding == "hex":
            return bytes.fromhex(given.value)
        if given.encoding == "base64":
            text = given.value.rstrip("=")
            return msgspec.convert(text + "=" * (-len(text) % 4), bytes)
    except (ValueError, msgspec.ValidationError):
        raise RowRefused("the password hash is not what its encoding says") from None
    return given.value.encode("utf-8", "surrogatepass")


def _phc(content: bytes) -> str:
    return str(msgspec.to_builtins(content)).rstrip("=")


_SHAPES: Final = (
    _Shape(
        frozenset(("credentials", "enabled", "emailVerified", "realmRoles", "createdTimestamp")),
        _keycloak,
    ),
    _Shape(
        frozenset(("passwordHash", "custom_password_hash", "user_id", "_id", "identities")),
        _auth0,
    ),
)
