-- What asks for tokens. `metadata` is a JSON object with the names of RFC 7591.
CREATE TABLE client (
    id TEXT PRIMARY KEY,
    secret_hash BYTEA,
    metadata TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- What tokens are for, besides the audiences of the settings.
CREATE TABLE resource (
    audience TEXT PRIMARY KEY,
    metadata TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

INSERT INTO counter (name, value) VALUES ('directory', 0);

-- A code is known by its hash alone. It stays for a while after its use, so that a second use is
-- told from an unknown code and ends the session that the first one gave.
CREATE TABLE authorization_code (
    code_hash BYTEA PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    login_id TEXT NOT NULL,
    request TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    session_id TEXT
);

CREATE INDEX authorization_code_expiry ON authorization_code (expires_at);

CREATE TABLE consent (
    account_id TEXT NOT NULL REFERENCES account (id),
    client_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, client_id)
);

-- What may be used once: the proofs and the assertions that clients sign, by a hash of each.
CREATE TABLE spent (
    name BYTEA PRIMARY KEY,
    expires_at BIGINT NOT NULL
);

CREATE INDEX spent_expiry ON spent (expires_at);

ALTER TABLE session ADD COLUMN scope TEXT NOT NULL DEFAULT '';

-- The thumbprint of the key that the session's tokens are bound to (RFC 9449).
ALTER TABLE session ADD COLUMN key_thumbprint TEXT NOT NULL DEFAULT '';

-- The session of the browser in which this one was granted; it ends with that one.
ALTER TABLE session ADD COLUMN login_id TEXT;

ALTER TABLE session ADD COLUMN authenticated_at BIGINT;

-- Whom to tell when the session has ended; NULL again once that is done.
ALTER TABLE session ADD COLUMN logout_uri TEXT;

ALTER TABLE session ADD COLUMN logout_due_at BIGINT;

CREATE INDEX session_of_login ON session (login_id) WHERE login_id IS NOT NULL;

CREATE INDEX session_to_tell ON session (ended_at) WHERE logout_uri IS NOT NULL;
