"""Device codes: how a device without a browser gets tokens of somebody who has one (RFC 8628).

The device shows a short code, the person types it on another device and decides, and the device
asks meanwhile. The database holds hashes of both codes; that of the short one is made with a
pepper, for short texts can be guessed. How often a device asks is remembered by each process for
itself and not written: a device that waits costs one read each time.

    the row says      the device is told
    ────────────────  ──────────────────────────────────────────────────────────────────────────
    nothing yet       authorization_pending, or slow_down where it asks more often than it should
    denied            access_denied
    allowed           its tokens, once
    has a session     invalid_grant, and the session ends: one of two has stolen the code
    it has expired    expired_token
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Any, Final, NamedTuple

import msgspec

from carnet.errors import CarnetError
from carnet.server.accounts.accounts import Account, account_of
from carnet.server.audit import Event, Origin, record
from carnet.server.clients.clients import Client
from carnet.server.clients.consents import hold_consent
from carnet.server.clients.subjects import Subjects
from carnet.server.clock import SECOND, Clock
from carnet.server.keys.signing_keys import SigningKeys
from carnet.server.sessions.sessions import Grant, NewSession, Sessions
from carnet.server.store import Store, Transaction
from carnet.server.store import statements as sql

__all__ = [
    "INTERVAL_SECONDS",
    "LIFETIME_SECONDS",
    "DeviceCodeRefused",
    "DeviceCodes",
    "DeviceRequest",
    "Issued",
    "PresentedDeviceCode",
    "Undecided",
    "written",
]

LIFETIME_SECONDS: Final = 600
INTERVAL_SECONDS: Final = 5

# Without vowels, so that no word comes of it (RFC 8628 section 6.1).
_LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"
_USER_CODE: Final = re.compile(f"[{_LETTERS}]{{8}}")
_MAX_TYPED: Final = 64
_MAX_USER_AGENT: Final = 256
_MOST_REMEMBERED: Final = 10_000
# The way through the network is not always as long.
_TOLERANCE: Final = SECOND


class DeviceCodeRefused(CarnetError):
    """A device code gives no tokens, or none yet.

    Codes: those of RFC 8628 section 3.5, which the device is told, ``authorization_pending``,
    ``slow_down``, ``access_denied`` and ``expired_token``; and, for the operator's log alone,
    ``unknown``, ``used``, ``client_mismatch``, ``key_mismatch``, ``account_changed``,
    ``consent_withdrawn``.
    """

    code = "device_code_refused"


class DeviceRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a device asks for, and what the person is shown of where it is.

    Attributes:
        audience: what the access tokens are for.
        scope: what is asked for and may be granted, names with spaces between them.
        key_thumbprint: of the key that the tokens are to be bound to, or "".
        address: from where it asked.
        user_agent: what it says it is.
        asked_at: when, in microseconds since 1970.
    """

    audience: str
    scope: str
    key_thumbprint: str
    address: str
    user_agent: str
    asked_at: int


class Issued(NamedTuple):
    """The two codes of a device: the one that it asks with, and the one that it shows."""

    device_code: str
    user_code: str


class Undecided(NamedTuple):
    """A device that waits for somebody's decision.

    Attributes:
        user_code: what it shows, as people read it.
        user_code_hash: what the database knows it by.
        client_id: the client that asks.
        request: what for.
    """

    user_code: str
    user_code_hash: bytes
    client_id: str
    request: DeviceRequest


class PresentedDeviceCode(NamedTuple):
    """A device code that somebody has allowed.

    Attributes:
        code_hash: what the database knows it by.
        request: what was granted.
        account: who has granted it.
        authenticated_at: when that one gave the password, in microseconds since 1970.
        amr: how that one has signed in, names of RFC 8176 with spaces between them.
    """

    code_hash: bytes
    request: DeviceRequest
    account: Account
    authenticated_at: int
    amr: str


