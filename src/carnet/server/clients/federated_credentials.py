"""The tokens of other issuers that a client may prove itself with, instead of keeping a secret.

A CI system, a cluster or a SPIFFE trust domain gives each of its workloads a token that says what
the workload is. A client's credentials say from which issuer such a token has to be, and what has
to stand in it: exact values, no patterns. Anybody can have a token of a large issuer, so a rule
that does not pin down a workload is refused where it is set:

    issuer            what pins down a workload
    ────────────────  ──────────────────────────────────────────────────────────────────────────
    GitHub Actions    the repository, and which of its workflows: a branch, an environment, …; or
                      a sub that says both
    GitLab.com        the project, and which of its pipelines: a branch, …; or a sub that says both
    spiffe://…        sub, a SPIFFE ID with a path
    all others        sub
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import Meta

from carnet.errors import InvalidKey
from carnet.jose.key_set import KeySet
from carnet.jwt.published_keys import PUBLIC_SIGNATURES, read_published
from carnet.server.clients.addresses import BadAddress, check_web_address
from carnet.server.clients.fetched_keys import Publisher

__all__ = [
    "MOST_CREDENTIALS",
    "BadCredential",
    "FederatedCredential",
    "check_credential",
    "issuers_named",
    "keys_of_credential",
]

MOST_CREDENTIALS: Final = 8
MOST_KEYS: Final = 16

_Value = Annotated[str, Meta(min_length=1, max_length=512)]
_Values = Annotated[tuple[_Value, ...], Meta(min_length=1, max_length=16)]
_ClaimName = Annotated[str, Meta(min_length=1, max_length=128)]

_SPIFFE = "spiffe://"
_SPIFFE_ID = re.compile(r"(spiffe://[a-z0-9._\-]{1,255})((/[A-Za-z0-9._\-]+)*)")
# What is checked of every assertion, or says nothing of who it is.
_NO_RULES: Final = frozenset(("iss", "aud", "exp", "nbf", "iat", "jti"))


class BadCredential(Exception):
    """A credential can't be set; the text says what is expected instead."""


