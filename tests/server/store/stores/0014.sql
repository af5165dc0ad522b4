BEGIN TRANSACTION;
CREATE TABLE account (
    id TEXT PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    roles TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
, claims TEXT NOT NULL DEFAULT '{}', disabled_at BIGINT, skeleton TEXT);
INSERT INTO "account" VALUES('kFAVWV8eYN_Bls50awXOOQ','alice','$argon2id$v=19$m=19456,t=2,p=1$I+LDWsBoImaq3lk4nWHxdg$ORzoXIoYfMiHGu9qUti18tPHVfhSZIzqJv2znZvNB6k','["ADMIN"]',1,1795798648207952,'{}',NULL,'alice');
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
INSERT INTO "audit" VALUES('YYxJs-JxvSDi4uLl',1795798648108875,'key_created',NULL,NULL,'service','','iWRY7Tmj0lkweRxpFeuzym-S0PtDv4ZhMUgUef4jTWU');
INSERT INTO "audit" VALUES('wCs70s9nXpDabPsk',1795798648207952,'account_created','kFAVWV8eYN_Bls50awXOOQ',NULL,'operator','',NULL);
INSERT INTO "audit" VALUES('qzPXLGKWdky-inrA',1795798648210738,'resource_created',NULL,NULL,'operator','','orders');
INSERT INTO "audit" VALUES('LFwpEXrR4SVu6Zr1',1795798648212933,'client_created',NULL,NULL,'operator','','rlkq_AErlo69cEuZCAmwJw');
INSERT INTO "audit" VALUES('0Dme3_q2vOLnBpcN',1795798648217477,'session_begun','kFAVWV8eYN_Bls50awXOOQ','lfyFSx-RqxpMnAEGVh8LVw','service','','carnet');
INSERT INTO "audit" VALUES('pm_5QQYvRqZ2TBhl',1795798648220693,'session_ended','kFAVWV8eYN_Bls50awXOOQ','lfyFSx-RqxpMnAEGVh8LVw','service','','signed_out');
INSERT INTO "audit" VALUES('89Ta25lNHzSXGPHD',1795798648223360,'session_begun','kFAVWV8eYN_Bls50awXOOQ','lGE77WDNHUTw1F3m_VbOnw','service','','carnet');
INSERT INTO "audit" VALUES('UB_T9-3iFuuN8rZR',1795798648230210,'consent_given','kFAVWV8eYN_Bls50awXOOQ',NULL,'operator','','rlkq_AErlo69cEuZCAmwJw');
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
INSERT INTO "client" VALUES('rlkq_AErlo69cEuZCAmwJw',X'20BC9944B68745C44DFED34FABECA73AA1D092DDDE715B0BE14BC133A829A7FA','{"client_name":"","redirect_uris":["https://shop.example.com/callback"],"grant_types":["authorization_code","refresh_token"],"scope":"","token_endpoint_auth_method":"client_secret_basic","jwks":null,"jwks_uri":null,"federated_credentials":[],"post_logout_redirect_uris":[],"backchannel_logout_uri":null,"plain_http":false,"dpop_bound_access_tokens":false,"required_acr":"aal1","require_signed_request_object":false,"require_pkce":true,"require_nonce":true,"first_party":false,"resources":[],"introspects":[],"exchange_from":[],"exchange_to":[],"identity_assertions":{},"identity_issuers":[],"id_token_signed_response_alg":null,"id_token_encrypted_response_alg":null,"id_token_encrypted_response_enc":"A128CBC-HS256"}',1795798648212871,NULL,NULL);
CREATE TABLE "consent" (
    account_id TEXT NOT NULL REFERENCES account (id),
    client_id TEXT NOT NULL,
    resource TEXT NOT NULL,
    scope TEXT NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, client_id, resource)
);
INSERT INTO "consent" VALUES('kFAVWV8eYN_Bls50awXOOQ','rlkq_AErlo69cEuZCAmwJw','orders','openid profile',1795798648230210);
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
CREATE TABLE migration (number BIGINT PRIMARY KEY, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL);
INSERT INTO "migration" VALUES(1,'6576da56634c0fad9e5455d25d46f1b5eda6a02eb9a250db00fc94ac830a9789',1795798648013034);
INSERT INTO "migration" VALUES(2,'a590c3a8239ccbfda439b56aa3616ed78c2ef4c691fd30763a4cff36dbaadfff',1795798648017794);
INSERT INTO "migration" VALUES(3,'520dd4f5daff75ee4718b94b1fde122b2771de0abcc13446fc1c8f60807fe93a',1795798648018941);
INSERT INTO "migration" VALUES(4,'b081d3a49bbba7a368730a1beb73a64134777695a1e3ace89d48c0f863f22ce8',1795798648018986);
INSERT INTO "migration" VALUES(5,'43f579572fe95ac2873c45a1fbca86df57b0f0902b08166ab03d817a656449b4',1795798648019047);
INSERT INTO "migration" VALUES(6,'850942523a3fc5c0f755536a9c73e77e8bc3be254727f69e22d0bf921f4ee645',1795798648019852);
INSERT INTO "migration" VALUES(7,'dffa33ddc0abc8009eb09d7bd976af87e229b96268813082417da385364a6c04',1795798648020687);
INSERT INTO "migration" VALUES(8,'7f4998f1a2fd172048a3c1bd48ec0866fa6af37164ff3f50a7605fb401737d5a',1795798648021986);
INSERT INTO "migration" VALUES(9,'4e1d68f8a0a4e1d3451aab2ce3fcea65c48c83b7a937cc71161508c43c440b5b',1795798648022365);
INSERT INTO "migration" VALUES(10,'b3f86d64fcc6def9fc86b17e098547f00f7cd497c88b33b72067b68c87bf9631',1795798648022525);
INSERT INTO "migration" VALUES(11,'1eaa63fa2d4012d9cec93d5714544968c7a0dd1cf222e47676cf83f2ba05a81b',1795798648022850);
INSERT INTO "migration" VALUES(12,'4ee6ce3df46855a00cc5faef5a7e8b2c494a4ad1bf4954837db1d8f1a0fc9f60',1795798648022976);
INSERT INTO "migration" VALUES(13,'38fa98168e52db174add395d40acabe598d6b75a2346c7c714a51d4004f6df94',1795798648023359);
INSERT INTO "migration" VALUES(14,'f8101b6ddfef6dbea893666aef37a6312b2d1be6724de9652cf482a87483d27f',1795798648024033);
CREATE TABLE pepper (
    id BIGINT PRIMARY KEY,
    encrypted_secret TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO "pepper" VALUES(1,'eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.LOXhEW-LD8l53L1ieumv1fI6AbAEd5XksUp_DTCBum1oIuRrQQYxpQ.Y97Kp0y3kTXGNR--.Uf7u2EbsjCjYM7Qgm5hC9xXEnpCznRFPSHUiF6DCB1c.NUOBuARX_6-Tryb3FpZo1w',1795798648105091);
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
INSERT INTO "resource" VALUES('orders','{"scopes":[],"scope_claims":{},"claims":null,"signing_alg":null,"encryption_key":null,"encryption_enc":"A256GCM","unregistered_clients":false}',1795798648210622);
CREATE TABLE revocation (
    seq BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    version BIGINT,
    expires_at BIGINT NOT NULL
);
INSERT INTO "revocation" VALUES(1,'sid','lfyFSx-RqxpMnAEGVh8LVw',NULL,1795799008220693);
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
INSERT INTO "session" VALUES('lfyFSx-RqxpMnAEGVh8LVw',X'05BF1AE20DD6433399CA731FC9D4CE3E0A65432D3517ECBFBE582EFA39CE29CA','kFAVWV8eYN_Bls50awXOOQ','carnet','default',0,1795798648217477,1795798648217477,1803574648217477,1795798648220693,'signed_out','','','','',NULL,1795798648217477,NULL,NULL,NULL,NULL,'pwd');
INSERT INTO "session" VALUES('lGE77WDNHUTw1F3m_VbOnw',X'87FD542FCD1689727A78F2B095808D1AC10B88C6A498F5648673939BC84FC3A4','kFAVWV8eYN_Bls50awXOOQ','carnet','default',1,1795798648223360,1795798648227481,1803574648223360,NULL,NULL,'','','','',NULL,1795798648223360,NULL,NULL,NULL,NULL,'pwd');
CREATE TABLE signing_key (
    kid TEXT PRIMARY KEY,
    alg TEXT NOT NULL,
    encrypted_jwk TEXT NOT NULL,
    created_at BIGINT NOT NULL
, signs_from BIGINT NOT NULL DEFAULT 0, retired_at BIGINT);
INSERT INTO "signing_key" VALUES('iWRY7Tmj0lkweRxpFeuzym-S0PtDv4ZhMUgUef4jTWU','ES256','eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.T8NThs2hRZV7cdCCKPsHsc4rlX_XEqlR58wpxmQvDODWt-8XBKe_zQ.Jf20MumGILeat4md.dJlwJv4jzJIdQUU1_UK64G2moiE15lxLY1T6bjCW0YHdXYCjJvvtljI2YoP-Yl_mZWu2IStjHYwapevqVWzSV4V0TwGvX--SYxX0WzXANSU5h84bT_NGocdR82sUmtguzzpO7an4PuGggbD1mWiFIeapy1kvcv2m93BhL2CV6yaQD_8dyOIusycrNAPxDkWwGgJO80CWIKNK5JiAkQUXkspjCjhjI3AzDVAWq6Edul7ka6EvcDoHuXobmkD5LeWj7QVbua3pK5ZnlrX5kYDenQUG1p1hNgLSpyhBjyrjkP9ViWkAKKf2uHHIOM8r0qZOnG40sgQTqU-gNKTMotI.CdLfrXQ751BciEfvmXUYyg',1795798648108875,1795798648108430,NULL);
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
COMMIT;
