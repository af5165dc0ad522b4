BEGIN TRANSACTION;
CREATE TABLE account (
    id TEXT PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    roles TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
, claims TEXT NOT NULL DEFAULT '{}', disabled_at BIGINT);
INSERT INTO "account" VALUES('DevEzyHy53mPd1apOfodTQ','alice','$argon2id$v=19$m=19456,t=2,p=1$WMJQYGMvUjVe11oezrhE1A$ngbryeAJ86L6n4TrGDLsSLEULbBjeevtcm3ZB5kdJTw','["ADMIN"]',1,1795750982023653,'{}',NULL);
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
INSERT INTO "audit" VALUES('APet-Ybuq62uB3AE',1795750981939998,'key_created',NULL,NULL,'service','','SpLIt-TziLPZeylwids8QYU36d891cxYHjVpvJjM-WM');
INSERT INTO "audit" VALUES('Wu8NwcctRWEsX5Rx',1795750982023653,'account_created','DevEzyHy53mPd1apOfodTQ',NULL,'operator','',NULL);
INSERT INTO "audit" VALUES('B4y_1xEsgvYzwUcu',1795750983458634,'resource_created',NULL,NULL,'operator','','orders');
INSERT INTO "audit" VALUES('kQKH0gdunm9Mo5gO',1795750984201224,'client_created',NULL,NULL,'operator','','FFbJzwux5kkJA88UgxGiYw');
INSERT INTO "audit" VALUES('KRhoQ7gKfTNQZiG5',1795750985170224,'session_begun','DevEzyHy53mPd1apOfodTQ','8Gv418ZJny-l2JjkckHSxQ',NULL,'127.0.0.1','carnet');
INSERT INTO "audit" VALUES('HVus_Tdv1AMjJ2WJ',1795750985226367,'session_begun','DevEzyHy53mPd1apOfodTQ','g4aC-2mAteHvhaGfphc6Ng',NULL,'127.0.0.1','carnet');
INSERT INTO "audit" VALUES('DrRsRzbR4F271GU5',1795750985230838,'session_ended','DevEzyHy53mPd1apOfodTQ','g4aC-2mAteHvhaGfphc6Ng','DevEzyHy53mPd1apOfodTQ','127.0.0.1','signed_out');
INSERT INTO "audit" VALUES('HJGkX651OE8TyjgO',1795750985274248,'sign_in_refused',NULL,NULL,NULL,'127.0.0.1','wrong_username_or_password');
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
INSERT INTO "client" VALUES('FFbJzwux5kkJA88UgxGiYw',X'1BE8BEAC889E345988B9999E2590C2B97FBB1C465A9D668BAC92C32D7383A47A','{"client_name":"shop","redirect_uris":["https://shop.example.com/callback"],"grant_types":["authorization_code","refresh_token"],"scope":"","token_endpoint_auth_method":"client_secret_basic","jwks":null,"post_logout_redirect_uris":[],"backchannel_logout_uri":null,"dpop_bound_access_tokens":false,"first_party":false,"resources":[],"introspects":[],"id_token_encrypted_response_alg":null,"id_token_encrypted_response_enc":"A128CBC-HS256"}',1795750984200710);
CREATE TABLE consent (
    account_id TEXT NOT NULL REFERENCES account (id),
    client_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, client_id)
);
INSERT INTO "consent" VALUES('DevEzyHy53mPd1apOfodTQ','FFbJzwux5kkJA88UgxGiYw','openid profile',1795750985276778);
CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO "counter" VALUES('revocation',1);
INSERT INTO "counter" VALUES('signing_key',1);
INSERT INTO "counter" VALUES('directory',2);
CREATE TABLE migration (number BIGINT PRIMARY KEY, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL);
INSERT INTO "migration" VALUES(1,'6576da56634c0fad9e5455d25d46f1b5eda6a02eb9a250db00fc94ac830a9789',1795750981791862);
INSERT INTO "migration" VALUES(2,'a590c3a8239ccbfda439b56aa3616ed78c2ef4c691fd30763a4cff36dbaadfff',1795750981793284);
INSERT INTO "migration" VALUES(3,'520dd4f5daff75ee4718b94b1fde122b2771de0abcc13446fc1c8f60807fe93a',1795750981794894);
INSERT INTO "migration" VALUES(4,'b081d3a49bbba7a368730a1beb73a64134777695a1e3ace89d48c0f863f22ce8',1795750981794944);
CREATE TABLE pepper (
    id BIGINT PRIMARY KEY,
    encrypted_secret TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO "pepper" VALUES(1,'eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.3mMjqefSB3mzz869VcPWvt0mUQsO6jAh3zMYTSFGka9D6pycHrnM4A.9X78Qf5oGvCraSfD.DKuBsWlI0L1hV8hFQ7mRGtIz58q7ddyCdRYT6T5hfLw.N3UzPbGAPIVD85yLj8k0lQ',1795750981928967);
CREATE TABLE resource (
    audience TEXT PRIMARY KEY,
    metadata TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO "resource" VALUES('orders','{"scopes":["orders:read"],"signing_alg":null,"encryption_key":null,"encryption_enc":"A256GCM"}',1795750983457954);
CREATE TABLE revocation (
    seq BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    version BIGINT,
    expires_at BIGINT NOT NULL
);
INSERT INTO "revocation" VALUES(1,'sid','g4aC-2mAteHvhaGfphc6Ng',NULL,1795751345230838);
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
INSERT INTO "session" VALUES('8Gv418ZJny-l2JjkckHSxQ',X'1FB7A0E919C7B9B33B75612B78207D2D63C932DCFE8852E9CE2AAD3B2AF53B0C','DevEzyHy53mPd1apOfodTQ','carnet','default',1,1795750985170224,1795750985188947,1803526985170224,NULL,NULL,'Python-urllib/3.11','127.0.0.1','','',NULL,1795750985170224,NULL,NULL);
INSERT INTO "session" VALUES('g4aC-2mAteHvhaGfphc6Ng',X'BDDF6145985700452278B6AE00E28098D6884890640DF7C8832032AD07FB7E9A','DevEzyHy53mPd1apOfodTQ','carnet','default',0,1795750985226367,1795750985226367,1803526985226367,1795750985230838,'signed_out','Python-urllib/3.11','127.0.0.1','','',NULL,1795750985226367,NULL,NULL);
CREATE TABLE signing_key (
    kid TEXT PRIMARY KEY,
    alg TEXT NOT NULL,
    encrypted_jwk TEXT NOT NULL,
    created_at BIGINT NOT NULL
, signs_from BIGINT NOT NULL DEFAULT 0, retired_at BIGINT);
INSERT INTO "signing_key" VALUES('SpLIt-TziLPZeylwids8QYU36d891cxYHjVpvJjM-WM','ES256','eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.XzYBpF2a8UF6cbMtuwGkLpHzAK3Iv0x8ro6G8Wo6HYtApxNwAKJ1mg.kNu1UiIoKe1EvhmA.E1zMnXjl359g9hO0HubPnQuPQCmCWgdPMR8GSgZWJvFJ6vHmW31TJrgxM6bv13OLYXkX717MwhA2d9OseIZrg7BZ-BYwx1qeci120LMw_0ijxjVaNrFjISL8zvejVgI0Xd6Sq6mHAiK7IUZwdiDetk7twRHg-LopKAtE2DgfSMlxESx71E9-KAbyz2GrjWlOnxJIwC_T1H54tQ_sJNSIsIuEbetICyAy16EMjB0_H4C7FH2_FZjpQyWtDI7DU2KJkPYru7_5lIW1OqbaK2oDEKUbx8ESkFZ_7gdRwVHoAs7zlw8QTqdLtZ193u9s37QhHdEH1WehIM10s6PdQsk.4wTvYAPPIdHKCbYvDkjZrA',1795750981939998,1795750981936206,NULL);
CREATE TABLE spent (
    name BYTEA PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE TABLE throttle (
    name TEXT PRIMARY KEY,
    due_at BIGINT NOT NULL
);
INSERT INTO "throttle" VALUES('account 2bd806c97f0e00af1a1fc3328fa763a9',1795750987273998);
INSERT INTO "throttle" VALUES('account 2bd806c97f0e00af1a1fc3328fa763a9 from 127.0.0.1',1795751000273998);
INSERT INTO "throttle" VALUES('address 127.0.0.1',1795750989273998);
CREATE INDEX session_of_account ON session (account_id);
CREATE INDEX revocation_expiry ON revocation (expires_at);
CREATE INDEX session_expiry ON session (expires_at);
CREATE INDEX audit_time ON audit (at);
CREATE INDEX authorization_code_expiry ON authorization_code (expires_at);
CREATE INDEX spent_expiry ON spent (expires_at);
CREATE INDEX session_of_login ON session (login_id) WHERE login_id IS NOT NULL;
CREATE INDEX session_to_tell ON session (ended_at) WHERE logout_uri IS NOT NULL;
CREATE INDEX revocation_of_token ON revocation (value) WHERE kind = 'jti';
COMMIT;
