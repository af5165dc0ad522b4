"""Statements on mails that wait to be sent."""

from __future__ import annotations

from typing import NamedTuple

# No row where so many wait already.
ADD_MAIL = """
INSERT INTO mail (id, content, attempts, cause, created_at, due_at, expires_at)
SELECT $1, $2, 0, '', $3, $3, $4 WHERE (SELECT COUNT(*) FROM mail) < $5
RETURNING id
"""

MAILS_WAITING = """
SELECT COUNT(*), MIN(created_at), MIN(due_at) FROM mail
"""


class MailsWaitingRow(NamedTuple):
    """What MAILS_WAITING gives: how many, since when the oldest, and when the next is due."""

    number: int
    oldest: int | None
    due_at: int | None


LAST_MAIL_FAILURE = """
SELECT cause FROM mail WHERE attempts > 0 ORDER BY due_at DESC LIMIT 1
"""

# Whoever sends a mail has it for a while; then another may try.
LEASE_MAILS = """
UPDATE mail SET due_at = $1
WHERE id IN (SELECT id FROM mail WHERE due_at <= $2 ORDER BY due_at LIMIT $3) AND due_at <= $2
RETURNING id, content, attempts, created_at, expires_at
"""


class MailRow(NamedTuple):
    """What LEASE_MAILS gives."""

    id: str
    content: bytes
    attempts: int
    created_at: int
    expires_at: int


POSTPONE_MAIL = """
UPDATE mail SET attempts = $1, cause = $2, due_at = $3 WHERE id = $4
"""

RELEASE_MAIL = """
UPDATE mail SET due_at = $1 WHERE id = $2
"""

SWEEP_MAILS = """
DELETE FROM mail WHERE id IN (SELECT id FROM mail WHERE expires_at < $1 LIMIT $2)
RETURNING id
"""

REMOVE_MAIL = """
DELETE FROM mail WHERE id = $1
RETURNING id
"""
