"""Statements on clients, resources and consents."""

CLIENTS = """
SELECT id, secret_hash, previous_secret_hash, previous_secret_until, metadata, created_at
FROM client
"""

ADD_CLIENT = """
INSERT INTO client
  (id, secret_hash, previous_secret_hash, previous_secret_until, metadata, created_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (id) DO NOTHING
RETURNING id
"""

REPLACE_CLIENT = """
UPDATE client SET
  secret_hash = $1, previous_secret_hash = $2, previous_secret_until = $3, metadata = $4
WHERE id = $5
RETURNING id
"""

SET_CLIENT_SECRET = """
UPDATE client SET secret_hash = $1,
  previous_secret_hash = NULL, previous_secret_until = NULL
WHERE id = $2
RETURNING id
"""

# The current secret becomes the previous one; one that was the previous until now is gone.
ADD_CLIENT_SECRET = """
UPDATE client SET previous_secret_hash = secret_hash, previous_secret_until = $1, secret_hash = $2
WHERE id = $3
RETURNING id
"""

REMOVE_PREVIOUS_SECRET = """
UPDATE client SET previous_secret_hash = NULL, previous_secret_until = NULL
WHERE id = $1 AND previous_secret_hash IS NOT NULL
RETURNING id
"""

REMOVE_CLIENT = """
DELETE FROM client WHERE id = $1
RETURNING id
"""

FORGET_CONSENTS_TO_CLIENT = """
DELETE FROM consent WHERE client_id = $1
RETURNING account_id
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
SELECT consent.client_id, resource, scope, granted_at,
  COALESCE(client.metadata, unregistered_client.metadata)
FROM consent LEFT JOIN client ON client.id = consent.client_id
  LEFT JOIN unregistered_client ON unregistered_client.client_id = consent.client_id
WHERE account_id = $1 ORDER BY granted_at DESC, consent.client_id, resource
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
