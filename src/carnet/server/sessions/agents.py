"""Agents: programs that act for somebody who is signed in (RFC 8693).

A program that exchanges a token of a person's gets a session of its own, below the one whose token
it was, and its tokens carry that session's ``sid``. So there is nothing new to be known by those
who check tokens: each link of a chain of programs is a session, with a session end all below it in
the same transaction, and each ``sid`` that has ended is told to every verifier.

    session of the person ── orders, for billing ── billing, for ledger
             sid 1                  sid 2                  sid 3

There is one such session for each program and resource below another session, however many tokens
it gives. Nothing is written for a token but, every few minutes, that it is used.

A program that was stopped gets nothing more from sessions that the person had signed in to before,
its own or others', whoever hands it their tokens.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from carnet.server.accounts.account_record import account_standing
from carnet.server.audit import Event, Origin, record
from carnet.server.clock import SECOND, Clock
from carnet.server.identifiers import new_identifier
from carnet.server.sessions import refresh_token
from carnet.server.sessions.refresh_token import RefreshToken
from carnet.server.sessions.session_ending import SessionEnding
from carnet.server.sessions.session_record import Grant
from carnet.server.settings import Settings
from carnet.server.store import Store, Transaction
from carnet.server.store import statements as sql

__all__ = ["AgentSession", "Agents", "Subject"]

MAX_USER_AGENT: Final = 256
TOUCH_AFTER: Final = 300 * SECOND


class Subject(NamedTuple):
    """A person's token that is exchanged.

    Attributes:
        token_id: its ``jti``.
        session_id: its ``sid``.
        subject: its ``sub``.
        account_version: its ``sub_ver``.
    """

    token_id: str
    session_id: str
    subject: str
    account_version: int


class AgentSession(NamedTuple):
    """A program that acts for somebody; times in microseconds since 1970.

    Attributes:
        id: the ``sid`` of its tokens.
        client_id: which program.
        resource: what its tokens are for.
        scope: what they allow, names with spaces between them.
        address: where it asked from last.
        created_at: when it began.
        used_at: when it asked for a token last, to within a few minutes.
        expires_at: when it ends at the latest.
    """

    id: str
    client_id: str
    resource: str
    scope: str
    address: str
    created_at: int
    used_at: int
    expires_at: int


class Agents:
    """The programs that act for people.

    Args:
        store: where their sessions are kept, beside all others.
        ending: ends sessions.
        settings: the lifetimes.
        clock: gives the microseconds since 1970.
    """

    def __init__(
        self, store: Store, ending: SessionEnding, settings: Settings, clock: Clock
    ) -> None:
        self._store = store
        self._ending = ending
        self._clock = clock
        self._idle = settings.session_idle_lifetime * SECOND
        self._lifetime = settings.session_lifetime * SECOND

    async def act(
        self, subject: Subject, client_id: str, audience: str, scope: str, origin: Origin
    ) -> Grant | None:
        """Let a program act for the person whose token it presents.

        Args:
            subject: the token.
            client_id: the program.
            audience: what its own token is to be for.
            scope: what that is to allow, names with spaces between them.
            origin: from where it asks.

        Returns:
            The program's session; None where the token is not good any more, or where the program
            was stopped after the person had signed in.
        """
        now = self._clock()
        asked = sql.Exchangeable(
            client_id=client_id,
            audience=audience,
            session_id=subject.session_id,
            subject=subject.subject,
            account_version=subject.account_version,
            now=now,
            token_id=subject.token_id,
        )
        rows = await self._store.read(sql.EXCHANGEABLE, *asked)
        if not rows:
            return None
        row = sql.ExchangeableRow(*rows[0])
        if row.agent_session_id is None:
            began = await self._begin(asked, row.account_id, scope, now, origin)
            if began is None:
                return None
            row = began
        if row.agent_used_at is not None and row.agent_scope is not None:
            before, wanted = set(row.agent_scope.split()), set(scope.split())
            if row.agent_used_at < now - TOUCH_AFTER or not wanted <= before:
                whole = " ".join(sorted(before | wanted))
                touched = now, origin.address, whole, row.agent_session_id, row.agent_scope
                if not await self._store.write(sql.TOUCH_AGENT, *touched):
                    # Another request has added to its scope, or it has ended, in between.
                    return await self.act(subject, client_id, audience, scope, origin)
        version, roles, claims = account_standing(row.standing)
        return Grant(
            session_id=row.agent_session_id or "",
            account_id=row.account_id,
            client_id=client_id,
            audience=audience,
            scope=scope,
            key_thumbprint="",
            authenticated_at=None,
            amr="",
            roles=roles,
            claims=claims,
            version=version,
            refresh_token="",
            # Nobody further down learns another name than that of the token.
            subject=None if subject.subject == row.account_id else subject.subject,
        )

    async def of_account(self, account_id: str) -> list[AgentSession]:
        """Give the programs that act for an account, the one used last first."""
        now = self._clock()
        rows = await self._store.read(sql.AGENTS_OF_ACCOUNT, account_id, now, now - self._idle)
        return [AgentSession(*row) for row in rows]

    async def stop(self, account_id: str, client_id: str, origin: Origin) -> int:
        """End all that a program does for an account, and give how many of its sessions that were.

        What other programs do with its tokens ends too.
        """
        now = self._clock()

        def work() -> Transaction[int]:
            # Whoever begins at this moment is done, and is found here, or waits, and then finds
            # that it was stopped.
            yield sql.SETTLE_ACCOUNT, (account_id,)
            values = (now, now + self._lifetime, account_id, client_id)
            ended = yield sql.STOP_AGENT, values
            if ended:
                about = {"account_id": account_id, "reason": client_id}
                yield from record(now, Event.AGENT_STOPPED, origin, **about)
            for (session_id,) in ended:
                yield from self._ending.revoking(session_id, account_id, "stopped", now, origin)
            return len(ended)

        return await self._store.transact(work)

    async def _begin(
        self, asked: sql.Exchangeable, account_id: str, scope: str, now: int, origin: Origin
    ) -> sql.ExchangeableRow | None:
        """Begin a program's session, where there is none and all is still as it was read."""
        session_id = new_identifier()
        # Of a secret that nobody is given.
        secret_hash = RefreshToken(0, refresh_token.new_secret(), 0).secret_hash
        values = sql.AddAgent(
            session_id=session_id,
            secret_hash=secret_hash,
            client_id=asked.client_id,
            audience=asked.audience,
            user_agent=origin.user_agent[:MAX_USER_AGENT],
            address=origin.address,
            now=now,
            scope=scope,
            parent_id=asked.session_id,
        )

        def work() -> Transaction[sql.ExchangeableRow | None]:
            # Whoever ends the session, changes the account, revokes the token or stops the program
            # meanwhile waits, or is waited for.
            if not (yield sql.HOLD_ACCOUNT, (account_id, asked.account_version)):
                return None
            if not (yield sql.HOLD_LOGIN, (asked.session_id,)):
                return None
            rows = yield sql.EXCHANGEABLE, asked
            if not rows:
                return None
            row = sql.ExchangeableRow(*rows[0])
            if row.agent_session_id is not None:
                return row
            yield sql.ADD_AGENT, values
            about = {"account_id": account_id, "session_id": session_id}
            yield from record(now, Event.AGENT_BEGUN, origin, reason=asked.client_id, **about)
            return row._replace(agent_session_id=session_id)

        return await self._store.transact(work)
