"""Statements on the sessions of programs that act for somebody (RFC 8693).

Such a session names the one whose token it was begun with as its parent, and ends with it. One that
was ended by itself, and not with its parent, has the reason ``stopped``.
"""

from __future__ import annotations

from typing import NamedTuple

# No row where the token is not good any more, or where whoever acts was stopped after the person
# had signed in. With it comes the session that acts for the token's already, or NULLs.
EXCHANGEABLE = """
SELECT '[' || CAST(account.version AS TEXT) || ',' || roles || ',' || claims || ']',
       account.id, agent.id, agent.scope, agent.rotated_at
FROM session
JOIN account ON account.id = session.account_id
LEFT JOIN session AS agent ON agent.parent_id = session.id AND agent.client_id = $1
  AND agent.audience = $2 AND agent.ended_at IS NULL
WHERE session.id = $3 AND COALESCE(session.pairwise_subject, session.account_id) = $4
  AND account.version = $5 AND disabled_at IS NULL
  AND session.ended_at IS NULL AND session.expires_at > $6
  AND NOT EXISTS (SELECT 1 FROM revocation WHERE value = $7 AND kind = 'jti')
  AND NOT EXISTS (
    SELECT 1 FROM session AS stopped
    WHERE stopped.account_id = session.account_id AND stopped.client_id = $1
      AND stopped.parent_id IS NOT NULL AND stopped.ended_reason = 'stopped'
      AND stopped.ended_at >= COALESCE(session.authenticated_at, session.created_at)
  )
LIMIT 1
"""


class Exchangeable(NamedTuple):
    """The parameters of EXCHANGEABLE."""

    client_id: str
    audience: str
    session_id: str
    subject: str
    account_version: int
    now: int
    token_id: str


class ExchangeableRow(NamedTuple):
    """What EXCHANGEABLE gives."""

    standing: str
    account_id: str
    agent_session_id: str | None
    agent_scope: str | None
    agent_used_at: int | None


# It lives as long as its parent. Nobody knows its secret: it is never refreshed.
ADD_AGENT = """
INSERT INTO session (id, secret_hash, account_id, client_id, audience, user_agent, address,
                     generation, created_at, rotated_at, expires_at,
                     scope, key_thumbprint, authenticated_at, parent_id, pairwise_subject)
SELECT $1, $2, account_id, $3, $4, $5, $6, 0, $7, $7, expires_at, $8, '', authenticated_at, id,
  pairwise_subject
FROM session WHERE id = $9
RETURNING id
"""


class AddAgent(NamedTuple):
    """The parameters of ADD_AGENT."""

    session_id: str
    secret_hash: bytes
    client_id: str
    audience: str
    user_agent: str
    address: str
    now: int
    scope: str
    parent_id: str


# No row where its scope is not what it was: of two that add to it at once, neither is lost.
TOUCH_AGENT = """
UPDATE session SET rotated_at = $1, address = $2, scope = $3
WHERE id = $4 AND scope = $5 AND ended_at IS NULL
RETURNING id
"""

AGENTS_OF_ACCOUNT = """
SELECT id, client_id, audience, scope, address, created_at, rotated_at, expires_at
FROM session
WHERE account_id = $1 AND parent_id IS NOT NULL
  AND ended_at IS NULL AND expires_at > $2 AND rotated_at > $3
ORDER BY rotated_at DESC, id
"""

END_AGENTS_OF_SESSION = """
UPDATE session SET ended_at = $1, ended_reason = 'ended_with_parent'
WHERE parent_id = $2 AND ended_at IS NULL
RETURNING id, account_id
"""

# The row stays as long as any session that the account has now, so that none is used to begin anew;
# and it ends after the last of their sign-ins, by whichever clock that was written.
STOP_AGENT = """
UPDATE session SET
  ended_at = (
    SELECT CASE WHEN MAX(authenticated_at) > $1 THEN MAX(authenticated_at) ELSE $1 END
    FROM session AS own WHERE own.account_id = session.account_id AND own.ended_at IS NULL
  ),
  ended_reason = 'stopped', expires_at = $2
WHERE account_id = $3 AND client_id = $4 AND parent_id IS NOT NULL AND ended_at IS NULL
RETURNING id
"""
