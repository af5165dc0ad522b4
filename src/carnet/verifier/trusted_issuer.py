"""One issuer at work: its keys, the Verifier made of the newest of them, and its own checks."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from carnet.errors import ConfigurationError, InvalidToken, IssuerUnavailable
from carnet.jose.algorithms import AlgorithmName
from carnet.jose.key_set import KeySet
from carnet.jwt.claim_rules import Rule, exact, reader
from carnet.jwt.claims import Claims, members_of
from carnet.jwt.forks import renew_in_forks
from carnet.jwt.key_source import Health, KeySource
from carnet.jwt.policy import UNCHECKED, seconds
from carnet.jwt.verifier import Verifier
from carnet.verifier.access import Access
from carnet.verifier.dpop import Presented, Proofs
from carnet.verifier.fetch import refresh, refresh_async
from carnet.verifier.follower import Follower
from carnet.verifier.issuer import Issuer
from carnet.verifier.options import Settings, given_keys
from carnet.verifier.revocations import LEEWAY
from carnet.verifier.shapes import Names, Shape

__all__ = [
    "ACCESS_TOKEN",
    "NEWER_KEYS",
    "Revocations",
    "TrustedIssuer",
]

CACHE: Final = 4 * 1024 * 1024
ACCESS_TOKEN: Final = "at+jwt"
SHAPE: Final = ("roles_claim", "scope_claim", "client_id_claim")

NEWER_KEYS: Final = frozenset({"key_not_found", "signature_invalid", "algorithm_mismatch"})
"""Refusals that may mean that the issuer has a new key, perhaps under an old ``kid``."""


class Revocations(NamedTuple):
    """How an issuer's revocations are followed."""

    mode: str
    max_age: float


