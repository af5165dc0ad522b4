"""ID tokens, which tell a client who has signed in, and logout tokens, which tell that it is over.

OpenID Connect Core section 2, and OpenID Connect Back-Channel Logout section 2.4; and the answers
of the authorization endpoint (JARM section 2.1) and of UserInfo where a client wants them signed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from carnet.errors import InvalidToken
from carnet.jose import jws
from carnet.jose.encoding import b64url_encode, json_decode, json_encode
from carnet.jose.key import Key
from carnet.jwt.claims import Claims
from carnet.jwt.signer import Signer
from carnet.jwt.verifier import Verifier
from carnet.server.accounts.accounts import Account
from carnet.server.clients.clients import Client
from carnet.server.clients.scopes import ScopeTable
from carnet.server.identifiers import new_identifier
from carnet.server.keys.signing_keys import SigningKeys
from carnet.server.sessions.sessions import Grant
from carnet.server.settings import Settings
from carnet.server.tokens.sign_in_claims import sign_in_claims

__all__ = ["LOGOUT_EVENT", "IdTokens"]

LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_TOKEN_LIFETIME: Final = 120
ANSWER_LIFETIME: Final = 120
MAX_HINT: Final = 16 * 1024


class IdTokens:
    """Makes ID tokens and logout tokens, and reads those ID tokens that come back as hints.

    Args:
        keys: the service's own keys.
        settings: issuer, algorithm, lifetime, and what scopes release.
    """

    def __init__(self, keys: SigningKeys, settings: Settings) -> None:
        self._keys = keys
        self._scopes = ScopeTable(settings)
        self._issuer = settings.own_url
        self._alg = settings.signing_algorithms[0]
        self._lifetime = settings.access_token_lifetime

    async def issue(
        self,
        grant: Grant,
        account: Account,
        client: Client,
        access_token: str,
        nonce: str | None = None,
    ) -> str:
        """Make the ID token of a session.

        Args:
            grant: the session.
            account: whose it is.
            client: for whom; where it has registered a key, the token is encrypted to that.
            access_token: the access token that is given with it.
            nonce: what the client asked to get back, or None.
        """
        key = await self._key(client)
        claims: dict[str, Any] = {
            **self._scopes.released(account, grant.scope.split(), "id_token"),
            "sub": grant.sub,
            "aud": client.id,
            "azp": client.id,
            "sid": grant.session_id,
            **sign_in_claims(grant.amr, grant.authenticated_at),
            "at_hash": _half_hash(access_token, key.alg),
        }
        if nonce is not None:
            claims["nonce"] = nonce
        return self._signer(client, key, "JWT", self._lifetime).sign(claims)

    async def logout(self, client: Client, subject: str, session_id: str) -> str:
        """Make the token that tells a client that a session of somebody has ended."""
        claims = {
            "sub": subject,
            "aud": client.id,
            "sid": session_id,
            "jti": new_identifier(),
            "events": {LOGOUT_EVENT: {}},
        }
        key = await self._key(client)
        return self._signer(client, key, "logout+jwt", LOGOUT_TOKEN_LIFETIME).sign(claims)

    async def userinfo(self, client: Client, claims: Mapping[str, Any]) -> str | None:
        """Sign an answer of UserInfo, where the client wants it signed; else None."""
        alg = client.metadata.userinfo_signed_response_alg
        if alg is None:
            return None
        key = await self._key(client, alg)
        said = {**claims, "iss": self._issuer, "aud": client.id}
        # Of a type of its own: it says who somebody is, and not that they have signed in.
        return jws.sign(json_encode(said), key, {"typ": "userinfo+jwt"})

    async def answer(self, client: Client, parameters: Mapping[str, str]) -> str:
        """Sign an answer of the authorization endpoint."""
        key = await self._key(client, client.metadata.authorization_signed_response_alg)
        signer = Signer(key, issuer=self._issuer, lifetime=ANSWER_LIFETIME, type="JWT")
        return signer.sign({**parameters, "aud": client.id})

    def verify(self, token: str, client: Client) -> Claims:
        """Check an ID token that a client was given and that is still good.

        Raises:
            InvalidToken: if it is not, or is another client's.
        """
        verifier = Verifier(
            self._keys.published,
            issuer=self._issuer,
            audience=client.id,
            type="JWT",
            required=("sub", "sid"),
        )
        return verifier.verify(token)

    def read_hint(self, token: str) -> Claims:
        """Read an ID token that this service has made, however long ago.

        Raises:
            InvalidToken: if it is none, or if its key is published no more.
        """
        if len(token) > MAX_HINT:
            raise _no_hint()
        verified = jws.verify(token, self._keys.published)
        claims = json_decode(verified.payload, "the payload")
        # Access tokens and logout tokens are signed with the same keys.
        if verified.header.get("typ") != "JWT" or claims.get("iss") != self._issuer:
            raise _no_hint()
        if not isinstance(claims.get("sub"), str) or not isinstance(claims.get("aud"), str):
            raise _no_hint()
        return Claims(claims)

    async def _key(self, client: Client, alg: str | None = None) -> Key:
        alg = alg or client.metadata.id_token_signed_response_alg
        return await self._keys.signing_with(alg or self._alg)

    def _signer(self, client: Client, key: Key, type: str, lifetime: int) -> Signer:
        return Signer(
            key,
            issuer=self._issuer,
            lifetime=lifetime,
            type=type,
            encrypt_to=client.encryption_key,
            enc=client.metadata.id_token_encrypted_response_enc,  # type: ignore[arg-type]  # checked
        )


def _half_hash(text: str, alg: str) -> str:
    """Hash the way ``at_hash`` wants it: the left half, of the hash that the algorithm uses."""
    data = text.encode("ascii")
    if alg == "Ed448":
        digest = hashlib.shake_256(data).digest(114)
    else:
        name = f"sha{alg[-3:]}" if alg[-3:].isdigit() else "sha512"
        digest = hashlib.new(name, data).digest()
    return b64url_encode(digest[: len(digest) // 2])


def _no_hint() -> InvalidToken:
    return InvalidToken(
        "the hint is no ID token of this service",
        code="claim_invalid",
        claim="iss",
        expected="an ID token that this service has made",
    )
