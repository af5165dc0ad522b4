"""The statements, the same for every engine.

Parameters stand in the order of their numbers: SQLite numbers them as they come.
"""

from __future__ import annotations

from typing import Final

ADD_ACCOUNT = """
INSERT INTO account (id, username, password_hash, roles, claims, version, created_at, skeleton)
VALUES ($1, $2, $3, $4, $5, 1, $6, $7)
ON CONFLICT DO NOTHING
RETURNING id
"""

ACCOUNTS_WITHOUT_SKELETON = """
SELECT id, username FROM account WHERE skeleton IS NULL ORDER BY id LIMIT $1
"""

# Of accounts that looked alike before anybody asked, the first has the skeleton as it is.
SET_SKELETON = """
UPDATE account SET skeleton =
  CASE WHEN EXISTS (SELECT 1 FROM account AS other WHERE other.skeleton = $1)
  THEN $1 || ' ' || id ELSE $1 END
WHERE id = $2 AND skeleton IS NULL
"""

ACCOUNT_BY_USERNAME = """
SELECT id, username, roles, claims, version, disabled_at, password_hash
FROM account WHERE username = $1
"""

ACCOUNT_BY_ID = """
SELECT id, username, roles, claims, version, disabled_at, password_hash
FROM account WHERE id = $1
"""

ACCOUNTS = """
SELECT id, username, roles, claims, version, disabled_at, password_hash
FROM account WHERE username > $1 ORDER BY username LIMIT $2
"""

SEARCH_ACCOUNTS = """
SELECT id, username, roles, claims, version, disabled_at, password_hash
FROM account WHERE username > $1 AND username LIKE $2 ESCAPE '!' ORDER BY username LIMIT $3
"""

# Everything that makes older tokens stale also takes the next version.
SET_PASSWORD = """
UPDATE account SET password_hash = $1, version = version + 1 WHERE id = $2
RETURNING version
"""

# Decides all at once: the password that was checked is still the account's, nothing else about it
# has changed, and the session that asked lives. HOLD_ACCOUNT and HOLD_LOGIN come before it.
CHANGE_PASSWORD = """
UPDATE account SET password_hash = $1, version = version + 1
WHERE id = $2 AND password_hash = $3 AND version = $4 AND disabled_at IS NULL
  AND EXISTS (
    SELECT 1 FROM session
    WHERE session.id = $5 AND account_id = account.id AND ended_at IS NULL AND expires_at > $6
  )
RETURNING version
"""

SET_ROLES = """
UPDATE account SET roles = $1, version = version + 1 WHERE id = $2 AND roles <> $1
RETURNING version
"""

SET_CLAIMS = """
UPDATE account SET claims = $1, version = version + 1 WHERE id = $2 AND claims <> $1
RETURNING version
"""

DISABLE_ACCOUNT = """
UPDATE account SET disabled_at = $1, version = version + 1 WHERE id = $2 AND disabled_at IS NULL
RETURNING version
"""

ENABLE_ACCOUNT = """
UPDATE account SET disabled_at = NULL WHERE id = $1 AND disabled_at IS NOT NULL
RETURNING version
"""

RAISE_VERSION = """
UPDATE account SET version = version + 1 WHERE id = $1
RETURNING version
"""

REHASH_PASSWORD = """
UPDATE account SET password_hash = $1 WHERE id = $2 AND password_hash = $3
RETURNING id
"""

# An account that a session is begun for can't change until the session is there: PostgreSQL would
# read it as it was, and the change would not see the session.
HOLD_ACCOUNT = """
UPDATE account SET version = version WHERE id = $1 AND version = $2 AND disabled_at IS NULL
RETURNING id
"""

# No row where the account has changed while its password was being checked.
ADD_SESSION = """
INSERT INTO session (id, secret_hash, account_id, client_id, audience, user_agent, address,
                     generation, created_at, rotated_at, expires_at,
                     scope, key_thumbprint, login_id, authenticated_at, logout_uri)
SELECT $1, $2, account.id, $3, $4, $5, $6, 0, $7, $7, $8, $9, $10, $11, $12, $13
FROM account WHERE account.id = $14 AND disabled_at IS NULL AND version = $15
RETURNING id
"""

