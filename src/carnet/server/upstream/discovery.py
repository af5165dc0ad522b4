"""What a provider publishes of itself (OpenID Connect Discovery).

It is fetched when somebody wants to sign in with it, and kept for an hour, or a day while it can't
be fetched again.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from carnet.server.clock import SECOND, Clock
from carnet.server.upstream.calls import Calls, checked_address
from carnet.server.upstream.provider import Provider, UpstreamRefused

__all__ = ["Discovery", "Metadata"]

FRESH: Final = 3600 * SECOND
LONGEST_STALE: Final = 24 * 3600 * SECOND
LEFT_ALONE: Final = 10 * SECOND


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a provider's metadata (OpenID Connect Discovery section 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: list[str] | None = None
    authorization_response_iss_parameter_supported: bool = False
    dpop_signing_alg_values_supported: list[str] | None = None
    revocation_endpoint: str | None = None


class Discovery:
    """A provider's metadata.

    Args:
        provider: which.
        calls: asks it.
        clock: gives the microseconds since 1970.
    """

    def __init__(self, provider: Provider, calls: Calls, clock: Clock) -> None:
        self._provider = provider
        self._calls = calls
        self._clock = clock
        self._known: Metadata | None = None
        self._known_at = 0
        self._tried_at: int | None = None
        self._task: asyncio.Task[None] | None = None

    def close(self) -> None:
        """End what is under way."""
        if self._task is not None:
            self._task.cancel()

    async def metadata(self) -> Metadata:
        """Give the provider's metadata; all who need them wait for the same fetch.

        Raises:
            UpstreamRefused: ``unavailable``, or ``answer_wrong``.
        """
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
        issuer = self._provider.issuer
        url = f"{self._provider.published_at.rstrip('/')}/.well-known/openid-configuration"
        try:
            found = msgspec.convert(await self._calls.get(url), Metadata)
        except msgspec.ValidationError as error:
            raise UpstreamRefused(f"its metadata are not as they should be: {error}") from None
        if found.issuer != issuer:
            raise UpstreamRefused("its metadata are of another issuer")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            checked_address(getattr(found, name), name)
        self._known, self._known_at = found, now
