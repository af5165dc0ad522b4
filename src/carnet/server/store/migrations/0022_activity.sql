-- What all processes have done in an hour, which is named by the moment when it began. Each process
-- adds what it has counted once a minute.
CREATE TABLE activity (
    hour BIGINT PRIMARY KEY,
    sign_ins BIGINT NOT NULL,
    refreshes BIGINT NOT NULL,
    refusals BIGINT NOT NULL
);