class DeviceCodes:
    """The codes of devices, from the request to the session.

    Args:
        store: where they are kept.
        keys: of which the peppers hide the codes that people type.
        sessions: what they are exchanged for.
        clock: gives the microseconds since 1970.
    """

    def __init__(self, store: Store, keys: SigningKeys, sessions: Sessions, clock: Clock) -> None:
        self._store = store
        self._keys = keys
        self._sessions = sessions
        self._clock = clock
        self._pace = _Pace()

    async def issue(
        self, client: Client, audience: str, scope: str, key_thumbprint: str, origin: Origin
    ) -> Issued:
        """Make the codes of a device.

        Args:
            client: who asks, authenticated.
            audience: what its tokens are to be for.
            scope: what they are to allow, names with spaces between them.
            key_thumbprint: of the key that they are to be bound to, or "".
            origin: from where it asks.
        """
        now = self._clock()
        request = DeviceRequest(
            audience=audience,
            scope=scope,
            key_thumbprint=key_thumbprint,
            address=origin.address,
            user_agent=origin.user_agent[:_MAX_USER_AGENT],
            asked_at=now,
        )
        kept = msgspec.json.encode(request).decode()
        pepper = self._keys.peppers[self._keys.pepper_id]
        while True:
            made = Issued(
                secrets.token_urlsafe(32), "".join(secrets.choice(_LETTERS) for _ in range(8))
            )
            hashes = _hash(made.device_code), _hide(pepper, made.user_code)
            if await self._store.write(
                *(sql.ADD_DEVICE_CODE, *hashes, client.id, kept, now + LIFETIME_SECONDS * SECOND)
            ):
                return made

    async def find(self, typed: str) -> Undecided | None:
        """Find the device that shows a code, if it still waits for a decision.

        Args:
            typed: the code, in capitals or not, with or without the dash.
        """
        code = _read(typed)
        if code is None:
            return None
        for pepper in self._keys.peppers.values():
            hidden = _hide(pepper, code)
            for row in await self._store.read(sql.UNDECIDED_DEVICE_CODE, hidden, self._clock()):
                client_id, request = sql.UndecidedDeviceCodeRow(*row)
                return Undecided(written(code), hidden, client_id, _decoded(request))
        return None

    async def decide(
        self,
        device: Undecided,
        account: Account,
        authenticated_at: int,
        amr: str,
        origin: Origin,
        *,
        allowed: bool,
    ) -> bool:
        """Decide about a device, once and for all.

        Args:
            device: which.
            account: who decides.
            authenticated_at: when that one gave the password, in microseconds since 1970.
            amr: how that one has signed in, names of RFC 8176 with spaces between them.
            origin: from where.
            allowed: what is decided.

        Returns:
            Whether this was the decision: it may have expired, or somebody else was faster.
        """
        now = self._clock()
        decision = "allowed" if allowed else "denied"
        event = Event.DEVICE_ALLOWED if allowed else Event.DEVICE_DENIED

        def work() -> Transaction[bool]:
            said = (decision, account.id, account.version, authenticated_at, amr)
            if not (yield sql.DECIDE_DEVICE_CODE, (*said, device.user_code_hash, now)):
                return False
            about = {"account_id": account.id, "reason": device.client_id}
            yield from record(now, event, origin, **about)
            return True

        return await self._store.transact(work)

    async def read(self, code: str, client: Client, key_thumbprint: str) -> PresentedDeviceCode:
        """Read a device code that a client presents, and leave it as it is.

        Args:
            code: as the client sent it.
            client: who sent it, authenticated.
            key_thumbprint: of the key that the client has proved to hold, or "".

        Raises:
            DeviceCodeRefused: where nobody has allowed it, or to another client or key.
        """
        code_hash = _hash(code)
        row, columns = await self._row(code_hash)
        if row.client_id != client.id:
            raise DeviceCodeRefused(
                "the device code belongs to another client", code="client_mismatch"
            )
        request = _decoded(row.request)
        if request.key_thumbprint not in ("", key_thumbprint):
            raise DeviceCodeRefused("the device code is bound to a key", code="key_mismatch")
        if row.session_id is None:
            self._check_decision(code_hash, row)
        account = account_of(columns)
        if row.session_id is None and row.account_version != account.version:
            # Its password was changed, say, or all of its sessions were ended.
            raise DeviceCodeRefused("the account has changed since", code="account_changed")
        return PresentedDeviceCode(code_hash, request, account, row.authenticated_at or 0, row.amr)

    async def exchange(
        self, presented: PresentedDeviceCode, client: Client, key_thumbprint: str, origin: Origin
    ) -> Grant:
        """Begin the session that a device code was allowed for, and use the code up.

        Args:
            presented: the code, read.
            client: who sent it, authenticated.
            key_thumbprint: of the key that the client has proved to hold, or "".
            origin: from where it came.

        Raises:
            DeviceCodeRefused: with the reason as its code; ``used`` ends the session that the code
                gave.
        """
        request, account = presented.request, presented.account
        new = NewSession(
            client_id=client.id,
            audience=request.audience,
            scope=request.scope,
            # What a confidential client's refresh tokens are bound to is the client
            # (RFC 9449 section 5).
            key_thumbprint=key_thumbprint if client.metadata.is_public else "",
            # Not the browser's session: that is on another device, where people sign out of what
            # they have borrowed for a minute.
            login_id=None,
            authenticated_at=presented.authenticated_at,
            amr=presented.amr,
            logout_uri=client.metadata.backchannel_logout_uri,
            subject=Subjects(self._keys).pairwise(client, account.id),
        )
        withdrawn = False

        def take(session_id: str) -> Transaction[bool]:
            nonlocal withdrawn
            allowed = yield from hold_consent(account.id, client, request.audience, request.scope)
            withdrawn = not allowed
            taken = sql.TAKE_DEVICE_CODE, (session_id, presented.code_hash)
            return allowed and bool((yield taken))

        grant = await self._sessions.begin(account, new, origin, take)
        if grant is not None:
            return grant
        if withdrawn:
            raise DeviceCodeRefused("the consent was withdrawn", code="consent_withdrawn")
        row, _ = await self._row(presented.code_hash)
        if row.session_id is not None:
            await self._sessions.end(row.session_id, "code_reused", origin)
            raise DeviceCodeRefused("the device code was used before", code="used")
        raise DeviceCodeRefused("the account has changed since", code="account_changed")

    async def _row(self, code_hash: bytes) -> tuple[sql.DeviceCodeRow, tuple[Any, ...]]:
        """Give the row of a device code, and that of the account that has decided about it."""
        for row in await self._store.read(sql.DEVICE_CODE_BY_HASH, code_hash):
            width = len(sql.DeviceCodeRow._fields)
            return sql.DeviceCodeRow(*row[:width]), tuple(row[width:])
        raise DeviceCodeRefused("the device code is unknown", code="unknown")

    def _check_decision(self, code_hash: bytes, row: sql.DeviceCodeRow) -> None:
        now = self._clock()
        if row.expires_at <= now:
            raise DeviceCodeRefused("the code has expired: start again", code="expired_token")
        if row.decision is None and self._pace.is_too_fast(code_hash, now):
            raise DeviceCodeRefused("wait 5 seconds longer between requests", code="slow_down")
        if row.decision is None:
            text = "the person has not decided yet: ask again after the interval"
            raise DeviceCodeRefused(text, code="authorization_pending")
        if row.decision != "allowed":
            raise DeviceCodeRefused("the person did not allow it", code="access_denied")


