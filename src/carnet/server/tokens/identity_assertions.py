"""Identity assertions (ID-JAG), which carry a sign-in here to another authorization server.

draft-ietf-oauth-identity-assertion-authz-grant section 3: signed as an ID token is, but for the
authorization server of a resource elsewhere, and for one client there.
"""

from __future__ import annotations

from typing import Any, Final

from carnet.jwt.signer import Signer
from carnet.server.identifiers import new_identifier
from carnet.server.keys.signing_keys import SigningKeys
from carnet.server.sessions.identities import SignedIn
from carnet.server.settings import Settings
from carnet.server.tokens.sign_in_claims import sign_in_claims

__all__ = [
    "IDENTITY_ASSERTION",
    "IDENTITY_ASSERTION_PROFILE",
    "IDENTITY_ASSERTION_TYPE",
    "IdentityAssertions",
]

IDENTITY_ASSERTION: Final = "urn:ietf:params:oauth:token-type:id-jag"
IDENTITY_ASSERTION_PROFILE: Final = "urn:ietf:params:oauth:grant-profile:id-jag"
IDENTITY_ASSERTION_TYPE: Final = "oauth-id-jag+jwt"
LONGEST: Final = 300


class IdentityAssertions:
    """Makes identity assertions.

    Args:
        keys: the service's own keys.
        settings: issuer and algorithm.
    """

    def __init__(self, keys: SigningKeys, settings: Settings) -> None:
        self._keys = keys
        self._issuer = settings.own_url
        self._alg = settings.signing_algorithms[0]
        self._lifetime = min(settings.access_token_lifetime, LONGEST)

    def issue(
        self,
        signed_in: SignedIn,
        audience: str,
        client_id: str,
        resource: str,
        scope: str,
        key_thumbprint: str = "",
    ) -> tuple[str, int]:
        """Make an identity assertion.

        Args:
            signed_in: who, and when.
            audience: the issuer of the authorization server that it is for.
            client_id: the name under which that one knows the client.
            resource: what may be asked for there.
            scope: the same, names with spaces between them, or "".
            key_thumbprint: of the key that it is bound to, or "".

        Returns:
            The assertion, and the seconds that it is good for.
        """
        claims: dict[str, Any] = {
            "sub": signed_in.account.id,
            "aud": audience,
            "client_id": client_id,
            "jti": new_identifier(),
            "resource": resource,
            **sign_in_claims(signed_in.amr, signed_in.authenticated_at),
        }
        if scope:
            claims["scope"] = scope
        if key_thumbprint:
            claims["cnf"] = {"jkt": key_thumbprint}
        signer = Signer(
            self._keys.signing(self._alg),
            issuer=self._issuer,
            lifetime=self._lifetime,
            type=IDENTITY_ASSERTION_TYPE,
        )
        return signer.sign(claims), self._lifetime