class FederatedCredential(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Whose tokens prove that a client is itself, and what has to stand in them.

    Attributes:
        issuer: as it stands in ``iss``; or ``spiffe://`` and a trust domain, whose JWT-SVIDs often
            name none.
        claims: the value that a claim has to have, or the values of which it has to have one.
        jwks_uri: where the issuer's keys are; by default its metadata say it.
        jwks: the issuer's keys, where they can't be fetched.
    """

    issuer: Annotated[str, Meta(min_length=1, max_length=2048)]
    claims: Annotated[dict[_ClaimName, _Value | _Values], Meta(min_length=1, max_length=16)]
    jwks_uri: Annotated[str, Meta(min_length=1, max_length=2048)] | None = None
    jwks: dict[str, Any] | None = None

    @property
    def is_spiffe(self) -> bool:
        """Whether it is about the workloads of a SPIFFE trust domain."""
        return self.issuer.startswith(_SPIFFE)

    @property
    def publisher(self) -> Publisher:
        """Who publishes the keys, where they are not given."""
        return Publisher("" if self.is_spiffe else self.issuer, self.jwks_uri or "")

    def matches(self, claims: Mapping[str, Any]) -> bool:
        """Tell whether a token says what has to stand in it."""
        return self.issuer in issuers_named(claims) and all(
            isinstance(claims.get(name), str) and claims[name] in _values(wanted)
            for name, wanted in self.claims.items()
        )


class _Kind(NamedTuple):
    """What pins down a workload of an issuer.

    Attributes:
        name: what the issuer is called.
        issuers: the issuers of this kind.
        places: claims of which one says whose code runs; as they are called in a ``sub``, too.
        contexts: claims that together say which of it; one such group is needed.
        example: of a ``sub``.
    """

    name: str
    issuers: re.Pattern[str]
    places: frozenset[str]
    contexts: tuple[frozenset[str], ...]
    example: str


# What is not here, a workload can choose itself, or shares with others: actor, event_name, head_ref
# and the like. A ref of GitLab's alone may be a branch's or that of a tag which anybody can make.
_KINDS: Final = (
    _Kind(
        "GitHub Actions",
        re.compile(
            r"https://token\.actions\.(githubusercontent\.com(/.*)?|[a-z0-9-]+\.ghe\.com)"
            r"|https://[^/]+/_services/token"
        ),
        frozenset(("repo", "repository", "repository_id")),
        tuple(map(frozenset, (["ref"], ["environment"], ["workflow_ref"], ["job_workflow_ref"]))),
        "repo:octo-org/orders:ref:refs/heads/main",
    ),
    _Kind(
        "GitLab",
        re.compile(r"https://gitlab\.com"),
        frozenset(("project_path", "project_id")),
        tuple(
            map(
                frozenset,
                (
                    ["ref", "ref_type"],
                    ["ref_path"],
                    ["environment", "environment_protected"],
                    ["ci_config_ref_uri"],
                ),
            )
        ),
        "project_path:octo-org/orders:ref_type:branch:ref:main",
    ),
)


def issuers_named(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """Give the issuers that a token may be of by what it says: ``iss``, and a trust domain."""
    said, found = claims.get("iss"), _spiffe_id(claims.get("sub"))
    named = (said, None if found is None else found[1])
    return tuple(name for name in named if isinstance(name, str))


def keys_of_credential(credential: FederatedCredential) -> KeySet:
    """Give the keys of a credential that are given with it.

    Raises:
        InvalidKey: if they are no JWK Set.
    """
    if credential.jwks is None:
        return KeySet()
    return read_published(credential.jwks, PUBLIC_SIGNATURES, lambda _: True)


def check_credential(credential: FederatedCredential) -> None:
    """Check a credential where it is set.

    Raises:
        BadCredential: saying what is expected.
    """
    if not credential.is_spiffe:
        _check_address("issuer", credential.issuer)
    elif (found := _spiffe_id(credential.issuer)) is None or found[2]:
        raise BadCredential("issuer must be a trust domain, such as spiffe://example.org")
    elif credential.jwks_uri is None and credential.jwks is None:
        raise BadCredential(
            "a trust domain needs jwks_uri, the address of its bundle, or jwks, the bundle itself"
        )
    if credential.jwks_uri is not None:
        _check_address("jwks_uri", credential.jwks_uri)
    _check_keys(credential)
    for name, wanted in credential.claims.items():
        if name in _NO_RULES:
            raise BadCredential(f"claims names {name}, which does not identify a workload")
        if any("*" in value for value in _values(wanted)):
            raise BadCredential(
                f"claims gives {name} a value with a *: values are compared exactly, so write "
                "out each that is meant"
            )
    _check_width(credential)


def _check_address(name: str, address: str) -> None:
    try:
        check_web_address(address)
        if not address.startswith("https://"):
            raise BadAddress("an https URL")
    except BadAddress as error:
        raise BadCredential(f"{name} must be {error}") from None


def _check_keys(credential: FederatedCredential) -> None:
    if credential.jwks is None:
        return
    if credential.jwks_uri is not None:
        raise BadCredential("give jwks or jwks_uri, not both")
    try:
        keys = keys_of_credential(credential)
    except InvalidKey as error:
        raise BadCredential(f"jwks is a JWK Set: {error}") from None
    members = credential.jwks.get("keys")
    if not len(keys) or not isinstance(members, list) or len(members) > MOST_KEYS:
        reason = f": {keys.skipped[0].reason}" if keys.skipped else ""
        raise BadCredential(
            f"jwks holds up to {MOST_KEYS} keys, and a public key that verifies signatures{reason}"
        )


def _check_width(credential: FederatedCredential) -> None:
    """Refuse a rule that others than one workload can meet."""
    subjects = _values(credential.claims.get("sub", ()))
    if credential.is_spiffe:
        begin = f"{credential.issuer}/"
        if not subjects or not all(
            _spiffe_id(one) is not None and one.startswith(begin) for one in subjects
        ):
            raise BadCredential(
                f"the rule is too broad: add sub to claims, a SPIFFE ID with a path: {begin}…"
            )
        return
    kind = next((one for one in _KINDS if one.issuers.fullmatch(credential.issuer)), None)
    if kind is None:
        if not subjects:
            raise BadCredential(
                "the rule is too broad: add sub to claims, which identifies one of the issuer's "
                "workloads"
            )
        return
    said = [_names_in(subject) for subject in subjects] or [frozenset[str]()]
    names = credential.claims.keys() - {"sub"}
    if not all(_pins(kind, names | of_subject) for of_subject in said):
        places = sorted(kind.places - {"repo"})
        contexts = " or ".join(" with ".join(sorted(group)) for group in kind.contexts)
        raise BadCredential(
            f"the rule is too broad for {kind.name}, which gives everybody tokens: claims gives a "
            f"sub such as {kind.example}, or {' or '.join(places)}, and with it {contexts}"
        )


def _pins(kind: _Kind, names: AbstractSet[str]) -> bool:
    return not kind.places.isdisjoint(names) and any(group <= names for group in kind.contexts)


def _names_in(subject: str) -> frozenset[str]:
    """Give the names in a ``sub`` of the form ``name:value:name:value``."""
    parts = subject.split(":")
    return frozenset(name for name, value in zip(parts[::2], parts[1::2], strict=False) if value)


def _values(wanted: str | tuple[str, ...]) -> tuple[str, ...]:
    return (wanted,) if isinstance(wanted, str) else wanted


def _spiffe_id(name: object) -> re.Match[str] | None:
    """Read a SPIFFE ID: its trust domain, and its path (SPIFFE-ID section 2)."""
    found = _SPIFFE_ID.fullmatch(name) if isinstance(name, str) else None
    if found is None or not {".", ".."}.isdisjoint(found[2].split("/")):
        return None
    return found
