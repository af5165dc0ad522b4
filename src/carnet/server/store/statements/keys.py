"""Statements on signing keys and peppers."""

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
