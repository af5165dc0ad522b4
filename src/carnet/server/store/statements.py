"""The statements, the same for every engine."""

from __future__ import annotations

ADD_ACCOUNT = """
INSERT INTO account (id, username, password_hash, roles, version, created_at)
VALUES ($1, $2, $3, $4, 1, $5)
ON CONFLICT (username) DO NOTHING
RETURNING id
"""

ACCOUNT_BY_USERNAME = """
SELECT id, username, password_hash, roles, version FROM account WHERE username = $1
"""

ACCOUNTS = """
SELECT id, username, roles, version FROM account ORDER BY username
"""

ADD_SESSION = """
INSERT INTO session (id, secret_hash, account_id, client_id, audience,
                     generation, created_at, rotated_at, expires_at)
VALUES ($1, $2, $3, $4, $5, 0, $6, $6, $7)
"""

ROTATE = """
UPDATE session SET generation = generation + 1, rotated_at = $1
WHERE secret_hash = $2 AND generation = $3 AND ended_at IS NULL
  AND expires_at > $1 AND rotated_at > $4
RETURNING id, account_id, client_id, audience, generation, expires_at,
  (SELECT roles FROM account WHERE account.id = session.account_id),
  (SELECT version FROM account WHERE account.id = session.account_id)
"""

HEAL = """
UPDATE session SET generation = $1, rotated_at = $2
WHERE secret_hash = $3 AND generation < $1 AND ended_at IS NULL
RETURNING id
"""

SESSION_BY_SECRET = """
SELECT session.id, account_id, client_id, audience, generation, expires_at, roles, version,
       rotated_at, ended_at
FROM session JOIN account ON account.id = session.account_id
WHERE secret_hash = $1
"""

END_SESSION = """
UPDATE session SET ended_at = $1, ended_reason = $2
WHERE id = $3 AND ended_at IS NULL
RETURNING id
"""

SIGNING_KEYS = """
SELECT encrypted_jwk FROM signing_key ORDER BY created_at DESC, kid
"""

ADD_SIGNING_KEY = """
INSERT INTO signing_key (kid, alg, encrypted_jwk, created_at) VALUES ($1, $2, $3, $4)
"""

PEPPERS = """
SELECT id, encrypted_secret FROM pepper ORDER BY id
"""

ADD_PEPPER = """
INSERT INTO pepper (id, encrypted_secret, created_at) VALUES ($1, $2, $3)
"""
