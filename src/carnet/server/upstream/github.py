"""Signing in with GitHub: OAuth 2.0 without ID tokens.

There is no token that says who has signed in, and for whom: the access token that GitHub gives for
the code is shown to its API, which says whose it is. As the code is bound to this client and to
this browser (PKCE), so is the answer. Who it is says the number of the account; the login changes
hands. GitHub Enterprise Server has the same below its own address.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from carnet.jose.encoding import b64url_encode
from carnet.server.upstream.calls import Calls, shown_code
from carnet.server.upstream.provider import Asked, Asserted, Provider, UpstreamRefused

__all__ = ["GitHubProvider"]

API: Final = "https://api.github.com"
ADDRESSES_SCOPE: Final = "user:email"


class GitHubProvider:
    """GitHub.

    Args:
        provider: which: github.com, or an Enterprise Server.
        calls: asks it.
    """

    def __init__(self, provider: Provider, calls: Calls) -> None:
        self.provider = provider
        self._calls = calls
        is_public = provider.issuer == provider.kind.issuer
        self._api = API if is_public else f"{provider.issuer}/api/v3"

    async def address(self, asked: Asked) -> str:
        """Give the address that a browser is sent to."""
        digest = hashlib.sha256(asked.verifier.encode()).digest()
        parameters = {
            "client_id": self.provider.settings.client_id,
            "redirect_uri": asked.redirect_uri,
            "scope": " ".join(self.provider.scopes),
            "state": asked.state,
            "code_challenge": b64url_encode(digest),
            "code_challenge_method": "S256",
        }
        if asked.again:
            parameters.update(self.provider.kind.again)
        return f"{self.provider.issuer}/login/oauth/authorize?{urlencode(parameters)}"

    async def read(self, answer: Mapping[str, str], asked: Asked) -> Asserted:
        """Read what a browser has come back with.

        Args:
            answer: its parameters, of which the caller has compared ``state``.
            asked: what it was sent there with.

        Raises:
            UpstreamRefused: with the reason as its code.
        """
        if answer.get("iss", self.provider.issuer) not in self.provider.names:
            raise UpstreamRefused("the answer is another issuer's (RFC 9207)")
        if "error" in answer:
            said = shown_code(answer["error"])
            raise UpstreamRefused(f"it has signed nobody in: {said}", code="refused_there")
        if not answer.get("code"):
            raise UpstreamRefused("the answer holds no code")
        form = {
            "client_id": self.provider.settings.client_id,
            "client_secret": self.provider.secret,
            "code": answer["code"],
            "redirect_uri": asked.redirect_uri,
            "code_verifier": asked.verifier,
        }
        endpoint = f"{self.provider.issuer}/login/oauth/access_token"
        tokens = await self._calls.post(endpoint, form, {})
        token = tokens.get("access_token") if isinstance(tokens, dict) else None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise UpstreamRefused("it gave no access token")
        return Asserted(self.provider.issuer, *await self._user(token))

    def close(self) -> None:
        """End what is under way."""
        self._calls.close()

    async def _user(self, token: str) -> tuple[str, dict[str, Any]]:
        user = await self._calls.get(f"{self._api}/user", token)
        number = user.get("id") if isinstance(user, dict) else None
        # A boolean is a number to Python.
        if number.__class__ is not int:
            raise UpstreamRefused("it does not say whose the access token is")
        claims = {
            "preferred_username": user.get("login"),
            "name": user.get("name"),
            "picture": user.get("avatar_url"),
            "profile": user.get("html_url"),
            "website": user.get("blog") or None,
        }
        if "email" in self.provider.wanted and ADDRESSES_SCOPE in self.provider.scopes:
            claims |= _address(await self._calls.get(f"{self._api}/user/emails", token))
        return str(number), {name: value for name, value in claims.items() if value is not None}


def _address(addresses: Any) -> dict[str, Any]:
    """Give the primary address, and whether somebody has proved to read it."""
    for one in addresses if isinstance(addresses, list) else ():
        if isinstance(one, dict) and one.get("primary") is True:
            return {"email": one.get("email"), "email_verified": one.get("verified") is True}
    return {}
