-- A consent is for one resource. One that was given before consents named it has the resource '':
-- it is listed and can be withdrawn, but it covers no request, so the person is asked again.
CREATE TABLE consent_to_resource (
    account_id TEXT NOT NULL REFERENCES account (id),
    client_id TEXT NOT NULL,
    resource TEXT NOT NULL,
    scope TEXT NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, client_id, resource)
);

INSERT INTO consent_to_resource (account_id, client_id, resource, scope, granted_at)
SELECT account_id, client_id, '', scope, granted_at FROM consent;

DROP TABLE consent;

ALTER TABLE consent_to_resource RENAME TO consent;
