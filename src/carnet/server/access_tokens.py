"""Access tokens: short-lived, signed, for one audience (RFC 9068)."""

from __future__ import annotations

from carnet.errors import InvalidToken
from carnet.jwt.claims import Claims
from carnet.jwt.policy import UNCHECKED
from carnet.jwt.signer import Signer
from carnet.jwt.verifier import Verifier
from carnet.server.sessions import Grant
from carnet.server.settings import Settings
from carnet.server.signing_keys import SigningKeys

__all__ = ["AccessTokens"]


class AccessTokens:
    """Makes access tokens, and reads those that come back to the service itself.

    Args:
        keys: the service's own keys; when they change, so do the signers.
        settings: issuer, audiences, algorithms and lifetime.
    """

    def __init__(self, keys: SigningKeys, settings: Settings) -> None:
        self._keys = keys
        self._settings = settings
        self._lifetime = settings.access_token_lifetime
        self._generation = -1
        self._follow_keys()

    def issue(self, grant: Grant, audience: str, lifetime: int | None) -> tuple[str, int]:
        """Make an access token for a session.

        Args:
            grant: the session.
            audience: the one service that it is for.
            lifetime: seconds that are wanted; never more than the setting.

        Returns:
            The token, and the seconds that it is good for.
        """
        self._follow_keys()
        span = min(lifetime or self._lifetime, self._lifetime)
        claims = {
            **grant.claims,
            "aud": audience,
            "sub": grant.account_id,
            "client_id": grant.client_id,
            "sid": grant.session_id,
            "roles": grant.roles,
            "sub_ver": grant.version,
        }
        return self._signers[audience].sign(claims, lifetime=span), span

    def verify(self, token: str) -> Claims:
        """Check an access token that this service has issued, for whichever audience.

        Raises:
            InvalidToken: if it is not good.
        """
        self._follow_keys()
        claims = self._verifier.verify(token)
        if claims.session_id is None:
            raise InvalidToken(
                "the token belongs to no session",
                code="claim_missing",
                claim="sid",
                expected="a session's token",
            )
        return claims

    def _follow_keys(self) -> None:
        if self._generation == self._keys.generation:
            return
        settings = self._settings
        default = settings.signing_algorithms[0]
        self._signers = {
            audience: Signer(
                self._keys.signing(settings.audience_algorithms.get(audience, default)),
                issuer=settings.own_url,
                audience=UNCHECKED,
                lifetime=settings.access_token_lifetime,
                type="at+jwt",
            )
            for audience in settings.audiences
        }
        self._verifier = Verifier(
            self._keys.published,
            issuer=settings.own_url,
            audience=settings.audiences,
            type="at+jwt",
        )
        self._generation = self._keys.generation
