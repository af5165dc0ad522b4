BEGIN TRANSACTION;
CREATE TABLE account (
    id TEXT PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    roles TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
, claims TEXT NOT NULL DEFAULT '{}', disabled_at BIGINT, skeleton TEXT);
INSERT INTO "account" VALUES('z75Ya8esR4K48kDKQeOjbg','alice','$argon2id$v=19$m=19456,t=2,p=1$fa1/XiQ3owPuosBOjKrHEQ$qKGFe+PP9To4yC/wf7C1hFNdv7iCU6HYZOEeRxmTeTI','["ADMIN"]',1,1795755725837802,'{}',NULL,'alice');
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
INSERT INTO "audit" VALUES('xL3LkpXD7ebXHRp2',1795755725783676,'key_created',NULL,NULL,'service','','oa10-CkFo3EEmf6MSVD2gld0BrAtr8ZYB78fBzcMO9w');
INSERT INTO "audit" VALUES('9tlntHQL1iSQuX6G',1795755725837802,'account_created','z75Ya8esR4K48kDKQeOjbg',NULL,'operator','',NULL);
INSERT INTO "audit" VALUES('klYDHbIqkK5feyRu',1795755725839595,'resource_created',NULL,NULL,'operator','','orders');
INSERT INTO "audit" VALUES('qff8Ff4XM6LMN-Sa',1795755725841718,'client_created',NULL,NULL,'operator','','iXqGq18aJyoujkMuFC48dQ');
INSERT INTO "audit" VALUES('HwkQcyqCr1bdMbdB',1795755725843127,'session_begun','z75Ya8esR4K48kDKQeOjbg','lgmriKDvxFpqsIIzFTpCtg','service','','carnet');
INSERT INTO "audit" VALUES('OOt2s7N9TJHDSje7',1795755725844406,'session_ended','z75Ya8esR4K48kDKQeOjbg','lgmriKDvxFpqsIIzFTpCtg','service','','signed_out');
INSERT INTO "audit" VALUES('po_s7_suEniIW-5Z',1795755725845387,'session_begun','z75Ya8esR4K48kDKQeOjbg','7pBUvWgiC8tD9D9jYxym3Q','service','','carnet');
INSERT INTO "audit" VALUES('0lJUrQx8Px8E-uPT',1795755725848335,'consent_given','z75Ya8esR4K48kDKQeOjbg',NULL,'operator','','iXqGq18aJyoujkMuFC48dQ');
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
INSERT INTO "client" VALUES('iXqGq18aJyoujkMuFC48dQ',X'2FEF6017B8DF3FC33D62818F15486507E8EA817D71B2A321B54064AD077A6A18','{"client_name":"","redirect_uris":["https://shop.example.com/callback"],"grant_types":["authorization_code","refresh_token"],"scope":"","token_endpoint_auth_method":"client_secret_basic","jwks":null,"post_logout_redirect_uris":[],"backchannel_logout_uri":null,"dpop_bound_access_tokens":false,"first_party":false,"resources":[],"introspects":[],"id_token_encrypted_response_alg":null,"id_token_encrypted_response_enc":"A128CBC-HS256"}',1795755725841500);
CREATE TABLE "consent" (
    account_id TEXT NOT NULL REFERENCES account (id),
    client_id TEXT NOT NULL,
    resource TEXT NOT NULL,
    scope TEXT NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, client_id, resource)
);
INSERT INTO "consent" VALUES('z75Ya8esR4K48kDKQeOjbg','iXqGq18aJyoujkMuFC48dQ','orders','openid profile',1795755725848335);
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
INSERT INTO "migration" VALUES(1,'6576da56634c0fad9e5455d25d46f1b5eda6a02eb9a250db00fc94ac830a9789',1795755725731100);
INSERT INTO "migration" VALUES(2,'a590c3a8239ccbfda439b56aa3616ed78c2ef4c691fd30763a4cff36dbaadfff',1795755725732024);
INSERT INTO "migration" VALUES(3,'520dd4f5daff75ee4718b94b1fde122b2771de0abcc13446fc1c8f60807fe93a',1795755725733719);
INSERT INTO "migration" VALUES(4,'b081d3a49bbba7a368730a1beb73a64134777695a1e3ace89d48c0f863f22ce8',1795755725733768);
INSERT INTO "migration" VALUES(5,'43f579572fe95ac2873c45a1fbca86df57b0f0902b08166ab03d817a656449b4',1795755725733826);
INSERT INTO "migration" VALUES(6,'850942523a3fc5c0f755536a9c73e77e8bc3be254727f69e22d0bf921f4ee645',1795755725734084);
INSERT INTO "migration" VALUES(7,'dffa33ddc0abc8009eb09d7bd976af87e229b96268813082417da385364a6c04',1795755725734907);
CREATE TABLE pepper (
    id BIGINT PRIMARY KEY,
    encrypted_secret TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO "pepper" VALUES(1,'eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.EsGwVAWLXXjsgQpHy-vLBkFJ14a18D1VBYjVG_Gt1zOfwBWzlReg8w.8q26UK0UPQ3vS-6s.tH9yLcwfrrTFwVCphFMK7Owt3GUE7sJHffXxOX7_UVY.ZpEv3uY2nJQ1_q_by8gZtw',1795755725778267);
CREATE TABLE resource (
    audience TEXT PRIMARY KEY,
    metadata TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO "resource" VALUES('orders','{"scopes":[],"scope_claims":{},"claims":null,"signing_alg":null,"encryption_key":null,"encryption_enc":"A256GCM"}',1795755725839331);
CREATE TABLE revocation (
    seq BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    version BIGINT,
    expires_at BIGINT NOT NULL
);
INSERT INTO "revocation" VALUES(1,'sid','lgmriKDvxFpqsIIzFTpCtg',NULL,1795756085844406);
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
INSERT INTO "session" VALUES('lgmriKDvxFpqsIIzFTpCtg',X'A2EC5CF5C28CB61653346EEC5B8F530A698623264F485D7E49159E6D11821FEB','z75Ya8esR4K48kDKQeOjbg','carnet','default',0,1795755725843127,1795755725843127,1803531725843127,1795755725844406,'signed_out','','','','',NULL,1795755725843127,NULL,NULL);
INSERT INTO "session" VALUES('7pBUvWgiC8tD9D9jYxym3Q',X'F8BD48F6DA0D273899BDFC22599ED88F56B20ED568B088430819AB1F45A5B61A','z75Ya8esR4K48kDKQeOjbg','carnet','default',1,1795755725845387,1795755725846435,1803531725845387,NULL,NULL,'','','','',NULL,1795755725845387,NULL,NULL);
CREATE TABLE signing_key (
    kid TEXT PRIMARY KEY,
    alg TEXT NOT NULL,
    encrypted_jwk TEXT NOT NULL,
    created_at BIGINT NOT NULL
, signs_from BIGINT NOT NULL DEFAULT 0, retired_at BIGINT);
INSERT INTO "signing_key" VALUES('oa10-CkFo3EEmf6MSVD2gld0BrAtr8ZYB78fBzcMO9w','ES256','eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0._IQlOsokMku9gNsrPTQK6BzcvyUpIqAiTmuM-RmFiaKnuNPgTg5cjA.LjXTldrSRJnYof7y.pHMydAtIS63W6yEXpqlWRLqBKxCzUwBThHaCwnjihb8B5_nVHC5U9PN7W_JqDg07AuiVf3pVI6gSSpbYWqYLa8SCAm_CXx-2PCqI2tZ7L_fSGq_X_W0kLzwZaxrtKJ9Vs_ZIgLGx8eOEbaAz27AGbwmLsPZuK_HoODfJBQ7jq3_Qpk4UTlw0uZoq7b6VGHkNsybIFAnK6OS922YHKo-p2o-Lo86bjFnVGRcVFVwDX0fRafVWfldgSR8388Nl2u2xFfO78mbZbgn26U680qvgYqw9zyapM8vkvSh7-IsRtRHUAvNzZoosNzo_U5_fCjX0wWRymqwA_gTFa_Cbpa4.iYp4e9XHeucvQDGeY1llJQ',1795755725783676,1795755725779590,NULL);
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
