-- Until when the owner of an account may finish it that an invitation or a sign-up has made: by the
-- link, with which a password is chosen. NULL for all others, and from the first password or session
-- on: what was ever used is never taken for unfinished.
ALTER TABLE account ADD COLUMN unfinished_until BIGINT;

CREATE INDEX account_unfinished ON account (unfinished_until) WHERE unfinished_until IS NOT NULL;
