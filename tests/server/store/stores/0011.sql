BEGIN TRANSACTION;
CREATE TABLE account (
    id TEXT PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    roles TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
, claims TEXT NOT NULL DEFAULT '{}', disabled_at BIGINT, skeleton TEXT);
INSERT INTO "account" VALUES('ziDcvlhPU2RLYtJ8PKuJvw','alice','$argon2id$v=19$m=19456,t=2,p=1$Vlg45IzcGpmjsaq0BqXQzA$Gf/ivtwiTbzvYbpS+niLoZeAWCHNLqJ+4flAWF6PmFg','["ADMIN"]',1,1795785988115654,'{}',NULL,'alice');
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
INSERT INTO "audit" VALUES('LaNiP3eQ3JCCcMIR',1795785988019209,'key_created',NULL,NULL,'service','','GLH3ahEuOJ7uPste46FU1CHszeqzINtYfNUg49Si-L8');
INSERT INTO "audit" VALUES('ZjGfgufvfNbPvDyR',1795785988115654,'account_created','ziDcvlhPU2RLYtJ8PKuJvw',NULL,'operator','',NULL);
INSERT INTO "audit" VALUES('4SMtt43U8q93ZjJa',1795785988132811,'resource_created',NULL,NULL,'operator','','orders');
INSERT INTO "audit" VALUES('b0eZJ2IO72mNOry4',1795785988152152,'client_created',NULL,NULL,'operator','','NzWGFhMYVfzLltaQxEatIg');
INSERT INTO "audit" VALUES('aI6EB5k2qhGTMOui',1795785988176523,'session_begun','ziDcvlhPU2RLYtJ8PKuJvw','4-kUN1-FjTUp-BzNrUeWxg','service','','carnet');
INSERT INTO "audit" VALUES('WD-ea-wgskRPEvcF',1795785988182355,'session_ended','ziDcvlhPU2RLYtJ8PKuJvw','4-kUN1-FjTUp-BzNrUeWxg','service','','signed_out');
INSERT INTO "audit" VALUES('_WgKfQdwlcqLpUGP',1795785988193479,'session_begun','ziDcvlhPU2RLYtJ8PKuJvw','C1_l3JKJWSYC5-28ds8XaQ','service','','carnet');
INSERT INTO "audit" VALUES('A8D33LyXudl3quzr',1795785988212885,'consent_given','ziDcvlhPU2RLYtJ8PKuJvw',NULL,'operator','','NzWGFhMYVfzLltaQxEatIg');
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
INSERT INTO "client" VALUES('NzWGFhMYVfzLltaQxEatIg',X'71E86F8DDDF111EDBE8D067B5B71D8AA3F0059FD157EC35DAF66DC8D1DA70EF7','{"client_name":"","redirect_uris":["https://shop.example.com/callback"],"grant_types":["authorization_code","refresh_token"],"scope":"","token_endpoint_auth_method":"client_secret_basic","jwks":null,"post_logout_redirect_uris":[],"backchannel_logout_uri":null,"plain_http":false,"dpop_bound_access_tokens":false,"first_party":false,"resources":[],"introspects":[],"exchange_from":[],"exchange_to":[],"id_token_encrypted_response_alg":null,"id_token_encrypted_response_enc":"A128CBC-HS256"}',1795785988151995,NULL,NULL);
CREATE TABLE "consent" (
    account_id TEXT NOT NULL REFERENCES account (id),
    client_id TEXT NOT NULL,
    resource TEXT NOT NULL,
    scope TEXT NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, client_id, resource)
);
INSERT INTO "consent" VALUES('ziDcvlhPU2RLYtJ8PKuJvw','NzWGFhMYVfzLltaQxEatIg','orders','openid profile',1795785988212885);
CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO "counter" VALUES('revocation',1);
INSERT INTO "counter" VALUES('signing_key',1);
INSERT INTO "counter" VALUES('directory',2);
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
INSERT INTO "migration" VALUES(1,'6576da56634c0fad9e5455d25d46f1b5eda6a02eb9a250db00fc94ac830a9789',1795785987925965);
INSERT INTO "migration" VALUES(2,'a590c3a8239ccbfda439b56aa3616ed78c2ef4c691fd30763a4cff36dbaadfff',1795785987927129);
INSERT INTO "migration" VALUES(3,'520dd4f5daff75ee4718b94b1fde122b2771de0abcc13446fc1c8f60807fe93a',1795785987932733);
INSERT INTO "migration" VALUES(4,'b081d3a49bbba7a368730a1beb73a64134777695a1e3ace89d48c0f863f22ce8',1795785987932786);
INSERT INTO "migration" VALUES(5,'43f579572fe95ac2873c45a1fbca86df57b0f0902b08166ab03d817a656449b4',1795785987932847);
INSERT INTO "migration" VALUES(6,'850942523a3fc5c0f755536a9c73e77e8bc3be254727f69e22d0bf921f4ee645',1795785987933113);
INSERT INTO "migration" VALUES(7,'dffa33ddc0abc8009eb09d7bd976af87e229b96268813082417da385364a6c04',1795785987933666);
INSERT INTO "migration" VALUES(8,'7f4998f1a2fd172048a3c1bd48ec0866fa6af37164ff3f50a7605fb401737d5a',1795785987933998);
INSERT INTO "migration" VALUES(9,'4e1d68f8a0a4e1d3451aab2ce3fcea65c48c83b7a937cc71161508c43c440b5b',1795785987934141);
INSERT INTO "migration" VALUES(10,'b3f86d64fcc6def9fc86b17e098547f00f7cd497c88b33b72067b68c87bf9631',1795785987934286);
INSERT INTO "migration" VALUES(11,'1eaa63fa2d4012d9cec93d5714544968c7a0dd1cf222e47676cf83f2ba05a81b',1795785987934548);
CREATE TABLE pepper (
    id BIGINT PRIMARY KEY,
    encrypted_secret TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO "pepper" VALUES(1,'eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.q9qtXTF11OZ9de_5bBld64NUeE_OVaxP_BwmZh5N_QtQCkuny-LJcQ.aIzWr5l7R_GZtrdd.Wp5Mhc-1OqFL98JKGI9SJOmKzjKVHawpUK9OF8QsduQ.bxsiHCpzJ8XVWMK2dfyJzQ',1795785988009121);
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
INSERT INTO "resource" VALUES('orders','{"scopes":[],"scope_claims":{},"claims":null,"signing_alg":null,"encryption_key":null,"encryption_enc":"A256GCM","unregistered_clients":false}',1795785988132600);
CREATE TABLE revocation (
    seq BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    version BIGINT,
    expires_at BIGINT NOT NULL
);
INSERT INTO "revocation" VALUES(1,'sid','4-kUN1-FjTUp-BzNrUeWxg',NULL,1795786348182355);
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
INSERT INTO "session" VALUES('4-kUN1-FjTUp-BzNrUeWxg',X'0C032807FF86A3A946F64260F3A3C2C54DD69CA524B1AA66F75EB928EAC81B1C','ziDcvlhPU2RLYtJ8PKuJvw','carnet','default',0,1795785988176523,1795785988176523,1803561988176523,1795785988182355,'signed_out','','','','',NULL,1795785988176523,NULL,NULL,NULL);
INSERT INTO "session" VALUES('C1_l3JKJWSYC5-28ds8XaQ',X'B72EB92252DA537861020D9E925AB6CBE9B14054F5D9DFC01E6E0046DAC9ED24','ziDcvlhPU2RLYtJ8PKuJvw','carnet','default',1,1795785988193479,1795785988203926,1803561988193479,NULL,NULL,'','','','',NULL,1795785988193479,NULL,NULL,NULL);
CREATE TABLE signing_key (
    kid TEXT PRIMARY KEY,
    alg TEXT NOT NULL,
    encrypted_jwk TEXT NOT NULL,
    created_at BIGINT NOT NULL
, signs_from BIGINT NOT NULL DEFAULT 0, retired_at BIGINT);
INSERT INTO "signing_key" VALUES('GLH3ahEuOJ7uPste46FU1CHszeqzINtYfNUg49Si-L8','ES256','eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.3-Z0GGcr95gA61J9MBxU4GA4MDnCEUzXfLsC1LU-EyrCQktfE__XAg.bcu5quDSbxjwja-8.KqJFN1oe54nl2yzvS0BTNO0nnRW_ax7zqnD8628NXYCAtsaE5hpDqgQG5FXIKBw0jJ1HLngpMjpy7sF_BCDEilK8IQdlWfepSR4zUJ-30z8zNRLsHput03DjGgoqiDC3au1BD82S1rC0m-o881nvBKzUCO6_9Z9moPXcvTK_zejUX4Qv9Gi1lFwzzl8BxIsVZMPu2xZdx6LNRdwBOZpKi0WpNijV7GWQv8YH3xYrl7VJfghZ3Y_NW9gYuL2giFSb3BhJ6LW-x0im22Xyybk2gBASDu1t4Xo7pOK02zERwmjUpP5gcq_eep6X00CucalWwkYjFGHr4G1lp6sV_0s.3TVzxo2-iZOxNNjOC9QvSg',1795785988019209,1795785988016191,NULL);
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
COMMIT;
