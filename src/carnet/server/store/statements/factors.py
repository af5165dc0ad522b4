"""Statements on what accounts sign in with besides their passwords."""

from __future__ import annotations

from typing import NamedTuple

# No row where the credential is somebody's already.
ADD_FACTOR = """
INSERT INTO factor (id, account_id, kind, name, credential_id, secret, counter, details, created_at)
SELECT $1, account.id, $2, $3, $4, $5, $6, $7, $8 FROM account WHERE account.id = $9
ON CONFLICT DO NOTHING
RETURNING id
"""


class AddFactor(NamedTuple):
    """The parameters of ADD_FACTOR."""

    id: str
    kind: str
    name: str
    credential_id: bytes | None
    secret: bytes
    counter: int
    details: str
    now: int
    account_id: str


FACTORS_OF_ACCOUNT = """
SELECT id, account_id, kind, name, credential_id, secret, counter, details, created_at, used_at
FROM factor WHERE account_id = $1 ORDER BY created_at, id
"""

FACTOR_BY_CREDENTIAL = """
SELECT id, account_id, kind, name, credential_id, secret, counter, details, created_at, used_at
FROM factor WHERE credential_id = $1
"""


class FactorRow(NamedTuple):
    """What FACTORS_OF_ACCOUNT and FACTOR_BY_CREDENTIAL give."""

    id: str
    account_id: str
    kind: str
    name: str
    credential_id: bytes | None
    secret: bytes
    counter: int
    details: str
    created_at: int
    used_at: int | None


# Whoever comes second with the same counter changes nothing. A passkey that does not count always
# says 0 (Web Authentication level 3, section 6.1.1); a code's time step is never that.
USE_FACTOR = """
UPDATE factor SET counter = $1, used_at = $2, details = $3
WHERE id = $4 AND (counter < $1 OR (counter = 0 AND $1 = 0))
RETURNING id
"""

RENAME_FACTOR = """
UPDATE factor SET name = $1 WHERE id = $2 AND account_id = $3
RETURNING kind
"""

REMOVE_FACTOR = """
DELETE FROM factor WHERE id = $1 AND account_id = $2
RETURNING kind
"""

REMOVE_FACTORS = """
DELETE FROM factor WHERE account_id = $1
RETURNING kind
"""

# What somebody signs in with that was added of late; a provider that an account began with was not.
WAYS_IN_SINCE = """
SELECT 1 FROM factor WHERE account_id = $1 AND created_at >= $2
UNION ALL
SELECT 1 FROM account_identity AS linked JOIN account ON account.id = linked.account_id
WHERE account.id = $1 AND linked.created_at >= $2 AND linked.created_at > account.created_at
  AND linked.issuer <> 'scim'
"""

ADD_RECOVERY_CODE = """
INSERT INTO recovery_code (account_id, code_hash)
SELECT account.id, $1 FROM account WHERE account.id = $2
"""

TAKE_RECOVERY_CODE = """
DELETE FROM recovery_code WHERE account_id = $1 AND code_hash = $2
RETURNING account_id
"""

REMOVE_RECOVERY_CODES = """
DELETE FROM recovery_code WHERE account_id = $1
RETURNING account_id
"""

RECOVERY_CODES_LEFT = """
SELECT COUNT(*) FROM recovery_code WHERE account_id = $1
"""

ADD_REMEMBERED_BROWSER = """
INSERT INTO remembered_browser (id, account_id, secret_hash, user_agent, created_at, expires_at)
SELECT $1, account.id, $2, $3, $4, $5 FROM account WHERE account.id = $6
"""


class AddRememberedBrowser(NamedTuple):
    """The parameters of ADD_REMEMBERED_BROWSER."""

    id: str
    secret_hash: bytes
    user_agent: str
    now: int
    expires_at: int
    account_id: str


REMEMBERED_BROWSERS = """
SELECT id, user_agent, created_at, used_at, expires_at FROM remembered_browser
WHERE account_id = $1 AND expires_at > $2 ORDER BY created_at DESC, id
"""

USE_REMEMBERED_BROWSER = """
UPDATE remembered_browser SET used_at = $1
WHERE secret_hash = $2 AND account_id = $3 AND expires_at > $1
RETURNING id
"""

FORGET_OLD_BROWSERS = """
DELETE FROM remembered_browser WHERE account_id = $1 AND id NOT IN (
  SELECT id FROM remembered_browser WHERE account_id = $1 ORDER BY created_at DESC, id LIMIT $2
)
"""

FORGET_BROWSER = """
DELETE FROM remembered_browser WHERE id = $1 AND account_id = $2
RETURNING id
"""

FORGET_BROWSERS = """
DELETE FROM remembered_browser WHERE account_id = $1
"""

SWEEP_REMEMBERED_BROWSERS = """
DELETE FROM remembered_browser WHERE id IN (
  SELECT id FROM remembered_browser WHERE expires_at < $1 ORDER BY expires_at LIMIT $2
)
RETURNING id
"""
