"""Statements on authorization codes and on what may be used once."""

# No row where it was used before.
USE_ONCE = """
INSERT INTO spent (name, expires_at) VALUES ($1, $2)
ON CONFLICT (name) DO NOTHING
RETURNING expires_at
"""

SWEEP_USED_ONCE = """
DELETE FROM spent WHERE name IN (
  SELECT name FROM spent WHERE expires_at < $1 ORDER BY expires_at LIMIT $2
)
RETURNING expires_at
"""

ADD_CODE = """
INSERT INTO authorization_code (code_hash, account_id, login_id, request, expires_at)
SELECT $1, account.id, $2, $3, $4 FROM account WHERE account.id = $5
"""

CODE_BY_HASH = """
SELECT login_id, request, expires_at, session_id,
       account.id, username, roles, claims, version, disabled_at
FROM authorization_code JOIN account ON account.id = authorization_code.account_id
WHERE code_hash = $1
"""

TAKE_CODE = """
UPDATE authorization_code SET session_id = $1 WHERE code_hash = $2 AND session_id IS NULL
RETURNING code_hash
"""

SWEEP_CODES = """
DELETE FROM authorization_code WHERE code_hash IN (
  SELECT code_hash FROM authorization_code WHERE expires_at < $1 ORDER BY expires_at LIMIT $2
)
RETURNING code_hash
"""