class TrustedIssuer:
    """An issuer, its keys and its checks.

    Args:
        issuer: who.
        settings: what counts for it.
        revocations_max_age: seconds after which ``required`` refuses.

    Raises:
        ConfigurationError: if anything is not of its kind.
    """

    def __init__(self, issuer: Issuer, settings: Settings, revocations_max_age: float) -> None:
        given = settings.given
        self.names = Names.of(issuer.name)
        self.algorithms: Collection[AlgorithmName] | None = given.get("algorithms")
        self.access, self.source = _source(issuer, self.names, given)
        self.proofs = Proofs()
        self.fetching = threading.Lock()
        self.beginning = threading.Lock()
        self.task: asyncio.Task[None] | None = None
        self.fetch: Future[None] | None = None
        renew_in_forks(self)
        self._clock: Callable[[], float] = given.get("clock", time.time)
        self._revocations = Revocations(_mode(given, settings.is_foreign), revocations_max_age)
        leeway = seconds(given.get("leeway", 0), "leeway")
        self.follower = (
            None
            if self._revocations.mode == "off"
            else Follower(
                self.source,
                self.refresh_for_unknown_key,
                self._clock,
                max(LEEWAY, leeway),
                self.access,
            )
        )
        type_ = given.get("type", ACCESS_TOKEN)
        self._options: dict[str, Any] = {
            "issuer": self.names.exact if self.names.accepts is None else UNCHECKED,
            "audience": given["audience"],
            "type": type_,
            "leeway": leeway,
            "required": settings.required,
            "cache": given.get("cache", CACHE),
            "clock": self._clock,
            "decryption": given.get("decryption"),
        }
        # What is wrong with the options is an error now, not with the first token.
        Verifier(KeySet(), **self._options)
        self._rules = _rules(self.names, settings)
        # Where the policy checks the types of an access token's claims, Claims itself will do.
        self._shape = (
            None
            if type_ == ACCESS_TOKEN and not any(name in given for name in SHAPE)
            else Shape(*(given.get(name) for name in SHAPE))
        )
        self._verifier: tuple[KeySet, Verifier[Claims]] | None = None

    @property
    def address(self) -> str | None:
        """The issuer's one name, or the first of several; None where only claims tell it."""
        return self.source.issuer if self.source.issuer in self.names.exact else None

    def begin_anew(self) -> None:
        """Wait for no fetch of another process in a fork, and make one of its own instead."""
        self.fetching, self.beginning = threading.Lock(), threading.Lock()
        self.task = self.fetch = None
        self.source.begin_anew()

    def awaits_revocations(self) -> Follower | None:
        """Begin to follow the revocations; give whom a first token has to wait for, if anyone."""
        follower = self.follower
        if follower is None:
            return None
        follower.ensure()
        must_wait = self._revocations.mode == "required" and follower.list.heard_at is None
        return follower if must_wait and follower.patience() else None

    def remembered(self, token: str) -> Claims | None:
        """Give what a token says that was accepted before and still is.

        None is where more has to be done than to remember: the verifier's own ``claims`` does it.

        Args:
            token: the token, which came without a proof.

        Raises:
            InvalidToken: if it has been revoked since, for example.
            IssuerUnavailable: if that can't be known.
        """
        keys, current = self.source.keys, self._verifier
        if current is None or current[0] is not keys or self.source.due(self._clock()):
            return None
        claims = current[1].remembered(token)
        if claims is None or self.awaits_revocations():
            return None
        return self.admit(claims, token, None)

    def admit(self, claims: Claims, token: str | bytes, presented: Presented | None) -> Claims:
        """Refuse what is not for this service, is revoked, or not proved; give the claims."""
        said, follower = members_of(claims), self.follower
        if self._rules:
            for rule in self._rules:
                rule(said)
        if presented is not None or "cnf" in said:
            self.proofs.check(claims, token, presented, self._clock())
        if follower is not None:
            if self._revocations.mode == "required":
                self._require_news(follower)
            follower.list.check(said)
        return claims if self._shape is None else self._shape.claims(said, self._clock)

    def health(self, now: float) -> Health:
        """Say how well the keys and the revocations are known."""
        health = self.source.health(now)
        follower = self.follower
        if follower is None:
            return health
        age = follower.age()
        return replace(
            health,
            ready=health.ready and self._is_recent(age),
            revocations_age=age,
            revocations=len(follower.list),
            revocations_error=follower.last_error,
        )

    def refresh(self) -> None:
        """Fetch the keys; what went wrong is in ``health``."""
        refresh(self.source, self._clock(), self.access)

    async def refresh_async(self) -> None:
        """Fetch the keys without blocking."""
        await refresh_async(self.source, self._clock(), self.access)

    def refresh_for_unknown_key(self) -> bool:
        """Fetch the keys, unless that was done just before, and tell whether it was done."""
        with self.fetching:
            # Whoever waited here for another thread's fetch has what that one brought.
            due = self.source.due_for_unknown_key(self._clock())
            if due:
                self.refresh()
            return due

    def verifier(self) -> Verifier[Any] | None:
        """Give the Verifier of the keys that are held; new keys begin with an empty cache."""
        keys, current = self.source.keys, self._verifier
        if keys is None:
            return None
        if current is None or current[0] is not keys:
            current = (keys, Verifier(keys, **self._options))
            self._verifier = current
        return current[1]

    def standing_in(
        self, source: KeySource, follower: Follower, clock: Callable[[], float]
    ) -> TrustedIssuer:
        """Give the same checks with other keys, revocations and another clock: for tests.

        Args:
            source: holds the keys.
            follower: says what is revoked, where this service asks for that.
            clock: gives the seconds since 1970.
        """
        other = copy(self)
        other.source = source
        other.follower = None if self.follower is None else follower
        other._clock, other._options = clock, {**self._options, "clock": clock}
        # What one has seen does not count for the other; the Verifier is made anew for its keys.
        other.proofs = Proofs()
        other.task = other.fetch = None
        renew_in_forks(other)
        return other

    def _is_recent(self, age: float | None) -> bool:
        """Tell whether an age of what is known lets tokens in."""
        mode, max_age = self._revocations
        return mode != "required" or (age is not None and age <= max_age)

    def _require_news(self, follower: Follower) -> None:
        age = follower.age()
        if not self._is_recent(age):
            told = "never" if age is None else f"{age:.0f} seconds ago"
            raise IssuerUnavailable(
                f"the revocations of {self.source.issuer} were last confirmed {told}, which is "
                "too long ago: "
                f"{follower.last_error or 'the stream is silent, or what it says is old'}"
            )


