"""Access tokens: short-lived, signed, for one audience (RFC 9068)."""

from __future__ import annotations

from carnet.errors import InvalidToken
from carnet.jwt.claims import Claims
from carnet.jwt.policy import UNCHECKED
from carnet.jwt.signer import Signer
from carnet.jwt.verifier import Verifier
from carnet.server.sessions import Grant
from carnet.server.settings import Settings
from carnet.server.signing_keys import Keys

__all__ = ["AccessTokens"]


class AccessTokens:
    """Makes access tokens, and reads those that come back to the service itself.

    Args:
        keys: the service's own keys.
        settings: issuer, audiences and lifetime.
    """

    def __init__(self, keys: Keys, settings: Settings) -> None:
        self._audiences = settings.audiences
        self._lifetime = settings.access_token_lifetime
        self._signer = Signer(
            keys.signing,
            issuer=settings.own_url,
            audience=UNCHECKED,
            lifetime=settings.access_token_lifetime,
            type="at+jwt",
        )
        self._verifier = Verifier(
            keys.published,
            issuer=settings.own_url,
            audience=settings.audiences,
            type="at+jwt",
        )

    def issue(self, grant: Grant, audience: str, lifetime: int | None) -> tuple[str, int]:
        """Make an access token for a session.

        Args:
            grant: the session.
            audience: the one service that it is for.
            lifetime: seconds that are wanted; never more than the setting.

        Returns:
            The token, and the seconds that it is good for.
        """
        span = min(lifetime or self._lifetime, self._lifetime)
        claims = {
            "aud": audience,
            "sub": grant.account_id,
            "client_id": grant.client_id,
            "sid": grant.session_id,
            "roles": grant.roles,
            "sub_ver": grant.version,
        }
        return self._signer.sign(claims, lifetime=span), span

    def verify(self, token: str) -> Claims:
        """Check an access token that this service has issued, for whichever audience.

        Raises:
            InvalidToken: if it is not good.
        """
        claims = self._verifier.verify(token)
        if claims.session_id is None:
            raise InvalidToken(
                "the token belongs to no session",
                code="claim_missing",
                claim="sid",
                expected="a session's token",
            )
        return claims
