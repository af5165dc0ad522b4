"""Statements on clients, resources and consents."""

CLIENTS = """
SELECT id, secret_hash, metadata, created_at FROM client
"""

ADD_CLIENT = """
INSERT INTO client (id, secret_hash, metadata, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (id) DO NOTHING
RETURNING id
"""

REPLACE_CLIENT = """
UPDATE client SET secret_hash = $1, metadata = $2 WHERE id = $3
RETURNING id
"""

SET_CLIENT_SECRET = """
UPDATE client SET secret_hash = $1 WHERE id = $2
RETURNING id
"""

REMOVE_CLIENT = """
DELETE FROM client WHERE id = $1
RETURNING id
"""

FORGET_CONSENTS_TO_CLIENT = """
DELETE FROM consent WHERE client_id = $1
"""

RESOURCES = """
SELECT audience, metadata, created_at FROM resource
"""

ADD_RESOURCE = """
INSERT INTO resource (audience, metadata, created_at) VALUES ($1, $2, $3)
ON CONFLICT (audience) DO NOTHING
RETURNING audience
"""

REPLACE_RESOURCE = """
UPDATE resource SET metadata = $1 WHERE audience = $2
RETURNING audience
"""

REMOVE_RESOURCE = """
DELETE FROM resource WHERE audience = $1
RETURNING audience
"""

CONNECTED_APPLICATIONS = """
SELECT client_id, resource, scope, granted_at, metadata
FROM consent LEFT JOIN client ON client.id = consent.client_id
WHERE account_id = $1 ORDER BY granted_at DESC, client_id, resource
"""

WITHDRAW_CONSENT = """
DELETE FROM consent WHERE account_id = $1 AND client_id = $2
RETURNING client_id
"""

ADD_CONSENT = """
INSERT INTO consent (account_id, client_id, resource, scope, granted_at)
SELECT account.id, $1, $2, $3, $4 FROM account WHERE account.id = $5
ON CONFLICT (account_id, client_id, resource) DO UPDATE SET
  scope = excluded.scope, granted_at = excluded.granted_at
"""

CONSENT = """
SELECT scope FROM consent WHERE account_id = $1 AND client_id = $2 AND resource = $3
"""

# A consent can't be withdrawn between the question whether it is there and what is granted by it:
# whoever withdraws it waits, and then ends what was.
HOLD_CONSENT = """
UPDATE consent SET scope = scope WHERE account_id = $1 AND client_id = $2 AND resource = $3
RETURNING scope
"""

# Of the time when consents did not name what they were for.
FORGET_CONSENT_TO_NO_RESOURCE = """
DELETE FROM consent WHERE account_id = $1 AND client_id = $2 AND resource = ''
"""
