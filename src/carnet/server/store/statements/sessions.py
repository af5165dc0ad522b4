"""Statements on sessions."""

from __future__ import annotations

from typing import Final, NamedTuple

# No row where the account has changed while its password was being checked.
ADD_SESSION = """
INSERT INTO session (id, secret_hash, account_id, client_id, audience, user_agent, address,
                     generation, created_at, rotated_at, expires_at,
                     scope, key_thumbprint, login_id, authenticated_at, amr, logout_uri,
                     pairwise_subject, identity_issuer, identity_subject, identity_session)
SELECT $1, $2, account.id, $3, $4, $5, $6, 0, $7, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
  $17, $18
FROM account WHERE account.id = $19 AND disabled_at IS NULL AND version = $20
RETURNING id
"""


class AddSession(NamedTuple):
    """The parameters of ADD_SESSION."""

    session_id: str
    secret_hash: bytes
    client_id: str
    audience: str
    user_agent: str
    address: str
    now: int
    expires_at: int
    scope: str
    key_thumbprint: str
    login_id: str | None
    authenticated_at: int
    amr: str
    logout_uri: str | None
    subject: str | None
    identity_issuer: str | None
    identity_subject: str | None
    identity_session: str | None
    account_id: str
    account_version: int


# A browser's session can't end between the question whether it lives and what is granted in it.
HOLD_LOGIN = """
UPDATE session SET login_id = login_id WHERE id = $1 AND ended_at IS NULL
RETURNING id
"""

# The account comes as one JSON array: a RETURNING of SQLite's can't join.
ROTATE = """
UPDATE session SET generation = generation + 1, rotated_at = $1, address = $2
WHERE secret_hash = $3 AND generation = $4 AND ended_at IS NULL
  AND expires_at > $1 AND rotated_at > $5 AND client_id = $6 AND key_thumbprint = $7
RETURNING secret_hash,
  id, account_id, client_id, audience, scope, key_thumbprint, authenticated_at, amr,
  generation, pairwise_subject,
  (SELECT '[' || CAST(version AS TEXT) || ',' || roles || ',' || claims || ']'
   FROM account WHERE account.id = session.account_id)
"""

USE_REFRESH_TOKEN = ROTATE.replace("generation = generation + 1, ", "")


class Grouping(NamedTuple):
    """By what the rows of a statement that is run several times together are told apart.

    Attributes:
        parameter: the place of its value among the parameters, from 0.
        column: the column in which it comes back.
    """

    parameter: int
    column: str


# What so many ask for at once that an engine may run several together.
GROUPED: Final = {ROTATE: Grouping(parameter=2, column="secret_hash")}

HEAL = """
UPDATE session SET generation = $1, rotated_at = $2
WHERE secret_hash = $3 AND generation < $1 AND ended_at IS NULL
RETURNING id
"""

SESSION_BY_SECRET = """
SELECT secret_hash,
  id, account_id, client_id, audience, scope, key_thumbprint, authenticated_at, amr,
  generation, pairwise_subject,
  (SELECT '[' || CAST(version AS TEXT) || ',' || roles || ',' || claims || ']'
   FROM account WHERE account.id = session.account_id), expires_at, rotated_at, ended_at
FROM session WHERE secret_hash = $1
"""


class SessionRow(NamedTuple):
    """What ROTATE gives of a session, and SESSION_BY_SECRET with the moments after it."""

    secret_hash: bytes
    session_id: str
    account_id: str
    client_id: str
    audience: str
    scope: str
    key_thumbprint: str
    authenticated_at: int | None
    amr: str
    generation: int
    subject: str | None
    standing: str
    expires_at: int = 0
    rotated_at: int = 0
    ended_at: int | None = None


LOGIN_BY_SECRET = """
SELECT session.id, authenticated_at, amr, rotated_at,
       identity_issuer, identity_subject, identity_session,
       account.id, username, roles, claims, version, disabled_at
FROM session JOIN account ON account.id = session.account_id
WHERE secret_hash = $1 AND (generation = $2 OR $2 = -1) AND client_id = $3 AND ended_at IS NULL
  AND expires_at > $4 AND rotated_at > $5 AND disabled_at IS NULL
"""

