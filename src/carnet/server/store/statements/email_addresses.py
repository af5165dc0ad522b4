"""Statements on the addresses at which accounts are reached."""

from __future__ import annotations

from typing import NamedTuple

# No row where the account has it already.
ADD_ADDRESS = """
INSERT INTO email_address (account_id, normalized, address, is_primary, created_at)
SELECT account.id, $1, $2, 0, $3 FROM account WHERE account.id = $4
ON CONFLICT DO NOTHING
RETURNING account_id
"""

ADDRESSES_OF_ACCOUNT = """
SELECT account_id, normalized, address, is_primary, created_at, verified_at
FROM email_address WHERE account_id = $1 ORDER BY is_primary DESC, created_at, normalized
"""

PROVED_ADDRESS = """
SELECT account_id, normalized, address, is_primary, created_at, verified_at
FROM email_address WHERE normalized = $1 AND verified_at IS NOT NULL
"""


class AddressRow(NamedTuple):
    """What ADDRESSES_OF_ACCOUNT and PROVED_ADDRESS give."""

    account_id: str
    normalized: str
    address: str
    is_primary: int
    created_at: int
    verified_at: int | None


PROVE_ADDRESS = """
UPDATE email_address SET verified_at = $1
WHERE account_id = $2 AND normalized = $3 AND verified_at IS NULL
  AND NOT EXISTS (
    SELECT 1 FROM email_address AS other
    WHERE other.normalized = $3 AND other.verified_at IS NOT NULL
  )
RETURNING address
"""

NO_PRIMARY_ADDRESS = """
UPDATE email_address SET is_primary = 0 WHERE account_id = $1 AND is_primary = 1
"""

SET_PRIMARY_ADDRESS = """
UPDATE email_address SET is_primary = 1
WHERE account_id = $1 AND normalized = $2 AND verified_at IS NOT NULL
RETURNING address
"""

REMOVE_ADDRESS = """
DELETE FROM email_address WHERE account_id = $1 AND normalized = $2
RETURNING address, is_primary, verified_at
"""

# Those that have been the account's for less long than another one, and those that are not proved.
REMOVE_YOUNGER_ADDRESSES = """
DELETE FROM email_address
WHERE account_id = $1
  AND (verified_at IS NULL OR (verified_at > $2 AND normalized <> $3))
RETURNING address
"""

# No row where somebody else has proved meanwhile that it is theirs.
RESTORE_ADDRESS = """
INSERT INTO email_address (account_id, normalized, address, is_primary, created_at, verified_at)
SELECT account.id, $1, $2, 0, $3, $3 FROM account WHERE account.id = $4
ON CONFLICT DO NOTHING
RETURNING account_id
"""

# A name to sign in with is a username first: whoever has one goes on signing in with it.
USERNAME_OF_ADDRESS = """
SELECT username FROM email_address JOIN account ON account.id = email_address.account_id
WHERE normalized = $1 AND verified_at IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM account AS other WHERE other.username = $2)
"""

# Whom a forgotten password is about: by username, at the account's first address, and by an
# address that was proved, at that one.
RECOVERABLE = """
SELECT account.id, username, address, COALESCE(language, language_seen) FROM account
JOIN email_address ON email_address.account_id = account.id
WHERE disabled_at IS NULL AND verified_at IS NOT NULL
  AND ((username = $1 AND is_primary = 1) OR normalized = $2)
"""


class RecoverableRow(NamedTuple):
    """What RECOVERABLE gives."""

    account_id: str
    username: str
    address: str
    language: str | None
