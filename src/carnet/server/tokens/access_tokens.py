"""Access tokens: short-lived, signed, for one audience (RFC 9068)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from carnet.jwt.claims import Claims
from carnet.jwt.policy import UNCHECKED
from carnet.jwt.signer import Signer, prepared
from carnet.jwt.verifier import Verifier
from carnet.server.clients.registry import Registry
from carnet.server.clients.resources import ANY_RESOURCE
from carnet.server.clients.scopes import add_claims, every_claim
from carnet.server.keys.signing_keys import SigningKeys
from carnet.server.sessions.sessions import Grant
from carnet.server.settings import Settings
from carnet.server.tokens.sign_in_claims import sign_in_claims

__all__ = ["AccessTokens"]

VERIFIED_BYTES = 4 * 1024 * 1024


class AccessTokens:
    """Makes access tokens, and reads those that come back to the service itself.

    Args:
        keys: the service's own keys; when they change, so do the signers.
        registry: what tokens may be for, and how it wants them.
        settings: issuer, algorithms and lifetime.
    """

    def __init__(self, keys: SigningKeys, registry: Registry, settings: Settings) -> None:
        self._keys = keys
        self._registry = registry
        self._settings = settings
        self._lifetime = settings.access_token_lifetime
        self._generation = (-1, -1)
        self._follow_changes()

    def issue(
        self, grant: Grant, audience: str, lifetime: int | None, key_thumbprint: str = ""
    ) -> tuple[str, int]:
        """Make an access token for a session.

        Args:
            grant: the session.
            audience: the one service that it is for.
            lifetime: seconds that are wanted; never more than the setting.
            key_thumbprint: of the key that it is bound to, or "" (RFC 9449 section 6).

        Returns:
            The token, and the seconds that it is good for.
        """
        claims = {
            **self._of_account(grant, audience),
            "sub": grant.sub,
            "client_id": grant.client_id,
            "sid": grant.session_id,
            "sub_ver": grant.version,
            **sign_in_claims(grant.amr, grant.authenticated_at),
        }
        if grant.scope:
            claims["scope"] = grant.scope
        return self.sign(claims, audience, lifetime, key_thumbprint)

    def issue_to_agent(
        self,
        grant: Grant,
        subject: Claims,
        actors: dict[str, Any],
        lifetime: int,
        key_thumbprint: str = "",
    ) -> tuple[str, int]:
        """Make an access token for a program that acts for somebody (RFC 8693 section 4).

        Args:
            grant: the program's session.
            subject: the token that is exchanged; what that does not say of the person, the new
                one does not say either.
            actors: the claim ``act``.
            lifetime: seconds that the token is good for at most.
            key_thumbprint: of the key that it is bound to, or "".

        Returns:
            As ``issue``.
        """
        released = self._of_account(grant, grant.audience)
        claims = {
            **{name: value for name, value in released.items() if name in subject},
            "sub": grant.sub,
            "client_id": grant.client_id,
            "sid": grant.session_id,
            "sub_ver": grant.version,
            "act": actors,
        }
        if grant.scope:
            claims["scope"] = grant.scope
        for name in ("acr", "amr", "auth_time", "may_act"):
            if name in subject:
                claims[name] = subject[name]
        return self.sign(claims, grant.audience, lifetime, key_thumbprint)

    def sign(
        self,
        claims: dict[str, Any],
        audience: str,
        lifetime: int | None = None,
        key_thumbprint: str = "",
    ) -> tuple[str, int]:
        """Make an access token for an audience, which is added to the claims that are given."""
        signer, span = self._complete(claims, audience, lifetime, key_thumbprint)
        return signer.sign(claims, lifetime=span), span

    def prepare(
        self,
        claims: dict[str, Any],
        audience: str,
        lifetime: int | None = None,
        key_thumbprint: str = "",
    ) -> tuple[Callable[[], str], int]:
        """Give what makes such tokens as ``sign`` does, as long as ``prepared`` holds it."""
        signer, span = self._complete(claims, audience, lifetime, key_thumbprint)
        return prepared(signer, claims, span), span

    @property
    def prepared(self) -> dict[tuple[str | None, ...], Any]:
        """What was decided of tokens that are asked for again and again, by what was asked.

        It is empty whenever the keys or the registry have changed: what hangs on nothing else
        needs to be decided once (the line "client credentials" of the benchmark ``requests``).
        """
        self._follow_changes()
        return self._prepared

    def seconds_left(self, claims: Claims) -> int:
        """Give for how many whole seconds a token is good, by the clock that tokens are made by."""
        return int((claims.expires_at or 0) - time.time())

    def verify(self, token: str) -> Claims:
        """Check an access token that this service has issued, for whichever audience.

        Raises:
            InvalidToken: if it is not good.
        """
        self._follow_changes()
        return self._verifier.verify(token)

    def verify_own(self, token: str) -> Claims:
        """Check an access token that this service has issued for itself (RFC 9068 section 4).

        Raises:
            InvalidToken: if it is not good, or for another service.
        """
        self._follow_changes()
        return self._own_verifier.verify(token)

    def _of_account(self, grant: Grant, audience: str) -> dict[str, Any]:
        """Give the claims of an account that a token of its session carries for an audience."""
        resource = self._registry.resource(audience) or ANY_RESOURCE
        client, demanded = self._registry.client(grant.client_id), resource.metadata.claims
        first_party = client is not None and client.metadata.first_party
        if first_party and demanded is None:
            return every_claim(grant)
        scopes = grant.scope.split()
        claims = self._registry.scopes.released(grant, scopes, "access_token", resource)
        if first_party and demanded:
            add_claims(claims, grant, demanded)
        return claims

    def _complete(
        self, claims: dict[str, Any], audience: str, lifetime: int | None, key_thumbprint: str
    ) -> tuple[Signer, int]:
        """Complete a token's claims; give who signs it, and the seconds that it is good for."""
        self._follow_changes()
        span = min(lifetime or self._lifetime, self._lifetime)
        claims["aud"] = audience
        if key_thumbprint:
            claims["cnf"] = {"jkt": key_thumbprint}
        signer = self._signers.get(audience)
        if signer is None:
            signer = self._signers[audience] = self._signer(audience)
        return signer, span

    def _signer(self, audience: str) -> Signer:
        settings, resource = self._settings, self._registry.resource(audience)
        encrypt_to, enc = None, "A256GCM"
        if resource is not None:
            encrypt_to, enc = resource.key, resource.metadata.encryption_enc
        return Signer(
            self._keys.signing(self._registry.signing_alg(audience)),
            issuer=settings.own_url,
            audience=UNCHECKED,
            lifetime=settings.access_token_lifetime,
            type="at+jwt",
            encrypt_to=encrypt_to,
            enc=enc,  # type: ignore[arg-type]  # checked when it was registered
        )

    def _verifier_for(self, audiences: tuple[str, ...]) -> Verifier[Claims]:
        return Verifier(
            self._keys.published,
            issuer=self._settings.own_url,
            audience=audiences,
            type="at+jwt",
            cache=VERIFIED_BYTES,
        )

    def _follow_changes(self) -> None:
        generation = (self._keys.generation, self._registry.generation)
        if self._generation == generation:
            return
        self._signers: dict[str, Signer] = {}
        self._prepared: dict[tuple[str | None, ...], Any] = {}
        issuer = self._settings.own_url
        self._verifier = self._verifier_for((*self._registry.audiences, issuer))
        self._own_verifier = self._verifier_for((issuer,))
        self._generation = generation
