"""Statements on what a company's directory keeps here by SCIM."""

from __future__ import annotations

from typing import NamedTuple

ADD_SCIM_TOKEN = """
INSERT INTO scim_token (id, token_hash, created_at, expires_at) VALUES ($1, $2, $3, $4)
"""

SCIM_TOKENS = """
SELECT id, created_at, expires_at FROM scim_token ORDER BY created_at, id
"""

GOOD_SCIM_TOKEN = """
SELECT id FROM scim_token WHERE token_hash = $1 AND (expires_at IS NULL OR expires_at > $2)
"""

REMOVE_SCIM_TOKEN = """
DELETE FROM scim_token WHERE id = $1
RETURNING id
"""

SWEEP_SCIM_TOKENS = """
DELETE FROM scim_token WHERE id IN (SELECT id FROM scim_token WHERE expires_at < $1 LIMIT $2)
RETURNING id
"""

_USER = """
SELECT account.id, username, disabled_at, external_id, content, scim_user.created_at, changed_at
FROM scim_user JOIN account ON account.id = scim_user.account_id
"""


class ScimUserRow(NamedTuple):
    """What the statements give that begin with SCIM_USER."""

    id: str
    username: str
    disabled_at: int | None
    external_id: str | None
    content: str
    created_at: int
    changed_at: int


SCIM_USER = f"{_USER} WHERE scim_user.account_id = $1"

SCIM_USERS_BY_NAME = f"{_USER} WHERE username = $1"

SCIM_USERS_BY_EXTERNAL_ID = f"{_USER} WHERE external_id = $1 ORDER BY account.id LIMIT 100"

SCIM_USERS = f"{_USER} ORDER BY scim_user.created_at, account_id LIMIT $1 OFFSET $2"

SCIM_USERS_AFTER = f"{_USER} WHERE scim_user.account_id > $1 ORDER BY scim_user.account_id LIMIT $2"

SCIM_USER_COUNT = """
SELECT COUNT(*) FROM scim_user
"""

# Nobody else changes it until the transaction ends.
HOLD_SCIM_USER = """
UPDATE scim_user SET changed_at = changed_at WHERE account_id = $1
RETURNING account_id
"""

ADD_SCIM_USER = """
INSERT INTO scim_user (account_id, external_id, content, created_at, changed_at)
SELECT account.id, $1, $2, $3, $3 FROM account WHERE account.id = $4
ON CONFLICT (account_id) DO NOTHING
RETURNING account_id
"""

SET_SCIM_USER = """
UPDATE scim_user SET external_id = $1, content = $2, changed_at = $3 WHERE account_id = $4
"""

_GROUP = """
SELECT id, external_id, display_name, created_at, changed_at FROM scim_group
"""


class ScimGroupRow(NamedTuple):
    """What the statements give that begin with SCIM_GROUP."""

    id: str
    external_id: str | None
    display_name: str
    created_at: int
    changed_at: int


SCIM_GROUP = f"{_GROUP} WHERE id = $1"

SCIM_GROUPS_BY_EXTERNAL_ID = f"{_GROUP} WHERE external_id = $1 ORDER BY id LIMIT 100"

SCIM_GROUPS = f"{_GROUP} ORDER BY created_at, id LIMIT $1 OFFSET $2"

SCIM_GROUPS_AFTER = f"{_GROUP} WHERE id > $1 ORDER BY id LIMIT $2"

SCIM_GROUP_COUNT = """
SELECT COUNT(*) FROM scim_group
"""

HOLD_SCIM_GROUP = """
UPDATE scim_group SET changed_at = changed_at WHERE id = $1
RETURNING id
"""

ADD_SCIM_GROUP = """
INSERT INTO scim_group (id, external_id, display_name, created_at, changed_at)
VALUES ($1, $2, $3, $4, $4)
"""

SET_SCIM_GROUP = """
UPDATE scim_group SET external_id = $1, display_name = $2, changed_at = $3 WHERE id = $4
"""

REMOVE_SCIM_GROUP = """
DELETE FROM scim_group WHERE id = $1
"""

SCIM_MEMBERS = """
SELECT account_id FROM scim_member WHERE group_id = $1 ORDER BY account_id
"""

# No row where there is no such user.
ADD_SCIM_MEMBER = """
INSERT INTO scim_member (group_id, account_id)
SELECT $1, scim_user.account_id FROM scim_user WHERE scim_user.account_id = $2
ON CONFLICT DO NOTHING
RETURNING account_id
"""

REMOVE_SCIM_MEMBER = """
DELETE FROM scim_member WHERE group_id = $1 AND account_id = $2
"""

SCIM_GROUPS_OF_ACCOUNT = """
SELECT scim_group.id, display_name FROM scim_member
JOIN scim_group ON scim_group.id = scim_member.group_id
WHERE scim_member.account_id = $1 ORDER BY scim_group.id
"""

# Of whom a provider speaks whose people SCIM keeps, and whom nobody has signed in yet.
SCIM_ACCOUNTS_OF = """
SELECT account_id FROM scim_user WHERE external_id = $1 LIMIT 2
"""
