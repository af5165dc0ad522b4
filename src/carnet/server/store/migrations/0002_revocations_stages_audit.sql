-- What changes is numbered in the transaction that changes it: the order of the numbers is the
-- order of the commits, on every engine.
CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);

INSERT INTO counter (name, value) VALUES ('revocation', 0), ('signing_key', 0);

-- An entry is needed no longer than the longest access token that it could refuse.
CREATE TABLE revocation (
    seq BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    version BIGINT,
    expires_at BIGINT NOT NULL
);

CREATE INDEX revocation_expiry ON revocation (expires_at);

ALTER TABLE account ADD COLUMN claims TEXT NOT NULL DEFAULT '{}';

ALTER TABLE account ADD COLUMN disabled_at BIGINT;

ALTER TABLE session ADD COLUMN user_agent TEXT NOT NULL DEFAULT '';

ALTER TABLE session ADD COLUMN address TEXT NOT NULL DEFAULT '';

CREATE INDEX session_expiry ON session (expires_at);

ALTER TABLE signing_key ADD COLUMN signs_from BIGINT NOT NULL DEFAULT 0;

ALTER TABLE signing_key ADD COLUMN retired_at BIGINT;

-- When the next failed sign-in of an address or an account would come on time.
CREATE TABLE throttle (
    name TEXT PRIMARY KEY,
    due_at BIGINT NOT NULL
);

CREATE TABLE audit (
    id TEXT PRIMARY KEY,
    at BIGINT NOT NULL,
    event TEXT NOT NULL,
    account_id TEXT,
    session_id TEXT,
    actor TEXT,
    address TEXT,
    reason TEXT
);

CREATE INDEX audit_time ON audit (at);
