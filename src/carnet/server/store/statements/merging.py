"""Statements on accounts that get another name, or become a part of another account."""

from __future__ import annotations

# SETTLE_ACCOUNT and ACCOUNTS_LIKE come before it.
RENAME_ACCOUNT = """
UPDATE account SET username = $1, skeleton = $2, version = version + 1 WHERE id = $3
RETURNING version
"""

# What a directory keeps by SCIM is about the one account, and goes with it.
IDENTITIES_TO_MOVE = """
SELECT issuer, subject FROM account_identity WHERE account_id = $1 AND issuer <> 'scim'
ORDER BY issuer, subject
"""

# What an identity has brought to the one account it brings to the other with the next sign-in.
MOVE_IDENTITIES = """
UPDATE account_identity SET account_id = $1, created_at = $2, roles = '[]', claims = '[]'
WHERE account_id = $3 AND issuer <> 'scim'
RETURNING issuer, subject
"""

# Claimed by both, and proved by the one that goes.
FORGET_CLAIMS_TO_MOVED = """
DELETE FROM email_address WHERE account_id = $1 AND verified_at IS NULL AND normalized IN (
  SELECT normalized FROM email_address AS other
  WHERE other.account_id = $2 AND other.verified_at IS NOT NULL
)
"""

# Of two addresses of an account the one counts that has been its for longer: these are its own only
# from now on.
MOVE_ADDRESSES = """
UPDATE email_address SET account_id = $1, is_primary = 0, verified_at = $2
WHERE account_id = $3 AND verified_at IS NOT NULL
RETURNING address, normalized
"""

CONSENTS_TO_MOVE = """
SELECT DISTINCT client_id FROM consent WHERE account_id = $1 AND NOT EXISTS (
  SELECT 1 FROM consent AS other WHERE other.account_id = $2
    AND other.client_id = consent.client_id AND other.resource = consent.resource
) ORDER BY client_id
"""

MOVE_CONSENTS = """
UPDATE consent SET account_id = $1 WHERE account_id = $2 AND NOT EXISTS (
  SELECT 1 FROM consent AS other WHERE other.account_id = $1
    AND other.client_id = consent.client_id AND other.resource = consent.resource
)
RETURNING client_id
"""
