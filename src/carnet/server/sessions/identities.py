"""Who somebody is across issuers: sign-ins elsewhere that count here, and those here told of there.

An account is known to another issuer by a subject: identity is (issuer, subject), which an
administrator links to the account, and never a name or an address. What such an issuer asserts
carries one session of the account, however many assertions there are, and the sessions of the
clients that present them hang below it (``agents``):

    signed in at https://idp.example ── the client, for orders
                 sid 1                         sid 2

So whatever ends sessions ends these as well. What has ended comes back with a sign-in at that
issuer after it, and not before: without ``auth_time`` the moment counts at which the account was
linked.

Clocks differ: a sign-in that lies a little ahead of the clock of the process that is asked is not
taken for one of this moment. Else it would be a later one each time that it is asserted, and bring
back what was ended meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from carnet.errors import CarnetError
from carnet.server.accounts.account_record import Account, AccountRefused, account_of
from carnet.server.audit import Event, Origin, record
from carnet.server.clock import SECOND, Clock
from carnet.server.identifiers import new_identifier
from carnet.server.revocations.revocations import Revocations
from carnet.server.sessions import refresh_token
from carnet.server.sessions.identity_rights import NO_RIGHTS, replace_rights
from carnet.server.sessions.refresh_token import RefreshToken
from carnet.server.sessions.session_ending import SessionEnding
from carnet.server.sessions.session_record import ELSEWHERE
from carnet.server.settings import Settings
from carnet.server.store import Store, Transaction
from carnet.server.store import statements as sql

__all__ = ["Identities", "Identity", "IdentityRefused", "SignedIn"]

MAX_USER_AGENT: Final = 256
MAX_SUBJECT: Final = 255
TOUCH_AFTER: Final = 300 * SECOND
CLOCKS_DIFFER: Final = 60 * SECOND
"""By how much a sign-in elsewhere may lie ahead of the clock here."""

# A URL, or a directory by its name in the settings.
_ISSUER = re.compile(r"https?://[\x21\x23-\x5b\x5d-\x7e]{1,2040}|ldap:[a-z0-9-]{1,32}")


class Identity(NamedTuple):
    """Whom another issuer knows an account as; times in microseconds since 1970.

    Attributes:
        issuer: the issuer.
        subject: its ``sub``.
        created_at: when the account was linked.
        account_id: which account.
        name: what a provider calls the person, for the person alone, or "".
        used_at: when the person has signed in with it last, or None.
    """

    issuer: str
    subject: str
    created_at: int
    account_id: str
    name: str = ""
    used_at: int | None = None


class SignedIn(NamedTuple):
    """Somebody who has signed in.

    Attributes:
        session_id: their session.
        account: who.
        authenticated_at: when, in microseconds since 1970.
        scope: what the session's client was granted, names with spaces between them.
        amr: how, names of RFC 8176 with spaces between them; "" where another issuer knows that.
    """

    session_id: str
    account: Account
    authenticated_at: int | None
    scope: str = ""
    amr: str = ""


class IdentityRefused(CarnetError):
    """What another issuer says lets nobody in; the code is for operators, not for the client.

    Codes: ``not_linked``, ``account_disabled``, ``account_changed``, ``ended_since``.
    """

    code = "identity_refused"


class Identities:
    """The accounts' identities at other issuers.

    Args:
        store: where they are kept.
        ending: ends sessions.
        revocations: makes older tokens stale where roles go with an identity.
        settings: the issuer and the lifetimes.
        clock: gives the microseconds since 1970.
    """

    def __init__(
        self,
        store: Store,
        ending: SessionEnding,
        revocations: Revocations,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._store = store
        self._ending = ending
        self._revocations = revocations
        self._clock = clock
        self._issuer = settings.own_url
        self._idle = settings.session_idle_lifetime * SECOND
        self._lifetime = settings.session_lifetime * SECOND

    async def link(self, account_id: str, issuer: str, subject: str, origin: Origin) -> None:
        """Let an issuer say that somebody is this account; may be repeated.

        Args:
            account_id: the account.
            issuer: exactly as its tokens name it.
            subject: the ``sub`` of the person there.
            origin: who asked.

        Raises:
            AccountRefused: ``identity_invalid``, ``identity_taken`` or ``account_unknown``.
        """
        if _ISSUER.fullmatch(issuer) is None or issuer == self._issuer:
            raise AccountRefused(
                "issuer is the URL of another issuer, exactly as its tokens name it, or ldap: with "
                "the name of a directory of the settings",
                code="identity_invalid",
                member="issuer",
            )
        if not 0 < len(subject) <= MAX_SUBJECT or not subject.isprintable():
            raise AccountRefused(
                f"subject is the sub of the issuer's tokens, 1 to {MAX_SUBJECT} characters",
                code="identity_invalid",
                member="subject",
            )
        now = self._clock()

        def work() -> Transaction[None]:
            if not (yield sql.SETTLE_ACCOUNT, (account_id,)):
                raise AccountRefused("there is no such account", code="account_unknown")
            if (yield sql.ADD_IDENTITY, (issuer, subject, now, account_id)):
                about = {"account_id": account_id, "reason": f"{issuer} {subject}"}
                yield from record(now, Event.IDENTITY_LINKED, origin, **about)
            elif (yield sql.ACCOUNT_OF_IDENTITY, (issuer, subject)) != [(account_id,)]:
                raise AccountRefused(
                    "this subject of this issuer is another account's: unlink it there first",
                    code="identity_taken",
                    member="subject",
                )

        await self._store.transact(work)

    async def unlink(
        self,
        account_id: str,
        issuer: str,
        subject: str,
        origin: Origin,
        *,
        keep: str = "",
        allowed: Callable[[], Transaction[None]] | None = None,
    ) -> bool:
        """Take an identity from an account, end what began with it, and tell whether it had it.

        Args:
            account_id: the account.
            issuer: who knows it.
            subject: as whom.
            origin: who asked.
            keep: a session that lives on, or "".
            allowed: is asked in the same transaction, once it is gone, and raises an error where
                it has to stay.
        """
        now = self._clock()

        def work() -> Transaction[bool]:
            # Whoever presents an assertion at this moment is done, and is found here, or waits, and
            # then finds that nobody is linked.
            yield sql.SETTLE_ACCOUNT, (account_id,)
            if [(account_id,)] != (yield sql.ACCOUNT_OF_IDENTITY, (issuer, subject)):
                return False
            yield from replace_rights(self._revocations, issuer, subject, NO_RIGHTS, now, origin)
            yield sql.REMOVE_IDENTITY, (issuer, subject, account_id)
            if allowed is not None:
                yield from allowed()
            reason = "identity_unlinked"
            rows = yield sql.END_SESSIONS_OF_IDENTITY, (now, reason, account_id, issuer, keep)
            for ended in [sql.EndedWholeRow(*row) for row in rows]:
                yield from self._ending.revoking_with_granted(ended, reason, now, origin)
            if keep:
                yield sql.FORGET_IDENTITY_OF_SESSION, (keep, issuer, subject)
            about = {"account_id": account_id, "reason": f"{issuer} {subject}"}
            yield from record(now, Event.IDENTITY_UNLINKED, origin, **about)
            return True

        return await self._store.transact(work)

    async def of_account(self, account_id: str) -> list[Identity]:
        """Give an account's identities, by issuer."""
        rows = await self._store.read(sql.IDENTITIES_OF_ACCOUNT, account_id)
        return [Identity(*row) for row in rows]

    async def all(self) -> list[Identity]:
        """Give the identities of all accounts, by issuer."""
        return [Identity(*row) for row in await self._store.read(sql.IDENTITIES)]

    async def signed_in(self, session_id: str, client_id: str) -> SignedIn | None:
        """Give who has signed in to a client, where that session of theirs still lives."""
        now = self._clock()
        rows = await self._store.read(sql.SIGNED_IN, session_id, client_id, now, now - self._idle)
        if not rows:
            return None
        scope, authenticated_at, amr, *account = rows[0]
        return SignedIn(session_id, account_of(account), authenticated_at, scope, amr)

    async def sign_in(
        self, issuer: str, subject: str, authenticated_at: int | None, origin: Origin
    ) -> SignedIn:
        """Give the session of whom another issuer has signed in, begun where there is none.

        Args:
            issuer: who says so.
            subject: of the person.
            authenticated_at: when they signed in there, in microseconds since 1970, or None.
            origin: who presents it.

        Raises:
            IdentityRefused: with the reason as its code.
        """
        now = self._clock()
        asked = sql.SignInElsewhere(ELSEWHERE, issuer, now, subject)
        rows = await self._store.read(sql.SIGN_IN_ELSEWHERE, *asked)
        row, moment = _good(rows, authenticated_at, now)
        account = account_of(row[:6])
        if row.session_id is None:
            return await self._begin(asked, account, moment, origin)
        if moment > (row.authenticated_at or 0) or (row.used_at or 0) < now - TOUCH_AFTER:
            values = (now, origin.address, moment, row.session_id)
            await self._store.write(sql.CARRY_IDENTITY_SESSION_ON, *values)
        return SignedIn(row.session_id, account, moment)

    async def _begin(
        self, asked: sql.SignInElsewhere, account: Account, moment: int, origin: Origin
    ) -> SignedIn:
        """Begin the session, where there is none and all is still as it was read."""
        session_id = new_identifier()
        # Of a secret that nobody is given.
        secret_hash = RefreshToken(0, refresh_token.new_secret(), 0).secret_hash
        values = sql.AddIdentitySession(
            session_id=session_id,
            secret_hash=secret_hash,
            client_id=ELSEWHERE,
            user_agent=origin.user_agent[:MAX_USER_AGENT],
            address=origin.address,
            now=asked.now,
            expires_at=asked.now + self._lifetime,
            authenticated_at=moment,
            identity_issuer=asked.issuer,
            account_id=account.id,
        )

        def work() -> Transaction[SignedIn]:
            # Whoever unlinks the identity or changes the account meanwhile waits, or is waited for.
            if not (yield sql.HOLD_ACCOUNT, (account.id, account.version)):
                raise IdentityRefused("the account has changed", code="account_changed")
            row, _ = _good((yield sql.SIGN_IN_ELSEWHERE, asked), moment, asked.now)
            if row.account_id != account.id:
                # Linked to another account meanwhile, which is not held.
                raise IdentityRefused("the subject is another account's", code="account_changed")
            if row.session_id is not None:
                # Another has begun it, perhaps with an earlier sign-in.
                carried_on = asked.now, origin.address, moment, row.session_id
                yield sql.CARRY_IDENTITY_SESSION_ON, carried_on
                return SignedIn(row.session_id, account, moment)
            yield sql.ADD_IDENTITY_SESSION, values
            about = {"account_id": account.id, "session_id": session_id, "reason": asked.issuer}
            yield from record(asked.now, Event.SESSION_BEGUN, origin, **about)
            return SignedIn(session_id, account, moment)

        return await self._store.transact(work)


def _good(
    rows: list[tuple[object, ...]], authenticated_at: int | None, now: int
) -> tuple[sql.SignInElsewhereRow, int]:
    """Give what is known of the account, and the moment that counts as that of the sign-in."""
    if not rows:
        raise IdentityRefused("no account is linked to this subject", code="not_linked")
    row = sql.SignInElsewhereRow(*rows[0])  # type: ignore[arg-type]  # as the statement gives them
    if row.disabled_at is not None:
        raise IdentityRefused("the account is disabled", code="account_disabled")
    if authenticated_at is None:
        moment = row.linked_at
    else:
        moment = min(authenticated_at, now + CLOCKS_DIFFER)
    if row.ended_at is not None and row.ended_at >= moment:
        raise IdentityRefused("it has ended since they signed in there", code="ended_since")
    return row, moment