# A browser's session can't end between the question whether it lives and what is granted in it.
HOLD_LOGIN = """
UPDATE session SET login_id = login_id WHERE id = $1 AND ended_at IS NULL
RETURNING id
"""

# The account comes as one JSON array: a RETURNING of SQLite's can't join.
ROTATE = """
UPDATE session SET generation = generation + 1, rotated_at = $1, address = $2
WHERE secret_hash = $3 AND generation = $4 AND ended_at IS NULL
  AND expires_at > $1 AND rotated_at > $5 AND client_id = $6 AND key_thumbprint = $7
RETURNING secret_hash,
  id, account_id, client_id, audience, scope, key_thumbprint, authenticated_at, generation,
  (SELECT '[' || CAST(version AS TEXT) || ',' || roles || ',' || claims || ']'
   FROM account WHERE account.id = session.account_id)
"""

# What so many ask for at once that an engine may run several together. The number is the place of
# the value that tells them apart: it comes back as the first of the row.
GROUPED: Final = {ROTATE: 2}

HEAL = """
UPDATE session SET generation = $1, rotated_at = $2
WHERE secret_hash = $3 AND generation < $1 AND ended_at IS NULL
RETURNING id
"""

SESSION_BY_SECRET = """
SELECT secret_hash,
  id, account_id, client_id, audience, scope, key_thumbprint, authenticated_at, generation,
  (SELECT '[' || CAST(version AS TEXT) || ',' || roles || ',' || claims || ']'
   FROM account WHERE account.id = session.account_id), expires_at, rotated_at, ended_at
FROM session WHERE secret_hash = $1
"""

LOGIN_BY_SECRET = """
SELECT session.id, authenticated_at, rotated_at,
       account.id, username, roles, claims, version, disabled_at
FROM session JOIN account ON account.id = session.account_id
WHERE secret_hash = $1 AND generation = $2 AND client_id = $3 AND ended_at IS NULL
  AND expires_at > $4 AND rotated_at > $5 AND disabled_at IS NULL
"""

# Whoever has given the password again gets the next token of the session. A second tab that did so
# at the same moment still sent the token before, and gets the same one: they share a cookie. Where
# the database has lost writes, the session heals.
RENEW_LOGIN = """
UPDATE session SET generation = CASE WHEN generation <= $1 THEN $1 + 1 ELSE generation END,
  authenticated_at = $2, rotated_at = $2, address = $3, expires_at = $4
WHERE secret_hash = $5 AND client_id = $6 AND account_id = $7
  AND ended_at IS NULL AND expires_at > $2 AND rotated_at > $8
RETURNING id, generation
"""

TOUCH_SESSION = """
UPDATE session SET rotated_at = $1, address = $2 WHERE id = $3 AND ended_at IS NULL
"""

# Of the session that a token is from, and of the token itself.
TOKEN_STATE = """
SELECT ended_at, version, disabled_at,
  (SELECT MAX(seq) FROM revocation WHERE value = $1 AND kind = 'jti')
FROM session JOIN account ON account.id = session.account_id
WHERE session.id = $2
"""

SESSIONS_OF_ACCOUNT = """
SELECT id, client_id, user_agent, address, created_at, rotated_at, expires_at
FROM session
WHERE account_id = $1 AND ended_at IS NULL AND expires_at > $2 AND rotated_at > $3
ORDER BY rotated_at DESC, id
"""

END_SESSION = """
UPDATE session SET ended_at = $1, ended_reason = $2
WHERE id = $3 AND ended_at IS NULL
RETURNING account_id, client_id
"""

END_SESSION_OF_ACCOUNT = """
UPDATE session SET ended_at = $1, ended_reason = $2
WHERE id = $3 AND account_id = $4 AND ended_at IS NULL
RETURNING account_id, client_id
"""

END_SESSIONS_OF_LOGIN = """
UPDATE session SET ended_at = $1, ended_reason = $2
WHERE login_id = $3 AND ended_at IS NULL
RETURNING id
"""

