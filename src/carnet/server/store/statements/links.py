"""Statements on links that are handed out, each good once."""

from __future__ import annotations

from typing import NamedTuple

ADD_LINK = """
INSERT INTO one_time_link
  (secret_hash, purpose, account_id, address, address_since, created_at, expires_at)
SELECT $1, $2, account.id, $3, $4, $5, $6 FROM account WHERE account.id = $7
"""

LINK_BY_HASH = """
SELECT purpose, account_id, address, address_since, created_at, expires_at, used_at
FROM one_time_link WHERE secret_hash = $1
"""


class LinkRow(NamedTuple):
    """What LINK_BY_HASH gives."""

    purpose: str
    account_id: str
    address: str
    address_since: int
    created_at: int
    expires_at: int
    used_at: int | None


NEWEST_LINK = """
SELECT secret_hash FROM one_time_link
WHERE account_id = $1 AND purpose = $2 AND address = $3 AND used_at IS NULL AND expires_at > $4
ORDER BY created_at DESC, secret_hash LIMIT 1
"""

# Of two that use it at once, one does.
TAKE_LINK = """
UPDATE one_time_link SET used_at = $1
WHERE secret_hash = $2 AND purpose = $3 AND used_at IS NULL AND expires_at > $1
RETURNING account_id
"""

# Links that were handed out before do nothing any more, but for those of one purpose.
VOID_LINKS = """
UPDATE one_time_link SET expires_at = $1
WHERE account_id = $2 AND purpose <> $3 AND used_at IS NULL AND expires_at > $1
"""

# Of addresses that have been the account's for less long.
VOID_YOUNGER_LINKS = """
UPDATE one_time_link SET expires_at = $1
WHERE account_id = $2 AND purpose = $3 AND address_since > $4 AND used_at IS NULL
  AND expires_at > $1
"""

SWEEP_LINKS = """
DELETE FROM one_time_link WHERE secret_hash IN (
  SELECT secret_hash FROM one_time_link WHERE expires_at < $1 ORDER BY expires_at LIMIT $2
)
RETURNING expires_at
"""
