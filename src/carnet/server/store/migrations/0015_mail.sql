-- Where accounts are reached. Whoever has proved that an address is theirs has it alone; until then
-- it is a claim, which several may make and which keeps nobody from proving it.
CREATE TABLE email_address (
    account_id TEXT NOT NULL REFERENCES account (id),
    normalized TEXT NOT NULL,
    address TEXT NOT NULL,
    is_primary BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    verified_at BIGINT,
    PRIMARY KEY (account_id, normalized)
);

CREATE UNIQUE INDEX email_address_proved ON email_address (normalized) WHERE verified_at IS NOT NULL;

CREATE UNIQUE INDEX email_address_primary ON email_address (account_id) WHERE is_primary = 1;

-- Links that are handed out, known by the hash of their secret. One that was used or has expired
-- stays for a while, so that whoever opens it is told so. Of two addresses of an account that say
-- that it is theirs, the one counts that has been its for longer.
CREATE TABLE one_time_link (
    secret_hash BYTEA PRIMARY KEY,
    purpose TEXT NOT NULL,
    account_id TEXT NOT NULL REFERENCES account (id),
    address TEXT NOT NULL,
    address_since BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);

CREATE INDEX one_time_link_of_account ON one_time_link (account_id);

CREATE INDEX one_time_link_expiry ON one_time_link (expires_at);

-- Mails that wait to be sent. What they say is encrypted under a key that is made of a pepper.
CREATE TABLE mail (
    id TEXT PRIMARY KEY,
    content BYTEA NOT NULL,
    attempts BIGINT NOT NULL,
    cause TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX mail_due ON mail (due_at);
