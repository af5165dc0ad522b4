"""A session as it is kept: what it is begun for, and what of it is given to whom."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from carnet.server.accounts.accounts import Account

__all__ = [
    "BROWSER",
    "ELSEWHERE",
    "FIRST_PARTY",
    "AudienceAndScope",
    "Grant",
    "Login",
    "NewSession",
    "Renewed",
    "Session",
]

FIRST_PARTY: Final = "carnet"
"""The ``client_id`` of sessions that people begin with their password, and get tokens for."""

BROWSER: Final = "carnet:browser"
"""The ``client_id`` of sessions on the service's own pages; they get no tokens."""

ELSEWHERE: Final = "carnet:elsewhere"
"""The ``client_id`` of what another issuer has signed people in for (``identities``)."""


class Grant(NamedTuple):
    """A session, as far as its tokens tell of it.

    Attributes:
        session_id: the ``sid`` of the tokens.
        account_id: whose it is.
        client_id: the client that the session is with.
        audience: what the tokens are for unless asked otherwise.
        scope: what was granted, names with spaces between them.
        key_thumbprint: of the key that the tokens are bound to, or "".
        authenticated_at: when the password was given, in microseconds since 1970.
        amr: how the person has signed in, names of RFC 8176 with spaces between them.
        roles: the account's roles now.
        claims: the account's custom claims now.
        version: the account's ``sub_ver`` now.
        refresh_token: the token that continues the session.
        subject: their ``sub``, where that is not the account's id, or None.
    """

    session_id: str
    account_id: str
    client_id: str
    audience: str
    scope: str
    key_thumbprint: str
    authenticated_at: int | None
    amr: str
    roles: tuple[str, ...]
    claims: dict[str, Any]
    version: int
    refresh_token: str
    subject: str | None = None

    @property
    def sub(self) -> str:
        """What the tokens call the account."""
        return self.subject or self.account_id


class NewSession(NamedTuple):
    """What a session is begun for.

    Attributes:
        client_id: the client that it is with.
        audience: what its tokens are for unless asked otherwise.
        scope: what is granted, names with spaces between them.
        key_thumbprint: of the key that its tokens are bound to, or "" (RFC 9449).
        login_id: the session of the browser that it ends with, or None.
        authenticated_at: when the password was given, in microseconds since 1970; None is now.
        amr: how the person has signed in, names of RFC 8176 with spaces between them.
        logout_uri: whom to tell when it has ended, or None.
        subject: what its tokens call the account, where that is not its id, or None.
    """

    client_id: str
    audience: str
    scope: str = ""
    key_thumbprint: str = ""
    login_id: str | None = None
    authenticated_at: int | None = None
    amr: str = "pwd"
    logout_uri: str | None = None
    subject: str | None = None


class Renewed(NamedTuple):
    """A session that its owner has signed in to again.

    Attributes:
        session_id: which.
        authenticated_at: when that was, in microseconds since 1970.
        token: what carries it from now on.
    """

    session_id: str
    authenticated_at: int
    token: str


class Session(NamedTuple):
    """A session, as its owner sees it; times in microseconds since 1970.

    Attributes:
        id: the ``sid`` of its tokens.
        client_id: the client that it is with.
        user_agent: what the device said it is at sign-in.
        address: where it was used from last.
        created_at: when it began.
        rotated_at: when it was refreshed last.
        expires_at: when it ends at the latest.
        identity_issuer: who has said whose it is, where it is another issuer.
    """

    id: str
    client_id: str
    user_agent: str
    address: str
    created_at: int
    rotated_at: int
    expires_at: int
    identity_issuer: str | None = None


class Login(NamedTuple):
    """A living session of a browser.

    Attributes:
        session_id: which.
        account: whose, as it is now.
        authenticated_at: when the password was given, in microseconds since 1970.
        amr: how that one has signed in, names of RFC 8176 with spaces between them.
    """

    session_id: str
    account: Account
    authenticated_at: int
    amr: str


class AudienceAndScope(NamedTuple):
    """What a session was granted.

    Attributes:
        audience: what its tokens are for unless asked otherwise.
        scope: names with spaces between them.
    """

    audience: str
    scope: str
