BEGIN TRANSACTION;
CREATE TABLE account (
    id TEXT PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    roles TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
, claims TEXT NOT NULL DEFAULT '{}', disabled_at BIGINT, skeleton TEXT);
INSERT INTO "account" VALUES('quqbBbHLKy_iyUVPfqCq_w','alice','$argon2id$v=19$m=19456,t=2,p=1$pEbwqsmj64fYFgOuP5bvKw$n7dx6KkLLK7gxErOvV67JQJQJWgoqPuMC5BNILtg/0k','["ADMIN"]',1,1795766968383498,'{}',NULL,'alice');
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
INSERT INTO "audit" VALUES('0Eo3omxQQTrdFcWD',1795766968181782,'key_created',NULL,NULL,'service','','2cs2yslKT8sxPi28clFxazX8e1OaHsecBXnBrU0nuIE');
INSERT INTO "audit" VALUES('MWQBuqbrTIgYuHfa',1795766968383498,'account_created','quqbBbHLKy_iyUVPfqCq_w',NULL,'operator','',NULL);
INSERT INTO "audit" VALUES('PVy5XLXW7z7SzCdz',1795766968399373,'resource_created',NULL,NULL,'operator','','orders');
INSERT INTO "audit" VALUES('0R7N_I1jtXReW2Wv',1795766968409714,'client_created',NULL,NULL,'operator','','cQBuwnk8aZCH0oqz8EB8xg');
INSERT INTO "audit" VALUES('kqTs9svECDJ8tBsm',1795766968437260,'session_begun','quqbBbHLKy_iyUVPfqCq_w','3z7_sZIjRqWzqhRdo8nlow','service','','carnet');
INSERT INTO "audit" VALUES('lqCPEJIRMj7Ooan7',1795766968444749,'session_ended','quqbBbHLKy_iyUVPfqCq_w','3z7_sZIjRqWzqhRdo8nlow','service','','signed_out');
INSERT INTO "audit" VALUES('3CFfRnDi71od8OB5',1795766968449062,'session_begun','quqbBbHLKy_iyUVPfqCq_w','iM6sQKmyIR5Z5UVlAwu9OQ','service','','carnet');
INSERT INTO "audit" VALUES('U0g7gwbXQ9S2vILc',1795766968459209,'consent_given','quqbBbHLKy_iyUVPfqCq_w',NULL,'operator','','cQBuwnk8aZCH0oqz8EB8xg');
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
INSERT INTO "client" VALUES('cQBuwnk8aZCH0oqz8EB8xg',X'4AE65EDEE7AFDE50D39EC48B613362C0A5A9FB0B5C85A6E7E73FBB9407605FEC','{"client_name":"","redirect_uris":["https://shop.example.com/callback"],"grant_types":["authorization_code","refresh_token"],"scope":"","token_endpoint_auth_method":"client_secret_basic","jwks":null,"post_logout_redirect_uris":[],"backchannel_logout_uri":null,"dpop_bound_access_tokens":false,"first_party":false,"resources":[],"introspects":[],"id_token_encrypted_response_alg":null,"id_token_encrypted_response_enc":"A128CBC-HS256"}',1795766968409550,NULL,NULL);
CREATE TABLE "consent" (
    account_id TEXT NOT NULL REFERENCES account (id),
    client_id TEXT NOT NULL,
    resource TEXT NOT NULL,
    scope TEXT NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, client_id, resource)
);
INSERT INTO "consent" VALUES('quqbBbHLKy_iyUVPfqCq_w','cQBuwnk8aZCH0oqz8EB8xg','orders','openid profile',1795766968459209);
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
INSERT INTO "migration" VALUES(1,'6576da56634c0fad9e5455d25d46f1b5eda6a02eb9a250db00fc94ac830a9789',1795766968013490);
INSERT INTO "migration" VALUES(2,'a590c3a8239ccbfda439b56aa3616ed78c2ef4c691fd30763a4cff36dbaadfff',1795766968023530);
INSERT INTO "migration" VALUES(3,'520dd4f5daff75ee4718b94b1fde122b2771de0abcc13446fc1c8f60807fe93a',1795766968024799);
INSERT INTO "migration" VALUES(4,'b081d3a49bbba7a368730a1beb73a64134777695a1e3ace89d48c0f863f22ce8',1795766968024849);
INSERT INTO "migration" VALUES(5,'43f579572fe95ac2873c45a1fbca86df57b0f0902b08166ab03d817a656449b4',1795766968024910);
INSERT INTO "migration" VALUES(6,'850942523a3fc5c0f755536a9c73e77e8bc3be254727f69e22d0bf921f4ee645',1795766968025184);
INSERT INTO "migration" VALUES(7,'dffa33ddc0abc8009eb09d7bd976af87e229b96268813082417da385364a6c04',1795766968025963);
INSERT INTO "migration" VALUES(8,'7f4998f1a2fd172048a3c1bd48ec0866fa6af37164ff3f50a7605fb401737d5a',1795766968026324);
CREATE TABLE pepper (
    id BIGINT PRIMARY KEY,
    encrypted_secret TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO "pepper" VALUES(1,'eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.i9HDgkyOqpmnhmR_-cSLNzSf913EXATFVONo4Y0zPMpAqIl_RNaR_A.VmnO-L445YsFMVw0.qRK8lqPOqI7ix7Pk_u2l9A39amibPjo4syvoXQIhtDA.4OcrYKQ4xxfmqzN3NP1rFQ',1795766968161978);
CREATE TABLE resource (
    audience TEXT PRIMARY KEY,
    metadata TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO "resource" VALUES('orders','{"scopes":[],"scope_claims":{},"claims":null,"signing_alg":null,"encryption_key":null,"encryption_enc":"A256GCM"}',1795766968399008);
CREATE TABLE revocation (
    seq BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    version BIGINT,
    expires_at BIGINT NOT NULL
);
INSERT INTO "revocation" VALUES(1,'sid','3z7_sZIjRqWzqhRdo8nlow',NULL,1795767328444749);
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
INSERT INTO "session" VALUES('3z7_sZIjRqWzqhRdo8nlow',X'8899878ADFFA9CBBAAF4E0CB9DE9A6F5F97F363827549A6944723BB6EB12D8C9','quqbBbHLKy_iyUVPfqCq_w','carnet','default',0,1795766968437260,1795766968437260,1803542968437260,1795766968444749,'signed_out','','','','',NULL,1795766968437260,NULL,NULL);
INSERT INTO "session" VALUES('iM6sQKmyIR5Z5UVlAwu9OQ',X'35130E6F81D3A85A302D8BEAA5A2925C2A2AA8F36C576A95B27FB288A260FDBB','quqbBbHLKy_iyUVPfqCq_w','carnet','default',1,1795766968449062,1795766968457298,1803542968449062,NULL,NULL,'','','','',NULL,1795766968449062,NULL,NULL);
CREATE TABLE signing_key (
    kid TEXT PRIMARY KEY,
    alg TEXT NOT NULL,
    encrypted_jwk TEXT NOT NULL,
    created_at BIGINT NOT NULL
, signs_from BIGINT NOT NULL DEFAULT 0, retired_at BIGINT);
INSERT INTO "signing_key" VALUES('2cs2yslKT8sxPi28clFxazX8e1OaHsecBXnBrU0nuIE','ES256','eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.dJBCJ_uU7KMHMbM49jwhVm_u--JtctfQSK3pWG-PNGwgSpOvzZWbSA.jQOxLKQWevqXc-HW.P0V_iiN8rPL39i2E9OSyxY6j6tBFe-G7WQmly103nuhYQhsKGt_ISDm4trryEMX-mQhp3lMH51UwYC-tjAH0-Z6p_SX6Zte0RzR90oG_pQJozUICpbHwHU_VtDt7E032PiKqh2J0GNdXYlrOfTuyeuxWM9h62ihr8yXtEhbhp3_m7k9stQl-O4WyX-XREHME76Nq1JT8zrlkquD22GCQ51Eh7SISc1Ui0A1hG46UrO6mG6Yn-OXTDd-Aat-wkmFeYjobZebQemH4ya3vp3BcbsMwZALx_xHadA95kFj-UERRNuvUd5Hw8vJCW5AtCKkMe9LOO8hYrtZ4vQy8lGc.cvnCHDB0WdszANwky3pw8w',1795766968181782,1795766968172353,NULL);
CREATE TABLE spent (
    name BYTEA PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE TABLE throttle (
    name TEXT PRIMARY KEY,
    due_at BIGINT NOT NULL
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
COMMIT;
