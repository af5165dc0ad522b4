"""Authorization codes: known by their hash alone, good for a minute, once (RFC 6749 section 4.1).

A second use is told from an unknown code, for it ends the session that the first one gave
(section 4.1.2): one of the two users has stolen it.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Any, Final, NamedTuple

import msgspec

from carnet.errors import CarnetError
from carnet.jose.encoding import b64url_encode
from carnet.server.accounts.accounts import Account, account_of
from carnet.server.audit import Origin
from carnet.server.clients.clients import Client
from carnet.server.clients.consents import hold_consent
from carnet.server.clients.subjects import Subjects
from carnet.server.clock import SECOND, Clock
from carnet.server.oauth.authorization_request import AuthorizationRequest
from carnet.server.sessions.sessions import Grant, NewSession, Sessions
from carnet.server.store import Store, Transaction
from carnet.server.store import statements as sql

__all__ = ["AuthorizationCodes", "CodeRefused", "Exchanged", "Presented"]

LIFETIME: Final = 60 * SECOND


class CodeRefused(CarnetError):
    """A code is not good; the reason is for the operator's log, not for the client.

    Codes: ``unknown``, ``expired``, ``used``, ``client_mismatch``, ``redirect_mismatch``,
    ``verifier_wrong``, ``key_mismatch``, ``login_ended``, ``account_disabled``,
    ``consent_withdrawn``.
    """

    code = "code_refused"


class Presented(NamedTuple):
    """A code that was given to the client that presents it.

    Attributes:
        code_hash: what the database knows it by.
        request: what was granted.
        login_id: the session of the browser in which it was.
        authenticated_at: when the password was given, in microseconds since 1970.
        amr: how that one has signed in, names of RFC 8176 with spaces between them.
        expires_at: when it expires, in microseconds since 1970.
        session_id: the session that it was exchanged for, or None.
        account: who has granted it.
    """

    code_hash: bytes
    request: AuthorizationRequest
    login_id: str
    authenticated_at: int
    amr: str
    expires_at: int
    session_id: str | None
    account: Account


class Exchanged(NamedTuple):
    """What a code was exchanged for.

    Attributes:
        grant: the session that it began.
        account: whose it is.
        nonce: what the client asked to find in the ID token, or None.
    """

    grant: Grant
    account: Account
    nonce: str | None


class _Granted(msgspec.Struct, frozen=True):
    """What the row of a code says of the request that it was given for."""

    request: AuthorizationRequest
    authenticated_at: int
    amr: str = "pwd"


class AuthorizationCodes:
    """The codes that the authorization endpoint gives and the token endpoint takes.

    Args:
        store: where they are kept.
        sessions: what they are exchanged for.
        subjects: what accounts are called in their tokens.
        clock: gives the microseconds since 1970.
    """

    def __init__(self, store: Store, sessions: Sessions, subjects: Subjects, clock: Clock) -> None:
        self._store = store
        self._sessions = sessions
        self._subjects = subjects
        self._clock = clock

    async def issue(
        self,
        request: AuthorizationRequest,
        account_id: str,
        login_id: str,
        authenticated_at: int,
        amr: str,
    ) -> str:
        """Make a code for a request that somebody has granted.

        Args:
            request: what was granted.
            account_id: who has granted it.
            login_id: the session of the browser in which it was.
            authenticated_at: when the password was given, in microseconds since 1970.
            amr: how that one has signed in, names of RFC 8176 with spaces between them.
        """
        code = secrets.token_urlsafe(32)
        # What is only for the way to the code is not needed after it, and may be long.
        kept = msgspec.structs.replace(request, state=None, id_token_hint=None, login_hint=None)
        granted = msgspec.json.encode(_Granted(kept, authenticated_at, amr)).decode()
        await self._store.write(
            sql.ADD_CODE,
            *(_hash(code), login_id, granted, self._clock() + LIFETIME),
            account_id,
        )
        return code

    async def read(self, code: str, client: Client) -> Presented:
        """Read a code that a client presents, whether or not it is still good.

        Args:
            code: as the client sent it.
            client: who sent it, authenticated.

        Raises:
            CodeRefused: ``unknown``, or ``client_mismatch`` where it was given to another client,
                which has nothing to do with the session, and can't end it either.
        """
        presented = await self._by_hash(_hash(code))
        if presented.request.client_id != client.id:
            raise CodeRefused("the code belongs to another client", code="client_mismatch")
        return presented

    async def check(
        self,
        presented: Presented,
        redirect_uri: str | None,
        verifier: str | None,
        key_thumbprint: str,
        origin: Origin,
    ) -> None:
        """Check that a code is good for whoever presents it, and leave it as it is.

        Args:
            presented: the code.
            redirect_uri: as the client sent it, or None.
            verifier: the ``code_verifier``, or None where there is none.
            key_thumbprint: of the key that the client has proved to hold, or "".
            origin: from where it came.

        Raises:
            CodeRefused: with the reason as its code; ``used`` ends the session that it gave.
        """
        request = presented.request
        if presented.session_id is not None:
            # Whatever else is sent with it: the code is in two hands.
            raise await self._used(presented.session_id, origin)
        if redirect_uri != (request.redirect_uri if request.redirect_given else None):
            raise CodeRefused("the redirect_uri is different", code="redirect_mismatch")
        # Nor is a verifier taken where there was no challenge: a thief may have left it out of the
        # request (RFC 9700 section 4.8.2).
        challenge = "" if verifier is None else _challenge(verifier)
        if not secrets.compare_digest(challenge, request.challenge):
            raise CodeRefused("the code_verifier is wrong", code="verifier_wrong")
        if request.key_thumbprint not in ("", key_thumbprint):
            raise CodeRefused("the code is bound to another key", code="key_mismatch")
        if presented.expires_at <= self._clock():
            raise CodeRefused("the code has expired", code="expired")

    async def exchange(
        self, presented: Presented, client: Client, key_thumbprint: str, origin: Origin
    ) -> Exchanged:
        """Begin the session that a code was given for, and use the code up.

        Args:
            presented: the code, checked.
            client: who sent it, authenticated.
            key_thumbprint: of the key that the client has proved to hold, or "".
            origin: from where it came.

        Raises:
            CodeRefused: with the reason as its code; only ``used`` is for good.
        """
        request, account = presented.request, presented.account
        new = NewSession(
            client_id=client.id,
            audience=request.audience,
            scope=request.scope,
            # What a confidential client's refresh tokens are bound to is the client
            # (RFC 9449 section 5).
            key_thumbprint=key_thumbprint if client.metadata.is_public else "",
            login_id=presented.login_id,
            authenticated_at=presented.authenticated_at,
            amr=presented.amr,
            logout_uri=client.metadata.backchannel_logout_uri,
            subject=self._subjects.pairwise(client, account.id),
        )
        withdrawn = False

        def take(session_id: str) -> Transaction[bool]:
            nonlocal withdrawn
            allowed = yield from hold_consent(account.id, client, request.audience, request.scope)
            withdrawn = not allowed
            return allowed and bool((yield sql.TAKE_CODE, (session_id, presented.code_hash)))

        grant = await self._sessions.begin(account, new, origin, take)
        if grant is not None:
            return Exchanged(grant, account, request.nonce)
        if withdrawn:
            raise CodeRefused("the consent was withdrawn", code="consent_withdrawn")
        # Something has changed between the reading and the writing.
        again = await self._by_hash(presented.code_hash)
        if again.session_id is not None:
            raise await self._used(again.session_id, origin)
        if again.account.disabled:
            raise CodeRefused("the account is disabled", code="account_disabled")
        if again.account.version != account.version:
            # It was given other roles, say.
            return await self.exchange(again, client, key_thumbprint, origin)
        raise CodeRefused("the sign-in that gave the code has ended", code="login_ended")

    async def _by_hash(self, code_hash: bytes) -> Presented:
        for row in await self._store.read(sql.CODE_BY_HASH, code_hash):
            return _presented(code_hash, row)
        raise CodeRefused("the code is unknown", code="unknown")

    async def _used(self, session_id: str, origin: Origin) -> CodeRefused:
        await self._sessions.end(session_id, "code_reused", origin)
        return CodeRefused("the code was used before", code="used")


def _presented(code_hash: bytes, row: tuple[Any, ...]) -> Presented:
    login_id, text, expires_at, session_id, *account = row
    granted = msgspec.json.decode(text, type=_Granted)
    return Presented(
        code_hash=code_hash,
        request=granted.request,
        login_id=login_id,
        authenticated_at=granted.authenticated_at,
        amr=granted.amr,
        expires_at=expires_at,
        session_id=session_id,
        account=account_of(tuple(account)),
    )


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).digest()


def _challenge(verifier: str) -> str:
    """Compute the challenge of a verifier (RFC 7636 section 4.6)."""
    return b64url_encode(_hash(verifier))
