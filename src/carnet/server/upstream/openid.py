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
an access token that was stolen         DPoP where the provider has it: it is bound to a key
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from carnet.errors import InvalidToken, IssuerUnavailable
from carnet.jose.encoding import b64url_encode
from carnet.jwt.claims import Claims
from carnet.jwt.inspection import inspect
from carnet.jwt.verifier import Verifier
from carnet.server.clients.fetched_keys import FetchedKeys, Publisher
from carnet.server.clock import SECOND, Clock
from carnet.server.upstream.calls import Calls, checked_address, shown_code
from carnet.server.upstream.discovery import Discovery, Metadata
from carnet.server.upstream.dpop import ALGORITHM, Prover
from carnet.server.upstream.kinds import TENANT_ID
from carnet.server.upstream.provider import Asked, Asserted, Proof, Provider, UpstreamRefused

__all__ = ["OpenIdProvider"]

LEEWAY: Final = 60
MOST_SUBJECT: Final = 255
MOST_TOKEN: Final = 4096
LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_TYPES: Final = ("JWT", "logout+jwt")
LONGEST_LOGOUT: Final = 300


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
        self._prover = Prover(clock)
        self._discovery = Discovery(provider, calls, clock)

    async def address(self, asked: Asked) -> str:
        """Give the address that a browser is sent to.

        Raises:
            UpstreamRefused: ``unavailable``, or ``answer_wrong``.
        """
        metadata, kind = await self._discovery.metadata(), self.provider.kind
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
        if self.provider.settings.keep_refresh_token:
            parameters.update(kind.offline_parameters)
        if self.provider.settings.acr_values:
            parameters["acr_values"] = " ".join(self.provider.settings.acr_values)
        if asked.login_hint:
            parameters["login_hint"] = asked.login_hint
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
        metadata = await self._discovery.metadata()
        issuer = answer.get("iss")
        if issuer is None and metadata.authorization_response_iss_parameter_supported:
            raise UpstreamRefused("the answer does not say whose it is (RFC 9207)")
        if issuer is not None and not self.provider.lets_in(issuer):
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
        known_by = self.provider.issuer_of(claims)
        if not self.provider.lets_in(known_by):
            raise UpstreamRefused(f"its tenant is not allowed: {known_by}", code="not_let_in")
        self._check(claims, asked)
        subject = str(claims.subject)
        more = await self._user_info(metadata, tokens, claims)
        session_id = claims.get("sid")
        moment = claims.authenticated_at
        return Asserted(
            issuer=known_by,
            subject=subject,
            # What is signed counts before what is not.
            claims={**more, **claims},
            # Whatever number stands there, it is a moment that has been.
            authenticated_at=None
            if moment is None
            else int(min(max(moment, 0) * SECOND, self._clock())),
            session_id=session_id if isinstance(session_id, str) else None,
            refresh_token=self._refresh_token(tokens),
        )

    async def refresh(self, token: str, subject: str) -> str:
        """Use a refresh token, and give the one to keep now: another, or the same.

        Args:
            token: the refresh token.
            subject: whose it is.

        Raises:
            TokenRefused: if the provider refuses it.
            UpstreamRefused: ``unavailable``, or ``answer_wrong``.
        """
        metadata = await self._discovery.metadata()
        endpoint = metadata.token_endpoint
        proof = self._proof(metadata)
        form = {"grant_type": "refresh_token", "refresh_token": token, **proof.form}
        tokens = await self._calls.post(endpoint, form, proof.headers)
        if not isinstance(tokens, dict):
            raise UpstreamRefused("its answer holds no tokens")
        id_token = tokens.get("id_token")
        # OpenID Connect Core section 12.2.
        if isinstance(id_token, str):
            claims = await self._verified(metadata, id_token)
            if claims.subject != subject:
                raise UpstreamRefused("it gave tokens of somebody else")
        return self._refresh_token(tokens) or token

    async def revoke(self, token: str) -> None:
        """Tell the provider that a refresh token is not needed any more, where it wants to know.

        Raises:
            UpstreamRefused: ``unavailable``, or ``answer_wrong``.
        """
        metadata = await self._discovery.metadata()
        endpoint = metadata.revocation_endpoint
        if endpoint is None:
            return
        proof = self._proof(metadata)
        form = {"token": token, "token_type_hint": "refresh_token", **proof.form}
        where = checked_address(endpoint, "revocation_endpoint")
        await self._calls.tell(where, form, proof.headers)

    async def read_logout(self, token: str) -> Claims:
        """Read what tells that somebody's session there is over (Back-Channel Logout section 2.6).

        Raises:
            UpstreamRefused: with the reason as its code.
        """
        if not self.provider.issuer_of(inspect(token).claims or {}):
            # Nothing is fetched for it.
            raise UpstreamRefused("the logout token is another issuer's")
        claims = await self._checked(await self._discovery.metadata(), token, logout=True)
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
        self._discovery.close()
        self._calls.close()

    def _refresh_token(self, tokens: Mapping[str, Any]) -> str:
        given = tokens.get("refresh_token")
        if not self.provider.settings.keep_refresh_token or not isinstance(given, str):
            return ""
        return given if len(given) <= MOST_TOKEN and given.isascii() else ""

    def _proof(self, metadata: Metadata) -> Proof:
        methods = metadata.token_endpoint_auth_methods_supported
        return self.provider.prove(metadata.token_endpoint, methods, self._clock)

    async def _exchange(self, metadata: Metadata, code: str, asked: Asked) -> Any:
        endpoint, proof = metadata.token_endpoint, self._proof(metadata)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": asked.redirect_uri,
            **proof.form,
        }
        if self.provider.kind.pkce:
            form["code_verifier"] = asked.verifier
        offers = ALGORITHM in (metadata.dpop_signing_alg_values_supported or ())
        # A refresh token of a client without a secret would be bound to a key that is not kept.
        keeps = self.provider.settings.keep_refresh_token and not self.provider.has_proof
        prover = self._prover if offers and not keeps else None
        return await self._calls.post(endpoint, form, proof.headers, prover)

    async def _verified(self, metadata: Metadata, token: str) -> Claims:
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

    async def _checked(self, metadata: Metadata, token: str, *, logout: bool) -> Claims:
        told = inspect(token)
        kid, issuer = told.header.get("kid"), self.provider.issuer_of(told.claims or {})
        if not issuer:
            raise UpstreamRefused("its token is another issuer's, or of no tenant")
        publisher = Publisher(self.provider.issuer, metadata.jwks_uri)
        own = self.provider.issuer.replace(TENANT_ID, self.provider.kind.own_keys)
        if self.provider.has_tenants and issuer == own:
            publisher = Publisher(own, metadata.jwks_uri, shared_by=self.provider.issuer)
        try:
            keys = await self._keys.keys(publisher, kid if isinstance(kid, str) else None)
        except IssuerUnavailable as error:
            raise UpstreamRefused(str(error), code="unavailable") from None
        try:
            return Verifier(
                keys,
                issuer=issuer if self.provider.has_tenants else self.provider.names,
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
        self, metadata: Metadata, tokens: Mapping[str, Any], claims: Claims
    ) -> Mapping[str, Any]:
        """Get what the ID token does not say, where something of that is wanted."""
        endpoint, token = metadata.userinfo_endpoint, tokens.get("access_token")
        if endpoint is None or not isinstance(token, str) or not self._lacks(claims):
            return {}
        is_bound = str(tokens.get("token_type", "")).lower() == "dpop"
        prover = self._prover if is_bound else None
        said = await self._calls.get(checked_address(endpoint, "userinfo_endpoint"), token, prover)
        if not isinstance(said, dict) or said.get("sub") != claims.subject:
            raise UpstreamRefused("its UserInfo is of somebody else")
        return said

    def _lacks(self, claims: Claims) -> bool:
        return any(name not in claims for name in self.provider.wanted)
