-- In which language the owner of an account reads pages and mails; NULL as long as none was chosen.
ALTER TABLE account ADD COLUMN language TEXT;
