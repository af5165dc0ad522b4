-- What an account signs in with besides its password. The secret of a TOTP factor is encrypted under
-- a key that is made of a pepper, and that under the master key; of a passkey it is the public key.
-- The counter only rises: the time step of the last code, or what the passkey has signed last.
CREATE TABLE factor (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    credential_id BYTEA UNIQUE,
    secret BYTEA NOT NULL,
    counter BIGINT NOT NULL,
    details TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT
);

CREATE INDEX factor_account ON factor (account_id);

-- Known by a hash that is made with a pepper; one that was used is not there any more.
CREATE TABLE recovery_code (
    account_id TEXT NOT NULL REFERENCES account (id),
    code_hash BYTEA NOT NULL,
    PRIMARY KEY (account_id, code_hash)
);

-- How somebody has signed in, names of RFC 8176 with spaces between them.
ALTER TABLE session ADD COLUMN amr TEXT NOT NULL DEFAULT 'pwd';

ALTER TABLE device_code ADD COLUMN amr TEXT NOT NULL DEFAULT 'pwd';
