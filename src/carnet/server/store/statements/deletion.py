"""Statements on accounts that are deleted."""

from __future__ import annotations

from typing import Final, NamedTuple

LEAVE_ACCOUNT = """
UPDATE account SET delete_at = $1, version = version + 1
WHERE id = $2 AND version = $3 AND disabled_at IS NULL AND delete_at IS NULL
RETURNING version
"""

KEEP_ACCOUNT = """
UPDATE account SET delete_at = NULL WHERE id = $1 AND delete_at > 0
RETURNING id
"""

ACCOUNTS_TO_DELETE = """
SELECT id FROM account WHERE delete_at BETWEEN 1 AND $1 AND id > $2 ORDER BY id LIMIT $3
"""

EMPTIED_ACCOUNTS = """
SELECT id FROM account WHERE delete_at = 0 AND disabled_at <= $1 AND id > $2 ORDER BY id LIMIT $3
"""

# What nobody has finished in time, and nobody has a way into or can still get one: no password, no
# factor, no identity, no session, no address that could be mailed to, and no link that is good.
_UNFINISHED: Final = """unfinished_until < $1 AND password_hash = '' AND delete_at IS NULL
  AND disabled_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM factor WHERE factor.account_id = account.id)
  AND NOT EXISTS (SELECT 1 FROM account_identity AS known WHERE known.account_id = account.id)
  AND NOT EXISTS (SELECT 1 FROM session WHERE session.account_id = account.id)
  AND NOT EXISTS (
    SELECT 1 FROM email_address AS reached
    WHERE reached.account_id = account.id AND reached.verified_at IS NOT NULL
  )
  AND NOT EXISTS (
    SELECT 1 FROM one_time_link AS link
    WHERE link.account_id = account.id AND link.expires_at >= $1
  )"""

UNFINISHED_ACCOUNTS = f"""
SELECT id FROM account WHERE {_UNFINISHED} AND id > $2 ORDER BY id LIMIT $3
"""  # noqa: S608 - the condition above

# It is so still, and stays so until the transaction ends.
HOLD_UNFINISHED = f"""
UPDATE account SET version = version WHERE {_UNFINISHED} AND id = $2
RETURNING id
"""  # noqa: S608 - the condition above

# Nobody can sign in with a name that has a space, or choose it, and no name looks like it.
EMPTY_ACCOUNT = """
UPDATE account SET username = 'deleted ' || id, skeleton = 'deleted ' || id, password_hash = '',
  roles = '[]', claims = '{}', language = NULL, language_seen = NULL,
  disabled_at = $1, delete_at = 0, version = version + 1
WHERE id = $2 AND COALESCE(delete_at, $3) BETWEEN 1 AND $4
RETURNING version
"""


class EmptyAccount(NamedTuple):
    """The parameters of EMPTY_ACCOUNT.

    Attributes:
        now: microseconds since 1970.
        account_id: which.
        unasked: 1 if its owner need not want it, else 0.
        due_until: it is deleted only where that was to be until then.
    """

    now: int
    account_id: str
    unasked: int
    due_until: int


EMPTY_SESSIONS = """
UPDATE session SET user_agent = '', address = '' WHERE account_id = $1
"""

# A client that can't be told for a day is not told any more.
DROP_TOLD_SESSIONS = """
DELETE FROM session WHERE account_id = $1 AND ended_at IS NOT NULL
  AND (logout_uri IS NULL OR ended_at < $2)
RETURNING id
"""

DROP_EMPTIED_ACCOUNT = """
DELETE FROM account WHERE id = $1 AND delete_at = 0
  AND NOT EXISTS (SELECT 1 FROM session WHERE account_id = account.id)
RETURNING id
"""

FORGET_ACCOUNT: Final = tuple(
    f"DELETE FROM {table} WHERE account_id = $1"  # noqa: S608 - names of tables
    for table in (
        *("account_identity", "authorization_code", "consent", "device_code", "factor"),
        *("email_address", "one_time_link", "recovery_code", "remembered_browser"),
        *("scim_member", "scim_user"),
    )
)
"""What of an account is deleted besides itself and its sessions: every table that refers to one."""

# Of these the reason says nothing of a person.
_KEPT_REASONS: Final = (
    *("account_created", "account_deleted", "agent_begun", "agent_stopped", "consent_given"),
    *("consent_withdrawn", "device_allowed", "device_denied", "factor_added", "factor_removed"),
    *("factors_reset", "second_factor_refused", "session_begun", "session_ended"),
    *("session_healed", "session_renewed", "sign_in_refused"),
)

# From where an administrator has changed it is the administrator's.
FORGET_AUDIT_ABOUT = f"""
UPDATE audit SET
  address = CASE WHEN actor IS NULL OR actor IN ($1, 'service') THEN NULL ELSE address END,
  reason = CASE WHEN event IN ({", ".join(f"'{event}'" for event in _KEPT_REASONS)})
    THEN reason END
WHERE account_id = $1
"""  # noqa: S608 - names of events

FORGET_AUDIT_BY = """
UPDATE audit SET address = NULL WHERE actor = $1
"""
