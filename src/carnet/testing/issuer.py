"""An issuer in memory: it signs any token that a test wants, and services trust it for the test."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from itertools import count
from typing import Any, Final, Literal, TypedDict, Unpack, cast

from carnet.errors import ConfigurationError
from carnet.jose import jws
from carnet.jose.algorithms import AlgorithmName
from carnet.jose.encoding import b64url_encode
from carnet.jose.key import Key
from carnet.jose.key_set import KeySet
from carnet.jwt.inspection import inspect
from carnet.jwt.key_source import KeySource
from carnet.jwt.policy import UNCHECKED, Names
from carnet.testing.clock import Clock
from carnet.testing.news import HearsAtOnce, News
from carnet.testing.override import Override, verifiers_of
from carnet.testing.token_claims import TokenClaims, first_of
from carnet.verifier.issuer import Issuer
from carnet.verifier.options import given_keys, settle
from carnet.verifier.trusted_issuer import ACCESS_TOKEN, TrustedIssuer

__all__ = ["TestIssuer", "TokenOptions"]

LIFETIME: Final = 300
FAR: Final = 3600
"""Seconds by which a token is expired, or not yet valid: more than any leeway."""


class TokenOptions(TypedDict, total=False):
    """The arguments of ``TestIssuer.token``."""

    sub: str
    roles: Collection[str] | None
    scope: str | None
    client_id: str | None
    audience: str | Collection[str] | None
    sid: str | None
    claims: Mapping[str, Any] | None
    lifetime: int
    expired: bool
    not_yet: bool
    type: str | None
    key: Key | Literal["unknown", "forged"] | None
    alg: AlgorithmName | Literal["none"] | None


class TestIssuer:
    """An issuer in memory, for tests: it opens no connection, starts no thread and never sleeps.

    A service trusts it after ``override``. The service's own checks run; only the keys, what is
    revoked and the clock are the test's.

    Args:
        issuer: the address of the issuer that it stands for, as the service was given it; or an
            ``Issuer``, whose shape its tokens have.
        audience: the ``aud`` of its tokens, one name or several, unless the Issuer has one.
        alg: what its keys are for; ES256, or the first of the Issuer's algorithms, unless given.
        now: seconds since 1970 where its clock begins; the current second unless given.

    Attributes:
        clock: the time for it and for the services that trust it; ``clock.advance(301)`` lets a
            token expire.
        key: the private key that signs.

    Raises:
        ConfigurationError: if an argument is not of its kind, or there is no audience.
    """

    __test__ = False  # pytest collects classes with such a name

    def __init__(
        self,
        issuer: str | Issuer,
        audience: Names | None = None,
        *,
        alg: AlgorithmName | None = None,
        now: float | None = None,
    ) -> None:
        described = issuer if isinstance(issuer, Issuer) else Issuer(issuer)
        settings = settle(described, audience, {}, alone=True)
        self.clock = Clock(now)
        self._claims = TokenClaims(described, settings)
        self._is_foreign = settings.is_foreign
        type_ = settings.given.get("type", ACCESS_TOKEN)
        self._type = "JWT" if type_ is UNCHECKED else str(first_of(type_))
        known = cast("AlgorithmName", first_of(settings.given.get("algorithms", "ES256")))
        self._alg = known if alg is None else alg
        self.key = Key.generate(self._alg)
        self._published = [self.key]
        self._news = News()
        self._holds_keys = True
        self._versions: dict[str, int] = {}
        self._numbers = count(1)
        self._stand_ins: list[TrustedIssuer] = []
        self._overrides: list[Override] = []

    @classmethod
    def like(cls, issuer: Issuer, audience: Names | None = None) -> TestIssuer:
        """Make one whose tokens look like another issuer's: ``TestIssuer.like(Issuer.entra(…))``.

        Args:
            issuer: the issuer, as the service has it.
            audience: the ``aud`` of its tokens, unless the Issuer has one.
        """
        return cls(issuer, audience)

    def token(
        self,
        sub: str = "alice",
        roles: Collection[str] | None = None,
        scope: str | None = None,
        *,
        client_id: str | None = None,
        audience: str | Collection[str] | None = None,
        sid: str | None = None,
        claims: Mapping[str, Any] | None = None,
        lifetime: int = LIFETIME,
        expired: bool = False,
        not_yet: bool = False,
        type: str | None = None,
        key: Key | Literal["unknown", "forged"] | None = None,
        alg: AlgorithmName | Literal["none"] | None = None,
    ) -> str:
        """Make a token: a good one, but for what is asked for.

        Args:
            sub: whose it is.
            roles: the roles, where this issuer's tokens have them.
            scope: the scopes, with spaces between them, likewise.
            client_id: the client, likewise.
            audience: another ``aud``.
            sid: the session; each token has its own unless given.
            claims: further claims, or other values; one that is None is left out.
            lifetime: seconds from ``iat`` to ``exp``.
            expired: whether it expired an hour ago.
            not_yet: whether it is valid in an hour only.
            type: another ``typ``.
            key: the key that signs: ``unknown`` is one that is not published, ``forged`` is one
                with the ``kid`` of the right one.
            alg: signs with a key for this algorithm that is not published; ``none`` leaves the
                signature away.
        """
        number, now = next(self._numbers), int(self.clock())
        said = self._claims.make(
            now,
            {
                "sub": sub,
                "sid": sid or f"session-{number}",
                "jti": f"token-{number}",
                "audience": audience
                if audience is None or isinstance(audience, str)
                else list(audience),
                "roles": None if roles is None else list(roles),
                "scope": scope,
                "client_id": client_id,
            },
        )
        if not self._is_foreign:
            said["sub_ver"] = self._versions.get(sub, 1)
        expires = now - FAR if expired else now + lifetime
        said |= {"iat": expires - lifetime, "exp": expires}
        if not_yet:
            said |= {"nbf": now + FAR, "exp": now + FAR + lifetime}
        said |= claims or {}
        payload = json.dumps({name: value for name, value in said.items() if value is not None})
        header = {"typ": type or self._type}
        if alg == "none":
            unsigned = json.dumps({**header, "alg": "none"})
            return f"{b64url_encode(unsigned.encode())}.{b64url_encode(payload.encode())}."
        return jws.sign(payload.encode(), self._signing(key, alg), header)

    def headers(self, **options: Unpack[TokenOptions]) -> dict[str, str]:
        """Make the header of a request with a token; arguments as for ``token``."""
        return {"Authorization": f"Bearer {self.token(**options)}"}

    def revoke(self, token: str) -> None:
        """Revoke one token, by its ``jti``."""
        self._tell(["jti", _claim(token, "jti")])

    def end_session(self, token: str) -> None:
        """End the session that a token is of, by its ``sid``."""
        self._tell(["sid", _claim(token, "sid")])

    def change_account(self, sub: str) -> None:
        """Make the tokens that an account has stale, as another password or other roles do."""
        self._versions[sub] = self._versions.get(sub, 1) + 1
        self._tell(["sub", sub, self._versions[sub]])

    def rotate(self, *, keep: bool = True) -> None:
        """Sign with a new key from now on.

        Args:
            keep: whether the keys before it stay published, and so their tokens good.
        """
        self.key = Key.generate(self._alg)
        self._published = [self.key, *self._published] if keep else [self.key]
        self._publish()

    def down(self, *, keys_held: bool = False) -> None:
        """Be unreachable until ``up`` is called: a service answers 503.

        Args:
            keys_held: whether services hold its keys, as those that have fetched them before do.
                They go on, until one with ``revocations="required"`` has heard nothing for longer
                than its ``revocations_max_age`` allows.
        """
        self._news.silent, self._holds_keys = True, keys_held
        self._publish()

    def up(self) -> None:
        """Be reachable again."""
        self._news.silent, self._holds_keys = False, True
        self._publish()

    def override(self, *targets: object) -> Override:
        """Make services trust this issuer, at once, in the place of the one of the same name.

        Args:
            targets: for each service its verifier; or what an adapter gave: a bearer, a backend, a
                middleware, a plugin, an interceptor; or its app of FastAPI, Starlette, Litestar,
                Flask or Django, or Django's settings. A dependency, a middleware or a plugin that
                is added to an app later is not found.

        Returns:
            What ends it: by ``restore()``, or as a context manager. ``restore`` of this issuer ends
            all of them.

        Raises:
            ConfigurationError: if there is no verifier, or none that trusts an issuer of this name,
                or the service accepts no keys for this one's algorithm.
        """
        override = Override()
        try:
            for target in targets:
                verifiers = verifiers_of(target)
                found = [override.exchange(one, self._is, self._stand_in) for one in verifiers]
                if not any(found):
                    trusted = {issuer.source.issuer for one in verifiers for issuer in one.issuers}
                    raise ConfigurationError(
                        f"this {target.__class__.__name__} trusts {', '.join(sorted(trusted))}; "
                        f"the tokens of this TestIssuer are of {self._sample()['iss']}"
                    )
        except ConfigurationError:
            override.restore()
            raise
        self._overrides.append(override)
        return override

    def restore(self) -> None:
        """Put the issuers of all services back into their places."""
        while self._overrides:
            self._overrides.pop().restore()
        self._stand_ins.clear()

    def _sample(self) -> dict[str, Any]:
        names = ("sub", "sid", "jti", "audience", "roles", "scope", "client_id")
        return self._claims.make(int(self.clock()), dict.fromkeys(names))

    def _is(self, trusted: TrustedIssuer) -> bool:
        claims, names = self._sample(), trusted.names
        return claims["iss"] in names.exact or bool(names.accepts and names.accepts(claims))

    def _stand_in(self, trusted: TrustedIssuer) -> TrustedIssuer:
        source = KeySource(trusted.source.issuer, keys=self._keys(trusted))
        follower = HearsAtOnce(self._news, source, self.clock)
        stand_in = trusted.standing_in(source, follower, self.clock)
        self._stand_ins.append(stand_in)
        self._publish()
        return stand_in

    def _keys(self, trusted: TrustedIssuer) -> KeySet:
        # As they would be read of what it publishes: bound, or left out, by the algorithms.
        published = KeySet(key.public for key in self._published)
        return given_keys(published.to_jwks(), trusted.algorithms)

    def _publish(self) -> None:
        for one in self._stand_ins:
            one.source.keys = self._keys(one) if self._holds_keys else None

    def _tell(self, entry: list[Any]) -> None:
        if self._is_foreign:
            raise ConfigurationError("issuers of this kind publish no revocations")
        self._news.entries.append(entry)

    def _signing(self, key: Key | str | None, alg: AlgorithmName | None) -> Key:
        if isinstance(key, Key):
            return key
        if key not in (None, "unknown", "forged"):
            raise ConfigurationError("key must be a Key, 'unknown' or 'forged'")
        if key == "forged":
            return Key.generate(alg or self._alg, kid=self.key.kid)
        return self.key if key is None and alg is None else Key.generate(alg or self._alg)


def _claim(token: str, name: str) -> str:
    claims = inspect(token).claims
    if claims is None or not isinstance(claims.get(name), str):
        raise ConfigurationError(f"give a token that has the claim {name}")
    return str(claims[name])
