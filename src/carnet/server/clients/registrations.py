"""Clients that register themselves, and manage what they have registered (RFC 7591, RFC 7592).

Nobody knows who they are, so there are bounds for each of them, and for all of them together:

    what                        is bounded by
    ──────────────────────────  ────────────────────────────────────────────────────────────────────
    what one says               ``registration_request``; an administrator may say more
    what one may ask for        the resources that are open to clients that nobody has registered
    how often                   slots of the throttle, by network and in all
    how many there are          ``MOST_CLIENTS``
    how long one stays unused   ``unregistered``: a day, or 90 days after its last use

A registration is a few statements, whatever there is already. No process is told of it, and none
holds all of them.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
import structlog

from carnet.errors import CarnetError
from carnet.server.accounts.throttle import Throttle
from carnet.server.audit import Event, Origin, record
from carnet.server.clients.clients import (
    RESERVED_PREFIX,
    Client,
    ClientMetadata,
    ClientRefused,
    client_of,
    hash_secret,
)
from carnet.server.clients.registration_request import read_registration
from carnet.server.clients.registration_tokens import RegistrationTokens
from carnet.server.clients.sectors import check_sector
from carnet.server.clients.unregistered import UNUSED_KEPT, UnregisteredClients
from carnet.server.clock import SECOND, Clock
from carnet.server.identifiers import new_identifier
from carnet.server.settings import Settings
from carnet.server.store import Store, Transaction
from carnet.server.store import statements as sql

__all__ = ["NotManaged", "Registered", "Registrations", "RegistrationsFull"]

SECRET_SIZE: Final = 32
# Those that are used by somebody. What the throttle lets in of others in the day that they stay
# would not fill a fifth of it, and 8 KiB of each is what a small disk has room for.
MOST_CLIENTS: Final = 100_000
COUNTED_EVERY: Final = 60 * SECOND
NO_TOKEN: Final = bytes(32)

_log = structlog.get_logger()


class NotManaged(CarnetError):
    """A token does not let its bearer register or manage this client; why is not said."""

    code = "invalid_token"


class RegistrationsFull(CarnetError):
    """There are as many clients that have registered themselves as there may be."""

    code = "temporarily_unavailable"


class Registered(NamedTuple):
    """A client, as it is told of itself.

    Attributes:
        client: the client.
        token: what it manages its registration with.
        secret: its secret, where it was made or sent just now, or None.
    """

    client: Client
    token: str
    secret: str | None = None


class Registrations:
    """The clients that register themselves.

    Args:
        store: where they are kept.
        unregistered: finds and removes them.
        throttle: gives slots for registrations.
        settings: who may register.
        clock: gives the microseconds since 1970.

    Attributes:
        tokens: the initial access tokens.
    """

    def __init__(
        self,
        store: Store,
        unregistered: UnregisteredClients,
        throttle: Throttle,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._store = store
        self._unregistered = unregistered
        self._throttle = throttle
        self._by_anybody = settings.client_registration == "open"
        self._settings = settings
        self._clock = clock
        self._count = 0
        self._counted_at: int | None = None
        self.tokens = RegistrationTokens(store, clock)

    async def register(
        self, given: Mapping[str, Any], origin: Origin, initial_token: str | None
    ) -> Registered:
        """Register a client as it describes itself (RFC 7591 section 3.1).

        Args:
            given: the members of its request.
            origin: from where it came.
            initial_token: the token that it has sent, or None.

        Raises:
            ClientRefused: naming the member at fault.
            NotManaged: where a token is needed, and this is none that is good.
            Delayed: where there were too many registrations, from there or in all.
            RegistrationsFull: where there are too many clients.
        """
        if not self._by_anybody and initial_token is None:
            raise _no_initial_token()
        metadata = read_registration(given)
        slots = self._throttle.registration(origin.address, by_anybody=self._by_anybody)
        async with slots as attempt:
            await self._check_room()
            if metadata.sector_identifier_uri is not None:
                if not self._by_anybody and not await self.tokens.is_good(initial_token or ""):
                    raise _no_initial_token()
                await self._check_sector(metadata)
            made = await self._add(metadata, origin, initial_token)
            if not self._by_anybody:
                # Who holds a token is bounded by that: only wrong ones count.
                attempt.succeed()
        self._count += 1
        return made

    async def find(self, client_id: str, token: str) -> Registered:
        """Give a client to whoever holds its registration access token (RFC 7592 section 2.1).

        Raises:
            NotManaged: where there is no such client, or it has another token.
        """
        found = await self._unregistered.look_up(client_id)
        known = None if found is None else found.token_hash
        # A hash is compared whatever there is, so that time tells nothing.
        right = hmac.compare_digest(hash_secret(token), known or NO_TOKEN)
        if found is None or not right:
            raise _no_registration_token()
        return Registered(found.client, token)

    async def replace(
        self, client_id: str, token: str, given: Mapping[str, Any], origin: Origin
    ) -> Registered:
        """Register other metadata instead of a client's (RFC 7592 section 2.2).

        Its registration access token stays: with another one, a lost answer would shut it out.
        Where its redirect addresses change, consents to it are forgotten and its sessions end.

        Args:
            client_id: which.
            token: its registration access token.
            given: the members of its request; what is left out has its default again.
            origin: from where it came.

        Raises:
            NotManaged: as ``find``.
            ClientRefused: naming the member at fault.
            Delayed: as ``register``.
        """
        client = (await self.find(client_id, token)).client
        sent = given.get("client_secret")
        if given.get("client_id") != client_id:
            raise ClientRefused("client_id is the one of this address", member="client_id")
        if sent is not None and not _is_secret(sent, client.secrets.current):
            raise ClientRefused(
                "client_secret is the current one, or left out: a client can't choose its own",
                member="client_secret",
            )
        metadata = read_registration(given)
        async with self._throttle.registration(origin.address, by_anybody=self._by_anybody):
            await self._check_sector(metadata, client.metadata)
            secret = await self._store.transact(
                lambda: self._replacing(client_id, token, metadata, origin)
            )
        self._unregistered.forget(client_id)
        found = await self.find(client_id, token)
        return found._replace(secret=secret or (sent if metadata.has_secret else None))

    async def remove(self, client_id: str, token: str, origin: Origin) -> None:
        """Remove a client, and end its sessions (RFC 7592 section 2.3).

        Raises:
            NotManaged: as ``find``.
        """
        await self.find(client_id, token)
        try:
            await self._unregistered.remove(client_id, origin)
        except ClientRefused:
            # Somebody else has done so.
            raise _no_registration_token() from None

    async def _check_sector(
        self, metadata: ClientMetadata, before: ClientMetadata | None = None
    ) -> None:
        """Check that a client is in the sector that it names, where somebody vouches for it.

        Where anybody may register clients, nobody makes this service fetch anything by that.
        """
        if metadata.sector_identifier_uri is not None and self._by_anybody:
            raise ClientRefused(
                "sector_identifier_uri is not taken here: it would be fetched, and anybody may "
                "register clients; only an administrator can register it",
                member="sector_identifier_uri",
            )
        await check_sector(metadata, self._settings, before)

    async def _check_room(self) -> None:
        """Check that there may be one more; the number is looked at once a minute."""
        now = self._clock()
        if self._counted_at is None or not 0 <= now - self._counted_at < COUNTED_EVERY:
            [(self._count,)] = await self._store.read(sql.DYNAMIC_CLIENT_COUNT)
            self._counted_at = now
        if self._count >= MOST_CLIENTS:
            _log.warning("registrations_full", clients=self._count)
            raise RegistrationsFull(
                "this service has reached its limit of registered clients; unused ones are "
                "removed over time, so try again later"
            )

    async def _add(
        self, metadata: ClientMetadata, origin: Origin, initial_token: str | None
    ) -> Registered:
        now, client_id = self._clock(), f"{RESERVED_PREFIX}{new_identifier()}"
        token = new_identifier(SECRET_SIZE)
        secret = new_identifier(SECRET_SIZE) if metadata.has_secret else None
        secret_hash = None if secret is None else hash_secret(secret)
        text = msgspec.json.encode(metadata).decode()
        row = (client_id, secret_hash, hash_secret(token), text, now, now + UNUSED_KEPT)

        def work() -> Transaction[None]:
            asked = origin
            if not self._by_anybody:
                used = yield from self.tokens.using(initial_token or "")
                if used is None:
                    raise _no_initial_token()
                asked = origin._replace(actor=f"registration token {used}")
            yield sql.ADD_DYNAMIC_CLIENT, row
            yield from record(now, Event.CLIENT_CREATED, asked, reason=client_id)

        await self._store.transact(work)
        client = client_of(client_id, secret_hash, None, None, text, now)
        return Registered(client, token, secret)

    def _replacing(
        self, client_id: str, token: str, metadata: ClientMetadata, origin: Origin
    ) -> Transaction[str | None]:
        """Replace a client's metadata, and give its new secret where it had none and needs one."""
        now = self._clock()
        rows = yield sql.HOLD_DYNAMIC_CLIENT, (client_id, hash_secret(token))
        if not rows:
            raise _no_registration_token()
        [(known, text)] = rows
        secret, kept = None, known if metadata.has_secret else None
        if metadata.has_secret and kept is None:
            secret = new_identifier(SECRET_SIZE)
            kept = hash_secret(secret)
        written = msgspec.json.encode(metadata).decode()
        yield sql.REPLACE_DYNAMIC_CLIENT, (kept, written, now, client_id)
        yield from record(now, Event.CLIENT_CHANGED, origin, reason=client_id)
        before = msgspec.json.decode(text, type=ClientMetadata)
        if set(before.redirect_uris) != set(metadata.redirect_uris):
            # Nobody has agreed to be sent there.
            yield from self._unregistered.ending(client_id, "client_changed", now, origin)
        return secret


def _is_secret(given: Any, known: bytes | None) -> bool:
    if not isinstance(given, str):
        return False
    return hmac.compare_digest(hash_secret(given), known or NO_TOKEN)


def _no_initial_token() -> NotManaged:
    return NotManaged(
        "registering a client needs an initial access token that is still good, sent as "
        "'Authorization: Bearer <token>'; ask the administrators of this service for one"
    )


def _no_registration_token() -> NotManaged:
    return NotManaged("the token is not the registration access token of a client at this address")
