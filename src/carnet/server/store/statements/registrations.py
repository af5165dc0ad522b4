"""Statements on clients that register themselves, and on what lets them."""

ADD_REGISTRATION_TOKEN = """
INSERT INTO registration_token (id, token_hash, created_at, expires_at, most_uses)
VALUES ($1, $2, $3, $4, $5)
RETURNING id
"""

REGISTRATION_TOKENS = """
SELECT id, created_at, expires_at, uses, most_uses FROM registration_token
ORDER BY created_at, id
"""

# No row where it is unknown, too old or used up.
USE_REGISTRATION_TOKEN = """
UPDATE registration_token SET uses = uses + 1
WHERE token_hash = $1 AND (expires_at IS NULL OR expires_at > $2)
  AND (most_uses IS NULL OR uses < most_uses)
RETURNING id
"""

GOOD_REGISTRATION_TOKEN = """
SELECT id FROM registration_token
WHERE token_hash = $1 AND (expires_at IS NULL OR expires_at > $2)
  AND (most_uses IS NULL OR uses < most_uses)
"""

REMOVE_REGISTRATION_TOKEN = """
DELETE FROM registration_token WHERE id = $1
RETURNING id
"""

SWEEP_REGISTRATION_TOKENS = """
DELETE FROM registration_token WHERE id IN (
  SELECT id FROM registration_token WHERE expires_at < $1 LIMIT $2
)
RETURNING id
"""

ADD_DYNAMIC_CLIENT = """
INSERT INTO unregistered_client
  (client_id, kind, secret_hash, token_hash, metadata, created_at, changed_at, expires_at)
VALUES ($1, 'dynamic', $2, $3, $4, $5, $5, $6)
"""

DYNAMIC_CLIENT_COUNT = """
SELECT COUNT(*) FROM unregistered_client WHERE kind = 'dynamic'
"""

# Nobody else changes it until the transaction ends.
HOLD_DYNAMIC_CLIENT = """
UPDATE unregistered_client SET token_hash = token_hash WHERE client_id = $1 AND token_hash = $2
RETURNING secret_hash, metadata
"""

REPLACE_DYNAMIC_CLIENT = """
UPDATE unregistered_client SET secret_hash = $1, metadata = $2, changed_at = $3
WHERE client_id = $4
RETURNING created_at
"""
