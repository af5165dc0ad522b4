BEGIN TRANSACTION;
CREATE TABLE account (
    id TEXT PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    roles TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
, claims TEXT NOT NULL DEFAULT '{}', disabled_at BIGINT, skeleton TEXT);
INSERT INTO "account" VALUES('yVaadxunDWsVOOqKGWH-PA','alice','$argon2id$v=19$m=19456,t=2,p=1$OoClJNcGTimny/B5oC1HKA$WEcq4q7xjCWVyj+HERBSCrwn3a5YPdCYaRnG3tPG3a4','["ADMIN"]',1,1795785977003471,'{}',NULL,'alice');
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
INSERT INTO "audit" VALUES('dnjWNZEQ8hJTYDEf',1795785976864973,'key_created',NULL,NULL,'service','','D48J54ypIJecnDA6fxjCGy5GwF_4FaDZkG4B_tuvf7Y');
INSERT INTO "audit" VALUES('VUAUelM9LD48Al8V',1795785977003471,'account_created','yVaadxunDWsVOOqKGWH-PA',NULL,'operator','',NULL);
INSERT INTO "audit" VALUES('EjfeiH8_8N09mxjL',1795785977005183,'resource_created',NULL,NULL,'operator','','orders');
INSERT INTO "audit" VALUES('t_f6D2f7w9IajBKL',1795785977011516,'client_created',NULL,NULL,'operator','','zboljydeMBubiK4A7VRm-Q');
INSERT INTO "audit" VALUES('X1yOJw1KbqGht07Z',1795785977013596,'session_begun','yVaadxunDWsVOOqKGWH-PA','7KDUdvGf_GYqCnOwDt15wQ','service','','carnet');
INSERT INTO "audit" VALUES('O2zT5l-HbuXFDPLz',1795785977017487,'session_ended','yVaadxunDWsVOOqKGWH-PA','7KDUdvGf_GYqCnOwDt15wQ','service','','signed_out');
INSERT INTO "audit" VALUES('XELYKAdN2MQyF6sq',1795785977018953,'session_begun','yVaadxunDWsVOOqKGWH-PA','NJ-h8HcOObzLiR8KuiBx2w','service','','carnet');
INSERT INTO "audit" VALUES('6olO_w-KM3X8mk26',1795785977027642,'consent_given','yVaadxunDWsVOOqKGWH-PA',NULL,'operator','','zboljydeMBubiK4A7VRm-Q');
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
INSERT INTO "client" VALUES('zboljydeMBubiK4A7VRm-Q',X'50A05DBBCC2E41C3E2E41E53D703B316630CFB0C8EB3DA4C8AE6FB4330A26B8D','{"client_name":"","redirect_uris":["https://shop.example.com/callback"],"grant_types":["authorization_code","refresh_token"],"scope":"","token_endpoint_auth_method":"client_secret_basic","jwks":null,"post_logout_redirect_uris":[],"backchannel_logout_uri":null,"plain_http":false,"dpop_bound_access_tokens":false,"first_party":false,"resources":[],"introspects":[],"exchange_from":[],"exchange_to":[],"id_token_encrypted_response_alg":null,"id_token_encrypted_response_enc":"A128CBC-HS256"}',1795785977011370,NULL,NULL);
CREATE TABLE "consent" (
    account_id TEXT NOT NULL REFERENCES account (id),
    client_id TEXT NOT NULL,
    resource TEXT NOT NULL,
    scope TEXT NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, client_id, resource)
);
INSERT INTO "consent" VALUES('yVaadxunDWsVOOqKGWH-PA','zboljydeMBubiK4A7VRm-Q','orders','openid profile',1795785977027642);
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
INSERT INTO "migration" VALUES(1,'6576da56634c0fad9e5455d25d46f1b5eda6a02eb9a250db00fc94ac830a9789',1795785976698770);
INSERT INTO "migration" VALUES(2,'a590c3a8239ccbfda439b56aa3616ed78c2ef4c691fd30763a4cff36dbaadfff',1795785976709008);
INSERT INTO "migration" VALUES(3,'520dd4f5daff75ee4718b94b1fde122b2771de0abcc13446fc1c8f60807fe93a',1795785976713015);
INSERT INTO "migration" VALUES(4,'b081d3a49bbba7a368730a1beb73a64134777695a1e3ace89d48c0f863f22ce8',1795785976713094);
INSERT INTO "migration" VALUES(5,'43f579572fe95ac2873c45a1fbca86df57b0f0902b08166ab03d817a656449b4',1795785976713185);
INSERT INTO "migration" VALUES(6,'850942523a3fc5c0f755536a9c73e77e8bc3be254727f69e22d0bf921f4ee645',1795785976713617);
INSERT INTO "migration" VALUES(7,'dffa33ddc0abc8009eb09d7bd976af87e229b96268813082417da385364a6c04',1795785976714762);
INSERT INTO "migration" VALUES(8,'7f4998f1a2fd172048a3c1bd48ec0866fa6af37164ff3f50a7605fb401737d5a',1795785976719759);
INSERT INTO "migration" VALUES(9,'4e1d68f8a0a4e1d3451aab2ce3fcea65c48c83b7a937cc71161508c43c440b5b',1795785976719998);
INSERT INTO "migration" VALUES(10,'b3f86d64fcc6def9fc86b17e098547f00f7cd497c88b33b72067b68c87bf9631',1795785976720240);
INSERT INTO "migration" VALUES(11,'1eaa63fa2d4012d9cec93d5714544968c7a0dd1cf222e47676cf83f2ba05a81b',1795785976720712);
INSERT INTO "migration" VALUES(12,'4ee6ce3df46855a00cc5faef5a7e8b2c494a4ad1bf4954837db1d8f1a0fc9f60',1795785976720943);
CREATE TABLE pepper (
    id BIGINT PRIMARY KEY,
    encrypted_secret TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO "pepper" VALUES(1,'eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.DfsM1jtdRyNFb9ahINOPYwpzIRXG_atdPHWdB-3Q3qocDz2Zw3cddQ.b80prnapjvaqYSed.yRXpz65MrANK4IqqiwSgk6-PRvVH5FVS7YefEOuNjT4.lAo2PUN9XVQU9WUY0CO9jA',1795785976848735);
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
INSERT INTO "resource" VALUES('orders','{"scopes":[],"scope_claims":{},"claims":null,"signing_alg":null,"encryption_key":null,"encryption_enc":"A256GCM","unregistered_clients":false}',1795785977005051);
CREATE TABLE revocation (
    seq BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    version BIGINT,
    expires_at BIGINT NOT NULL
);
INSERT INTO "revocation" VALUES(1,'sid','7KDUdvGf_GYqCnOwDt15wQ',NULL,1795786337017487);
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
, user_agent TEXT NOT NULL DEFAULT '', address TEXT NOT NULL DEFAULT '', scope TEXT NOT NULL DEFAULT '', key_thumbprint TEXT NOT NULL DEFAULT '', login_id TEXT, authenticated_at BIGINT, logout_uri TEXT, logout_due_at BIGINT, parent_id TEXT);
INSERT INTO "session" VALUES('7KDUdvGf_GYqCnOwDt15wQ',X'7138D3A3396D8DE420B2D2E85087F11F080893D958645257810FDFF74C02BD1A','yVaadxunDWsVOOqKGWH-PA','carnet','default',0,1795785977013596,1795785977013596,1803561977013596,1795785977017487,'signed_out','','','','',NULL,1795785977013596,NULL,NULL,NULL);
INSERT INTO "session" VALUES('NJ-h8HcOObzLiR8KuiBx2w',X'F5FA4C825378F3A41ACC567C3C895AFEDF2AF11E6D6D2017C0C91162645C1739','yVaadxunDWsVOOqKGWH-PA','carnet','default',1,1795785977018953,1795785977019935,1803561977018953,NULL,NULL,'','','','',NULL,1795785977018953,NULL,NULL,NULL);
CREATE TABLE signing_key (
    kid TEXT PRIMARY KEY,
    alg TEXT NOT NULL,
    encrypted_jwk TEXT NOT NULL,
    created_at BIGINT NOT NULL
, signs_from BIGINT NOT NULL DEFAULT 0, retired_at BIGINT);
INSERT INTO "signing_key" VALUES('D48J54ypIJecnDA6fxjCGy5GwF_4FaDZkG4B_tuvf7Y','ES256','eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.6G0j6BjhSwJqzdmkdH4rux9ee5Wi5dURIpQkm2lUc-c6GEXLJZsk_w._vrQjnqMLTfGacSY.N_hjNsqitHql3z3kYaaHiBAtF-leAUxGiv-owdQAHOD4cNjSmyoQia93i39bur-kIJHurEJJME-wqhP081sCKBfJJam1CZ-0sXigYtY_IekxeHcYD2r1ndaCfjr7ZHibhBmc333zbr_wx2hxKaglzZFJsB0dALWCiKuKqDorIj00Umis1t4iWRHMPQWveZAZjwjodloGhJcGEZcKIh0xW7VmoZzKK-VUiCH-1JrSs2izHj2zLYL5TmeQbtF6iG9o4BlSOXuLwQIm6lYZ0Zo01Uvql7bUavFjmjKyg17l_UIdoWmp2deCCwHjVaVlSjJfvqTn_ClSmpMA1BvVOwQ.PHMfRN9A56MTazKxT0JEHw',1795785976864973,1795785976856456,NULL);
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
COMMIT;
