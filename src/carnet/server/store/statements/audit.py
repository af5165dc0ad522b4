"""Statements on the audit log."""

ADD_AUDIT = """
INSERT INTO audit (id, at, event, account_id, session_id, actor, address, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""

AUDIT = """
SELECT at, event, account_id, session_id, actor, address, reason
FROM audit WHERE at < $1 ORDER BY at DESC, id LIMIT $2
"""

# From a point on, which is a moment and an entry: several may have the same moment. With the names
# of those whom it is about and who did it.
AUDIT_PAGE = """
SELECT at, event, account_id, session_id, actor, address, reason, id,
  (SELECT username FROM account
   WHERE account.id = audit.account_id AND COALESCE(delete_at, 1) > 0),
  (SELECT username FROM account WHERE account.id = audit.actor AND COALESCE(delete_at, 1) > 0)
FROM audit
WHERE (at < $1 OR (at = $1 AND id > $2)) AND at >= $3
  AND ($4 = '' OR event = $4) AND ($5 = '' OR account_id = $5)
ORDER BY at DESC, id LIMIT $6
"""

AUDIT_AFTER = """
SELECT at, event, account_id, session_id, actor, address, reason, id
FROM audit
WHERE at > $1 OR (at = $1 AND id > $2)
ORDER BY at, id LIMIT $3
"""

AUDIT_OF_ACCOUNT = """
SELECT at, event, account_id, session_id, actor, address, reason
FROM audit WHERE account_id = $1 ORDER BY at DESC, id LIMIT $2
"""

SWEEP_AUDIT = """
DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < $1 ORDER BY at LIMIT $2)
RETURNING id
"""
