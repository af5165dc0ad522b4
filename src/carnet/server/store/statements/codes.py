"""Statements on authorization codes, on device codes, and on what may be used once."""

from __future__ import annotations

from typing import NamedTuple

# No row where it was used before.
USE_ONCE = """
INSERT INTO spent (name, expires_at) VALUES ($1, $2)
ON CONFLICT (name) DO NOTHING
RETURNING expires_at
"""

WAS_USED = """
SELECT expires_at FROM spent WHERE name = $1
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
       account.id, username, roles, claims, version, disabled_at,
       (SELECT address FROM email_address WHERE account_id = account.id AND is_primary = 1)
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

# No row where one of the codes is there already.
ADD_DEVICE_CODE = """
INSERT INTO device_code (code_hash, user_code_hash, client_id, request, expires_at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING
RETURNING code_hash
"""

DEVICE_CODE_BY_HASH = """
SELECT client_id, request, expires_at, decision, account_version, authenticated_at, amr,
       session_id,
       account.id, username, roles, claims, version, disabled_at,
       (SELECT address FROM email_address WHERE account_id = account.id AND is_primary = 1)
FROM device_code LEFT JOIN account ON account.id = device_code.account_id
WHERE code_hash = $1
"""


class DeviceCodeRow(NamedTuple):
    """What DEVICE_CODE_BY_HASH gives, before what it gives of the account."""

    client_id: str
    request: str
    expires_at: int
    decision: str | None
    account_version: int | None
    authenticated_at: int | None
    amr: str
    session_id: str | None


UNDECIDED_DEVICE_CODE = """
SELECT client_id, request FROM device_code
WHERE user_code_hash = $1 AND decision IS NULL AND expires_at > $2
"""


class UndecidedDeviceCodeRow(NamedTuple):
    """What UNDECIDED_DEVICE_CODE gives."""

    client_id: str
    request: str


DECIDE_DEVICE_CODE = """
UPDATE device_code SET decision = $1, account_id = $2, account_version = $3, authenticated_at = $4,
  amr = $5
WHERE user_code_hash = $6 AND decision IS NULL AND expires_at > $7
RETURNING code_hash
"""

TAKE_DEVICE_CODE = """
UPDATE device_code SET session_id = $1
WHERE code_hash = $2 AND decision = 'allowed' AND session_id IS NULL
RETURNING code_hash
"""

SWEEP_DEVICE_CODES = """
DELETE FROM device_code WHERE code_hash IN (
  SELECT code_hash FROM device_code WHERE expires_at < $1 ORDER BY expires_at LIMIT $2
)
RETURNING code_hash
"""
