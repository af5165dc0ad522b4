"""The options of a verifier, and of each issuer: from three places to what counts."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Final, Literal, TypedDict

from carnet.errors import ConfigurationError, InvalidKey
from carnet.jose.algorithms import AlgorithmName
from carnet.jose.key import Key
from carnet.jose.key_set import KeySet
from carnet.jwt.claim_rules import Path as ClaimPath
from carnet.jwt.claim_rules import Where
from carnet.jwt.policy import Names
from carnet.verifier.issuer import FINDING_KEYS, OPTIONS, Issuer, Trusted
from carnet.verifier.protected_resource import ProtectedResource

__all__ = [
    "Options",
    "Settings",
    "check_names",
    "check_options",
    "given_keys",
    "issuers_of",
    "settle",
]

MANY: Final = "goes with one issuer only: give each an Issuer(…) of its own"
_ROW: Final = ("type", "algorithms", "metadata", "jwks_uri")


class Options(TypedDict, total=False):
    """The options of both verifiers, of all adapters and of the gate."""

    algorithms: Collection[AlgorithmName] | None
    bearer_file: str | Path | None
    ca_file: str | Path | None
    cache: int
    claims: Mapping[ClaimPath, Any] | None
    client_id_claim: Where | None
    clock: Callable[[], float]
    decryption: Key | KeySet | None
    headers: Mapping[str, str] | None
    insecure_http: bool | None
    jwks_uri: str | None
    keys: KeySet | Key | Mapping[str, Any] | Path | None
    leeway: float
    max_stale: float | None
    metadata: str | None
    required: Collection[str]
    resource: str | ProtectedResource | None
    revocations: Literal["off", "best_effort", "required"]
    revocations_max_age: float
    roles_claim: Where | None
    scope_claim: Where | None
    ssl_context: ssl.SSLContext | None
    type: Names


@dataclass(frozen=True, slots=True)
class Settings:
    """What counts for one issuer.

    Attributes:
        given: the value of each option that was given anywhere.
        claims: every mapping of exact values that was given.
        required: every name that was.
        names_client: whether a token has to name its client.
        is_foreign: whether a profile says that the issuer is none of Carnet's.
    """

    given: Mapping[str, Any]
    claims: tuple[Mapping[ClaimPath, Any], ...]
    required: tuple[str, ...]
    names_client: bool
    is_foreign: bool


def issuers_of(trusted: Trusted) -> list[Issuer]:
    """Give the issuers that a verifier is made for.

    Raises:
        ConfigurationError: if there are none.
    """
    if isinstance(trusted, str | Issuer):
        trusted = [trusted]
    if (
        not isinstance(trusted, Collection)
        or isinstance(trusted, bytes | Mapping)
        or not trusted
        or not all(isinstance(one, Issuer) or (isinstance(one, str) and one) for one in trusted)
    ):
        raise ConfigurationError(
            "name the issuers that this service trusts: an address, an Issuer, or a list of those"
        )
    return [one if isinstance(one, Issuer) else Issuer(one) for one in trusted]


def settle(
    issuer: Issuer,
    audience: Names | None,
    options: Mapping[str, Any],
    alone: bool,
    resource: ProtectedResource | None = None,
) -> Settings:
    """Say what counts for an issuer: its own options, then the verifier's, then its profile's.

    Args:
        issuer: the issuer.
        audience: the verifier's.
        options: the verifier's.
        alone: whether it is the verifier's only issuer.
        resource: what the verifier's service is for clients; its tokens are for that address where
            no audience is given anywhere.

    Raises:
        ConfigurationError: if it has no audience, or the verifier's options can't be for all.
    """
    own = {name: getattr(issuer, name) for name in OPTIONS}
    row: dict[str, Any] = {}
    if issuer.profile is not None:
        row = {name: getattr(issuer.profile, name) for name in _ROW}
        row.update(issuer.profile.options)
    # None is "not given", wherever it stands.
    places = [
        {name: value for name, value in place.items() if value is not None}
        for place in (own, {**options, "audience": audience}, row)
    ]
    if not alone and (many := [name for name in FINDING_KEYS if name in places[1]]):
        raise ConfigurationError(f"{many[0]} {MANY}")
    given: dict[str, Any] = {}
    for place in reversed(places):
        if any(name in place for name in FINDING_KEYS):
            for name in FINDING_KEYS:
                given.pop(name, None)
        given.update(place)
    if sum(name in given for name in FINDING_KEYS) > 1:
        raise ConfigurationError(f"give one of {', '.join(FINDING_KEYS)}")
    if resource is not None:
        given.setdefault("audience", resource.url)
    if "audience" not in given:
        raise ConfigurationError(
            "name the audience, this service's name in aud; pass carnet.jwt.UNCHECKED to accept "
            "any, and then claims={…} to say whose tokens are meant"
        )
    return Settings(
        given,
        claims=tuple(place["claims"] for place in places if "claims" in place),
        required=tuple(
            dict.fromkeys(name for place in places for name in _required(place.get("required", ())))
        ),
        names_client=issuer.profile is not None and issuer.profile.names_client,
        is_foreign=issuer.profile is not None,
    )


def given_keys(keys: Any, algorithms: Collection[AlgorithmName] | None) -> KeySet:
    """Give the keys that were configured, none of them private but for shared secrets.

    Raises:
        ConfigurationError: if there is none that can verify.
    """
    if isinstance(keys, Mapping):
        try:
            made = KeySet.from_jwks(keys, algorithms)
        except InvalidKey as error:
            raise ConfigurationError(f"keys is not a key set: {error}") from None
        if not made:
            reasons = "; ".join(sorted({skipped.reason for skipped in made.skipped}))
            raise ConfigurationError(f"keys holds no usable key{': ' if reasons else ''}{reasons}")
    elif isinstance(keys, Key | KeySet):
        made = KeySet((keys,)) if isinstance(keys, Key) else keys
    else:
        raise ConfigurationError(
            "keys must be a KeySet, a Key, a decoded JWK Set, or a pathlib.Path to a file with one"
        )
    public = KeySet(key if key.kty == "oct" else key.public for key in made)
    if not public:
        raise ConfigurationError("keys holds no key")
    return public


def check_names(given: Iterable[str], known: Collection[str], place: str) -> None:
    """Check that options are known, and say which one was meant.

    Raises:
        ConfigurationError: naming one that is not.
    """
    for name in given:
        if name not in known:
            near = get_close_matches(str(name), known, 1)
            meant = f"; did you mean '{near[0]}'?" if near else ""
            raise ConfigurationError(
                f"{place} has the option '{name}', which is none of "
                f"{', '.join(sorted(known))}{meant}"
            )


def check_options(owner: type, given: Iterable[str]) -> None:
    """Check that what was given beside a class's own arguments are options.

    Args:
        owner: the class; its arguments are among those that may have been meant.
        given: the names.

    Raises:
        ConfigurationError: naming one that is not, and the nearest that there is.
    """
    own = signature(owner).parameters.values()
    names = [one.name for one in own if one.kind is not Parameter.VAR_KEYWORD]
    check_names(given, {*names, *Options.__annotations__}, owner.__name__)


def _required(given: Any) -> Collection[str]:
    if isinstance(given, str) or not isinstance(given, Collection):
        raise ConfigurationError("required must be a list of claim names")
    return given
