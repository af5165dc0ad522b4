-- What lets clients register themselves: initial access tokens (RFC 7591), known by their hashes
-- alone. NULL is for ever in `expires_at`, and any number in `most_uses`.
CREATE TABLE registration_token (
    id TEXT PRIMARY KEY,
    token_hash BYTEA NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    uses BIGINT NOT NULL DEFAULT 0,
    most_uses BIGINT
);

-- How many clients have registered themselves is counted while they do.
CREATE INDEX unregistered_client_kind ON unregistered_client (kind);

-- Clients that register themselves also remove themselves: without looking through all consents, or
-- through all sessions, which are found by the accounts that have consented.
CREATE INDEX consent_of_client ON consent (client_id);
