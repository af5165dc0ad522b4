"""Statements on clients that no administrator has registered."""

UNREGISTERED_CLIENT = """
SELECT client_id, kind, secret_hash, token_hash, metadata, etag,
  created_at, changed_at, fresh_until, used_at, expires_at
FROM unregistered_client WHERE client_id = $1
"""

UNREGISTERED_CLIENTS = """
SELECT client_id, kind, secret_hash, token_hash, metadata, etag,
  created_at, changed_at, fresh_until, used_at, expires_at
FROM unregistered_client WHERE client_id > $1 ORDER BY client_id LIMIT $2
"""

# One that is there already keeps the moment when it was made, and when it was used.
SAVE_UNREGISTERED_CLIENT = """
INSERT INTO unregistered_client (client_id, kind, metadata, etag,
  created_at, changed_at, fresh_until, expires_at)
VALUES ($1, $2, $3, $4, $5, $5, $6, $7)
ON CONFLICT (client_id) DO UPDATE SET
  metadata = excluded.metadata, etag = excluded.etag, changed_at = excluded.changed_at,
  fresh_until = excluded.fresh_until
RETURNING created_at
"""

FRESHEN_UNREGISTERED_CLIENT = """
UPDATE unregistered_client SET fresh_until = $1 WHERE client_id = $2
RETURNING client_id
"""

# It is written once a day, and not with every token.
USE_UNREGISTERED_CLIENT = """
UPDATE unregistered_client SET used_at = $1, expires_at = $2
WHERE client_id = $3 AND (used_at IS NULL OR used_at < $4)
RETURNING client_id
"""

REMOVE_UNREGISTERED_CLIENT = """
DELETE FROM unregistered_client WHERE client_id = $1
RETURNING client_id
"""

# Where nobody has let it in, nobody has a session with it.
SWEEP_UNREGISTERED_CLIENTS = """
DELETE FROM unregistered_client WHERE client_id IN (
  SELECT client_id FROM unregistered_client
  WHERE expires_at < $1
    AND NOT EXISTS (SELECT 1 FROM consent WHERE consent.client_id = unregistered_client.client_id)
  ORDER BY expires_at LIMIT $2
)
RETURNING client_id
"""

EXPIRED_UNREGISTERED_CLIENTS = """
SELECT client_id FROM unregistered_client WHERE expires_at < $1 ORDER BY expires_at LIMIT $2
"""

# One that was used meanwhile stays.
REMOVE_EXPIRED_UNREGISTERED_CLIENT = """
DELETE FROM unregistered_client WHERE client_id = $1 AND expires_at < $2
RETURNING client_id
"""
