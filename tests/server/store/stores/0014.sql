BEGIN TRANSACTION;
CREATE TABLE account (
    id TEXT PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    roles TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
, claims TEXT NOT NULL DEFAULT '{}', disabled_at BIGINT, skeleton TEXT);
INSERT INTO "account" VALUES('5-m14f0KRSvBLyuHXBclCQ','alice','$argon2id$v=19$m=19456,t=2,p=1$M0c0eTeQKITzw33gxaEUTw$A6WKHkddjh7aSMZjAQZ2hZxdu+8CUYKgqaPHqcwx9Kk','["ADMIN"]',1,1795797727391428,'{}',NULL,'alice');
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
INSERT INTO "audit" VALUES('JVJfXR7fGa3YS7Lq',1795797727219570,'key_created',NULL,NULL,'service','','j4xkSENjAeKhg-X1ES9bM-iQgwYAEYXUOlzD7A-EPJo');
INSERT INTO "audit" VALUES('ilWp-kPEbqGTqZHc',1795797727391428,'account_created','5-m14f0KRSvBLyuHXBclCQ',NULL,'operator','',NULL);
INSERT INTO "audit" VALUES('ZWk5yITYgi6LR7iN',1795797727395471,'resource_created',NULL,NULL,'operator','','orders');
INSERT INTO "audit" VALUES('3Y-ozXiomM98JiXr',1795797727401412,'client_created',NULL,NULL,'operator','','Uh7b37AuVYFsy0cYpHhxnA');
INSERT INTO "audit" VALUES('b0c5osuH-dP54TPj',1795797727412587,'session_begun','5-m14f0KRSvBLyuHXBclCQ','Kq97g6W9tmcN3my1Q-MMQA','service','','carnet');
INSERT INTO "audit" VALUES('xJot8f2CmKDxNY-1',1795797727415692,'session_ended','5-m14f0KRSvBLyuHXBclCQ','Kq97g6W9tmcN3my1Q-MMQA','service','','signed_out');
INSERT INTO "audit" VALUES('GX_gR4WGnDzTan3J',1795797727417327,'session_begun','5-m14f0KRSvBLyuHXBclCQ','6ylSASr-YMGNhqBRGRbvkA','service','','carnet');
INSERT INTO "audit" VALUES('LSgl2jokx9QBocOA',1795797727452391,'consent_given','5-m14f0KRSvBLyuHXBclCQ',NULL,'operator','','Uh7b37AuVYFsy0cYpHhxnA');
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
INSERT INTO "client" VALUES('Uh7b37AuVYFsy0cYpHhxnA',X'151B8AAB56E2E0B7498F5261EA62CF528CE9522B9AEBCAD09A69253AC04D23BD','{"client_name":"","redirect_uris":["https://shop.example.com/callback"],"grant_types":["authorization_code","refresh_token"],"scope":"","token_endpoint_auth_method":"client_secret_basic","jwks":null,"post_logout_redirect_uris":[],"backchannel_logout_uri":null,"plain_http":false,"dpop_bound_access_tokens":false,"required_acr":"aal1","first_party":false,"resources":[],"introspects":[],"exchange_from":[],"exchange_to":[],"id_token_encrypted_response_alg":null,"id_token_encrypted_response_enc":"A128CBC-HS256"}',1795797727401339,NULL,NULL);
CREATE TABLE "consent" (
    account_id TEXT NOT NULL REFERENCES account (id),
    client_id TEXT NOT NULL,
    resource TEXT NOT NULL,
    scope TEXT NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, client_id, resource)
);
INSERT INTO "consent" VALUES('5-m14f0KRSvBLyuHXBclCQ','Uh7b37AuVYFsy0cYpHhxnA','orders','openid profile',1795797727452391);
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
INSERT INTO "migration" VALUES(1,'6576da56634c0fad9e5455d25d46f1b5eda6a02eb9a250db00fc94ac830a9789',1795797727057804);
INSERT INTO "migration" VALUES(2,'a590c3a8239ccbfda439b56aa3616ed78c2ef4c691fd30763a4cff36dbaadfff',1795797727058740);
INSERT INTO "migration" VALUES(3,'520dd4f5daff75ee4718b94b1fde122b2771de0abcc13446fc1c8f60807fe93a',1795797727062249);
INSERT INTO "migration" VALUES(4,'b081d3a49bbba7a368730a1beb73a64134777695a1e3ace89d48c0f863f22ce8',1795797727062298);
INSERT INTO "migration" VALUES(5,'43f579572fe95ac2873c45a1fbca86df57b0f0902b08166ab03d817a656449b4',1795797727062357);
INSERT INTO "migration" VALUES(6,'850942523a3fc5c0f755536a9c73e77e8bc3be254727f69e22d0bf921f4ee645',1795797727062615);
INSERT INTO "migration" VALUES(7,'dffa33ddc0abc8009eb09d7bd976af87e229b96268813082417da385364a6c04',1795797727063197);
INSERT INTO "migration" VALUES(8,'7f4998f1a2fd172048a3c1bd48ec0866fa6af37164ff3f50a7605fb401737d5a',1795797727066777);
INSERT INTO "migration" VALUES(9,'4e1d68f8a0a4e1d3451aab2ce3fcea65c48c83b7a937cc71161508c43c440b5b',1795797727066905);
INSERT INTO "migration" VALUES(10,'b3f86d64fcc6def9fc86b17e098547f00f7cd497c88b33b72067b68c87bf9631',1795797727067098);
INSERT INTO "migration" VALUES(11,'1eaa63fa2d4012d9cec93d5714544968c7a0dd1cf222e47676cf83f2ba05a81b',1795797727067452);
INSERT INTO "migration" VALUES(12,'4ee6ce3df46855a00cc5faef5a7e8b2c494a4ad1bf4954837db1d8f1a0fc9f60',1795797727067600);
INSERT INTO "migration" VALUES(14,'f8101b6ddfef6dbea893666aef37a6312b2d1be6724de9652cf482a87483d27f',1795797727068251);
CREATE TABLE pepper (
    id BIGINT PRIMARY KEY,
    encrypted_secret TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO "pepper" VALUES(1,'eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.jCd-Lvieg-fZC20BlUZGyEIBliKqnC24ZPnRfdVon-qKqIVA6YAiPg.gDXvznRTkB_bV8Mt.AO25S43yXPrt-haE9Z0dmJWrD5D5FN8TvXQEYLIGzf4.loLBvX8_kN-67U0sVcsWQg',1795797727201142);
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
INSERT INTO "resource" VALUES('orders','{"scopes":[],"scope_claims":{},"claims":null,"signing_alg":null,"encryption_key":null,"encryption_enc":"A256GCM","unregistered_clients":false}',1795797727395362);
CREATE TABLE revocation (
    seq BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    version BIGINT,
    expires_at BIGINT NOT NULL
);
INSERT INTO "revocation" VALUES(1,'sid','Kq97g6W9tmcN3my1Q-MMQA',NULL,1795798087415692);
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
, user_agent TEXT NOT NULL DEFAULT '', address TEXT NOT NULL DEFAULT '', scope TEXT NOT NULL DEFAULT '', key_thumbprint TEXT NOT NULL DEFAULT '', login_id TEXT, authenticated_at BIGINT, logout_uri TEXT, logout_due_at BIGINT, parent_id TEXT, amr TEXT NOT NULL DEFAULT 'pwd');
INSERT INTO "session" VALUES('Kq97g6W9tmcN3my1Q-MMQA',X'6300B2A6275A8E3C8BDCBEE2C7EB0369F5ADA2C9D1733E55522E5063AC7AC0FB','5-m14f0KRSvBLyuHXBclCQ','carnet','default',0,1795797727412587,1795797727412587,1803573727412587,1795797727415692,'signed_out','','','','',NULL,1795797727412587,NULL,NULL,NULL,'pwd');
INSERT INTO "session" VALUES('6ylSASr-YMGNhqBRGRbvkA',X'A6E4665B8B3FAEAF693AE3F0C84DD81376AD429491CA4D8B8B5741958CD123C0','5-m14f0KRSvBLyuHXBclCQ','carnet','default',1,1795797727417327,1795797727441817,1803573727417327,NULL,NULL,'','','','',NULL,1795797727417327,NULL,NULL,NULL,'pwd');
CREATE TABLE signing_key (
    kid TEXT PRIMARY KEY,
    alg TEXT NOT NULL,
    encrypted_jwk TEXT NOT NULL,
    created_at BIGINT NOT NULL
, signs_from BIGINT NOT NULL DEFAULT 0, retired_at BIGINT);
INSERT INTO "signing_key" VALUES('j4xkSENjAeKhg-X1ES9bM-iQgwYAEYXUOlzD7A-EPJo','ES256','eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.EIxydjhXoTa1Z89G4ajA1fbntM-xXOCkjqvXTdTXW-zfxND4B_4RpA.k_c_ZARm0XFDVGfz.Y8SkqLQuAk3otMtQk3bwIqpHFYoRz2CequZtLGIo0EQdjae2mV5EIuGOi0Ix0wpkxSlbsfLclS_D9YX36A9aLZSiqdrHbuvB23cjpCqgT1-ApoH5E3QHxm6EbSMCTSOtIwXYCij8C-D-AExYqAx1e9-kq93kaPjtEYqGfIq3ycVkGh54UD_O9wFvONloFZMnXAFbhfNWn1Dl44GsOG6c7fYT5HW-7iO6XcuHmC_x0Sg0Mw5_40c71LCPfMPHojo8KT-aMTeuLmOkuAs3uljVB5vMvgUxCaeo_gyVVzVWTV9tMF_YZRh-5rmZSb9RrM-PehJkvl6to-bHsmXnEBU.QGgirCzWMJMoUIV24JDZ5g',1795797727219570,1795797727216258,NULL);
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
CREATE INDEX factor_account ON factor (account_id);
COMMIT;
