"""Statements on what other issuers say of people, and on what is told to others of them."""

from __future__ import annotations

from typing import NamedTuple

ADD_IDENTITY = """
INSERT INTO account_identity (issuer, subject, account_id, created_at)
SELECT $1, $2, account.id, $3 FROM account WHERE account.id = $4
ON CONFLICT (issuer, subject) DO NOTHING
RETURNING account_id
"""

ACCOUNT_OF_IDENTITY = """
SELECT account_id FROM account_identity WHERE issuer = $1 AND subject = $2
"""

REMOVE_IDENTITY = """
DELETE FROM account_identity WHERE issuer = $1 AND subject = $2 AND account_id = $3
RETURNING account_id
"""

IDENTITIES_OF_ACCOUNT = """
SELECT issuer, subject, created_at, account_id, name, used_at
FROM account_identity WHERE account_id = $1
ORDER BY issuer, subject
"""

IDENTITIES = """
SELECT issuer, subject, created_at, account_id, name, used_at
FROM account_identity ORDER BY issuer, subject
"""

# With the account come its session that such assertions carry on, or NULLs, and when the last one
# before it has ended: not before the sign-in that carried it, by whichever clock that was written.
SIGN_IN_ELSEWHERE = """
SELECT account.id, username, account.roles, account.claims, version, disabled_at,
  account_identity.created_at,
  held.id, held.authenticated_at, held.rotated_at,
  (SELECT MAX(CASE WHEN before.authenticated_at > before.ended_at
                   THEN before.authenticated_at ELSE before.ended_at END)
   FROM session AS before
   WHERE before.account_id = account.id AND before.client_id = $1
     AND before.identity_issuer = $2)
FROM account_identity
JOIN account ON account.id = account_identity.account_id
LEFT JOIN session AS held ON held.account_id = account.id AND held.client_id = $1
  AND held.identity_issuer = $2 AND held.ended_at IS NULL AND held.expires_at > $3
WHERE issuer = $2 AND subject = $4
LIMIT 1
"""


class SignInElsewhere(NamedTuple):
    """The parameters of SIGN_IN_ELSEWHERE."""

    client_id: str
    issuer: str
    now: int
    subject: str


class SignInElsewhereRow(NamedTuple):
    """What SIGN_IN_ELSEWHERE gives, the account's columns first."""

    account_id: str
    username: str
    roles: str
    claims: str
    version: int
    disabled_at: int | None
    linked_at: int
    session_id: str | None
    authenticated_at: int | None
    used_at: int | None
    ended_at: int | None


# Nobody knows its secret: it is never refreshed.
ADD_IDENTITY_SESSION = """
INSERT INTO session (id, secret_hash, account_id, client_id, audience, user_agent, address,
                     generation, created_at, rotated_at, expires_at,
                     scope, key_thumbprint, authenticated_at, identity_issuer)
SELECT $1, $2, account.id, $3, '', $4, $5, 0, $6, $6, $7, '', '', $8, $9
FROM account WHERE account.id = $10
RETURNING id
"""


class AddIdentitySession(NamedTuple):
    """The parameters of ADD_IDENTITY_SESSION."""

    session_id: str
    secret_hash: bytes
    client_id: str
    user_agent: str
    address: str
    now: int
    expires_at: int
    authenticated_at: int
    identity_issuer: str
    account_id: str


CARRY_IDENTITY_SESSION_ON = """
UPDATE session SET rotated_at = $1, address = $2,
  authenticated_at = CASE WHEN authenticated_at < $3 THEN $3 ELSE authenticated_at END
WHERE id = $4 AND ended_at IS NULL
"""

END_SESSIONS_OF_IDENTITY = """
UPDATE session SET ended_at = $1, ended_reason = $2
WHERE account_id = $3 AND identity_issuer = $4 AND id <> $5 AND ended_at IS NULL
RETURNING id, account_id, client_id
"""


# Of the session that lives on although it has begun with that.
FORGET_IDENTITY_OF_SESSION = """
UPDATE session SET identity_issuer = NULL, identity_subject = NULL, identity_session = NULL
WHERE id = $1 AND identity_issuer = $2 AND identity_subject = $3
"""


class EndedWholeRow(NamedTuple):
    """What END_SESSIONS_OF_IDENTITY and END_SESSIONS_OF_PROVIDER give."""

    session_id: str
    account_id: str
    client_id: str


# What a provider ends: a session there, or all that somebody has there.
END_SESSIONS_OF_PROVIDER = """
UPDATE session SET ended_at = $1, ended_reason = $2
WHERE identity_issuer = $3 AND identity_subject IS NOT NULL
  AND (CAST($4 AS TEXT) IS NULL OR identity_subject = $4)
  AND (CAST($5 AS TEXT) IS NULL OR identity_session = $5) AND ended_at IS NULL
RETURNING id, account_id, client_id
"""


class EndSessionsOfProvider(NamedTuple):
    """The parameters of END_SESSIONS_OF_PROVIDER."""

    now: int
    reason: str
    issuer: str
    subject: str | None
    session: str | None


# Whom a provider knows under a subject, with what the account has of it.
UPSTREAM_IDENTITY = """
SELECT account.id, username, account.roles, account.claims, version, disabled_at,
  account_identity.roles, account_identity.claims
FROM account_identity JOIN account ON account.id = account_identity.account_id
WHERE issuer = $1 AND subject = $2
"""


class UpstreamIdentityRow(NamedTuple):
    """What UPSTREAM_IDENTITY gives, the account's columns first."""

    account_id: str
    username: str
    roles: str
    claims: str
    version: int
    disabled_at: int | None
    given_roles: str
    given_claims: str


SET_IDENTITY_RIGHTS = """
UPDATE account_identity SET roles = $1, claims = $2 WHERE issuer = $3 AND subject = $4
RETURNING account_id
"""

USE_IDENTITY = """
UPDATE account_identity SET name = $1, used_at = $2 WHERE issuer = $3 AND subject = $4
RETURNING account_id
"""

# By which an account may be entered on the pages: a password, passkeys, identities. With what a
# directory keeps by SCIM nobody signs in.
WAYS_IN = """
SELECT CASE WHEN password_hash = '' THEN 0 ELSE 1 END,
  (SELECT COUNT(*) FROM factor WHERE factor.account_id = account.id AND kind = 'passkey'),
  (SELECT COUNT(*) FROM account_identity
   WHERE account_identity.account_id = account.id AND issuer <> 'scim')
FROM account WHERE account.id = $1
"""


class WaysInRow(NamedTuple):
    """What WAYS_IN gives."""

    passwords: int
    passkeys: int
    identities: int


# What a client may still say of somebody's sign-in to it.
SIGNED_IN = """
SELECT scope, authenticated_at, amr, account.id, username, roles, claims, version, disabled_at
FROM session JOIN account ON account.id = session.account_id
WHERE session.id = $1 AND client_id = $2 AND ended_at IS NULL
  AND expires_at > $3 AND rotated_at > $4 AND disabled_at IS NULL
"""
