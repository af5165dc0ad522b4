-- When an account is deleted whose owner wants it to be gone; NULL for all others. 0 where it is
-- deleted already: nothing of a person is in it then, and the row goes with the last of its sessions
-- of which a client has still to be told.
ALTER TABLE account ADD COLUMN delete_at BIGINT;

CREATE INDEX account_deletion ON account (delete_at) WHERE delete_at IS NOT NULL;

-- What the audit log says about somebody, and what somebody has done.
CREATE INDEX audit_account ON audit (account_id, at) WHERE account_id IS NOT NULL;

CREATE INDEX audit_actor ON audit (actor, at) WHERE actor IS NOT NULL;

-- A browser with which its owner is not asked for a second factor after the password. It is known by
-- a hash of what its cookie holds.
CREATE TABLE remembered_browser (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    secret_hash BYTEA NOT NULL UNIQUE,
    user_agent TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT,
    expires_at BIGINT NOT NULL
);

CREATE INDEX remembered_browser_account ON remembered_browser (account_id);

CREATE INDEX remembered_browser_expiry ON remembered_browser (expires_at);
