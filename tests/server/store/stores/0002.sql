BEGIN TRANSACTION;
CREATE TABLE account (
    id TEXT PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    roles TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
, claims TEXT NOT NULL DEFAULT '{}', disabled_at BIGINT);
INSERT INTO "account" VALUES('h9z5BR9u5qyb5OqiNBayLA','alice','$argon2id$v=19$m=19456,t=2,p=1$cZVi1BI3EI7tCjnpbj0Iiw$JsgCS/cIqkm0KXbGqHdAwfHaaOxPupyKl3l0oli5ZgQ','["ADMIN"]',1,1795750974994087,'{}',NULL);
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
INSERT INTO "audit" VALUES('yB0JrT7WxsmKZhsT',1795750974794960,'key_created',NULL,NULL,'service','','HsrBjIlEB9p0HdC6Fk5wkHg6xvGLvQSG8u8dAppdqwQ');
INSERT INTO "audit" VALUES('8Wf9zZ9gNUYh_2M0',1795750974994087,'account_created','h9z5BR9u5qyb5OqiNBayLA',NULL,'operator','',NULL);
INSERT INTO "audit" VALUES('KCjOD-QiPHNQBtfw',1795750975847771,'session_begun','h9z5BR9u5qyb5OqiNBayLA','_pOiscqXsZKhP7gkbDICFQ',NULL,'127.0.0.1',NULL);
INSERT INTO "audit" VALUES('dsDLqmcrjvFIcr0L',1795750975916633,'session_begun','h9z5BR9u5qyb5OqiNBayLA','-hryPDc1UVsjdTUHzPUP7A',NULL,'127.0.0.1',NULL);
INSERT INTO "audit" VALUES('0_6pxuZ8ZsE_b4X9',1795750975926507,'session_ended','h9z5BR9u5qyb5OqiNBayLA','-hryPDc1UVsjdTUHzPUP7A','h9z5BR9u5qyb5OqiNBayLA','127.0.0.1','signed_out');
INSERT INTO "audit" VALUES('O8rhASo51RnyEHwr',1795750975976992,'sign_in_refused',NULL,NULL,NULL,'127.0.0.1','wrong_username_or_password');
CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO "counter" VALUES('revocation',1);
INSERT INTO "counter" VALUES('signing_key',1);
CREATE TABLE migration (number BIGINT PRIMARY KEY, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL);
INSERT INTO "migration" VALUES(1,'6576da56634c0fad9e5455d25d46f1b5eda6a02eb9a250db00fc94ac830a9789',1795750974550324);
INSERT INTO "migration" VALUES(2,'a590c3a8239ccbfda439b56aa3616ed78c2ef4c691fd30763a4cff36dbaadfff',1795750974556589);
CREATE TABLE pepper (
    id BIGINT PRIMARY KEY,
    encrypted_secret TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO "pepper" VALUES(1,'eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.duaBB9uZ3Jutn0u9XgZh-gcLAX5ZZgqNhTapLff8Wr6nwreUk-mu2A.sNGUHrFMNViRw0s7.4_4fFN3SzAzIGU2oBQdA91XGz7HFLlsJ6l0knHqO0GY.HSCA802ihx7Pxp2h3MmZUQ',1795750974779054);
CREATE TABLE revocation (
    seq BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    version BIGINT,
    expires_at BIGINT NOT NULL
);
INSERT INTO "revocation" VALUES(1,'sid','-hryPDc1UVsjdTUHzPUP7A',NULL,1795751335926507);
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
, user_agent TEXT NOT NULL DEFAULT '', address TEXT NOT NULL DEFAULT '');
INSERT INTO "session" VALUES('_pOiscqXsZKhP7gkbDICFQ',X'A1C13E1C7F368ACEC80DE3A6736BB85A71E6282ACCCC96F0C62B6642FED8E6AD','h9z5BR9u5qyb5OqiNBayLA','carnet','default',1,1795750975847771,1795750975859167,1803526975847771,NULL,NULL,'Python-urllib/3.11','127.0.0.1');
INSERT INTO "session" VALUES('-hryPDc1UVsjdTUHzPUP7A',X'44BEAC29E076100685FA99C736587EB0226A24A7344D0C656838914E7C6CA208','h9z5BR9u5qyb5OqiNBayLA','carnet','default',0,1795750975916633,1795750975916633,1803526975916633,1795750975926507,'signed_out','Python-urllib/3.11','127.0.0.1');
CREATE TABLE signing_key (
    kid TEXT PRIMARY KEY,
    alg TEXT NOT NULL,
    encrypted_jwk TEXT NOT NULL,
    created_at BIGINT NOT NULL
, signs_from BIGINT NOT NULL DEFAULT 0, retired_at BIGINT);
INSERT INTO "signing_key" VALUES('HsrBjIlEB9p0HdC6Fk5wkHg6xvGLvQSG8u8dAppdqwQ','ES256','eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.ranUrCKmRcVrZcgI2PUuzyYS8WB7G3H_kM28Hxq1TGyy04NDcVtWTA.-BRqdVNtsEDoRE8s.qe12DDR-qc9GD9Yg0kay5vt630McPkJgSlXZij2tBhIjGgFAgdSpHEyH3wDZ6ybNch6M9ZKTp40Vm-Kf0zURgxZwHOrnm7QqyklJgAwWJZcMc6iSR4KofOVXcjsDdIDwzdqBBBMgpJoSYay-l24Gw47v7hnJ8oSiP-TqB3xe-ngGCpqkkjhjfnt7HMwIWD0H0KkskkynvUzod7KMX-5eDXS_d0VwRLaf1koTscGqfcidbUzbuCAel0gbLX8anNfXs0CE3ZA6qPPzNuWnU_q7KhK7ewaBmvHRjOPTA0pn7m_OCiT89yabjI83YOahwFeAqajcwW2dU6mN_QDrHbw.xhNIegj7AF4XjgwRy2aQ0g',1795750974794960,1795750974784472,NULL);
CREATE TABLE throttle (
    name TEXT PRIMARY KEY,
    due_at BIGINT NOT NULL
);
INSERT INTO "throttle" VALUES('account 2bd806c97f0e00af1a1fc3328fa763a9',1795750977976774);
INSERT INTO "throttle" VALUES('account 2bd806c97f0e00af1a1fc3328fa763a9 from 127.0.0.1',1795750990976774);
INSERT INTO "throttle" VALUES('address 127.0.0.1',1795750979976774);
CREATE INDEX session_of_account ON session (account_id);
CREATE INDEX revocation_expiry ON revocation (expires_at);
CREATE INDEX session_expiry ON session (expires_at);
CREATE INDEX audit_time ON audit (at);
COMMIT;
