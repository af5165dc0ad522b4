-- Whether one token is refused is asked with every introspection.
CREATE INDEX revocation_of_token ON revocation (value) WHERE kind = 'jti';
