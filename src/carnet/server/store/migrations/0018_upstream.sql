-- What an account has of a provider: the roles that it would not have otherwise, and the names of
-- the claims. They go with the identity.
ALTER TABLE account_identity ADD COLUMN roles TEXT NOT NULL DEFAULT '[]';
ALTER TABLE account_identity ADD COLUMN claims TEXT NOT NULL DEFAULT '[]';
-- What the provider calls the person, for the person alone: it says nothing of who it is.
ALTER TABLE account_identity ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE account_identity ADD COLUMN used_at BIGINT;

-- By whom, and by which session there, a provider has said whose a session is.
ALTER TABLE session ADD COLUMN identity_subject TEXT;
ALTER TABLE session ADD COLUMN identity_session TEXT;

-- No rotation writes these columns.
CREATE INDEX session_of_identity ON session (identity_issuer, identity_subject)
WHERE identity_subject IS NOT NULL;
