"""Statements on what is counted by the hour."""

ADD_ACTIVITY = """
INSERT INTO activity (hour, sign_ins, refreshes, refusals) VALUES ($1, $2, $3, $4)
ON CONFLICT (hour) DO UPDATE SET
  sign_ins = activity.sign_ins + excluded.sign_ins,
  refreshes = activity.refreshes + excluded.refreshes,
  refusals = activity.refusals + excluded.refusals
"""

ACTIVITY_SINCE = """
SELECT hour, sign_ins, refreshes, refusals FROM activity WHERE hour >= $1 ORDER BY hour LIMIT $2
"""

SWEEP_ACTIVITY = """
DELETE FROM activity WHERE hour IN (
  SELECT hour FROM activity WHERE hour < $1 ORDER BY hour LIMIT $2
)
RETURNING hour
"""
