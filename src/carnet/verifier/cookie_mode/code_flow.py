"""Signing a browser in on the issuer's own page: a code, bound to this browser (RFC 7636).

What begins a sign-in is remembered by the browser itself, in a cookie that lives for ten minutes.
PKCE binds the code to it, and ``state`` the answer; there is no ID token and so no nonce, since the
access token tells who it is (RFC 9700 section 2.1.1).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

import msgspec

from carnet.errors import GrantRefused, InvalidToken
from carnet.jose.encoding import b64url_decode, b64url_encode, json_encode

__all__ = ["LIFETIME", "Flow", "is_own_path"]

LIFETIME: Final = 600
MAX_PATH: Final = 1024


class Flow(msgspec.Struct, frozen=True):
    """A sign-in that has begun.

    Attributes:
        state: comes back with the answer.
        verifier: proves with the code that this is the browser that began.
        return_to: where on the app the person wanted to go.
    """

    state: str
    verifier: str
    return_to: str

    @classmethod
    def begin(cls, return_to: str) -> Flow:
        """Begin a sign-in."""
        return cls(secrets.token_urlsafe(32), secrets.token_urlsafe(32), return_to)

    @classmethod
    def read(cls, text: str | None) -> Flow:
        """Read what ``text`` has written.

        Raises:
            GrantRefused: ``invalid_request``, if it is nothing of ours.
        """
        try:
            flow = msgspec.json.decode(b64url_decode(text or ""), type=cls)
        except (InvalidToken, msgspec.MsgspecError):
            raise _begin_again() from None
        if not is_own_path(flow.return_to):
            raise _begin_again()
        return flow

    @property
    def text(self) -> str:
        """What the browser keeps."""
        return b64url_encode(json_encode(msgspec.to_builtins(self)))

    def request(self, endpoint: str, parameters: Mapping[str, str | None]) -> str:
        """Give the address on which the issuer asks the person (RFC 6749 section 4.1.1)."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        given = {
            "response_type": "code",
            "state": self.state,
            "code_challenge": b64url_encode(digest),
            "code_challenge_method": "S256",
            **{name: value for name, value in parameters.items() if value is not None},
        }
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(given)}"

    def code(self, answer: Mapping[str, str], issuer: str) -> str:
        """Take the code out of the issuer's answer (RFC 6749 section 4.1.2, RFC 9207).

        Raises:
            GrantRefused: with the issuer's code, or ``invalid_request`` if it is no answer to this.
        """
        if not hmac.compare_digest(answer.get("state", "").encode(), self.state.encode()):
            raise _begin_again()
        if answer.get("iss", issuer) != issuer:
            raise GrantRefused("the answer is another issuer's", code="invalid_request")
        if "error" in answer:
            if answer["error"] == "access_denied":
                raise GrantRefused("the sign-in was not allowed", code="access_denied")
            raise GrantRefused("the issuer did not sign anybody in", code="invalid_request")
        if not answer.get("code"):
            raise _begin_again()
        return answer["code"]


def is_own_path(path: str) -> bool:
    """Tell whether a browser that is sent there stays on this origin."""
    return (
        path.startswith("/")
        and not path.startswith(("//", "/\\"))
        and len(path) <= MAX_PATH
        and path.isascii()
        and path.isprintable()
    )


def _begin_again() -> GrantRefused:
    return GrantRefused(
        "this sign-in was started too long ago, or in another browser: start again",
        code="invalid_request",
    )
