-- While its secret is changed, a client has two: the one before works on until this moment, or,
-- where that is NULL, until it is removed.
ALTER TABLE client ADD COLUMN previous_secret_hash BYTEA;

ALTER TABLE client ADD COLUMN previous_secret_until BIGINT;
