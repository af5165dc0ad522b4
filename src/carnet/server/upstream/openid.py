"""Signing in with a provider of OpenID Connect, by discovery (OpenID Connect Core section 3.1).

    what could go wrong                     is held by
    ──────────────────────────────────────  ───────────────────────────────────────────────────
    an answer that this browser did not     ``state``, which this browser holds (by the caller)
    ask for
    another provider's answer (mix-up)      an address for each provider, and ``iss`` where the
                                            provider gives it (RFC 9207)
    a code that was stolen on its way       PKCE and ``nonce``: both are of this browser
    a token that is somebody else's         signature, ``iss``, ``aud``, ``azp``, dates, ``nonce``
    claims of somebody else                 UserInfo counts for the same ``sub`` alone

What a provider publishes is fetched when somebody wants to sign in with it, and kept for an hour,
or a day while it can't be fetched again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from carnet.errors import InvalidToken, IssuerUnavailable
from carnet.jose.encoding import b64url_encode
from carnet.jwt.claims import Claims
from carnet.jwt.inspection import inspect
from carnet.jwt.verifier import Verifier
from carnet.server.clients.fetched_keys import FetchedKeys, Publisher
from carnet.server.clock import SECOND, Clock
from carnet.server.upstream.calls import Calls, checked_address, shown_code
from carnet.server.upstream.provider import Asked, Asserted, Provider, UpstreamRefused

__all__ = ["OpenIdProvider"]

LEEWAY: Final = 60
FRESH: Final = 3600 * SECOND
LONGEST_STALE: Final = 24 * 3600 * SECOND
LEFT_ALONE: Final = 10 * SECOND
MOST_SUBJECT: Final = 255
LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_TYPES: Final = ("JWT", "logout+jwt")
LONGEST_LOGOUT: Final = 300


class _Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a provider's metadata (OpenID Connect Discovery section 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: list[str] | None = None
    authorization_response_iss_parameter_supported: bool = False


class OpenIdProvider:
    """A provider that gives ID tokens.

    Args:
        provider: which.
        calls: asks it.
        fetched_keys: gives its keys.
        clock: gives the microseconds since 1970.
    """

    def __init__(
        self, provider: Provider, calls: Calls, fetched_keys: FetchedKeys, clock: Clock
    ) -> None:
        self.provider = provider
        self._calls = calls
        self._keys = fetched_keys
        self._clock = clock
        self._known: _Metadata | None = None
        self._known_at = 0
        self._tried_at: int | None = None
        self._task: asyncio.Task[None] | None = None

    async def address(self, asked: Asked) -> str:
        """Give the address that a browser is sent to.

        Raises:
            UpstreamRefused: ``unavailable``, or ``answer_wrong``.
        """
        metadata, kind = await self._metadata(), self.provider.kind
        parameters = {
            "response_type": "code",
            "client_id": self.provider.settings.client_id,
            "redirect_uri": asked.redirect_uri,
            "scope": " ".join(self.provider.scopes),
            "state": asked.state,
        }
        if kind.nonce:
            parameters["nonce"] = asked.nonce
        if kind.pkce:
            digest = hashlib.sha256(asked.verifier.encode()).digest()
            parameters["code_challenge"] = b64url_encode(digest)
            parameters["code_challenge_method"] = "S256"
        if kind.form_post:
            parameters["response_mode"] = "form_post"
        if self.provider.settings.acr_values:
            parameters["acr_values"] = " ".join(self.provider.settings.acr_values)
        if asked.again:
            parameters.update(kind.again)
        elif asked.max_age is not None and "max_age" in kind.again:
            parameters["max_age"] = str(asked.max_age)
        endpoint = metadata.authorization_endpoint
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(parameters)}"

    async def read(self, answer: Mapping[str, str], asked: Asked) -> Asserted:
        """Read what a browser has come back with.

        Args:
            answer: its parameters, of which the caller has compared ``state``.
            asked: what it was sent there with.

        Raises:
            UpstreamRefused: with the reason as its code.
        """
        metadata = await self._metadata()
        issuer = answer.get("iss")
        if issuer is None and metadata.authorization_response_iss_parameter_supported:
            raise UpstreamRefused("the answer does not say whose it is (RFC 9207)")
        if issuer is not None and issuer not in self.provider.names:
            raise UpstreamRefused("the answer is another issuer's (RFC 9207)")
        if "error" in answer:
            said = shown_code(answer["error"])
            raise UpstreamRefused(f"it has signed nobody in: {said}", code="refused_there")
        if not answer.get("code"):
            raise UpstreamRefused("the answer holds no code")
        tokens = await self._exchange(metadata, answer["code"], asked)
        id_token = tokens.get("id_token") if isinstance(tokens, dict) else None
        if not isinstance(id_token, str):
            raise UpstreamRefused("it gave no ID token")
        claims = await self._verified(metadata, id_token)
        self._check(claims, asked)
        subject = str(claims.subject)
        more = await self._user_info(metadata, tokens.get("access_token"), claims)
        session_id = claims.get("sid")
        moment = claims.authenticated_at
        return Asserted(
            issuer=self.provider.issuer,
            subject=subject,
            # What is signed counts before what is not.
            claims={**more, **claims},
            # Whatever number stands there, it is a moment that has been.
            authenticated_at=None
            if moment is None
            else int(min(max(moment, 0) * SECOND, self._clock())),
            session_id=session_id if isinstance(session_id, str) else None,
        )

    async def read_logout(self, token: str) -> Claims:
        """Read what tells that somebody's session there is over (Back-Channel Logout section 2.6).

        Raises:
            UpstreamRefused: with the reason as its code.
        """
        if (inspect(token).claims or {}).get("iss") not in self.provider.names:
            # Nothing is fetched for it.
            raise UpstreamRefused("the logout token is another issuer's")
        claims = await self._checked(await self._metadata(), token, logout=True)
        events = claims.get("events")
        if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
            raise UpstreamRefused("the token is no logout token")
        if "nonce" in claims:
            raise UpstreamRefused("the token is an ID token")
        if not any(isinstance(claims.get(name), str) for name in ("sid", "sub")):
            raise UpstreamRefused("the logout token says of nobody that it is over")
        return claims

    def close(self) -> None:
        """End what is under way."""
        if self._task is not None:
            self._task.cancel()
        self._calls.close()

    async def _exchange(self, metadata: _Metadata, code: str, asked: Asked) -> Any:
        endpoint = metadata.token_endpoint
        methods = metadata.token_endpoint_auth_methods_supported
        proof = self.provider.prove(endpoint, methods, self._clock)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": asked.redirect_uri,
            **proof.form,
        }
        if self.provider.kind.pkce:
            form["code_verifier"] = asked.verifier
        return await self._calls.post(endpoint, form, proof.headers)

    async def _verified(self, metadata: _Metadata, token: str) -> Claims:
        claims = await self._checked(metadata, token, logout=False)
        client_id = self.provider.settings.client_id
        azp = claims.get("azp")
        # OpenID Connect Core section 3.1.3.7.
        if azp not in (None, client_id) or (azp is None and len(claims.audience) > 1):
            raise UpstreamRefused("the ID token was given to another client")
        subject = claims.subject
        if not subject or len(subject) > MOST_SUBJECT or not subject.isprintable():
            raise UpstreamRefused("the ID token has no sub that can be kept")
        return claims

    async def _checked(self, metadata: _Metadata, token: str, *, logout: bool) -> Claims:
        kid = inspect(token).header.get("kid")
        publisher = Publisher(self.provider.issuer, metadata.jwks_uri)
        try:
            keys = await self._keys.keys(publisher, kid if isinstance(kid, str) else None)
        except IssuerUnavailable as error:
            raise UpstreamRefused(str(error), code="unavailable") from None
        try:
            return Verifier(
                keys,
                issuer=self.provider.names,
                audience=self.provider.settings.client_id,
                type=LOGOUT_TYPES if logout else "JWT",
                leeway=LEEWAY,
                # A logout token may have no end; then it is good for a few minutes.
                max_age=LONGEST_LOGOUT if logout else None,
                accept_no_expiry=logout,
                required=("iat", "jti", "events") if logout else ("iat", "sub"),
                clock=lambda: self._clock() / SECOND,
            ).verify(token)
        except InvalidToken as error:
            raise UpstreamRefused(f"its token is not good: {error}") from None

    def _check(self, claims: Claims, asked: Asked) -> None:
        """Check what the ID token says of this very sign-in."""
        kind, settings = self.provider.kind, self.provider.settings
        if kind.nonce and claims.get("nonce") != asked.nonce:
            raise UpstreamRefused("the ID token is of another sign-in: its nonce differs")
        if settings.acr_values and claims.get("acr") not in settings.acr_values:
            raise UpstreamRefused(
                "it has reached none of the levels of acr_values", code="level_not_reached"
            )
        age = asked.max_age
        if asked.again:
            age = int(kind.again["max_age"]) if "max_age" in kind.again else None
        elif "max_age" not in kind.again:
            age = None
        if age is None:
            return
        moment, earliest = claims.authenticated_at, asked.since / SECOND - age - LEEWAY
        if moment is None or moment < earliest:
            raise UpstreamRefused(
                "it has not asked the person again: auth_time is missing, or too old",
                code="not_asked_again",
            )

    async def _user_info(
        self, metadata: _Metadata, token: object, claims: Claims
    ) -> Mapping[str, Any]:
        """Get what the ID token does not say, where something of that is wanted."""
        endpoint = metadata.userinfo_endpoint
        if endpoint is None or not isinstance(token, str) or not self._lacks(claims):
            return {}
        said = await self._calls.get(checked_address(endpoint, "userinfo_endpoint"), token)
        if not isinstance(said, dict) or said.get("sub") != claims.subject:
            raise UpstreamRefused("its UserInfo is of somebody else")
        return said

    def _lacks(self, claims: Claims) -> bool:
        return any(name not in claims for name in self.provider.wanted)

    async def _metadata(self) -> _Metadata:
        """Give the provider's metadata; all who need them wait for the same fetch."""
        now = self._clock()
        known = self._known if 0 <= now - self._known_at < LONGEST_STALE else None
        is_fresh = known is not None and now - self._known_at < FRESH
        tried = self._tried_at
        was_tried = tried is not None and 0 <= now - tried < LEFT_ALONE
        is_under_way = self._task is not None and not self._task.done()
        if not (is_fresh or was_tried or is_under_way):
            self._tried_at = now
            self._task = asyncio.create_task(self._discover(now))
        if not is_fresh and self._task is not None:
            # Whoever gives up waiting takes the answer from nobody else.
            try:
                await asyncio.shield(self._task)
            except UpstreamRefused:
                if known is None:
                    raise
            known = self._known
        if known is None:
            raise UpstreamRefused("its metadata can't be fetched", code="unavailable")
        return known

    async def _discover(self, now: int) -> None:
        issuer = self.provider.issuer
        url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            found = msgspec.convert(await self._calls.get(url), _Metadata)
        except msgspec.ValidationError as error:
            raise UpstreamRefused(f"its metadata are not as they should be: {error}") from None
        if found.issuer != issuer:
            raise UpstreamRefused("its metadata are of another issuer")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            checked_address(getattr(found, name), name)
        self._known, self._known_at = found, now
