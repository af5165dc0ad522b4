BEGIN TRANSACTION;
CREATE TABLE account (
    id TEXT PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    roles TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
, claims TEXT NOT NULL DEFAULT '{}', disabled_at BIGINT, skeleton TEXT);
INSERT INTO "account" VALUES('5Yh2jdu4uYzcCNBhTmJQqA','alice','$argon2id$v=19$m=19456,t=2,p=1$87kXceeJGdyUOISNnSin6A$v+8UoHsaIonFmvsrhEU9FEWO97Km9JurRkCPI9k9Prg','["ADMIN"]',1,1795810641298211,'{}',NULL,'alice');
CREATE TABLE account_identity (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    account_id TEXT NOT NULL REFERENCES account (id),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject)
);
CREATE TABLE audit (
    id TEXT PRIMARY KEY,
    at BIGINT NOT NULL,
    event TEXT NOT NULL,
    account_id TEXT,
    session_id TEXT,
    actor TEXT,
    address TEXT,
    reason TEXT
);
INSERT INTO "audit" VALUES('aSqb4SGXhUcSx3Py',1795810641035859,'key_created',NULL,NULL,'service','','vFCARFq05aigiEcPfRWSk9P-_mm-9O42dTk_25gh-FA');
INSERT INTO "audit" VALUES('S_2rWSFwcgdUkrpp',1795810641298211,'account_created','5Yh2jdu4uYzcCNBhTmJQqA',NULL,'operator','',NULL);
INSERT INTO "audit" VALUES('8vsm4ZOz2XuSbkbM',1795810641307563,'resource_created',NULL,NULL,'operator','','orders');
INSERT INTO "audit" VALUES('xt0oTZbC4_VVlZFI',1795810641313307,'client_created',NULL,NULL,'operator','','IWvrIn4bNZyvPWgQW4OvUA');
INSERT INTO "audit" VALUES('EFKK7JiFY_oKfpgF',1795810641322455,'session_begun','5Yh2jdu4uYzcCNBhTmJQqA','EuvnS6Losv9uzQRvMdFJ-Q','service','','carnet');
INSERT INTO "audit" VALUES('XyzXzzbbohFRK_TB',1795810641329472,'session_ended','5Yh2jdu4uYzcCNBhTmJQqA','EuvnS6Losv9uzQRvMdFJ-Q','service','','signed_out');
INSERT INTO "audit" VALUES('GjmgL4Qy7Qx4Tl6U',1795810641339589,'session_begun','5Yh2jdu4uYzcCNBhTmJQqA','oGaMpDqFokpkmjgBY09B-g','service','','carnet');
INSERT INTO "audit" VALUES('lNcvH19jXVhtyTxv',1795810641348628,'consent_given','5Yh2jdu4uYzcCNBhTmJQqA',NULL,'operator','','IWvrIn4bNZyvPWgQW4OvUA');
CREATE TABLE authorization_code (
    code_hash BYTEA PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    login_id TEXT NOT NULL,
    request TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    session_id TEXT
);
CREATE TABLE client (
    id TEXT PRIMARY KEY,
    secret_hash BYTEA,
    metadata TEXT NOT NULL,
    created_at BIGINT NOT NULL
, previous_secret_hash BYTEA, previous_secret_until BIGINT);
INSERT INTO "client" VALUES('IWvrIn4bNZyvPWgQW4OvUA',X'7944780718CDDC6C6D4DF85F76CE788D36A93DF6C3742D4E989F15F89A6D6334','{"client_name":"","redirect_uris":["https://shop.example.com/callback"],"grant_types":["authorization_code","refresh_token"],"scope":"","token_endpoint_auth_method":"client_secret_basic","jwks":null,"jwks_uri":null,"federated_credentials":[],"post_logout_redirect_uris":[],"backchannel_logout_uri":null,"plain_http":false,"dpop_bound_access_tokens":false,"required_acr":"aal1","require_pushed_authorization_requests":false,"require_signed_request_object":false,"require_pkce":true,"require_nonce":true,"first_party":false,"resources":[],"introspects":[],"exchange_from":[],"exchange_to":[],"identity_assertions":{},"identity_issuers":[],"id_token_signed_response_alg":null,"id_token_encrypted_response_alg":null,"id_token_encrypted_response_enc":"A128CBC-HS256","authorization_signed_response_alg":null,"introspection_signed_response_alg":null,"userinfo_signed_response_alg":null,"subject_type":"public","sector_identifier_uri":null,"client_uri":null,"logo_uri":null,"policy_uri":null,"tos_uri":null,"profile":null}',1795810641313209,NULL,NULL);
CREATE TABLE "consent" (
    account_id TEXT NOT NULL REFERENCES account (id),
    client_id TEXT NOT NULL,
    resource TEXT NOT NULL,
    scope TEXT NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, client_id, resource)
);
INSERT INTO "consent" VALUES('5Yh2jdu4uYzcCNBhTmJQqA','IWvrIn4bNZyvPWgQW4OvUA','orders','openid profile',1795810641348628);
CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO "counter" VALUES('revocation',1);
INSERT INTO "counter" VALUES('signing_key',1);
INSERT INTO "counter" VALUES('directory',2);
CREATE TABLE device_code (
    code_hash BYTEA PRIMARY KEY,
    user_code_hash BYTEA NOT NULL UNIQUE,
    client_id TEXT NOT NULL,
    request TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    decision TEXT,
    account_id TEXT REFERENCES account (id),
    account_version BIGINT,
    authenticated_at BIGINT,
    session_id TEXT
, amr TEXT NOT NULL DEFAULT 'pwd');
CREATE TABLE factor (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    credential_id BYTEA UNIQUE,
    secret BYTEA NOT NULL,
    counter BIGINT NOT NULL,
    details TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE TABLE familiar (
    name TEXT PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE TABLE logout_failure (
    client_id TEXT PRIMARY KEY,
    since BIGINT NOT NULL,
    failed_at BIGINT NOT NULL,
    cause TEXT NOT NULL
);
CREATE TABLE migration (number BIGINT PRIMARY KEY, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL);
INSERT INTO "migration" VALUES(1,'6576da56634c0fad9e5455d25d46f1b5eda6a02eb9a250db00fc94ac830a9789',1795810640975820);
INSERT INTO "migration" VALUES(2,'a590c3a8239ccbfda439b56aa3616ed78c2ef4c691fd30763a4cff36dbaadfff',1795810640977484);
INSERT INTO "migration" VALUES(3,'520dd4f5daff75ee4718b94b1fde122b2771de0abcc13446fc1c8f60807fe93a',1795810640983101);
INSERT INTO "migration" VALUES(4,'b081d3a49bbba7a368730a1beb73a64134777695a1e3ace89d48c0f863f22ce8',1795810640987361);
INSERT INTO "migration" VALUES(5,'43f579572fe95ac2873c45a1fbca86df57b0f0902b08166ab03d817a656449b4',1795810640987584);
INSERT INTO "migration" VALUES(6,'850942523a3fc5c0f755536a9c73e77e8bc3be254727f69e22d0bf921f4ee645',1795810640988236);
INSERT INTO "migration" VALUES(7,'dffa33ddc0abc8009eb09d7bd976af87e229b96268813082417da385364a6c04',1795810640989259);
INSERT INTO "migration" VALUES(8,'7f4998f1a2fd172048a3c1bd48ec0866fa6af37164ff3f50a7605fb401737d5a',1795810640993048);
INSERT INTO "migration" VALUES(9,'4e1d68f8a0a4e1d3451aab2ce3fcea65c48c83b7a937cc71161508c43c440b5b',1795810640993401);
INSERT INTO "migration" VALUES(10,'b3f86d64fcc6def9fc86b17e098547f00f7cd497c88b33b72067b68c87bf9631',1795810640993764);
INSERT INTO "migration" VALUES(11,'1eaa63fa2d4012d9cec93d5714544968c7a0dd1cf222e47676cf83f2ba05a81b',1795810640995454);
INSERT INTO "migration" VALUES(12,'4ee6ce3df46855a00cc5faef5a7e8b2c494a4ad1bf4954837db1d8f1a0fc9f60',1795810640995705);
INSERT INTO "migration" VALUES(13,'38fa98168e52db174add395d40acabe598d6b75a2346c7c714a51d4004f6df94',1795810640996338);
INSERT INTO "migration" VALUES(14,'f8101b6ddfef6dbea893666aef37a6312b2d1be6724de9652cf482a87483d27f',1795810641002239);
INSERT INTO "migration" VALUES(17,'efb199de08bc53365a1705de8244f76f01a98a7794e1011cbeb78866ec96e7e9',1795810641002794);
CREATE TABLE pepper (
    id BIGINT PRIMARY KEY,
    encrypted_secret TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO "pepper" VALUES(1,'eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.Ewy_krr0LxyNxWqwihtjhUM5PBl0FEobcyoAqeEkKUMhij07MEzlVg.5NzEAuTpeOGQajBm.UPKKjPV3Wg77qU4-CWENUiMckHiu4tbyiULou2yQJMM.OYVgaNzJvWBCuflb9ZeC4g',1795810641026052);
CREATE TABLE recovery_code (
    account_id TEXT NOT NULL REFERENCES account (id),
    code_hash BYTEA NOT NULL,
    PRIMARY KEY (account_id, code_hash)
);
CREATE TABLE registration_token (
    id TEXT PRIMARY KEY,
    token_hash BYTEA NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    uses BIGINT NOT NULL DEFAULT 0,
    most_uses BIGINT
);
CREATE TABLE resource (
    audience TEXT PRIMARY KEY,
    metadata TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO "resource" VALUES('orders','{"scopes":[],"scope_claims":{},"claims":null,"signing_alg":null,"encryption_key":null,"encryption_enc":"A256GCM","unregistered_clients":false}',1795810641307355);
CREATE TABLE revocation (
    seq BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    version BIGINT,
    expires_at BIGINT NOT NULL
);
INSERT INTO "revocation" VALUES(1,'sid','EuvnS6Losv9uzQRvMdFJ-Q',NULL,1795811001329472);
CREATE TABLE session (
    id TEXT PRIMARY KEY,
    secret_hash BYTEA NOT NULL UNIQUE,
    account_id TEXT NOT NULL REFERENCES account (id),
    client_id TEXT NOT NULL,
    audience TEXT NOT NULL,
    generation BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    rotated_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT,
    ended_reason TEXT
, user_agent TEXT NOT NULL DEFAULT '', address TEXT NOT NULL DEFAULT '', scope TEXT NOT NULL DEFAULT '', key_thumbprint TEXT NOT NULL DEFAULT '', login_id TEXT, authenticated_at BIGINT, logout_uri TEXT, logout_due_at BIGINT, parent_id TEXT, identity_issuer TEXT, amr TEXT NOT NULL DEFAULT 'pwd', pairwise_subject TEXT);
INSERT INTO "session" VALUES('EuvnS6Losv9uzQRvMdFJ-Q',X'C2719FC890F0B52426170A32CE2FF71941C18AF368EB10A8CDD5E1D86FE5B761','5Yh2jdu4uYzcCNBhTmJQqA','carnet','default',0,1795810641322455,1795810641322455,1803586641322455,1795810641329472,'signed_out','','','','',NULL,1795810641322455,NULL,NULL,NULL,NULL,'pwd',NULL);
INSERT INTO "session" VALUES('oGaMpDqFokpkmjgBY09B-g',X'48DCC867BBE195F8D2745E7F2DE060D7D6C9F69CE13B1889FB9654793DE1813F','5Yh2jdu4uYzcCNBhTmJQqA','carnet','default',1,1795810641339589,1795810641342293,1803586641339589,NULL,NULL,'','','','',NULL,1795810641339589,NULL,NULL,NULL,NULL,'pwd',NULL);
CREATE TABLE signing_key (
    kid TEXT PRIMARY KEY,
    alg TEXT NOT NULL,
    encrypted_jwk TEXT NOT NULL,
    created_at BIGINT NOT NULL
, signs_from BIGINT NOT NULL DEFAULT 0, retired_at BIGINT);
INSERT INTO "signing_key" VALUES('vFCARFq05aigiEcPfRWSk9P-_mm-9O42dTk_25gh-FA','ES256','eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.kt0tbgzo6nZx3ww4ZD1R1ey48Pc4UHgEG8pp3iY4tvll07gCF1P1zA.YEyD7FjN5CTokagF.EIEKywoSyhQiEVxR9huXDM8F13MFL03o6CpyVffgBDNH4sBZdQMtlHvEpFQ3MALYXD8oRcr6cHl8tAp6JOxfscVD-yJi3DSriRawKPZcGSL8R8KSndYNx8yTQsyN8upEf4ykn_pttaRUHMZ29n3KOoWvgXTGGck1TcaHTtA4T4_JMRUVkJoXnp8hp74YqVevH6Sr5NRpWiOt5h3Qh3VP5RkeCAbzOZqioHveenuzy05nuBqySIPanP2cJXu6Alc9Peb2-uIN-j2qSv1jwQnHUo5q5-4Vw2rWqmOpcfmXOK_iCMi67ofRmDTR0OxCyHgNeppCIsn7K5DQYJ8eDhQ.6fwQuG_BAQtuuAODF2IGHA',1795810641035859,1795810641034859,NULL);
CREATE TABLE spent (
    name BYTEA PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE TABLE throttle (
    name TEXT PRIMARY KEY,
    due_at BIGINT NOT NULL
);
CREATE TABLE unregistered_client (
    client_id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    secret_hash BYTEA,
    token_hash BYTEA,
    metadata TEXT NOT NULL,
    etag TEXT NOT NULL DEFAULT '',
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    fresh_until BIGINT,
    used_at BIGINT,
    expires_at BIGINT
);
CREATE INDEX session_of_account ON session (account_id);
CREATE INDEX revocation_expiry ON revocation (expires_at);
CREATE INDEX session_expiry ON session (expires_at);
CREATE INDEX audit_time ON audit (at);
CREATE INDEX authorization_code_expiry ON authorization_code (expires_at);
CREATE INDEX spent_expiry ON spent (expires_at);
CREATE INDEX session_of_login ON session (login_id) WHERE login_id IS NOT NULL;
CREATE INDEX session_to_tell ON session (ended_at) WHERE logout_uri IS NOT NULL;
CREATE INDEX revocation_of_token ON revocation (value) WHERE kind = 'jti';
CREATE UNIQUE INDEX account_skeleton ON account (skeleton);
CREATE INDEX familiar_expiry ON familiar (expires_at);
CREATE INDEX unregistered_client_expiry ON unregistered_client (expires_at);
CREATE INDEX unregistered_client_kind ON unregistered_client (kind);
CREATE INDEX consent_of_client ON consent (client_id);
CREATE INDEX session_of_parent ON session (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX device_code_expiry ON device_code (expires_at);
CREATE INDEX account_identity_of_account ON account_identity (account_id);
CREATE INDEX factor_account ON factor (account_id);
COMMIT;