def _source(issuer: Issuer, names: Names, given: Mapping[str, Any]) -> tuple[Access, KeySource]:
    """Say how the keys are found, and how they are reached."""
    keys, jwks_uri, metadata = (given.get(name) for name in ("keys", "jwks_uri", "metadata"))
    file = keys if isinstance(keys, Path) else None
    finds_itself = keys is None and jwks_uri is None and metadata is None
    first = issuer.name if isinstance(issuer.name, str) else next(iter(_listed(issuer, names)), "")
    if finds_itself and first not in names.exact:
        raise ConfigurationError(
            "an issuer that is a template or a function needs the address of its keys, as "
            "jwks_uri, or of its metadata, as metadata"
        )
    if metadata is not None and not (names.exact or names.templates):
        raise ConfigurationError(
            "metadata names an issuer, which a function can't be compared with: give jwks_uri"
        )
    max_stale = given.get("max_stale")
    if max_stale is not None:
        max_stale = seconds(max_stale, "max_stale")
    addresses = [first] if finds_itself else [one for one in (jwks_uri, metadata) if one]
    access = Access.make(
        addresses,
        file=file,
        **{name: given.get(name) for name in _ACCESS},
    )
    algorithms = given.get("algorithms")
    source = KeySource(
        first or str(jwks_uri or "an issuer that a function knows"),
        access.file or jwks_uri,
        algorithms,
        says=names.says if names.exact or names.templates else lambda _: True,
        metadata=metadata,
        keys=None if keys is None or file is not None else given_keys(keys, algorithms),
        max_stale=max_stale,
    )
    return access, source


_ACCESS: Final = ("headers", "bearer_file", "ca_file", "ssl_context", "insecure_http")


def _listed(issuer: Issuer, names: Names) -> list[str]:
    """Give the names in the order in which they were given, where they have one."""
    if callable(issuer.name):
        return []
    listed = issuer.name if isinstance(issuer.name, list | tuple) else sorted(issuer.name)
    exact = [name for name in listed if name in names.exact]
    return exact or list(names.templates)


def _mode(given: Mapping[str, Any], is_foreign: bool) -> str:
    mode: str = given.get("revocations", "best_effort")
    if mode not in ("off", "best_effort", "required"):
        raise ConfigurationError("revocations must be 'off', 'best_effort' or 'required'")
    found = "metadata" in given or not any(name in given for name in ("keys", "jwks_uri"))
    if mode == "required" and not found:
        raise ConfigurationError(
            "the revocations are found through the issuer's metadata: leave jwks_uri and keys away"
        )
    if mode == "required" and is_foreign:
        raise ConfigurationError(
            "this issuer publishes no revocations: 'required' would refuse everything; give each "
            "issuer its own, Issuer.auth0(…, revocations='off')"
        )
    return mode if found and not is_foreign else "off"


def _rules(names: Names, settings: Settings) -> tuple[Rule, ...]:
    rules = [rule for wanted in settings.claims for rule in exact(wanted)]
    by_name = names.rule()
    if by_name is not None:
        rules.insert(0, by_name)
    if settings.names_client:
        rules.append(_client_rule(settings.given.get("client_id_claim", "client_id")))
    return tuple(rules)


def _client_rule(where: Any) -> Rule:
    read = reader(where, "client_id_claim")

    def check(claims: Mapping[str, Any]) -> None:
        client = read(claims)
        if not isinstance(client, str) or not client:
            raise InvalidToken(
                "the token does not name the client that it was issued to, as an access token does",
                code="claim_missing",
                claim="client_id",
                expected="an access token, not an ID token",
            )

    return check