class _Pace:
    """How often the devices that wait ask; the oldest are forgotten where there are too many."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[int, int]] = {}

    def is_too_fast(self, code_hash: bytes, now: int) -> bool:
        """Tell whether a device asks too early; from then on it waits longer (RFC 8628 3.5)."""
        first = -INTERVAL_SECONDS * SECOND, INTERVAL_SECONDS * SECOND
        last, interval = self._known.pop(code_hash, first)
        is_early = last <= now < last + interval - _TOLERANCE
        if is_early:
            interval += INTERVAL_SECONDS * SECOND
        self._known[code_hash] = now, interval
        if len(self._known) > _MOST_REMEMBERED:
            del self._known[next(iter(self._known))]
        return is_early


def written(user_code: str) -> str:
    """Write a user code as people read it, such as ``WDJB-MJHT``."""
    return f"{user_code[:4]}-{user_code[4:]}"


def _read(typed: str) -> str | None:
    """Read what somebody has typed; None is for what can't be a code."""
    code = re.sub(r"[^A-Z]", "", typed[:_MAX_TYPED].upper())
    return code if _USER_CODE.fullmatch(code) else None


def _decoded(text: str) -> DeviceRequest:
    return msgspec.json.decode(text, type=DeviceRequest)


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).digest()


def _hide(pepper: bytes, user_code: str) -> bytes:
    key = hmac.digest(pepper, b"carnet user code", "sha256")
    return hmac.digest(key, user_code.encode(), "sha256")
