-- A provider's refresh tokens, where they are kept: encrypted under a key that is made of a pepper, and
-- that under the master key. One lives as long as a session that began with its identity.
CREATE TABLE upstream_token (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    secret BYTEA NOT NULL,
    due_at BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject)
);

CREATE INDEX upstream_token_due ON upstream_token (due_at);
