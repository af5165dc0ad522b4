-- In which language the owner of an account reads pages and mails: the one that they have chosen, and
-- that of the pages by which they signed in last, which counts for mails where none was chosen.
ALTER TABLE account ADD COLUMN language TEXT;
ALTER TABLE account ADD COLUMN language_seen TEXT;
