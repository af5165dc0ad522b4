-- Clients that no administrator has registered: those of a document that they publish themselves
-- (kind 'document', with the address of it as their id), and those that have registered themselves
-- (kind 'dynamic'). They are looked up when they are needed, and never all in memory.
-- `changed_at` is when the metadata were read or sent last. A document is read again after
-- `fresh_until`; `etag` is what its server called it. `token_hash` is of the token with which a
-- client that has registered itself manages that. `used_at` is kept to the day.
CREATE TABLE unregistered_client (
    client_id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    secret_hash BYTEA,
    token_hash BYTEA,
    metadata TEXT NOT NULL,
    etag TEXT NOT NULL DEFAULT '',
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    fresh_until BIGINT,
    used_at BIGINT,
    expires_at BIGINT
);

CREATE INDEX unregistered_client_expiry ON unregistered_client (expires_at);
