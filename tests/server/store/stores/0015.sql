BEGIN TRANSACTION;
CREATE TABLE account (
    id TEXT PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    roles TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
, claims TEXT NOT NULL DEFAULT '{}', disabled_at BIGINT, skeleton TEXT);
INSERT INTO "account" VALUES('pUjGwFiC6rZr4mHR-GfHGQ','alice','$argon2id$v=19$m=19456,t=2,p=1$lvLyUs4Xp8yMaGh6aaAqvA$JDTOiEHrDO9sf3VpXa5LxXHdw8oHDsQ21TRLQrvjZMw','["ADMIN"]',1,1795809314663894,'{}',NULL,'alice');
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
INSERT INTO "audit" VALUES('O_av7x2gNt3Ee3qu',1795809314493146,'key_created',NULL,NULL,'service','','9Bkw7xHzf__oD4XzDY86Bt8qC-h4V9E1ROxlDg9JU-o');
INSERT INTO "audit" VALUES('DVqF1zh4r12niWQi',1795809314663894,'account_created','pUjGwFiC6rZr4mHR-GfHGQ',NULL,'operator','',NULL);
INSERT INTO "audit" VALUES('38GavXPPFFtJ2asm',1795809314708077,'resource_created',NULL,NULL,'operator','','orders');
INSERT INTO "audit" VALUES('2ileTeBsBA3Hcc4o',1795809314720660,'client_created',NULL,NULL,'operator','','ORe-uE0NFZNKRGV2uabOTw');
INSERT INTO "audit" VALUES('Xk1laOpyaxCfX7L8',1795809314731883,'session_begun','pUjGwFiC6rZr4mHR-GfHGQ','3vO1lQRasm6357nfMadU8w','service','','carnet');
INSERT INTO "audit" VALUES('ufa6yZGn2P90yptl',1795809314739673,'session_ended','pUjGwFiC6rZr4mHR-GfHGQ','3vO1lQRasm6357nfMadU8w','service','','signed_out');
INSERT INTO "audit" VALUES('dCBmANgqzy4veHF1',1795809314747621,'session_begun','pUjGwFiC6rZr4mHR-GfHGQ','o468A7EjWXx3dvGJcypxJA','service','','carnet');
INSERT INTO "audit" VALUES('Q58Pw_r-4XHi_jHl',1795809314764695,'consent_given','pUjGwFiC6rZr4mHR-GfHGQ',NULL,'operator','','ORe-uE0NFZNKRGV2uabOTw');
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
INSERT INTO "client" VALUES('ORe-uE0NFZNKRGV2uabOTw',X'450440A1F189BFA246BAFD02AD2FA55998CDDD883834603AA6B7E58D6DFF469B','{"client_name":"","redirect_uris":["https://shop.example.com/callback"],"grant_types":["authorization_code","refresh_token"],"scope":"","token_endpoint_auth_method":"client_secret_basic","jwks":null,"jwks_uri":null,"federated_credentials":[],"post_logout_redirect_uris":[],"backchannel_logout_uri":null,"plain_http":false,"dpop_bound_access_tokens":false,"required_acr":"aal1","require_pushed_authorization_requests":false,"require_signed_request_object":false,"require_pkce":true,"require_nonce":true,"first_party":false,"resources":[],"introspects":[],"exchange_from":[],"exchange_to":[],"identity_assertions":{},"identity_issuers":[],"id_token_signed_response_alg":null,"id_token_encrypted_response_alg":null,"id_token_encrypted_response_enc":"A128CBC-HS256"}',1795809314720513,NULL,NULL);
CREATE TABLE "consent" (
    account_id TEXT NOT NULL REFERENCES account (id),
    client_id TEXT NOT NULL,
    resource TEXT NOT NULL,
    scope TEXT NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, client_id, resource)
);
INSERT INTO "consent" VALUES('pUjGwFiC6rZr4mHR-GfHGQ','ORe-uE0NFZNKRGV2uabOTw','orders','openid profile',1795809314764695);
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
CREATE TABLE email_address (
    account_id TEXT NOT NULL REFERENCES account (id),
    normalized TEXT NOT NULL,
    address TEXT NOT NULL,
    is_primary BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    verified_at BIGINT,
    PRIMARY KEY (account_id, normalized)
);
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
CREATE TABLE mail (
    id TEXT PRIMARY KEY,
    content BYTEA NOT NULL,
    attempts BIGINT NOT NULL,
    cause TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE TABLE migration (number BIGINT PRIMARY KEY, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL);
INSERT INTO "migration" VALUES(1,'6576da56634c0fad9e5455d25d46f1b5eda6a02eb9a250db00fc94ac830a9789',1795809314450409);
INSERT INTO "migration" VALUES(2,'a590c3a8239ccbfda439b56aa3616ed78c2ef4c691fd30763a4cff36dbaadfff',1795809314451719);
INSERT INTO "migration" VALUES(3,'520dd4f5daff75ee4718b94b1fde122b2771de0abcc13446fc1c8f60807fe93a',1795809314453420);
INSERT INTO "migration" VALUES(4,'b081d3a49bbba7a368730a1beb73a64134777695a1e3ace89d48c0f863f22ce8',1795809314453483);
INSERT INTO "migration" VALUES(5,'43f579572fe95ac2873c45a1fbca86df57b0f0902b08166ab03d817a656449b4',1795809314453560);
INSERT INTO "migration" VALUES(6,'850942523a3fc5c0f755536a9c73e77e8bc3be254727f69e22d0bf921f4ee645',1795809314453945);
INSERT INTO "migration" VALUES(7,'dffa33ddc0abc8009eb09d7bd976af87e229b96268813082417da385364a6c04',1795809314454728);
INSERT INTO "migration" VALUES(8,'7f4998f1a2fd172048a3c1bd48ec0866fa6af37164ff3f50a7605fb401737d5a',1795809314459389);
INSERT INTO "migration" VALUES(9,'4e1d68f8a0a4e1d3451aab2ce3fcea65c48c83b7a937cc71161508c43c440b5b',1795809314459812);
INSERT INTO "migration" VALUES(10,'b3f86d64fcc6def9fc86b17e098547f00f7cd497c88b33b72067b68c87bf9631',1795809314460046);
INSERT INTO "migration" VALUES(11,'1eaa63fa2d4012d9cec93d5714544968c7a0dd1cf222e47676cf83f2ba05a81b',1795809314460460);
INSERT INTO "migration" VALUES(12,'4ee6ce3df46855a00cc5faef5a7e8b2c494a4ad1bf4954837db1d8f1a0fc9f60',1795809314460626);
INSERT INTO "migration" VALUES(13,'38fa98168e52db174add395d40acabe598d6b75a2346c7c714a51d4004f6df94',1795809314461082);
INSERT INTO "migration" VALUES(14,'f8101b6ddfef6dbea893666aef37a6312b2d1be6724de9652cf482a87483d27f',1795809314461992);
INSERT INTO "migration" VALUES(15,'0dec59def9c807f593969b945632eb4396ea3de14b2d7217cc398f695a1c00ae',1795809314462562);
CREATE TABLE one_time_link (
    secret_hash BYTEA PRIMARY KEY,
    purpose TEXT NOT NULL,
    account_id TEXT NOT NULL REFERENCES account (id),
    address TEXT NOT NULL,
    address_since BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE TABLE pepper (
    id BIGINT PRIMARY KEY,
    encrypted_secret TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO "pepper" VALUES(1,'eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.5mltY9kFJh8FV8n2ZNUJx8D7RRUM9b5OjJAFBo03kWqQIgxB8MwhZw.iU-SLndAoBpErqp_.DRVvKiHpSdxPoCcG8Et_sy4cfGbKrBE6_tzHQtSMwYI.bBkLlULv1l6MSfJUQDqAJA',1795809314482925);
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
INSERT INTO "resource" VALUES('orders','{"scopes":[],"scope_claims":{},"claims":null,"signing_alg":null,"encryption_key":null,"encryption_enc":"A256GCM","unregistered_clients":false}',1795809314707902);
CREATE TABLE revocation (
    seq BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    version BIGINT,
    expires_at BIGINT NOT NULL
);
INSERT INTO "revocation" VALUES(1,'sid','3vO1lQRasm6357nfMadU8w',NULL,1795809674739673);
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
, user_agent TEXT NOT NULL DEFAULT '', address TEXT NOT NULL DEFAULT '', scope TEXT NOT NULL DEFAULT '', key_thumbprint TEXT NOT NULL DEFAULT '', login_id TEXT, authenticated_at BIGINT, logout_uri TEXT, logout_due_at BIGINT, parent_id TEXT, identity_issuer TEXT, amr TEXT NOT NULL DEFAULT 'pwd');
INSERT INTO "session" VALUES('3vO1lQRasm6357nfMadU8w',X'DFA45F98B75E1425C764019962F6E7CFEE812FA9BFA3167D6081A2A0CCD3AA75','pUjGwFiC6rZr4mHR-GfHGQ','carnet','default',0,1795809314731883,1795809314731883,1803585314731883,1795809314739673,'signed_out','','','','',NULL,1795809314731883,NULL,NULL,NULL,NULL,'pwd');
INSERT INTO "session" VALUES('o468A7EjWXx3dvGJcypxJA',X'9E4E705ED60303453AEE5F61FF4A12B4ACCF883449F4946ADB5816E22CBB0EB9','pUjGwFiC6rZr4mHR-GfHGQ','carnet','default',1,1795809314747621,1795809314751975,1803585314747621,NULL,NULL,'','','','',NULL,1795809314747621,NULL,NULL,NULL,NULL,'pwd');
CREATE TABLE signing_key (
    kid TEXT PRIMARY KEY,
    alg TEXT NOT NULL,
    encrypted_jwk TEXT NOT NULL,
    created_at BIGINT NOT NULL
, signs_from BIGINT NOT NULL DEFAULT 0, retired_at BIGINT);
INSERT INTO "signing_key" VALUES('9Bkw7xHzf__oD4XzDY86Bt8qC-h4V9E1ROxlDg9JU-o','ES256','eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.fUNsGGV6Xwv6jdTAhVrtFQQ2sdMuLNH7uyqm7Qz6l7441xiE0W4qJg.qHjgzJK97dSSPqi-.mfn2brAIiuV4o2-bi-MeQp4D7oEjWqd6Le57Ep_CXY_0oAT4Hwyzz2tQgQdZ1wj7XFlKtDPmqCKwpkDhZIUG5izeh0vhdiyWI_RRFX_5aLjNSxkz-Fs0lq97p_n1mJymF1cXPLs8E5z73Amepw3jqEicZtXWUH7RDIlbnxIVJzPshMSKXcIrJV9VRl0n6jPjUuPvqP0P3oqrsE8bIAui1oJt9xWAN19fNGpB6RXbSQV0gprjhiEOfwE0DTcPkyw6-XeIi9nWNLtMay8c_1B1xRPWL-STxe75sZMUVYAj7UD_xLlQKUSZTPr5Z1SSjffb5izX0RZyoVl2mUfhu8k.XuhCgD-hZ6VSAJaQq_fKog',1795809314493146,1795809314492533,NULL);
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
CREATE INDEX factor_account ON factor (account_id);
CREATE UNIQUE INDEX email_address_proved ON email_address (normalized) WHERE verified_at IS NOT NULL;
CREATE UNIQUE INDEX email_address_primary ON email_address (account_id) WHERE is_primary = 1;
CREATE INDEX one_time_link_of_account ON one_time_link (account_id);
CREATE INDEX one_time_link_expiry ON one_time_link (expires_at);
CREATE INDEX mail_due ON mail (due_at);
COMMIT;