END_SESSIONS_OF_CLIENT = """
UPDATE session SET ended_at = $1, ended_reason = $2
WHERE id IN (
  SELECT id FROM session WHERE client_id = $3 AND account_id = $4 AND ended_at IS NULL
)
RETURNING id
"""

END_SESSIONS_OF_ACCOUNT = """
UPDATE session SET ended_at = $1, ended_reason = $2
WHERE account_id = $3 AND id <> $4 AND ended_at IS NULL
RETURNING id
"""

# The reason why a session ended is told for a while after it.
SWEEP_SESSIONS = """
DELETE FROM session WHERE id IN (
  SELECT id FROM session WHERE expires_at < $1 ORDER BY expires_at LIMIT $2
)
RETURNING id
"""

NEXT_NUMBER = """
UPDATE counter SET value = value + 1 WHERE name = $1
RETURNING value
"""

NEXT_NUMBER_AFTER = """
UPDATE counter SET value = value + 1 WHERE name = $1 AND value = $2
RETURNING value
"""

COUNTERS = """
SELECT name, value FROM counter
"""

ADD_REVOCATION = """
INSERT INTO revocation (seq, kind, value, version, expires_at) VALUES ($1, $2, $3, $4, $5)
"""

REVOCATIONS_AFTER = """
SELECT seq, kind, value, version, expires_at FROM revocation
WHERE seq > $1 AND expires_at > $2 ORDER BY seq LIMIT $3
"""

REVOKED_TOKEN = """
SELECT seq FROM revocation WHERE value = $1 AND kind = 'jti' LIMIT 1
"""

SWEEP_REVOCATIONS = """
DELETE FROM revocation WHERE seq IN (
  SELECT seq FROM revocation WHERE expires_at < $1 ORDER BY expires_at LIMIT $2
)
RETURNING seq
"""

SIGNING_KEYS = """
SELECT kid, alg, encrypted_jwk, created_at, signs_from, retired_at
FROM signing_key ORDER BY signs_from, created_at, kid
"""

ADD_SIGNING_KEY = """
INSERT INTO signing_key (kid, alg, encrypted_jwk, created_at, signs_from)
VALUES ($1, $2, $3, $4, $5)
"""

RETIRE_SIGNING_KEY = """
UPDATE signing_key SET retired_at = $1 WHERE kid = $2 AND retired_at IS NULL
RETURNING alg
"""

REMOVE_SIGNING_KEY = """
DELETE FROM signing_key WHERE kid = $1
"""

ENCRYPT_SIGNING_KEY = """
UPDATE signing_key SET encrypted_jwk = $1 WHERE kid = $2
"""

PEPPERS = """
SELECT id, encrypted_secret FROM pepper ORDER BY id
"""

ADD_PEPPER = """
INSERT INTO pepper (id, encrypted_secret, created_at) VALUES ($1, $2, $3)
"""

ENCRYPT_PEPPER = """
UPDATE pepper SET encrypted_secret = $1 WHERE id = $2
"""

# Takes a slot: the moment moves on by one interval, from now or from where it was. No row, and
# nothing changed, where it already lies as far ahead as it may. It lies farther than that only
# where the clock was set back, and then begins anew.
TAKE_SLOT = """
INSERT INTO throttle (name, due_at) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET due_at =
  CASE WHEN throttle.due_at > $3 AND throttle.due_at <= $4
  THEN throttle.due_at + $5 ELSE excluded.due_at END
WHERE throttle.due_at <= $6 OR throttle.due_at > $4
RETURNING due_at
"""

SLOT_DUE = """
SELECT due_at FROM throttle WHERE name = $1
"""

GIVE_SLOT_BACK = """
UPDATE throttle SET due_at = due_at - $1 WHERE name = $2
"""

FAMILIAR = """
SELECT expires_at FROM familiar WHERE name = $1 AND expires_at > $2
"""

ADD_FAMILIAR = """
INSERT INTO familiar (name, expires_at) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET expires_at = excluded.expires_at
WHERE familiar.expires_at < $3
"""

