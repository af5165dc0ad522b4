"""Statements on accounts and on failed sign-ins."""

from __future__ import annotations

from typing import NamedTuple

ADD_ACCOUNT = """
INSERT INTO account (id, username, password_hash, roles, claims, version, created_at, skeleton)
VALUES ($1, $2, $3, $4, $5, 1, $6, $7)
ON CONFLICT DO NOTHING
RETURNING id
"""

# Of one that an invitation or a sign-up has made; SET_PASSWORD and HOLD_ACCOUNT take it back.
SET_UNFINISHED = """
UPDATE account SET unfinished_until = $1 WHERE id = $2
"""

IMPORT_ACCOUNT = """
INSERT INTO account (id, username, password_hash, roles, claims, version, created_at, skeleton,
                     disabled_at)
VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $8)
ON CONFLICT DO NOTHING
RETURNING id
"""


class ImportAccount(NamedTuple):
    """The parameters of IMPORT_ACCOUNT."""

    id: str
    username: str
    password_hash: str
    roles: str
    claims: str
    now: int
    skeleton: str
    disabled_at: int | None


# What an account that is to be imported is in the way of, or in whose way it is.
ACCOUNTS_LIKE = """
SELECT id, username, created_at FROM account WHERE id = $1 OR username = $2 OR skeleton = $3
"""


class AccountLikeRow(NamedTuple):
    """What ACCOUNTS_LIKE gives."""

    id: str
    username: str
    created_at: int


ACCOUNTS_WITHOUT_SKELETON = """
SELECT id, username FROM account WHERE skeleton IS NULL ORDER BY id LIMIT $1
"""

# Of accounts that looked alike before anybody asked, the first has the skeleton as it is.
SET_SKELETON = """
UPDATE account SET skeleton =
  CASE WHEN EXISTS (SELECT 1 FROM account AS other WHERE other.skeleton = $1)
  THEN $1 || ' ' || id ELSE $1 END
WHERE id = $2 AND skeleton IS NULL
"""

# One that is deleted may be there for a while, with nothing in it: delete_at is 0.
ACCOUNT_BY_USERNAME = """
SELECT id, username, roles, claims, version, disabled_at,
  (SELECT address FROM email_address WHERE account_id = account.id AND is_primary = 1),
  password_hash, delete_at, COALESCE(language, language_seen)
FROM account WHERE username = $1 AND COALESCE(delete_at, 1) > 0
"""

ACCOUNT_BY_ID = """
SELECT id, username, roles, claims, version, disabled_at,
  (SELECT address FROM email_address WHERE account_id = account.id AND is_primary = 1),
  password_hash, delete_at, COALESCE(language, language_seen)
FROM account WHERE id = $1 AND COALESCE(delete_at, 1) > 0
"""

ACCOUNTS = """
SELECT id, username, roles, claims, version, disabled_at,
  (SELECT address FROM email_address WHERE account_id = account.id AND is_primary = 1),
  password_hash, delete_at, COALESCE(language, language_seen)
FROM account WHERE username > $1 AND COALESCE(delete_at, 1) > 0 ORDER BY username LIMIT $2
"""

# A page of the accounts with a text in a name or an address of theirs, or with this id.
ACCOUNT_SUMMARIES = """
SELECT id, username, roles, claims, version, disabled_at,
  (SELECT address FROM email_address WHERE account_id = account.id AND is_primary = 1),
  password_hash, delete_at, COALESCE(language, language_seen), created_at,
  (SELECT MAX(authenticated_at) FROM session WHERE account_id = account.id),
  (SELECT COUNT(*) FROM session
   WHERE account_id = account.id AND parent_id IS NULL
     AND ended_at IS NULL AND expires_at > $1 AND rotated_at > $2),
  (SELECT COUNT(*) FROM factor WHERE account_id = account.id AND kind = 'passkey'),
  (SELECT COUNT(*) FROM factor WHERE account_id = account.id AND kind = 'totp'),
  (SELECT COUNT(*) FROM account_identity WHERE account_id = account.id AND issuer <> 'scim')
FROM account
WHERE username > $3 AND COALESCE(delete_at, 1) > 0
  AND (username LIKE $4 ESCAPE '!' OR id = $5
    OR id IN (SELECT account_id FROM email_address WHERE normalized LIKE $4 ESCAPE '!'))
ORDER BY username LIMIT $6
"""


class AccountSummaries(NamedTuple):
    """The parameters of ACCOUNT_SUMMARIES."""

    now: int
    idle_since: int
    after: str
    pattern: str
    id: str
    limit: int


