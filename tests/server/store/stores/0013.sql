BEGIN TRANSACTION;
CREATE TABLE account (
    id TEXT PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    roles TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
, claims TEXT NOT NULL DEFAULT '{}', disabled_at BIGINT, skeleton TEXT);
INSERT INTO "account" VALUES('rwObQ7XR9jpcMKdtvv1UCw','alice','$argon2id$v=19$m=19456,t=2,p=1$x8wwFN78WO3g0gDBAuxJSQ$eoF4zD64DslYBjhs8q18VhZMMU4Ttdey5w1c9SuXxEY','["ADMIN"]',1,1795796652859404,'{}',NULL,'alice');
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
INSERT INTO "audit" VALUES('l4lehrUY17OiIa53',1795796652794016,'key_created',NULL,NULL,'service','','pH93qyG5Vy_kGb4-bkvDPJFvkwUtFRdQ2TRliDfWBoE');
INSERT INTO "audit" VALUES('ru0wDSytaxtarOIp',1795796652859404,'account_created','rwObQ7XR9jpcMKdtvv1UCw',NULL,'operator','',NULL);
INSERT INTO "audit" VALUES('spkDZWotjDVMrDGn',1795796652861707,'resource_created',NULL,NULL,'operator','','orders');
INSERT INTO "audit" VALUES('eY4uK0X0MvKjSha8',1795796652872350,'client_created',NULL,NULL,'operator','','GTkuqh3jz8RsrfSzso__Sw');
INSERT INTO "audit" VALUES('xXHoswkiymriFdQ8',1795796652874030,'session_begun','rwObQ7XR9jpcMKdtvv1UCw','6IO7rbCBRut4ILAg87Ni-A','service','','carnet');
INSERT INTO "audit" VALUES('h0rOM-w1hLI3lVhe',1795796652883578,'session_ended','rwObQ7XR9jpcMKdtvv1UCw','6IO7rbCBRut4ILAg87Ni-A','service','','signed_out');
INSERT INTO "audit" VALUES('QNCzmgqC7_OnkXpM',1795796652887455,'session_begun','rwObQ7XR9jpcMKdtvv1UCw','nEaeFooAXT9FSnpp0yJ0JA','service','','carnet');
INSERT INTO "audit" VALUES('TgS4e59QzwDTWrbo',1795796652892326,'consent_given','rwObQ7XR9jpcMKdtvv1UCw',NULL,'operator','','GTkuqh3jz8RsrfSzso__Sw');
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
INSERT INTO "client" VALUES('GTkuqh3jz8RsrfSzso__Sw',X'628E356C8F6F0CF4EDAC6C85EFD4D9C7CFF435AF7FB3059472DB029119A28664','{"client_name":"","redirect_uris":["https://shop.example.com/callback"],"grant_types":["authorization_code","refresh_token"],"scope":"","token_endpoint_auth_method":"client_secret_basic","jwks":null,"post_logout_redirect_uris":[],"backchannel_logout_uri":null,"plain_http":false,"dpop_bound_access_tokens":false,"first_party":false,"resources":[],"introspects":[],"exchange_from":[],"exchange_to":[],"identity_assertions":{},"identity_issuers":[],"id_token_encrypted_response_alg":null,"id_token_encrypted_response_enc":"A128CBC-HS256"}',1795796652872239,NULL,NULL);
CREATE TABLE "consent" (
    account_id TEXT NOT NULL REFERENCES account (id),
    client_id TEXT NOT NULL,
    resource TEXT NOT NULL,
    scope TEXT NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, client_id, resource)
);
INSERT INTO "consent" VALUES('rwObQ7XR9jpcMKdtvv1UCw','GTkuqh3jz8RsrfSzso__Sw','orders','openid profile',1795796652892326);
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
INSERT INTO "migration" VALUES(1,'6576da56634c0fad9e5455d25d46f1b5eda6a02eb9a250db00fc94ac830a9789',1795796652710653);
INSERT INTO "migration" VALUES(2,'a590c3a8239ccbfda439b56aa3616ed78c2ef4c691fd30763a4cff36dbaadfff',1795796652715722);
INSERT INTO "migration" VALUES(3,'520dd4f5daff75ee4718b94b1fde122b2771de0abcc13446fc1c8f60807fe93a',1795796652716927);
INSERT INTO "migration" VALUES(4,'b081d3a49bbba7a368730a1beb73a64134777695a1e3ace89d48c0f863f22ce8',1795796652716973);
INSERT INTO "migration" VALUES(5,'43f579572fe95ac2873c45a1fbca86df57b0f0902b08166ab03d817a656449b4',1795796652717031);
INSERT INTO "migration" VALUES(6,'850942523a3fc5c0f755536a9c73e77e8bc3be254727f69e22d0bf921f4ee645',1795796652717286);
INSERT INTO "migration" VALUES(7,'dffa33ddc0abc8009eb09d7bd976af87e229b96268813082417da385364a6c04',1795796652717841);
INSERT INTO "migration" VALUES(8,'7f4998f1a2fd172048a3c1bd48ec0866fa6af37164ff3f50a7605fb401737d5a',1795796652718170);
INSERT INTO "migration" VALUES(9,'4e1d68f8a0a4e1d3451aab2ce3fcea65c48c83b7a937cc71161508c43c440b5b',1795796652718289);
INSERT INTO "migration" VALUES(10,'b3f86d64fcc6def9fc86b17e098547f00f7cd497c88b33b72067b68c87bf9631',1795796652718433);
INSERT INTO "migration" VALUES(11,'1eaa63fa2d4012d9cec93d5714544968c7a0dd1cf222e47676cf83f2ba05a81b',1795796652718691);
INSERT INTO "migration" VALUES(12,'4ee6ce3df46855a00cc5faef5a7e8b2c494a4ad1bf4954837db1d8f1a0fc9f60',1795796652718833);
INSERT INTO "migration" VALUES(13,'38fa98168e52db174add395d40acabe598d6b75a2346c7c714a51d4004f6df94',1795796652719170);
CREATE TABLE pepper (
    id BIGINT PRIMARY KEY,
    encrypted_secret TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO "pepper" VALUES(1,'eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.pnvHGPaPV4Kpzz-bAe4qD7jm8P6qWMi-hUduolTTkUjSJGrmkEKs4w.k2bgtWBkKGCZ5pS_.d-oaGFxbeC2JD3LtU_cOzniOKosd2yE4Uk7IG1KAFmA.tXTCoLzUB3JOgE23Fhu77Q',1795796652789361);
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
INSERT INTO "resource" VALUES('orders','{"scopes":[],"scope_claims":{},"claims":null,"signing_alg":null,"encryption_key":null,"encryption_enc":"A256GCM","unregistered_clients":false}',1795796652861603);
CREATE TABLE revocation (
    seq BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    version BIGINT,
    expires_at BIGINT NOT NULL
);
INSERT INTO "revocation" VALUES(1,'sid','6IO7rbCBRut4ILAg87Ni-A',NULL,1795797012883578);
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
, user_agent TEXT NOT NULL DEFAULT '', address TEXT NOT NULL DEFAULT '', scope TEXT NOT NULL DEFAULT '', key_thumbprint TEXT NOT NULL DEFAULT '', login_id TEXT, authenticated_at BIGINT, logout_uri TEXT, logout_due_at BIGINT, parent_id TEXT, identity_issuer TEXT);
INSERT INTO "session" VALUES('6IO7rbCBRut4ILAg87Ni-A',X'F521EC6FA14C712D417B9FF4CAFAA2B3D26D06BCEA859D68AA77A34C67965604','rwObQ7XR9jpcMKdtvv1UCw','carnet','default',0,1795796652874030,1795796652874030,1803572652874030,1795796652883578,'signed_out','','','','',NULL,1795796652874030,NULL,NULL,NULL,NULL);
INSERT INTO "session" VALUES('nEaeFooAXT9FSnpp0yJ0JA',X'C1A8BE669ADB104E02EF13331AA09F1B3DC25842F5C24124499ADA8254E10E4D','rwObQ7XR9jpcMKdtvv1UCw','carnet','default',1,1795796652887455,1795796652888221,1803572652887455,NULL,NULL,'','','','',NULL,1795796652887455,NULL,NULL,NULL,NULL);
CREATE TABLE signing_key (
    kid TEXT PRIMARY KEY,
    alg TEXT NOT NULL,
    encrypted_jwk TEXT NOT NULL,
    created_at BIGINT NOT NULL
, signs_from BIGINT NOT NULL DEFAULT 0, retired_at BIGINT);
INSERT INTO "signing_key" VALUES('pH93qyG5Vy_kGb4-bkvDPJFvkwUtFRdQ2TRliDfWBoE','ES256','eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.0KE4tm0jwLcLuTR0IuOkAMB9DLseKJjSCMh3JFKeZUOlNiHkTR_x6Q.fS_sI7xroXWyhP32.Yg9DqbopTPvkg65XEJG9A_Iys9ZnToQSiqAi-byoSrTKgEF3_mw2B1wxSYulg1bk3s7OLPAzE3h5Tcvo0pbAxLegkxN3HZhyfqGEThz0fGcYP2kmAdJF06nzDRKmxohL46teGoieMdkBKUYgMsL8W6Ae1B_CovsRFgB5utVZUIFbnGRfpRyvdxmFWg0yeuXuhqz9YBosdKDgGI5LRu1NjFOxQtlfNG8Yfc7SUKNiNtsBdHQg1CCB7xmQcXK8FA8OBzcqa-UcDDKuT7LJhxe_0w8Uxt7slQerNlBsL9hSpFvr-0c5GQBrTjwblUT8sZBXPLfz4SGDhx6ZLNSfdw4.vWbRn3LZ91ETEOA11XuQvg',1795796652794016,1795796652790541,NULL);
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
COMMIT;
