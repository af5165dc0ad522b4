"""Statements on the refresh tokens that providers have given."""

from __future__ import annotations

from typing import NamedTuple

KEEP_UPSTREAM_TOKEN = """
INSERT INTO upstream_token (issuer, subject, secret, due_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (issuer, subject) DO UPDATE SET secret = excluded.secret, due_at = excluded.due_at
"""

# Whoever looks at one has it for a while; then another may try.
LEASE_UPSTREAM_TOKENS = """
UPDATE upstream_token SET due_at = $1
WHERE (issuer, subject) IN (
  SELECT issuer, subject FROM upstream_token WHERE due_at <= $2 ORDER BY due_at LIMIT $3
) AND due_at <= $2
RETURNING issuer, subject, secret
"""


class UpstreamTokenRow(NamedTuple):
    """What LEASE_UPSTREAM_TOKENS gives."""

    issuer: str
    subject: str
    secret: bytes


LIVE_SESSION_OF_IDENTITY = """
SELECT 1 FROM session
WHERE identity_issuer = $1 AND identity_subject = $2 AND identity_subject IS NOT NULL
  AND ended_at IS NULL AND expires_at > $3 AND rotated_at > $4
LIMIT 1
"""

# No row where somebody has signed in again meanwhile.
ROTATE_UPSTREAM_TOKEN = """
UPDATE upstream_token SET secret = $1, due_at = $2
WHERE issuer = $3 AND subject = $4 AND due_at = $5
RETURNING issuer
"""

LEASED_UPSTREAM_TOKEN = """
SELECT 1 FROM upstream_token WHERE issuer = $1 AND subject = $2 AND due_at = $3
"""

DROP_UPSTREAM_TOKEN = """
DELETE FROM upstream_token WHERE issuer = $1 AND subject = $2 AND due_at = $3
RETURNING issuer
"""
