"""The refresh tokens that providers have given: kept, used to look whether somebody is still there.

    a token that is due              what becomes of it
    ───────────────────────────────  ─────────────────────────────────────────────────────────────
    no session of its identity       it is told to the provider that nobody needs it any more, and
    lives: signed out, unlinked,     it is deleted
    deleted
    the provider takes it            what it gives instead is kept, and due again later
    the provider refuses it          the person's sessions end, everywhere; it is deleted
    the provider does not answer     it is due again later
    it can't be read, or nobody      it is deleted
    keeps such tokens any more

It is encrypted, bound to its row, and never leaves this service but for the provider.
"""

from __future__ import annotations

from typing import Final

import structlog

from carnet.errors import ServerError
from carnet.server.audit import SERVICE
from carnet.server.clock import SECOND, Clock
from carnet.server.keys.signing_keys import SigningKeys
from carnet.server.settings import Settings
from carnet.server.store import Store
from carnet.server.store import statements as sql
from carnet.server.upstream.openid import OpenIdProvider
from carnet.server.upstream.people import People
from carnet.server.upstream.provider import TokenRefused, UpstreamRefused
from carnet.server.upstream.sealed_tokens import sealed_token, unsealed
from carnet.server.upstream.upstream import Upstream

__all__ = ["KeptTokens"]

BATCH: Final = 20
LEASE: Final = 600 * SECOND
MOST_AT_ONCE: Final = 1000
REFUSED: Final = "invalid_grant"

_log = structlog.get_logger()


class KeptTokens:
    """The refresh tokens of all providers.

    Args:
        store: where they are kept.
        keys: encrypt them.
        upstream: the providers.
        people: end the sessions of whom a provider does not know any more.
        settings: how long sessions live.
        clock: gives the microseconds since 1970.
    """

    def __init__(
        self,
        store: Store,
        keys: SigningKeys,
        upstream: Upstream,
        people: People,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._store = store
        self._keys = keys
        self._upstream = upstream
        self._people = people
        self._idle = settings.session_idle_lifetime * SECOND
        self._clock = clock

    async def look_after(self) -> None:
        """Check those that are due; whatever goes wrong with one harms no other."""
        for _ in range(MOST_AT_ONCE // BATCH):
            now = self._clock()
            leased = now + LEASE
            values = leased, now, BATCH
            rows = await self._store.write(sql.LEASE_UPSTREAM_TOKENS, *values)
            for row in [sql.UpstreamTokenRow(*one) for one in rows]:
                await self._look_after(row, leased, now)
            if len(rows) < BATCH:
                return

    async def _look_after(self, row: sql.UpstreamTokenRow, leased: int, now: int) -> None:
        key = row.issuer, row.subject
        provider = self._upstream.by_issuer(row.issuer)
        speaking = None if provider is None else self._upstream.speaking(provider)
        try:
            token = unsealed(self._keys, *row)
        except (ServerError, UnicodeDecodeError) as error:
            _log.error("row_unreadable", kind="upstream_token", exc_info=error)
            token = ""
        if provider is None or not isinstance(speaking, OpenIdProvider) or not token:
            await self._store.write(sql.DROP_UPSTREAM_TOKEN, *key, leased)
            return
        about = {"provider": provider.name, "subject": row.subject}
        live = sql.LIVE_SESSION_OF_IDENTITY, *key, now, now - self._idle
        is_needed = provider.settings.keep_refresh_token and await self._store.read(*live)
        try:
            if not is_needed:
                if await self._store.write(sql.DROP_UPSTREAM_TOKEN, *key, leased):
                    await speaking.revoke(token)
                return
            given = await speaking.refresh(token, row.subject)
            due_at = self._clock() + provider.kind.checked_every * SECOND
            sealed = sealed_token(self._keys, *key, given)
            await self._store.write(sql.ROTATE_UPSTREAM_TOKEN, sealed, due_at, *key, leased)
        except TokenRefused as error:
            _log.info("provider_token_refused", **about, cause=str(error))
            # It says nothing of a token that another sign-in has brought meanwhile.
            held = sql.LEASED_UPSTREAM_TOKEN, *key, leased
            if error.error == REFUSED and await self._store.read(*held):
                await self._people.signed_out(*key, None, SERVICE)
                await self._store.write(sql.DROP_UPSTREAM_TOKEN, *key, leased)
        except UpstreamRefused as error:
            _log.warning("provider_token_not_used", **about, cause=str(error))
