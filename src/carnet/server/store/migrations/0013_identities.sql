-- Whom another issuer knows under a subject is an account here: never by an address or a name.
CREATE TABLE account_identity (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    account_id TEXT NOT NULL REFERENCES account (id),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject)
);

CREATE INDEX account_identity_of_account ON account_identity (account_id);

-- The issuer that has said who somebody is, where a session began with that.
ALTER TABLE session ADD COLUMN identity_issuer TEXT;