# A page of those who can sign in, with a text in their roles.
ADMINISTRATORS = """
SELECT id, roles, (SELECT COUNT(*) FROM factor WHERE account_id = account.id)
FROM account
WHERE roles LIKE $1 ESCAPE '!' AND disabled_at IS NULL AND delete_at IS NULL
ORDER BY id LIMIT $2
"""

# Everything that makes older tokens stale also takes the next version.
SET_PASSWORD = """
UPDATE account SET password_hash = $1, version = version + 1, unfinished_until = NULL WHERE id = $2
RETURNING version
"""

# Decides all at once: the password that was checked is still the account's, nothing else about it
# has changed, and the session that asked lives. HOLD_ACCOUNT and HOLD_LOGIN come before it.
CHANGE_PASSWORD = """
UPDATE account SET password_hash = $1, version = version + 1
WHERE id = $2 AND password_hash = $3 AND version = $4 AND disabled_at IS NULL
  AND EXISTS (
    SELECT 1 FROM session
    WHERE session.id = $5 AND account_id = account.id AND ended_at IS NULL AND expires_at > $6
  )
RETURNING version
"""

# What the owner has chosen.
SET_LANGUAGE = """
UPDATE account SET language = $1 WHERE id = $2
RETURNING id
"""

# That of the pages by which the owner has signed in.
SEE_LANGUAGE = """
UPDATE account SET language_seen = $1 WHERE id = $2
RETURNING id
"""

LANGUAGES_OF_ACCOUNT = """
SELECT language, language_seen FROM account WHERE id = $1
"""

SET_ROLES = """
UPDATE account SET roles = $1, version = version + 1 WHERE id = $2 AND roles <> $1
RETURNING version
"""

SET_CLAIMS = """
UPDATE account SET claims = $1, version = version + 1 WHERE id = $2 AND claims <> $1
RETURNING version
"""

DISABLE_ACCOUNT = """
UPDATE account SET disabled_at = $1, version = version + 1 WHERE id = $2 AND disabled_at IS NULL
RETURNING version
"""

ENABLE_ACCOUNT = """
UPDATE account SET disabled_at = NULL WHERE id = $1 AND disabled_at IS NOT NULL
RETURNING version
"""

RAISE_VERSION = """
UPDATE account SET version = version + 1 WHERE id = $1
RETURNING version
"""

REHASH_PASSWORD = """
UPDATE account SET password_hash = $1 WHERE id = $2 AND password_hash = $3
RETURNING id
"""

# An account that a session is begun for can't change until the session is there: PostgreSQL would
# read it as it was, and the change would not see the session. One that its owner wants deleted has
# to be kept first (KEEP_ACCOUNT). Whoever signs in has finished it.
HOLD_ACCOUNT = """
UPDATE account SET version = version, unfinished_until = NULL
WHERE id = $1 AND version = $2 AND disabled_at IS NULL AND delete_at IS NULL
RETURNING id
"""

# As SETTLE_SESSION, for what was done to an account.
SETTLE_ACCOUNT = """
UPDATE account SET version = version WHERE id = $1
RETURNING id
"""

# Takes a slot: the moment moves on by one interval, from now or from where it was. No row, and
# nothing changed, where it already lies as far ahead as it may. It lies farther than that only
# where the clock was set back, and then begins anew.
TAKE_SLOT = """
INSERT INTO throttle (name, due_at) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET due_at =
  CASE WHEN throttle.due_at > $3 AND throttle.due_at <= $4
  THEN throttle.due_at + $5 ELSE excluded.due_at END
WHERE throttle.due_at <= $6 OR throttle.due_at > $4
RETURNING due_at
"""

SLOT_DUE = """
SELECT due_at FROM throttle WHERE name = $1
"""

GIVE_SLOT_BACK = """
UPDATE throttle SET due_at = due_at - $1 WHERE name = $2
"""

FAMILIAR = """
SELECT expires_at FROM familiar WHERE name = $1 AND expires_at > $2
"""

ADD_FAMILIAR = """
INSERT INTO familiar (name, expires_at) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET expires_at = excluded.expires_at
WHERE familiar.expires_at < $3
"""

SWEEP_FAMILIAR = """
DELETE FROM familiar WHERE name IN (
  SELECT name FROM familiar WHERE expires_at < $1 ORDER BY expires_at LIMIT $2
)
RETURNING name
"""

SWEEP_THROTTLES = """
DELETE FROM throttle WHERE name IN (SELECT name FROM throttle WHERE due_at < $1 LIMIT $2)
RETURNING name
"""
