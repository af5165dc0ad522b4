BEGIN TRANSACTION;
CREATE TABLE account (
    id TEXT PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    roles TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
, claims TEXT NOT NULL DEFAULT '{}', disabled_at BIGINT, skeleton TEXT, delete_at BIGINT, unfinished_until BIGINT, language TEXT, language_seen TEXT);
INSERT INTO "account" VALUES('VNPeTwj_2jSzqglImXjSRA','alice','$argon2id$v=19$m=19456,t=2,p=1$eZdWti/+do1mUeanPkho9w$G45ZF/cRhwmlVteu0WXwFnCyldX0dl5o/In116+21U0','["ADMIN"]',1,1795826116767385,'{}',NULL,'alice',NULL,NULL,NULL,NULL);
CREATE TABLE account_identity (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    account_id TEXT NOT NULL REFERENCES account (id),
    created_at BIGINT NOT NULL, roles TEXT NOT NULL DEFAULT '[]', claims TEXT NOT NULL DEFAULT '[]', name TEXT NOT NULL DEFAULT '', used_at BIGINT,
    PRIMARY KEY (issuer, subject)
);
CREATE TABLE activity (
    hour BIGINT PRIMARY KEY,
    sign_ins BIGINT NOT NULL,
    refreshes BIGINT NOT NULL,
    refusals BIGINT NOT NULL
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
INSERT INTO "audit" VALUES('w1Z7-veg6vkzbWbJ',1795826116649834,'key_created',NULL,NULL,'service','','AHVP0aJeWD-n-4IxWNnKwgZqiWa7huroEdwmwmTiZ70');
INSERT INTO "audit" VALUES('ZODDsJGPg8V8VH3Z',1795826116767385,'account_created','VNPeTwj_2jSzqglImXjSRA',NULL,'operator','',NULL);
INSERT INTO "audit" VALUES('GCEIHBEy4pYpNGlc',1795826116800143,'resource_created',NULL,NULL,'operator','','orders');
INSERT INTO "audit" VALUES('QaSX3sLj3CdJRek2',1795826116815465,'client_created',NULL,NULL,'operator','','0Lqaaw0U7jBgdhPvry7Rcg');
INSERT INTO "audit" VALUES('dvH6tisdYI7PmP-f',1795826116832090,'session_begun','VNPeTwj_2jSzqglImXjSRA','9h-7iRqRF2OEffzAyq9RtA','service','','carnet');
INSERT INTO "audit" VALUES('x2VgZF-_I_S5rplJ',1795826116836134,'session_ended','VNPeTwj_2jSzqglImXjSRA','9h-7iRqRF2OEffzAyq9RtA','service','','signed_out');
INSERT INTO "audit" VALUES('jTqVvO2IJibxKGq0',1795826116837776,'session_begun','VNPeTwj_2jSzqglImXjSRA','C2VHUyqcVBl2LAzNgmYZ3Q','service','','carnet');
INSERT INTO "audit" VALUES('B5m1b6XxndlM0Je_',1795826116841011,'consent_given','VNPeTwj_2jSzqglImXjSRA',NULL,'operator','','0Lqaaw0U7jBgdhPvry7Rcg');
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
INSERT INTO "client" VALUES('0Lqaaw0U7jBgdhPvry7Rcg',X'6448D2950192974C572014F8C3752A86A23F564B58DCFBE695AB77859CA16134','{"client_name":"","redirect_uris":["https://shop.example.com/callback"],"grant_types":["authorization_code","refresh_token"],"scope":"","token_endpoint_auth_method":"client_secret_basic","jwks":null,"jwks_uri":null,"federated_credentials":[],"post_logout_redirect_uris":[],"backchannel_logout_uri":null,"plain_http":false,"dpop_bound_access_tokens":false,"required_acr":"aal1","require_pushed_authorization_requests":false,"require_signed_request_object":false,"require_pkce":true,"require_nonce":true,"first_party":false,"resources":[],"introspects":[],"exchange_from":[],"exchange_to":[],"identity_assertions":{},"identity_issuers":[],"id_token_signed_response_alg":null,"id_token_encrypted_response_alg":null,"id_token_encrypted_response_enc":"A128CBC-HS256","authorization_signed_response_alg":null,"introspection_signed_response_alg":null,"userinfo_signed_response_alg":null,"subject_type":"public","sector_identifier_uri":null,"client_uri":null,"logo_uri":null,"policy_uri":null,"tos_uri":null,"profile":null}',1795826116815312,NULL,NULL);
CREATE TABLE "consent" (
    account_id TEXT NOT NULL REFERENCES account (id),
    client_id TEXT NOT NULL,
    resource TEXT NOT NULL,
    scope TEXT NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, client_id, resource)
);
INSERT INTO "consent" VALUES('VNPeTwj_2jSzqglImXjSRA','0Lqaaw0U7jBgdhPvry7Rcg','orders','openid profile',1795826116841011);
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
INSERT INTO "migration" VALUES(1,'6576da56634c0fad9e5455d25d46f1b5eda6a02eb9a250db00fc94ac830a9789',1795826116595150);
INSERT INTO "migration" VALUES(2,'a590c3a8239ccbfda439b56aa3616ed78c2ef4c691fd30763a4cff36dbaadfff',1795826116600211);
INSERT INTO "migration" VALUES(3,'520dd4f5daff75ee4718b94b1fde122b2771de0abcc13446fc1c8f60807fe93a',1795826116601581);
INSERT INTO "migration" VALUES(4,'b081d3a49bbba7a368730a1beb73a64134777695a1e3ace89d48c0f863f22ce8',1795826116601630);
INSERT INTO "migration" VALUES(5,'43f579572fe95ac2873c45a1fbca86df57b0f0902b08166ab03d817a656449b4',1795826116601692);
INSERT INTO "migration" VALUES(6,'850942523a3fc5c0f755536a9c73e77e8bc3be254727f69e22d0bf921f4ee645',1795826116602016);
INSERT INTO "migration" VALUES(7,'dffa33ddc0abc8009eb09d7bd976af87e229b96268813082417da385364a6c04',1795826116603026);
INSERT INTO "migration" VALUES(8,'7f4998f1a2fd172048a3c1bd48ec0866fa6af37164ff3f50a7605fb401737d5a',1795826116608189);
INSERT INTO "migration" VALUES(9,'4e1d68f8a0a4e1d3451aab2ce3fcea65c48c83b7a937cc71161508c43c440b5b',1795826116608488);
INSERT INTO "migration" VALUES(10,'b3f86d64fcc6def9fc86b17e098547f00f7cd497c88b33b72067b68c87bf9631',1795826116608763);
INSERT INTO "migration" VALUES(11,'1eaa63fa2d4012d9cec93d5714544968c7a0dd1cf222e47676cf83f2ba05a81b',1795826116609054);
INSERT INTO "migration" VALUES(12,'4ee6ce3df46855a00cc5faef5a7e8b2c494a4ad1bf4954837db1d8f1a0fc9f60',1795826116609309);
INSERT INTO "migration" VALUES(13,'38fa98168e52db174add395d40acabe598d6b75a2346c7c714a51d4004f6df94',1795826116609848);
INSERT INTO "migration" VALUES(14,'f8101b6ddfef6dbea893666aef37a6312b2d1be6724de9652cf482a87483d27f',1795826116610941);
INSERT INTO "migration" VALUES(15,'0dec59def9c807f593969b945632eb4396ea3de14b2d7217cc398f695a1c00ae',1795826116611486);
INSERT INTO "migration" VALUES(16,'3c33781112ff57ab9dfef2c3ce99786ddebcb9b00ce1243cc7c5ae076bb40d9c',1795826116613203);
INSERT INTO "migration" VALUES(17,'efb199de08bc53365a1705de8244f76f01a98a7794e1011cbeb78866ec96e7e9',1795826116613735);
INSERT INTO "migration" VALUES(18,'25e806892e08dd24dfa8b9a24a60326b0f5875f483d25f401ae2e6a6c452e97f',1795826116617376);
INSERT INTO "migration" VALUES(19,'195e14bd095e20a884b7dbb073a6f788cee184ef48bb0fdafec6bfe4cd734a94',1795826116618012);
INSERT INTO "migration" VALUES(20,'01bbb82ed581e66a9796b7c0c32dd1773b10a3101a0e9b3d70a6b2ec435e9b86',1795826116618261);
INSERT INTO "migration" VALUES(21,'877d26c8ae6daa97be0a6c1ebce9f26df93f9fada9bef20b6a6912e9be6c9799',1795826116619064);
INSERT INTO "migration" VALUES(22,'47274bfe151f8a828f290393dceed06020270ebf7073ae251c290eec3e613104',1795826116619193);
INSERT INTO "migration" VALUES(23,'0b1e77d2520df2f3d52cb4fd1ad9d81f52fbc69fd384841e179753a57eacb5d0',1795826116624635);
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
INSERT INTO "pepper" VALUES(1,'eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.g7B81S1Zzu1TgyKCM_dTseghTzSsdD_ONEGcXui7cP7pQ5Ma4NeJ8g.va7wJeT2mWAMXszT.bdqAMxn6gmBQMUQru6uTuEZS8Ieb9y4Fu3G7WB6Q_XE.3UCcxpupbcaH9idgHYb7zw',1795826116642701);
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
CREATE TABLE remembered_browser (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    secret_hash BYTEA NOT NULL UNIQUE,
    user_agent TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT,
    expires_at BIGINT NOT NULL
);
CREATE TABLE resource (
    audience TEXT PRIMARY KEY,
    metadata TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO "resource" VALUES('orders','{"scopes":[],"scope_claims":{},"claims":null,"signing_alg":null,"encryption_key":null,"encryption_enc":"A256GCM","unregistered_clients":false}',1795826116799891);
CREATE TABLE revocation (
    seq BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    version BIGINT,
    expires_at BIGINT NOT NULL
);
INSERT INTO "revocation" VALUES(1,'sid','9h-7iRqRF2OEffzAyq9RtA',NULL,1795826476836134);
CREATE TABLE scim_group (
    id TEXT PRIMARY KEY,
    external_id TEXT,
    display_name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE TABLE scim_member (
    group_id TEXT NOT NULL REFERENCES scim_group (id),
    account_id TEXT NOT NULL REFERENCES account (id),
    PRIMARY KEY (group_id, account_id)
);
CREATE TABLE scim_token (
    id TEXT PRIMARY KEY,
    token_hash BYTEA NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);
CREATE TABLE scim_user (
    account_id TEXT PRIMARY KEY REFERENCES account (id),
    external_id TEXT,
    content TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
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
, user_agent TEXT NOT NULL DEFAULT '', address TEXT NOT NULL DEFAULT '', scope TEXT NOT NULL DEFAULT '', key_thumbprint TEXT NOT NULL DEFAULT '', login_id TEXT, authenticated_at BIGINT, logout_uri TEXT, logout_due_at BIGINT, parent_id TEXT, identity_issuer TEXT, amr TEXT NOT NULL DEFAULT 'pwd', pairwise_subject TEXT, identity_subject TEXT, identity_session TEXT);
INSERT INTO "session" VALUES('9h-7iRqRF2OEffzAyq9RtA',X'E37FB7F3EC7C0ADED0C30B9EA3D71A580D6F4282AB26A6F53596A91DF6357856','VNPeTwj_2jSzqglImXjSRA','carnet','default',0,1795826116832090,1795826116832090,1803602116832090,1795826116836134,'signed_out','','','','',NULL,1795826116832090,NULL,NULL,NULL,NULL,'pwd',NULL,NULL,NULL);
INSERT INTO "session" VALUES('C2VHUyqcVBl2LAzNgmYZ3Q',X'0B1B837C0722F659EC4BA1B20DCB4298F88E13E9478655ACD538748D54F4A380','VNPeTwj_2jSzqglImXjSRA','carnet','default',1,1795826116837776,1795826116838913,1803602116837776,NULL,NULL,'','','','',NULL,1795826116837776,NULL,NULL,NULL,NULL,'pwd',NULL,NULL,NULL);
CREATE TABLE signing_key (
    kid TEXT PRIMARY KEY,
    alg TEXT NOT NULL,
    encrypted_jwk TEXT NOT NULL,
    created_at BIGINT NOT NULL
, signs_from BIGINT NOT NULL DEFAULT 0, retired_at BIGINT);
INSERT INTO "signing_key" VALUES('AHVP0aJeWD-n-4IxWNnKwgZqiWa7huroEdwmwmTiZ70','ES256','eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.FAqEz3Z3WbxKrqU4525jMQ1FJ9ZTG2oApE_dV5EQ8rVvTRVAqjM-IA.yioqd1EUCAE2tWr0.lIkVfEUuVUXdK4la0MsqiQ1GQroBpoQVjfYgcDfgvuBzKMNY_TpkAJhVCoWzA_bSJniPFtKQ_75JS4-ww3zWxyAd5dCXoCJ2P366z98Kq3EI5blR-eSDbmA5PrxzGY5aihojye61wNmv-_TvJdgOF38ZLE8yeq53dolTJZU3CZMLVZdEBo8m-5Vyv3Xzj1pkRKcAm8AZZ7fcgzNllD2H9h9JuORJdN68STzj-qjGbcngsZVdO-KxdEtQoxmqQw6rFPguVLGL6OCxXR5MvQpwdh4rWL7FSaMiDKaS5qlSzG68sXZOR14nJTdRvNu2wACqnxwixvkV-SoumVKua28.8YprZ-RlNbuPfb36JdpJFA',1795826116649834,1795826116648928,NULL);
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
CREATE TABLE upstream_token (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    secret BYTEA NOT NULL,
    due_at BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject)
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
CREATE INDEX account_deletion ON account (delete_at) WHERE delete_at IS NOT NULL;
CREATE INDEX audit_account ON audit (account_id, at) WHERE account_id IS NOT NULL;
CREATE INDEX audit_actor ON audit (actor, at) WHERE actor IS NOT NULL;
CREATE INDEX remembered_browser_account ON remembered_browser (account_id);
CREATE INDEX remembered_browser_expiry ON remembered_browser (expires_at);
CREATE INDEX session_of_identity ON session (identity_issuer, identity_subject)
WHERE identity_subject IS NOT NULL;
CREATE INDEX account_unfinished ON account (unfinished_until) WHERE unfinished_until IS NOT NULL;
CREATE INDEX upstream_token_due ON upstream_token (due_at);
CREATE INDEX scim_user_external ON scim_user (external_id);
CREATE INDEX scim_user_created ON scim_user (created_at, account_id);
CREATE INDEX scim_group_external ON scim_group (external_id);
CREATE INDEX scim_group_created ON scim_group (created_at, id);
CREATE INDEX scim_member_of_account ON scim_member (account_id);
COMMIT;