SWEEP_FAMILIAR = """
DELETE FROM familiar WHERE name IN (
  SELECT name FROM familiar WHERE expires_at < $1 ORDER BY expires_at LIMIT $2
)
RETURNING name
"""

SWEEP_THROTTLES = """
DELETE FROM throttle WHERE name IN (SELECT name FROM throttle WHERE due_at < $1 LIMIT $2)
RETURNING name
"""

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

# Looks through all sessions: a client is removed rarely.
END_ALL_SESSIONS_OF_CLIENT = """
UPDATE session SET ended_at = $1, ended_reason = $2
WHERE client_id = $3 AND ended_at IS NULL
RETURNING id, account_id
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

# No row where it was used before.
SPEND = """
INSERT INTO spent (name, expires_at) VALUES ($1, $2)
ON CONFLICT (name) DO NOTHING
RETURNING expires_at
"""

SWEEP_SPENT = """
DELETE FROM spent WHERE name IN (
  SELECT name FROM spent WHERE expires_at < $1 ORDER BY expires_at LIMIT $2
)
RETURNING expires_at
"""

ADD_AUDIT = """
INSERT INTO audit (id, at, event, account_id, session_id, actor, address, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""

AUDIT = """
SELECT at, event, account_id, session_id, actor, address, reason
FROM audit WHERE at < $1 ORDER BY at DESC, id LIMIT $2
"""

# From a point on, which is a moment and an entry: several may have the same moment.
AUDIT_PAGE = """
SELECT at, event, account_id, session_id, actor, address, reason, id
FROM audit
WHERE (at < $1 OR (at = $1 AND id > $2)) AND at >= $3
  AND ($4 = '' OR event = $4) AND ($5 = '' OR account_id = $5)
ORDER BY at DESC, id LIMIT $6
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

ADD_CODE = """
INSERT INTO authorization_code (code_hash, account_id, login_id, request, expires_at)
SELECT $1, account.id, $2, $3, $4 FROM account WHERE account.id = $5
"""

CODE_BY_HASH = """
SELECT login_id, request, expires_at, session_id,
       account.id, username, roles, claims, version, disabled_at
FROM authorization_code JOIN account ON account.id = authorization_code.account_id
WHERE code_hash = $1
"""

TAKE_CODE = """
UPDATE authorization_code SET session_id = $1 WHERE code_hash = $2 AND session_id IS NULL
RETURNING code_hash
"""

SWEEP_CODES = """
DELETE FROM authorization_code WHERE code_hash IN (
  SELECT code_hash FROM authorization_code WHERE expires_at < $1 ORDER BY expires_at LIMIT $2
)
RETURNING code_hash
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

LOGOUTS_DUE = """
SELECT id FROM session
WHERE logout_uri IS NOT NULL AND ended_at IS NOT NULL AND COALESCE(logout_due_at, 0) <= $1
LIMIT 1
"""

# Whoever tells a client that its session has ended has it for a while; then another may try.
LOGOUTS_TO_TELL = """
UPDATE session SET logout_due_at = $1
WHERE id IN (
  SELECT id FROM session
  WHERE logout_uri IS NOT NULL AND ended_at IS NOT NULL AND COALESCE(logout_due_at, 0) <= $2
  ORDER BY ended_at LIMIT $3
) AND logout_uri IS NOT NULL AND COALESCE(logout_due_at, 0) <= $2
RETURNING id, account_id, client_id, logout_uri, ended_at
"""

LOGOUT_TOLD = """
UPDATE session SET logout_uri = NULL WHERE id = $1
"""

LOGOUT_NOT_TOLD = """
UPDATE session SET logout_due_at = $1 WHERE id = $2
"""

LOGOUT_FAILED = """
INSERT INTO logout_failure (client_id, since, failed_at, cause) VALUES ($1, $2, $2, $3)
ON CONFLICT (client_id) DO UPDATE SET failed_at = excluded.failed_at, cause = excluded.cause
"""

LOGOUT_WORKS = """
DELETE FROM logout_failure WHERE client_id = $1
"""

LOGOUT_FAILURES = """
SELECT client_id, since, failed_at, cause FROM logout_failure
"""