# Whoever has given the password again gets the next token of the session. A second tab that did so
# at the same moment still sent the token before, and gets the same one: they share a cookie. Where
# the database has lost writes, the session heals.
RENEW_LOGIN = """
UPDATE session SET generation = CASE WHEN generation <= $1 THEN $1 + 1 ELSE generation END,
  authenticated_at = $2, amr = $3, rotated_at = $4, address = $5, expires_at = $6,
  identity_issuer = $7, identity_subject = $8, identity_session = $9
WHERE secret_hash = $10 AND client_id = $11 AND account_id = $12
  AND ended_at IS NULL AND expires_at > $4 AND rotated_at > $13
RETURNING id, generation
"""


class RenewLogin(NamedTuple):
    """The parameters of RENEW_LOGIN."""

    presented_generation: int
    authenticated_at: int
    amr: str
    now: int
    address: str
    expires_at: int
    identity_issuer: str | None
    identity_subject: str | None
    identity_session: str | None
    secret_hash: bytes
    client_id: str
    account_id: str
    idle_since: int


class RenewedLoginRow(NamedTuple):
    """What RENEW_LOGIN gives."""

    session_id: str
    generation: int


TOUCH_SESSION = """
UPDATE session SET rotated_at = $1, address = $2 WHERE id = $3 AND ended_at IS NULL
"""

# Of the session that a token is from, and of the token itself.
TOKEN_STATE = """
SELECT ended_at, version, disabled_at,
  (SELECT MAX(seq) FROM revocation WHERE value = $1 AND kind = 'jti'),
  account.id
FROM session JOIN account ON account.id = session.account_id
WHERE session.id = $2
"""


class TokenStateRow(NamedTuple):
    """What TOKEN_STATE gives of a session, its account and one of its tokens."""

    ended_at: int | None
    version: int
    disabled_at: int | None
    revocation: int | None
    account_id: str


# Other names of an account, in tokens that may still be good.
SUBJECTS_OF_ACCOUNT = """
SELECT DISTINCT pairwise_subject FROM session
WHERE account_id = $1 AND pairwise_subject IS NOT NULL AND expires_at > $2
"""

SESSIONS_OF_ACCOUNT = """
SELECT id, client_id, user_agent, address, created_at, rotated_at, expires_at, identity_issuer
FROM session
WHERE account_id = $1 AND parent_id IS NULL
  AND ended_at IS NULL AND expires_at > $2 AND rotated_at > $3
ORDER BY rotated_at DESC, id
"""

# From the beginning of an id on. No index covers the text's beginning, but a range of ids does:
# nothing that an id is made of comes after "z".
SESSIONS_BY_PREFIX = """
SELECT session.id, session.account_id, username, client_id, user_agent, address, session.created_at,
  rotated_at, ended_at, expires_at
FROM session JOIN account ON account.id = session.account_id
WHERE session.id >= $1 AND session.id <= $2 AND substr(session.id, 1, length($1)) = $1
ORDER BY session.id LIMIT $3
"""

# No index covers the address of a session, which rotation writes: what is looked through is how
# sessions began of late, as far as the audit log says.
SESSIONS_FROM_ADDRESS = """
SELECT session.id, session.account_id, username, client_id, user_agent, address, session.created_at,
  rotated_at, ended_at, expires_at
FROM session JOIN account ON account.id = session.account_id
WHERE session.id IN (
  SELECT session_id
  FROM (SELECT session_id, address FROM audit ORDER BY at DESC LIMIT $1) AS lately
  WHERE lately.address = $2 AND session_id IS NOT NULL
)
ORDER BY rotated_at DESC, session.id LIMIT $3
"""

# An update that changes nothing waits, as the commit before it did, until a standby has both: what
# the primary alone knows, and shows to everybody after the wait was broken off, is not confirmed.
SETTLE_SESSION = """
UPDATE session SET ended_at = ended_at WHERE id = $1
RETURNING id
"""

