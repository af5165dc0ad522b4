-- A program that acts for somebody (RFC 8693) has a session of its own, which ends with the one
-- whose token it was begun with: this one's id. A rotation writes neither.
ALTER TABLE session ADD COLUMN parent_id TEXT;

CREATE INDEX session_of_parent ON session (parent_id) WHERE parent_id IS NOT NULL;
