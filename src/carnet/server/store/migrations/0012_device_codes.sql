-- What a device without a browser asks for (RFC 8628): both of its codes are known by their hashes
-- alone. It stays for a while after its use, so that a second use is told from an unknown code.
CREATE TABLE device_code (
    code_hash BYTEA PRIMARY KEY,
    user_code_hash BYTEA NOT NULL UNIQUE,
    client_id TEXT NOT NULL,
    request TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    decision TEXT,
    account_id TEXT REFERENCES account (id),
    account_version BIGINT,
    authenticated_at BIGINT,
    session_id TEXT
);

CREATE INDEX device_code_expiry ON device_code (expires_at);
