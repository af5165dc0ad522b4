BEGIN TRANSACTION;
CREATE TABLE account (
    id TEXT PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    roles TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
, claims TEXT NOT NULL DEFAULT '{}', disabled_at BIGINT, skeleton TEXT);
INSERT INTO "account" VALUES('bxczbui5ckRjoc61VKQZEQ','alice','$argon2id$v=19$m=19456,t=2,p=1$lOeZg+WLv4HsAcmMJjhyog$9yRm4dLCD3n46wEha8MxfzVVDGa9F/IihUFhDJ3JDEY','["ADMIN"]',1,1795781156495495,'{}',NULL,'alice');
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
INSERT INTO "audit" VALUES('xhGhhwdA5FB3Bo5S',1795781156317213,'key_created',NULL,NULL,'service','','1YQoRy7vF1tZKIImqWJm1myi29f2ZVvs_IrSY1JGoD4');
INSERT INTO "audit" VALUES('eFsW-gyJiphP7trc',1795781156495495,'account_created','bxczbui5ckRjoc61VKQZEQ',NULL,'operator','',NULL);
INSERT INTO "audit" VALUES('s3MQ8bVyzQ7YofEd',1795781156497629,'resource_created',NULL,NULL,'operator','','orders');
INSERT INTO "audit" VALUES('CT90PuV6cGScWEFj',1795781156507381,'client_created',NULL,NULL,'operator','','DHBEA5jzMcqmXJjJKs60UA');
INSERT INTO "audit" VALUES('onwrWScOFt6l4OY6',1795781156511849,'session_begun','bxczbui5ckRjoc61VKQZEQ','AKHqivMsKtT47jJ33hbZcQ','service','','carnet');
INSERT INTO "audit" VALUES('oDRwVytvizKypH1V',1795781156519853,'session_ended','bxczbui5ckRjoc61VKQZEQ','AKHqivMsKtT47jJ33hbZcQ','service','','signed_out');
INSERT INTO "audit" VALUES('pc5bXklRn85t6w3J',1795781156523880,'session_begun','bxczbui5ckRjoc61VKQZEQ','NqRGEtQImLKbfsAwnsK1Pw','service','','carnet');
INSERT INTO "audit" VALUES('quDd3QQw_iXjz9Ou',1795781156537358,'consent_given','bxczbui5ckRjoc61VKQZEQ',NULL,'operator','','DHBEA5jzMcqmXJjJKs60UA');
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
INSERT INTO "client" VALUES('DHBEA5jzMcqmXJjJKs60UA',X'6757A131E0DE6E3E329CBD9A64A652CBE0C599AC1DBDC274443A691462577261','{"client_name":"","redirect_uris":["https://shop.example.com/callback"],"grant_types":["authorization_code","refresh_token"],"scope":"","token_endpoint_auth_method":"client_secret_basic","jwks":null,"post_logout_redirect_uris":[],"backchannel_logout_uri":null,"plain_http":false,"dpop_bound_access_tokens":false,"first_party":false,"resources":[],"introspects":[],"id_token_encrypted_response_alg":null,"id_token_encrypted_response_enc":"A128CBC-HS256"}',1795781156504874,NULL,NULL);
CREATE TABLE "consent" (
    account_id TEXT NOT NULL REFERENCES account (id),
    client_id TEXT NOT NULL,
    resource TEXT NOT NULL,
    scope TEXT NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, client_id, resource)
);
INSERT INTO "consent" VALUES('bxczbui5ckRjoc61VKQZEQ','DHBEA5jzMcqmXJjJKs60UA','orders','openid profile',1795781156537358);
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
INSERT INTO "migration" VALUES(1,'6576da56634c0fad9e5455d25d46f1b5eda6a02eb9a250db00fc94ac830a9789',1795781156134189);
INSERT INTO "migration" VALUES(2,'a590c3a8239ccbfda439b56aa3616ed78c2ef4c691fd30763a4cff36dbaadfff',1795781156145694);
INSERT INTO "migration" VALUES(3,'520dd4f5daff75ee4718b94b1fde122b2771de0abcc13446fc1c8f60807fe93a',1795781156154558);
INSERT INTO "migration" VALUES(4,'b081d3a49bbba7a368730a1beb73a64134777695a1e3ace89d48c0f863f22ce8',1795781156154635);
INSERT INTO "migration" VALUES(5,'43f579572fe95ac2873c45a1fbca86df57b0f0902b08166ab03d817a656449b4',1795781156154723);
INSERT INTO "migration" VALUES(6,'850942523a3fc5c0f755536a9c73e77e8bc3be254727f69e22d0bf921f4ee645',1795781156155106);
INSERT INTO "migration" VALUES(7,'dffa33ddc0abc8009eb09d7bd976af87e229b96268813082417da385364a6c04',1795781156156039);
INSERT INTO "migration" VALUES(8,'7f4998f1a2fd172048a3c1bd48ec0866fa6af37164ff3f50a7605fb401737d5a',1795781156156525);
INSERT INTO "migration" VALUES(9,'4e1d68f8a0a4e1d3451aab2ce3fcea65c48c83b7a937cc71161508c43c440b5b',1795781156156767);
CREATE TABLE pepper (
    id BIGINT PRIMARY KEY,
    encrypted_secret TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO "pepper" VALUES(1,'eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.JMrK6zpb6zRL9XUFcYcyULiHZy6sBtMmAD_sZrlU4yA8GwZnle8pLQ.eYnDtbUi3jZDaw57.AskYHvPtC4QaXUgsv_aQ9ke1cXRJ4_UhCjaD9txXX5g.Hs2Od8ubTyY3N3BZKi2GtQ',1795781156289515);
CREATE TABLE resource (
    audience TEXT PRIMARY KEY,
    metadata TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO "resource" VALUES('orders','{"scopes":[],"scope_claims":{},"claims":null,"signing_alg":null,"encryption_key":null,"encryption_enc":"A256GCM","unregistered_clients":false}',1795781156497453);
CREATE TABLE revocation (
    seq BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    version BIGINT,
    expires_at BIGINT NOT NULL
);
INSERT INTO "revocation" VALUES(1,'sid','AKHqivMsKtT47jJ33hbZcQ',NULL,1795781516519853);
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
INSERT INTO "session" VALUES('AKHqivMsKtT47jJ33hbZcQ',X'3302F4DE163E1E16F6286010608396297F8C33B6A68440919D80867341ACB095','bxczbui5ckRjoc61VKQZEQ','carnet','default',0,1795781156511849,1795781156511849,1803557156511849,1795781156519853,'signed_out','','','','',NULL,1795781156511849,NULL,NULL);
INSERT INTO "session" VALUES('NqRGEtQImLKbfsAwnsK1Pw',X'BBB9BBD1056262DE96A6BE90EEA025296FD62046E0459BCD1203C0B826E4D0EB','bxczbui5ckRjoc61VKQZEQ','carnet','default',1,1795781156523880,1795781156527576,1803557156523880,NULL,NULL,'','','','',NULL,1795781156523880,NULL,NULL);
CREATE TABLE signing_key (
    kid TEXT PRIMARY KEY,
    alg TEXT NOT NULL,
    encrypted_jwk TEXT NOT NULL,
    created_at BIGINT NOT NULL
, signs_from BIGINT NOT NULL DEFAULT 0, retired_at BIGINT);
INSERT INTO "signing_key" VALUES('1YQoRy7vF1tZKIImqWJm1myi29f2ZVvs_IrSY1JGoD4','ES256','eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.T0h8b62oFXn-ox1XaJwSW9VgVCGrDZ3Oszw5xnBMPYWrjBtI0FTRQw.hseHc_dPNALAS97D.jyzghFhLkBGhsffJyFAvKXxtX8jOTDnyutrCXMKYG5Q8tbe1QhimhVMPBOQX3ayY5784xCyOFTYZzzv-WX1m_7u_8B3XZzFthwZPJQfSSJltfaL7biZkJsISrnUPwQFc2MN1D8RLnaC4qqF3IGB0ZfZuw6JssJ2n-ZhsaER2RCZN_0gKggR5Sq9QtRXoJ2mXDzKvTdekmzwXbZ8cFQ3KT2EpyG0qiTODiOIFtTU2dRMSOrxAEy-bCl6dDRKTgzyjC4Bx0pexwCOUCe0hBM0XvO-ydoHX8qvRQDDoPgH6QF0N9ufcj9-d4VVp__siWoFh3a3DQK-oUDOS4CwOKms.51cCeW-w6FlyBZDCl-68RA',1795781156317213,1795781156304586,NULL);
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
COMMIT;
