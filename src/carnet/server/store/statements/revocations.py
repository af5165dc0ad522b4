"""Statements on revocations and on the counters that number what changes."""

NEXT_NUMBER = """
UPDATE counter SET value = value + 1 WHERE name = $1
RETURNING value
"""

NEXT_NUMBER_AFTER = """
UPDATE counter SET value = value + 1 WHERE name = $1 AND value = $2
RETURNING value
"""

COUNTERS = """
SELECT name, value FROM counter
"""

ADD_REVOCATION = """
INSERT INTO revocation (seq, kind, value, version, expires_at) VALUES ($1, $2, $3, $4, $5)
"""

REVOCATIONS_AFTER = """
SELECT seq, kind, value, version, expires_at FROM revocation
WHERE seq > $1 AND expires_at > $2 ORDER BY seq LIMIT $3
"""

REVOKED_TOKEN = """
SELECT seq FROM revocation WHERE value = $1 AND kind = 'jti' LIMIT 1
"""

SWEEP_REVOCATIONS = """
DELETE FROM revocation WHERE seq IN (
  SELECT seq FROM revocation WHERE expires_at < $1 ORDER BY expires_at LIMIT $2
)
RETURNING seq
"""
