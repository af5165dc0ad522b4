BEGIN TRANSACTION;
CREATE TABLE account (
    id TEXT PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    roles TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
, claims TEXT NOT NULL DEFAULT '{}', disabled_at BIGINT);
INSERT INTO "account" VALUES('fryL7lO4XvS02UEX0OUVqA','alice','$argon2id$v=19$m=19456,t=2,p=1$MW/fApKd2wX33C6sdCGfsA$o0RbvaeSJ2Lm1/Airn/knkW8MI6MARPQ1Ixly33m13w','["ADMIN"]',1,1795750977318056,'{}',NULL);
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
INSERT INTO "audit" VALUES('LcjRutSa8uCmDtJR',1795750977248174,'key_created',NULL,NULL,'service','','ud7HcAAptwxM9ogdD24ZCA7R0The6Ssb_hRSqQMY_bY');
INSERT INTO "audit" VALUES('ScSCxmiAEP-kMOHh',1795750977318056,'account_created','fryL7lO4XvS02UEX0OUVqA',NULL,'operator','',NULL);
INSERT INTO "audit" VALUES('fcdd_sosfkhgTowo',1795750978555164,'resource_created',NULL,NULL,'operator','','orders');
INSERT INTO "audit" VALUES('NVZo8EzgOMW0lK72',1795750979188241,'client_created',NULL,NULL,'operator','','OjgSzTFd8omwCa6CYU2NWg');
INSERT INTO "audit" VALUES('7U5jAdo8OPGZHk8B',1795750980392200,'session_begun','fryL7lO4XvS02UEX0OUVqA','856pF1keahurm2EQcm6FZg',NULL,'127.0.0.1','carnet');
INSERT INTO "audit" VALUES('mPNe9w3-jYJfV9Yl',1795750980468072,'session_begun','fryL7lO4XvS02UEX0OUVqA','yeOtqrxc5r4CxH-VpC79DA',NULL,'127.0.0.1','carnet');
INSERT INTO "audit" VALUES('bhNjOeL6KpFlCBrj',1795750980472341,'session_ended','fryL7lO4XvS02UEX0OUVqA','yeOtqrxc5r4CxH-VpC79DA','fryL7lO4XvS02UEX0OUVqA','127.0.0.1','signed_out');
INSERT INTO "audit" VALUES('TLmRSw54aEkJ2H0Q',1795750980530155,'sign_in_refused',NULL,NULL,NULL,'127.0.0.1','wrong_username_or_password');
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
);
INSERT INTO "client" VALUES('OjgSzTFd8omwCa6CYU2NWg',X'12229DBCE97D236700BD018F61C30589CCC2F67CC5A95CC71208A2B7D4F64584','{"client_name":"shop","redirect_uris":["https://shop.example.com/callback"],"grant_types":["authorization_code","refresh_token"],"scope":"","token_endpoint_auth_method":"client_secret_basic","jwks":null,"post_logout_redirect_uris":[],"backchannel_logout_uri":null,"dpop_bound_access_tokens":false,"first_party":false,"resources":[],"introspects":[],"id_token_encrypted_response_alg":null,"id_token_encrypted_response_enc":"A128CBC-HS256"}',1795750979187847);
CREATE TABLE consent (
    account_id TEXT NOT NULL REFERENCES account (id),
    client_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, client_id)
);
INSERT INTO "consent" VALUES('fryL7lO4XvS02UEX0OUVqA','OjgSzTFd8omwCa6CYU2NWg','openid profile',1795750980536352);
CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO "counter" VALUES('revocation',1);
INSERT INTO "counter" VALUES('signing_key',1);
INSERT INTO "counter" VALUES('directory',2);
CREATE TABLE migration (number BIGINT PRIMARY KEY, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL);
INSERT INTO "migration" VALUES(1,'6576da56634c0fad9e5455d25d46f1b5eda6a02eb9a250db00fc94ac830a9789',1795750977088554);
INSERT INTO "migration" VALUES(2,'a590c3a8239ccbfda439b56aa3616ed78c2ef4c691fd30763a4cff36dbaadfff',1795750977090313);
INSERT INTO "migration" VALUES(3,'520dd4f5daff75ee4718b94b1fde122b2771de0abcc13446fc1c8f60807fe93a',1795750977092681);
CREATE TABLE pepper (
    id BIGINT PRIMARY KEY,
    encrypted_secret TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO "pepper" VALUES(1,'eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.-p-pGCaqoC0AeoVmQ4-3mhZiF-8ui-qqvehbzzW0PFuSPFSLzzjkfw.zSlP00vf6ViTx5EF.tCy01n1vtuvgaWx1wbmqUCfN31WPdR1KZhXi1GoMpek.uQcV6cCQWFj3TNb7y-s_kQ',1795750977237320);
CREATE TABLE resource (
    audience TEXT PRIMARY KEY,
    metadata TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO "resource" VALUES('orders','{"scopes":["orders:read"],"signing_alg":null,"encryption_key":null,"encryption_enc":"A256GCM"}',1795750978554770);
CREATE TABLE revocation (
    seq BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    version BIGINT,
    expires_at BIGINT NOT NULL
);
INSERT INTO "revocation" VALUES(1,'sid','yeOtqrxc5r4CxH-VpC79DA',NULL,1795751340472341);
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
, user_agent TEXT NOT NULL DEFAULT '', address TEXT NOT NULL DEFAULT '', scope TEXT NOT NULL DEFAULT '', key_thumbprint TEXT NOT NULL DEFAULT '', login_id TEXT, authenticated_at BIGINT, logout_uri TEXT, logout_due_at BIGINT);
INSERT INTO "session" VALUES('856pF1keahurm2EQcm6FZg',X'0438C3D71AA56F0C015ACECCAEAB48193DF65C7F4EDFA7FC9995D75E8F3ED44B','fryL7lO4XvS02UEX0OUVqA','carnet','default',1,1795750980392200,1795750980405438,1803526980392200,NULL,NULL,'Python-urllib/3.11','127.0.0.1','','',NULL,1795750980392200,NULL,NULL);
INSERT INTO "session" VALUES('yeOtqrxc5r4CxH-VpC79DA',X'3698B6C9E7B8B3BE902CEE8FAD004CD26FDD41556C0CAF6D5C42282C5851941B','fryL7lO4XvS02UEX0OUVqA','carnet','default',0,1795750980468072,1795750980468072,1803526980468072,1795750980472341,'signed_out','Python-urllib/3.11','127.0.0.1','','',NULL,1795750980468072,NULL,NULL);
CREATE TABLE signing_key (
    kid TEXT PRIMARY KEY,
    alg TEXT NOT NULL,
    encrypted_jwk TEXT NOT NULL,
    created_at BIGINT NOT NULL
, signs_from BIGINT NOT NULL DEFAULT 0, retired_at BIGINT);
INSERT INTO "signing_key" VALUES('ud7HcAAptwxM9ogdD24ZCA7R0The6Ssb_hRSqQMY_bY','ES256','eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.1FJcpmfbY2A8gxwvM2MTYoSFeYppWgbKG3fxYDNgqLSGco5XYW3img.TA__jLmFYliu96a3.nG8P3UDMGY6dMPo5EC83e2zjO3XA6hKBW3engTQ_Z3uZto0YdOEDogwApAzuoYPH4vsefaCUieQYvB6iGEqZG4256N3fXWQmd0zWBVsZgd9pllXNZ_fyOWfDJEZAobusijgInyYq0Ru_vjx346UakPE6pyOHuM_3UUemXGk1WJEMlaRDjXiky4yALQqycEg2p8UhLDAI4SK2sEbY02CBmM7HmmXt_tRymeM25gGz04HcdO1_-Yk3p7tFFYy9MQq8bLSpSXQBlgdKDJWtBCggZR-vIdVqS8YgojGzOAhjKJMEyFru9iNNjwYT_hojem6TXFNSH5YcQCQ8AlmaVoU.TxsfFYjyrpoexCptT2Nc_w',1795750977248174,1795750977244234,NULL);
CREATE TABLE spent (
    name BYTEA PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE TABLE throttle (
    name TEXT PRIMARY KEY,
    due_at BIGINT NOT NULL
);
INSERT INTO "throttle" VALUES('account 2bd806c97f0e00af1a1fc3328fa763a9',1795750982529915);
INSERT INTO "throttle" VALUES('account 2bd806c97f0e00af1a1fc3328fa763a9 from 127.0.0.1',1795750995529915);
INSERT INTO "throttle" VALUES('address 127.0.0.1',1795750984529915);
CREATE INDEX session_of_account ON session (account_id);
CREATE INDEX revocation_expiry ON revocation (expires_at);
CREATE INDEX session_expiry ON session (expires_at);
CREATE INDEX audit_time ON audit (at);
CREATE INDEX authorization_code_expiry ON authorization_code (expires_at);
CREATE INDEX spent_expiry ON spent (expires_at);
CREATE INDEX session_of_login ON session (login_id) WHERE login_id IS NOT NULL;
CREATE INDEX session_to_tell ON session (ended_at) WHERE logout_uri IS NOT NULL;
COMMIT;
