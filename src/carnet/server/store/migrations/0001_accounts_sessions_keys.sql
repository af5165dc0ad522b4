-- Times are microseconds since 1970, UTC; lists and objects are JSON text.

CREATE TABLE account (
    id TEXT PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    roles TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

-- One row a session, however often it is refreshed. No index covers a column that rotation writes.
CREATE TABLE session (
    id TEXT PRIMARY KEY,
    secret_hash BYTEA NOT NULL UNIQUE,
    account_id TEXT NOT NULL REFERENCES account (id),
    client_id TEXT NOT NULL,
    audience TEXT NOT NULL,
    generation BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    rotated_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT,
    ended_reason TEXT
);

CREATE INDEX session_of_account ON session (account_id);

-- Both hold compact JWEs under the master key.
CREATE TABLE signing_key (
    kid TEXT PRIMARY KEY,
    alg TEXT NOT NULL,
    encrypted_jwk TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE pepper (
    id BIGINT PRIMARY KEY,
    encrypted_secret TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
