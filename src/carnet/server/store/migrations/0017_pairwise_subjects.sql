-- What the tokens of a session call the account, where that is another name than its id: the client
-- has pairwise subjects.
ALTER TABLE session ADD COLUMN pairwise_subject TEXT;
