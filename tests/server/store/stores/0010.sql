BEGIN TRANSACTION;
CREATE TABLE account (
    id TEXT PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    roles TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
, claims TEXT NOT NULL DEFAULT '{}', disabled_at BIGINT, skeleton TEXT);
INSERT INTO "account" VALUES('q8vS8vf_hqynkr5HBUM8Kw','alice','$argon2id$v=19$m=19456,t=2,p=1$cLzP3HHDGKrQyoUjMAq4mA$wxWGLzDjKG4+AdYHfQ0q36yRwK75so3AuErcjDwYBCg','["ADMIN"]',1,1795782167604549,'{}',NULL,'alice');
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
INSERT INTO "audit" VALUES('Nagi5M2WIik2BHVG',1795782167453236,'key_created',NULL,NULL,'service','','_PxUU_lbchZvt_YG7USC3_RIhUNaSqFieHUtVtK6uA0');
INSERT INTO "audit" VALUES('IqpS2VcnUe80k3Un',1795782167604549,'account_created','q8vS8vf_hqynkr5HBUM8Kw',NULL,'operator','',NULL);
INSERT INTO "audit" VALUES('Ehe987wXKsUYqz24',1795782167612001,'resource_created',NULL,NULL,'operator','','orders');
INSERT INTO "audit" VALUES('p3qIOCQnNEni2U7Z',1795782167627518,'client_created',NULL,NULL,'operator','','wVpt7c3snVSjRqWjN_uRWw');
INSERT INTO "audit" VALUES('yNx1rkuDI4Hky4Xg',1795782167635826,'session_begun','q8vS8vf_hqynkr5HBUM8Kw','qCQb7_hRwpnblPSshXtzVw','service','','carnet');
INSERT INTO "audit" VALUES('U5rLCgiDqwglE3a_',1795782167642828,'session_ended','q8vS8vf_hqynkr5HBUM8Kw','qCQb7_hRwpnblPSshXtzVw','service','','signed_out');
INSERT INTO "audit" VALUES('hKJk8QhPK9x5Mz2q',1795782167655618,'session_begun','q8vS8vf_hqynkr5HBUM8Kw','md5Cie0srqaaezswjPebpA','service','','carnet');
INSERT INTO "audit" VALUES('RQjB7Pd6rJYkDL-d',1795782167672716,'consent_given','q8vS8vf_hqynkr5HBUM8Kw',NULL,'operator','','wVpt7c3snVSjRqWjN_uRWw');
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
INSERT INTO "client" VALUES('wVpt7c3snVSjRqWjN_uRWw',X'1AC6B9AA3300385F55412980A0B66891011A463B002D5A811B1B3FC0BEA6477C','{"client_name":"","redirect_uris":["https://shop.example.com/callback"],"grant_types":["authorization_code","refresh_token"],"scope":"","token_endpoint_auth_method":"client_secret_basic","jwks":null,"post_logout_redirect_uris":[],"backchannel_logout_uri":null,"plain_http":false,"dpop_bound_access_tokens":false,"first_party":false,"resources":[],"introspects":[],"id_token_encrypted_response_alg":null,"id_token_encrypted_response_enc":"A128CBC-HS256"}',1795782167627345,NULL,NULL);
CREATE TABLE "consent" (
    account_id TEXT NOT NULL REFERENCES account (id),
    client_id TEXT NOT NULL,
    resource TEXT NOT NULL,
    scope TEXT NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, client_id, resource)
);
INSERT INTO "consent" VALUES('q8vS8vf_hqynkr5HBUM8Kw','wVpt7c3snVSjRqWjN_uRWw','orders','openid profile',1795782167672716);
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
INSERT INTO "migration" VALUES(1,'6576da56634c0fad9e5455d25d46f1b5eda6a02eb9a250db00fc94ac830a9789',1795782167257196);
INSERT INTO "migration" VALUES(2,'a590c3a8239ccbfda439b56aa3616ed78c2ef4c691fd30763a4cff36dbaadfff',1795782167258072);
INSERT INTO "migration" VALUES(3,'520dd4f5daff75ee4718b94b1fde122b2771de0abcc13446fc1c8f60807fe93a',1795782167259205);
INSERT INTO "migration" VALUES(4,'b081d3a49bbba7a368730a1beb73a64134777695a1e3ace89d48c0f863f22ce8',1795782167265776);
INSERT INTO "migration" VALUES(5,'43f579572fe95ac2873c45a1fbca86df57b0f0902b08166ab03d817a656449b4',1795782167265874);
INSERT INTO "migration" VALUES(6,'850942523a3fc5c0f755536a9c73e77e8bc3be254727f69e22d0bf921f4ee645',1795782167266234);
INSERT INTO "migration" VALUES(7,'dffa33ddc0abc8009eb09d7bd976af87e229b96268813082417da385364a6c04',1795782167266832);
INSERT INTO "migration" VALUES(8,'7f4998f1a2fd172048a3c1bd48ec0866fa6af37164ff3f50a7605fb401737d5a',1795782167267190);
INSERT INTO "migration" VALUES(9,'4e1d68f8a0a4e1d3451aab2ce3fcea65c48c83b7a937cc71161508c43c440b5b',1795782167271488);
INSERT INTO "migration" VALUES(10,'b3f86d64fcc6def9fc86b17e098547f00f7cd497c88b33b72067b68c87bf9631',1795782167271677);
CREATE TABLE pepper (
    id BIGINT PRIMARY KEY,
    encrypted_secret TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO "pepper" VALUES(1,'eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.vx_-0zs2nsfSLwabRaK1WbiPXTQ5vRsrf-Y415LZbBsNVXrDDyZ6IA.fo49ANVfLF1kjIm_.Yp4XMvCUrlly6W-4F4XD3iC_OJqEp5fqHzEW_8OKdqc.f4fqLVltOTm8zA_b41UtvA',1795782167428815);
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
INSERT INTO "resource" VALUES('orders','{"scopes":[],"scope_claims":{},"claims":null,"signing_alg":null,"encryption_key":null,"encryption_enc":"A256GCM","unregistered_clients":false}',1795782167611836);
CREATE TABLE revocation (
    seq BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    version BIGINT,
    expires_at BIGINT NOT NULL
);
INSERT INTO "revocation" VALUES(1,'sid','qCQb7_hRwpnblPSshXtzVw',NULL,1795782527642828);
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
INSERT INTO "session" VALUES('qCQb7_hRwpnblPSshXtzVw',X'34BE3ACFC9A7C5E9F8D2F425F78BB4B44EA9A839533CE408A77E3EBD8B83D973','q8vS8vf_hqynkr5HBUM8Kw','carnet','default',0,1795782167635826,1795782167635826,1803558167635826,1795782167642828,'signed_out','','','','',NULL,1795782167635826,NULL,NULL);
INSERT INTO "session" VALUES('md5Cie0srqaaezswjPebpA',X'A211C861C6391A3FF013E7FDAA7863F6E369EEB89135796A6C27C7F453082D31','q8vS8vf_hqynkr5HBUM8Kw','carnet','default',1,1795782167655618,1795782167658256,1803558167655618,NULL,NULL,'','','','',NULL,1795782167655618,NULL,NULL);
CREATE TABLE signing_key (
    kid TEXT PRIMARY KEY,
    alg TEXT NOT NULL,
    encrypted_jwk TEXT NOT NULL,
    created_at BIGINT NOT NULL
, signs_from BIGINT NOT NULL DEFAULT 0, retired_at BIGINT);
INSERT INTO "signing_key" VALUES('_PxUU_lbchZvt_YG7USC3_RIhUNaSqFieHUtVtK6uA0','ES256','eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.VS2Fe--QGq0CzZx9rA12Wck_ho_xhqNaIyRkZ_5ExffAPvWm5q5w9w.Qw65A-_VEuCE0PQP.NtMP4wQmZW17WqOjZBrn229dnz7G07i4HQ6qLDlGoc_kpCcRARApiSZtUvQNEXZv_sqcL8GuqFnBkqRPqX6OoLWziv2CscrBFsOgqEnjsYUs7PSqEK_AS-Q7SM65S-0n-EItudPXQX4leL3BGeXIpyscOe6Vz3xZ-1JBGlCNP1wyjYgc5jFfsiU-Oe2rSGMYgYVaHSAprnbp6uryClXWxMAdNYNIYnEC2CiXuCvX6yuOxZJhLRoy_FNTThJiaE4CBsguR1SJkzBNNk-DbeYMyGIy0m6ZtMK_nNbBlEE779MGCv_I9PVZmpoB6AHixfJfuKtHpkEUZ6mb740fnyc.pdLsdObiyBLW-orc8GnHOA',1795782167453236,1795782167440624,NULL);
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
COMMIT;
