-- Accounts, who may sign in, and the tills coupled with them. IDs and hashes are raw bytes, times Unix milliseconds.

-- +goose Up
CREATE TABLE accounts (
	account    BYTEA    NOT NULL PRIMARY KEY, -- 16 random bytes
	name       TEXT    NOT NULL,             -- as its owner wrote it
	folded     TEXT    NOT NULL UNIQUE,      -- what names are compared by
	password   TEXT    NOT NULL,             -- argon2id with its parameters
	role       TEXT    NOT NULL,             -- owner; others come later
	created_at BIGINT NOT NULL,
	changed_at BIGINT NOT NULL              -- of the password
);

CREATE TABLE sessions (
	account    BYTEA    NOT NULL,
	session    BYTEA    NOT NULL,
	token      BYTEA    NOT NULL, -- SHA-256
	label      TEXT    NOT NULL,
	created_at BIGINT NOT NULL,
	seen_at    BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	PRIMARY KEY (account, session)
);
CREATE UNIQUE INDEX sessions_token ON sessions (account, token);
CREATE INDEX sessions_expires ON sessions (expires_at);

CREATE TABLE api_keys (
	account    BYTEA    NOT NULL,
	api_key    BYTEA    NOT NULL,
	token      BYTEA    NOT NULL, -- SHA-256
	name       TEXT    NOT NULL,
	rights     TEXT    NOT NULL, -- separated by spaces
	created_at BIGINT NOT NULL,
	created_by TEXT    NOT NULL,
	seen_at    BIGINT NOT NULL, -- 0: never used
	revoked_at BIGINT NOT NULL, -- 0: it counts
	PRIMARY KEY (account, api_key)
);
CREATE UNIQUE INDEX api_keys_token ON api_keys (account, token);

CREATE TABLE coupling_codes (
	code       BYTEA    NOT NULL PRIMARY KEY, -- argon2id
	account    BYTEA    NOT NULL,
	id         BYTEA    NOT NULL,
	till_name  TEXT    NOT NULL,
	created_at BIGINT NOT NULL,
	created_by TEXT    NOT NULL,
	expires_at BIGINT NOT NULL,
	failures   BIGINT NOT NULL, -- how often another till tried it
	used_at    BIGINT NOT NULL, -- 0: not yet
	till       BYTEA              -- that used it
);
CREATE INDEX coupling_codes_account ON coupling_codes (account, id);

CREATE TABLE coupling_nonces (
	account    BYTEA    NOT NULL,
	nonce      BYTEA    NOT NULL,
	shop       BYTEA    NOT NULL,
	till       BYTEA    NOT NULL,
	expires_at BIGINT NOT NULL,
	PRIMARY KEY (account, nonce)
);

CREATE TABLE shops (
	shop       BYTEA    NOT NULL PRIMARY KEY,
	account    BYTEA    NOT NULL,
	name       TEXT    NOT NULL,
	coupled_at BIGINT NOT NULL,
	coupled_by TEXT    NOT NULL
);
CREATE INDEX shops_account ON shops (account, shop);

CREATE TABLE devices (
	shop        BYTEA    NOT NULL,
	till        BYTEA    NOT NULL, -- SHA-256 of the key
	public_key  BYTEA    NOT NULL, -- Ed25519
	name        TEXT    NOT NULL,
	coupled_at  BIGINT NOT NULL,
	coupled_by  TEXT    NOT NULL,
	seen_at     BIGINT NOT NULL,
	revoked_at  BIGINT NOT NULL, -- 0: it is not
	revoked_by  TEXT    NOT NULL,
	revoked_why TEXT    NOT NULL,
	PRIMARY KEY (shop, till)
);

CREATE TABLE attempts (
	subject  TEXT    NOT NULL PRIMARY KEY, -- what is tried, or from where
	failures BIGINT NOT NULL,
	last_at  BIGINT NOT NULL,
	until    BIGINT NOT NULL -- nothing is tried before
);
CREATE INDEX attempts_last ON attempts (last_at);

CREATE TABLE account_acts (
	account BYTEA    NOT NULL,
	at      BIGINT NOT NULL,
	id      BYTEA    NOT NULL,
	act     TEXT    NOT NULL,
	by_whom TEXT    NOT NULL,
	subject TEXT    NOT NULL,
	detail  TEXT    NOT NULL,
	PRIMARY KEY (account, at, id)
);

CREATE TABLE replies (
	caller  BYTEA    NOT NULL, -- SHA-256 of the caller's token
	reply   BYTEA    NOT NULL, -- SHA-256 of the idempotency key
	request BYTEA    NOT NULL, -- SHA-256
	status  BIGINT NOT NULL, -- 0: still running
	body    BYTEA    NOT NULL, -- encrypted for the caller
	until   BIGINT NOT NULL,
	PRIMARY KEY (caller, reply)
);
CREATE INDEX replies_until ON replies (until);

-- +goose Down
DROP TABLE replies;
DROP TABLE account_acts;
DROP TABLE attempts;
DROP TABLE devices;
DROP TABLE shops;
DROP TABLE coupling_nonces;
DROP TABLE coupling_codes;
DROP TABLE api_keys;
DROP TABLE sessions;
DROP TABLE accounts;
