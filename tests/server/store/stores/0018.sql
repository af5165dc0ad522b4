BEGIN TRANSACTION;
CREATE TABLE account (
    id TEXT PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    roles TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
, claims TEXT NOT NULL DEFAULT '{}', disabled_at BIGINT, skeleton TEXT);
INSERT INTO "account" VALUES('Eq_xSFJPV1LtzndMOZv9Ug','alice','$argon2id$v=19$m=19456,t=2,p=1$XWDNrCBmd1skk4nwx+DEUg$9/QwbFMcVqAHWw9yCMk7reUPAjClqLBXcv2sIHjAJbc','["ADMIN"]',1,1795810004337981,'{}',NULL,'alice');
CREATE TABLE account_identity (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    account_id TEXT NOT NULL REFERENCES account (id),
    created_at BIGINT NOT NULL, roles TEXT NOT NULL DEFAULT '[]', claims TEXT NOT NULL DEFAULT '[]', name TEXT NOT NULL DEFAULT '', used_at BIGINT,
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
INSERT INTO "audit" VALUES('ohybodgIm9s2XOYK',1795810004156784,'key_created',NULL,NULL,'service','','UIPbofRy5osrJenZxFofqY3vpH5M1pkORj4eLw7YFpw');
INSERT INTO "audit" VALUES('lawItllx5uo2eFna',1795810004337981,'account_created','Eq_xSFJPV1LtzndMOZv9Ug',NULL,'operator','',NULL);
INSERT INTO "audit" VALUES('AJP0_87LdSiRLnXB',1795810004346198,'resource_created',NULL,NULL,'operator','','orders');
INSERT INTO "audit" VALUES('RME-fqnZmOY2P4u5',1795810004356790,'client_created',NULL,NULL,'operator','','7raI4-6B8MJCppuG5I_zPA');
INSERT INTO "audit" VALUES('5Ms8EaeOL9a_YVRo',1795810004369795,'session_begun','Eq_xSFJPV1LtzndMOZv9Ug','0tcdGw75bDp6Yrm85_B-kQ','service','','carnet');
INSERT INTO "audit" VALUES('zQkTaNXxZ5EtoGOe',1795810004383762,'session_ended','Eq_xSFJPV1LtzndMOZv9Ug','0tcdGw75bDp6Yrm85_B-kQ','service','','signed_out');
INSERT INTO "audit" VALUES('LrYTuP41zSbX1csC',1795810004391621,'session_begun','Eq_xSFJPV1LtzndMOZv9Ug','4C9PyhvP8Ut2qSVbBDn-ZQ','service','','carnet');
INSERT INTO "audit" VALUES('oOfrxVyVKE45z8iQ',1795810004402823,'consent_given','Eq_xSFJPV1LtzndMOZv9Ug',NULL,'operator','','7raI4-6B8MJCppuG5I_zPA');
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
INSERT INTO "client" VALUES('7raI4-6B8MJCppuG5I_zPA',X'C745AA1AEEE282E4343D12C4CCFCAE172777F71F9BE207DD93A25B562FE2A79D','{"client_name":"","redirect_uris":["https://shop.example.com/callback"],"grant_types":["authorization_code","refresh_token"],"scope":"","token_endpoint_auth_method":"client_secret_basic","jwks":null,"jwks_uri":null,"federated_credentials":[],"post_logout_redirect_uris":[],"backchannel_logout_uri":null,"plain_http":false,"dpop_bound_access_tokens":false,"required_acr":"aal1","require_pushed_authorization_requests":false,"require_signed_request_object":false,"require_pkce":true,"require_nonce":true,"first_party":false,"resources":[],"introspects":[],"exchange_from":[],"exchange_to":[],"identity_assertions":{},"identity_issuers":[],"id_token_signed_response_alg":null,"id_token_encrypted_response_alg":null,"id_token_encrypted_response_enc":"A128CBC-HS256"}',1795810004356658,NULL,NULL);
CREATE TABLE "consent" (
    account_id TEXT NOT NULL REFERENCES account (id),
    client_id TEXT NOT NULL,
    resource TEXT NOT NULL,
    scope TEXT NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, client_id, resource)
);
INSERT INTO "consent" VALUES('Eq_xSFJPV1LtzndMOZv9Ug','7raI4-6B8MJCppuG5I_zPA','orders','openid profile',1795810004402823);
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
INSERT INTO "migration" VALUES(1,'6576da56634c0fad9e5455d25d46f1b5eda6a02eb9a250db00fc94ac830a9789',1795810004108328);
INSERT INTO "migration" VALUES(2,'a590c3a8239ccbfda439b56aa3616ed78c2ef4c691fd30763a4cff36dbaadfff',1795810004112118);
INSERT INTO "migration" VALUES(3,'520dd4f5daff75ee4718b94b1fde122b2771de0abcc13446fc1c8f60807fe93a',1795810004113263);
INSERT INTO "migration" VALUES(4,'b081d3a49bbba7a368730a1beb73a64134777695a1e3ace89d48c0f863f22ce8',1795810004113309);
INSERT INTO "migration" VALUES(5,'43f579572fe95ac2873c45a1fbca86df57b0f0902b08166ab03d817a656449b4',1795810004113367);
INSERT INTO "migration" VALUES(6,'850942523a3fc5c0f755536a9c73e77e8bc3be254727f69e22d0bf921f4ee645',1795810004113628);
INSERT INTO "migration" VALUES(7,'dffa33ddc0abc8009eb09d7bd976af87e229b96268813082417da385364a6c04',1795810004114184);
INSERT INTO "migration" VALUES(8,'7f4998f1a2fd172048a3c1bd48ec0866fa6af37164ff3f50a7605fb401737d5a',1795810004114529);
INSERT INTO "migration" VALUES(9,'4e1d68f8a0a4e1d3451aab2ce3fcea65c48c83b7a937cc71161508c43c440b5b',1795810004114650);
INSERT INTO "migration" VALUES(10,'b3f86d64fcc6def9fc86b17e098547f00f7cd497c88b33b72067b68c87bf9631',1795810004114794);
INSERT INTO "migration" VALUES(11,'1eaa63fa2d4012d9cec93d5714544968c7a0dd1cf222e47676cf83f2ba05a81b',1795810004115033);
INSERT INTO "migration" VALUES(12,'4ee6ce3df46855a00cc5faef5a7e8b2c494a4ad1bf4954837db1d8f1a0fc9f60',1795810004115175);
INSERT INTO "migration" VALUES(13,'38fa98168e52db174add395d40acabe598d6b75a2346c7c714a51d4004f6df94',1795810004119913);
INSERT INTO "migration" VALUES(14,'f8101b6ddfef6dbea893666aef37a6312b2d1be6724de9652cf482a87483d27f',1795810004120701);
INSERT INTO "migration" VALUES(18,'25e806892e08dd24dfa8b9a24a60326b0f5875f483d25f401ae2e6a6c452e97f',1795810004128256);
CREATE TABLE pepper (
    id BIGINT PRIMARY KEY,
    encrypted_secret TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO "pepper" VALUES(1,'eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.TBh1syn5njntJNh40r75pWgvOWjuguNnkie8MDQfwlVcD0loFYf-Hw.DaS28DuNbH77yYDR.mFYh9-3E6Y5geZyMONvhDnC5KarFBv9gCzIJFgH67kg.c5uqb-73m9xR6YnrcoDJ4Q',1795810004148972);
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
INSERT INTO "resource" VALUES('orders','{"scopes":[],"scope_claims":{},"claims":null,"signing_alg":null,"encryption_key":null,"encryption_enc":"A256GCM","unregistered_clients":false}',1795810004346044);
CREATE TABLE revocation (
    seq BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    version BIGINT,
    expires_at BIGINT NOT NULL
);
INSERT INTO "revocation" VALUES(1,'sid','0tcdGw75bDp6Yrm85_B-kQ',NULL,1795810364383762);
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
, user_agent TEXT NOT NULL DEFAULT '', address TEXT NOT NULL DEFAULT '', scope TEXT NOT NULL DEFAULT '', key_thumbprint TEXT NOT NULL DEFAULT '', login_id TEXT, authenticated_at BIGINT, logout_uri TEXT, logout_due_at BIGINT, parent_id TEXT, identity_issuer TEXT, amr TEXT NOT NULL DEFAULT 'pwd', identity_subject TEXT, identity_session TEXT);
INSERT INTO "session" VALUES('0tcdGw75bDp6Yrm85_B-kQ',X'F12CBBF2089204C183889EF75D32CD3575DA13092B1EF69E2A9D663C22783581','Eq_xSFJPV1LtzndMOZv9Ug','carnet','default',0,1795810004369795,1795810004369795,1803586004369795,1795810004383762,'signed_out','','','','',NULL,1795810004369795,NULL,NULL,NULL,NULL,'pwd',NULL,NULL);
INSERT INTO "session" VALUES('4C9PyhvP8Ut2qSVbBDn-ZQ',X'052DA504C2C165424ACB31178A5EE9C767CAD3B0C7650FB64D84950FE5E727B7','Eq_xSFJPV1LtzndMOZv9Ug','carnet','default',1,1795810004391621,1795810004395614,1803586004391621,NULL,NULL,'','','','',NULL,1795810004391621,NULL,NULL,NULL,NULL,'pwd',NULL,NULL);
CREATE TABLE signing_key (
    kid TEXT PRIMARY KEY,
    alg TEXT NOT NULL,
    encrypted_jwk TEXT NOT NULL,
    created_at BIGINT NOT NULL
, signs_from BIGINT NOT NULL DEFAULT 0, retired_at BIGINT);
INSERT INTO "signing_key" VALUES('UIPbofRy5osrJenZxFofqY3vpH5M1pkORj4eLw7YFpw','ES256','eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.pN2MlyQm90co9vUdC0cfxz2BZ72jUHtrrEHQxl9Ydz0XBZA3UMlNeA.D2u4Du6N7NdR_m0f.TsYt_5_gARy5TgngOX386fck9FNwVJLTJrqeMwposgQ3DqT0IanGTahRTDU_-sWhGXpMFGfYRJ_jGgCln-AN9TT8SwcpZmQFExI-xjVBAUgTxkezQwLa6Y58TKhqcWBEFPUd4M-7UjZx2-Zb5KHbyTNuUs1owHd2Ym62UPcV9SxoJ5Ze_vq-GvVwu0CgfYXKDkg5FzDcZZbTzmK2zrk8W_BItIr2AjQec8NPw8UTIu5o4WZuS_ZBeKHxKA25B1NMMfgos0eRzHW90pD62AEGGmc2_RbsvJEWW-tliDpNhYrMRYmUsHPz1F9czRJoQzDIIS5mD6vQTVYtryD1tSc.g98qZ_HR4IuDCecjLIZqUQ',1795810004156784,1795810004156269,NULL);
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
CREATE INDEX session_of_identity ON session (identity_issuer, identity_subject)
WHERE identity_subject IS NOT NULL;
COMMIT;
