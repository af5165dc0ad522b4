-- What a company's directory keeps here by SCIM. Of a user, what SCIM holds besides the account:
-- which roles and claims the account has of it stands with its identity of the issuer 'scim'.
CREATE TABLE scim_user (
    account_id TEXT PRIMARY KEY REFERENCES account (id),
    external_id TEXT,
    content TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);

CREATE INDEX scim_user_external ON scim_user (external_id);

CREATE INDEX scim_user_created ON scim_user (created_at, account_id);

CREATE TABLE scim_group (
    id TEXT PRIMARY KEY,
    external_id TEXT,
    display_name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);

CREATE INDEX scim_group_external ON scim_group (external_id);

CREATE INDEX scim_group_created ON scim_group (created_at, id);

CREATE TABLE scim_member (
    group_id TEXT NOT NULL REFERENCES scim_group (id),
    account_id TEXT NOT NULL REFERENCES account (id),
    PRIMARY KEY (group_id, account_id)
);

CREATE INDEX scim_member_of_account ON scim_member (account_id);

-- What the directory proves itself with, known by its hash alone. NULL is for ever in `expires_at`.
CREATE TABLE scim_token (
    id TEXT PRIMARY KEY,
    token_hash BYTEA NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);
