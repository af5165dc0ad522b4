BEGIN TRANSACTION;
CREATE TABLE account (
    id TEXT PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    roles TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
, claims TEXT NOT NULL DEFAULT '{}', disabled_at BIGINT, skeleton TEXT);
INSERT INTO "account" VALUES('wdL46r7H3q3M39G-2L7BWA','alice','$argon2id$v=19$m=19456,t=2,p=1$Ez6UlxZ6hfYo9IwZakXDsw$ZfcIkXqIeddw717z/uBAx4NrDl8PdAQFV6RtBErDR7I','["ADMIN"]',1,1795783235539530,'{}',NULL,'alice');
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
INSERT INTO "audit" VALUES('BzOReXmqUuWNp5wE',1795783235304143,'key_created',NULL,NULL,'service','','5DUezZDTkqlIivUwSia9OnG8fno5jx-jWxQseKmoJgw');
INSERT INTO "audit" VALUES('OVCCRdybQLCiWNmq',1795783235539530,'account_created','wdL46r7H3q3M39G-2L7BWA',NULL,'operator','',NULL);
INSERT INTO "audit" VALUES('HThyxKNZ60XwlUBE',1795783235545926,'resource_created',NULL,NULL,'operator','','orders');
INSERT INTO "audit" VALUES('FNdfz-QFheTN9xFi',1795783235559145,'client_created',NULL,NULL,'operator','','z3LK9FTrNla3MiBzt1EeAQ');
INSERT INTO "audit" VALUES('wHkD0_rtnUtAqP98',1795783235575864,'session_begun','wdL46r7H3q3M39G-2L7BWA','aUP_QqerUH-VEe1x02Qo_g','service','','carnet');
INSERT INTO "audit" VALUES('swS8XOY74XEgYpx5',1795783235579764,'session_ended','wdL46r7H3q3M39G-2L7BWA','aUP_QqerUH-VEe1x02Qo_g','service','','signed_out');
INSERT INTO "audit" VALUES('B0Aw_yxcuaeEZ5qS',1795783235586909,'session_begun','wdL46r7H3q3M39G-2L7BWA','t0VDJjGYpgsCC67-guiFWg','service','','carnet');
INSERT INTO "audit" VALUES('reySe-cVHSaFSE-Z',1795783235609144,'consent_given','wdL46r7H3q3M39G-2L7BWA',NULL,'operator','','z3LK9FTrNla3MiBzt1EeAQ');
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
INSERT INTO "client" VALUES('z3LK9FTrNla3MiBzt1EeAQ',X'2A037200ADEC3CB1210B554E6A9AD1CA6B35D37D87E180FD280CC3A28C60D8C7','{"client_name":"","redirect_uris":["https://shop.example.com/callback"],"grant_types":["authorization_code","refresh_token"],"scope":"","token_endpoint_auth_method":"client_secret_basic","jwks":null,"post_logout_redirect_uris":[],"backchannel_logout_uri":null,"plain_http":false,"dpop_bound_access_tokens":false,"first_party":false,"resources":[],"introspects":[],"exchange_from":[],"exchange_to":[],"id_token_encrypted_response_alg":null,"id_token_encrypted_response_enc":"A128CBC-HS256"}',1795783235559013,NULL,NULL);
CREATE TABLE "consent" (
    account_id TEXT NOT NULL REFERENCES account (id),
    client_id TEXT NOT NULL,
    resource TEXT NOT NULL,
    scope TEXT NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, client_id, resource)
);
INSERT INTO "consent" VALUES('wdL46r7H3q3M39G-2L7BWA','z3LK9FTrNla3MiBzt1EeAQ','orders','openid profile',1795783235609144);
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
INSERT INTO "migration" VALUES(1,'6576da56634c0fad9e5455d25d46f1b5eda6a02eb9a250db00fc94ac830a9789',1795783234993642);
INSERT INTO "migration" VALUES(2,'a590c3a8239ccbfda439b56aa3616ed78c2ef4c691fd30763a4cff36dbaadfff',1795783234994585);
INSERT INTO "migration" VALUES(3,'520dd4f5daff75ee4718b94b1fde122b2771de0abcc13446fc1c8f60807fe93a',1795783235010592);
INSERT INTO "migration" VALUES(4,'b081d3a49bbba7a368730a1beb73a64134777695a1e3ace89d48c0f863f22ce8',1795783235010651);
INSERT INTO "migration" VALUES(5,'43f579572fe95ac2873c45a1fbca86df57b0f0902b08166ab03d817a656449b4',1795783235010713);
INSERT INTO "migration" VALUES(6,'850942523a3fc5c0f755536a9c73e77e8bc3be254727f69e22d0bf921f4ee645',1795783235010990);
INSERT INTO "migration" VALUES(7,'dffa33ddc0abc8009eb09d7bd976af87e229b96268813082417da385364a6c04',1795783235025677);
INSERT INTO "migration" VALUES(8,'7f4998f1a2fd172048a3c1bd48ec0866fa6af37164ff3f50a7605fb401737d5a',1795783235026079);
INSERT INTO "migration" VALUES(11,'1eaa63fa2d4012d9cec93d5714544968c7a0dd1cf222e47676cf83f2ba05a81b',1795783235026327);
CREATE TABLE pepper (
    id BIGINT PRIMARY KEY,
    encrypted_secret TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO "pepper" VALUES(1,'eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.Yldg1gniTR2iu0oEt_EvLXK4gtlhR-7OWheai2oD63Q-co_5uhnDlQ.Yg1Mivvecy58agyP.Z5FggSGjf4vr1g67ueIDeV_HhKCqiMA5y_91baTHc1A.ihtoUDmfIGhUZg89nAYcrA',1795783235269380);
CREATE TABLE resource (
    audience TEXT PRIMARY KEY,
    metadata TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO "resource" VALUES('orders','{"scopes":[],"scope_claims":{},"claims":null,"signing_alg":null,"encryption_key":null,"encryption_enc":"A256GCM"}',1795783235545784);
CREATE TABLE revocation (
    seq BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    version BIGINT,
    expires_at BIGINT NOT NULL
);
INSERT INTO "revocation" VALUES(1,'sid','aUP_QqerUH-VEe1x02Qo_g',NULL,1795783595579764);
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
INSERT INTO "session" VALUES('aUP_QqerUH-VEe1x02Qo_g',X'5B707E4F7A10E83352A7159FF8C9DD4B627AEC835F9B9D1BD584912696A03ECF','wdL46r7H3q3M39G-2L7BWA','carnet','default',0,1795783235575864,1795783235575864,1803559235575864,1795783235579764,'signed_out','','','','',NULL,1795783235575864,NULL,NULL,NULL);
INSERT INTO "session" VALUES('t0VDJjGYpgsCC67-guiFWg',X'FBB88A09C436B94BFF3C68252DA828E5062AF19401925B1018C76CF78800A5AA','wdL46r7H3q3M39G-2L7BWA','carnet','default',1,1795783235586909,1795783235600923,1803559235586909,NULL,NULL,'','','','',NULL,1795783235586909,NULL,NULL,NULL);
CREATE TABLE signing_key (
    kid TEXT PRIMARY KEY,
    alg TEXT NOT NULL,
    encrypted_jwk TEXT NOT NULL,
    created_at BIGINT NOT NULL
, signs_from BIGINT NOT NULL DEFAULT 0, retired_at BIGINT);
INSERT INTO "signing_key" VALUES('5DUezZDTkqlIivUwSia9OnG8fno5jx-jWxQseKmoJgw','ES256','eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.oX87FgFQK9FuDgEfVDIODvidyHSepqjqInlH2bILz09pNfjtRHlIxQ.g1Nb7XINTDHVUVlQ.wpYucij0QY2BMkw_nC9OLbblp-DlLbN3-OJPqPOyNYRFoOGRYnAByL0oPP4CSiZzOBkd8PZflMkgYPhX-epE9UbKiEG_5gOGTzFwGlIS31JSINUOyy4UjapcHp87o-9ECNr6l98M6dvjxfFw6aDIc62d4D1pAdxh1n-vNsV6eoaGEvCqAF4eyIZRE9aW1Z1CSwJRPsHUXaNsi9LxzzE0oES7SJwVBfpEkWBE-m3QwA9JVEeVXEh36e6w3HGKQkeYPAqCoPSvs0Xhf31APOyu7ZeyZlx_tiYDfqdgCKG42nI2ayDbop5Qf3pCz-kf07AEdKTKYYqeqxhLhLQVu8M.p-BcCtmRb73cCw84yBSYqw',1795783235304143,1795783235292285,NULL);
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
CREATE INDEX session_of_parent ON session (parent_id) WHERE parent_id IS NOT NULL;
COMMIT;
