"""Requests that a client has pushed (RFC 9126): sent by itself, and then named by the browser.

The ``request_uri`` is the request, encrypted under a secret of the service with its client and its
time. So nothing is kept for whoever pushes and never comes, public clients included, and every
process can open it; that it was used is noted when it gives a code. What is long is refused: it has
to fit into an address.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Final

import msgspec

from carnet.errors import InvalidToken
from carnet.jose import jwe
from carnet.jose.key import Key
from carnet.jose.key_set import KeySet
from carnet.server.clock import SECOND, Clock
from carnet.server.keys.signing_keys import SigningKeys

__all__ = ["LIFETIME_SECONDS", "PREFIX", "USED_KEPT", "BadRequestUri", "PushedRequests"]

PREFIX: Final = "urn:ietf:params:oauth:request_uri:"
LIFETIME_SECONDS: Final = 60
"""How long the browser may take to come with a request."""
DECIDED_WITHIN: Final = 86_400 * SECOND
"""How long a person may take to sign in and to decide."""
USED_KEPT: Final = DECIDED_WITHIN + LIFETIME_SECONDS * SECOND
"""How long a use is remembered, in microseconds: as long as anybody could come again."""
LONGEST: Final = 8 * 1024


class BadRequestUri(ValueError):
    """The address names no request that this client may use now."""


class _Pushed(msgspec.Struct, frozen=True, array_like=True):
    client_id: str
    pushed_at: int
    parameters: dict[str, str]


class PushedRequests:
    """Makes the addresses of pushed requests, and reads them.

    Args:
        keys: whose peppers they are encrypted under.
        clock: gives the microseconds since 1970.
    """

    def __init__(self, keys: SigningKeys, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    def push(self, client_id: str, parameters: Mapping[str, str]) -> str:
        """Give the address of a request, which is good for ``LIFETIME_SECONDS``.

        Raises:
            BadRequestUri: if it would be too long for an address.
        """
        pushed = _Pushed(client_id, self._clock(), dict(parameters))
        key = self._key(self._keys.pepper_id)
        text = PREFIX + jwe.encrypt(msgspec.json.encode(pushed), key)
        if len(text) > LONGEST:
            raise BadRequestUri(f"the request is longer than about {LONGEST // 2} characters")
        return text

    def read(
        self, request_uri: str, client_id: str, seen_at: int, *, decided: bool = False
    ) -> dict[str, str]:
        """Give the parameters of a request.

        Args:
            request_uri: its address.
            client_id: who is said to have pushed it.
            seen_at: when the browser came with it first, in microseconds since 1970.
            decided: whether this is the answer of a person who has been asked.

        Raises:
            BadRequestUri: if it is none, another client's, or too old.
        """
        keys = KeySet(self._key(pepper_id) for pepper_id in self._keys.peppers)
        try:
            opened = jwe.decrypt(request_uri.removeprefix(PREFIX), keys)
            pushed = msgspec.json.decode(opened.plaintext, type=_Pushed)
        except (InvalidToken, msgspec.MsgspecError):
            raise BadRequestUri("the request_uri names no pushed request") from None
        if pushed.client_id != client_id:
            raise BadRequestUri("the request_uri belongs to another client")
        lifetime = DECIDED_WITHIN if decided else LIFETIME_SECONDS * SECOND
        if not pushed.pushed_at <= seen_at < pushed.pushed_at + lifetime:
            raise BadRequestUri("the request_uri has expired: push the request again")
        return pushed.parameters

    def _key(self, pepper_id: int) -> Key:
        secret = hmac.digest(self._keys.peppers[pepper_id], b"carnet pushed request", "sha256")
        return Key.from_secret(secret, "dir", str(pepper_id))
