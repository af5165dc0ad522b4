-- What a username looks like: two accounts can't have names that look alike. NULL until the service
-- has worked it out; of accounts that looked alike before, all but one have their id behind it.
ALTER TABLE account ADD COLUMN skeleton TEXT;

CREATE UNIQUE INDEX account_skeleton ON account (skeleton);

-- From where somebody has signed in, by a hash of the username and the address.
CREATE TABLE familiar (
    name TEXT PRIMARY KEY,
    expires_at BIGINT NOT NULL
);

CREATE INDEX familiar_expiry ON familiar (expires_at);