# A program that acts for somebody, and whose session is ended by itself, does not begin it anew
# with what its owner had signed in to before: that ends after all of it, as in STOP_AGENT.
_ENDED: Final = """ended_at = CASE WHEN parent_id IS NULL THEN $1 ELSE (
    SELECT CASE WHEN MAX(authenticated_at) > $1 THEN MAX(authenticated_at) ELSE $1 END
    FROM session AS own WHERE own.account_id = session.account_id AND own.ended_at IS NULL
  ) END,
  ended_reason = CASE WHEN parent_id IS NULL THEN $2 ELSE 'stopped' END"""

END_SESSION = f"""
UPDATE session SET {_ENDED}
WHERE id = $3 AND ended_at IS NULL
RETURNING account_id, client_id
"""  # noqa: S608 - what is set, above

END_SESSION_OF_ACCOUNT = f"""
UPDATE session SET {_ENDED}
WHERE id = $3 AND account_id = $4 AND ended_at IS NULL
RETURNING account_id, client_id
"""  # noqa: S608 - the same


class EndedSessionRow(NamedTuple):
    """What END_SESSION and END_SESSION_OF_ACCOUNT give."""

    account_id: str
    client_id: str


END_SESSIONS_OF_LOGIN = """
UPDATE session SET ended_at = $1, ended_reason = $2
WHERE login_id = $3 AND ended_at IS NULL
RETURNING id
"""

END_SESSIONS_OF_CLIENT = """
UPDATE session SET ended_at = $1, ended_reason = $2
WHERE id IN (
  SELECT id FROM session WHERE client_id = $3 AND account_id = $4 AND ended_at IS NULL
) AND ended_at IS NULL
RETURNING id
"""

END_SESSIONS_OF_ACCOUNT = """
UPDATE session SET ended_at = $1, ended_reason = $2
WHERE account_id = $3 AND id <> $4 AND ended_at IS NULL
RETURNING id
"""

# The reason why a session ended is told for a while after it.
SWEEP_SESSIONS = """
DELETE FROM session WHERE id IN (
  SELECT id FROM session WHERE expires_at < $1 ORDER BY expires_at LIMIT $2
)
RETURNING id
"""

# Looks through all sessions: a client is removed rarely.
END_ALL_SESSIONS_OF_CLIENT = """
UPDATE session SET ended_at = $1, ended_reason = $2
WHERE client_id = $3 AND ended_at IS NULL
RETURNING id, account_id
"""

LOGOUTS_DUE = """
SELECT id FROM session
WHERE logout_uri IS NOT NULL AND ended_at IS NOT NULL AND COALESCE(logout_due_at, 0) <= $1
LIMIT 1
"""

# Whoever tells a client that its session has ended has it for a while; then another may try.
LEASE_LOGOUTS = """
UPDATE session SET logout_due_at = $1
WHERE id IN (
  SELECT id FROM session
  WHERE logout_uri IS NOT NULL AND ended_at IS NOT NULL AND COALESCE(logout_due_at, 0) <= $2
  ORDER BY ended_at LIMIT $3
) AND logout_uri IS NOT NULL AND COALESCE(logout_due_at, 0) <= $2
RETURNING id, COALESCE(pairwise_subject, account_id), client_id, logout_uri, ended_at
"""

LOGOUT_SENT = """
UPDATE session SET logout_uri = NULL WHERE id = $1
"""

POSTPONE_LOGOUT = """
UPDATE session SET logout_due_at = $1 WHERE id = $2
"""

NOTE_LOGOUT_FAILURE = """
INSERT INTO logout_failure (client_id, since, failed_at, cause) VALUES ($1, $2, $2, $3)
ON CONFLICT (client_id) DO UPDATE SET failed_at = excluded.failed_at, cause = excluded.cause
"""

FORGET_LOGOUT_FAILURE = """
DELETE FROM logout_failure WHERE client_id = $1
"""

LOGOUT_FAILURES = """
SELECT client_id, since, failed_at, cause FROM logout_failure
"""
