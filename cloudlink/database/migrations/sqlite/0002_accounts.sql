-- Accounts, who may sign in, and the tills coupled with them. IDs and hashes are raw bytes, times Unix milliseconds.

-- +goose Up
CREATE TABLE accounts (
	account    BLOB    NOT NULL PRIMARY KEY, -- 16 random bytes
	name       TEXT    NOT NULL,             -- as its owner wrote it
	folded     TEXT    NOT NULL UNIQUE,      -- what names are compared by
	password   TEXT    NOT NULL,             -- argon2id with its parameters
	role       TEXT    NOT NULL,             -- owner; others come later
	created_at INTEGER NOT NULL,
	changed_at INTEGER NOT NULL              -- of the password
);

CREATE TABLE sessions (
	account    BLOB    NOT NULL,
	session    BLOB    NOT NULL,
	token      BLOB    NOT NULL, -- SHA-256
	label      TEXT    NOT NULL,
	created_at INTEGER NOT NULL,
	seen_at    INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	PRIMARY KEY (account, session)
);
CREATE UNIQUE INDEX sessions_token ON sessions (account, token);
CREATE INDEX sessions_expires ON sessions (expires_at);

CREATE TABLE api_keys (
	account    BLOB    NOT NULL,
	api_key    BLOB    NOT NULL,
	token      BLOB    NOT NULL, -- SHA-256
	name       TEXT    NOT NULL,
	rights     TEXT    NOT NULL, -- separated by spaces
	created_at INTEGER NOT NULL,
	created_by TEXT    NOT NULL,
	seen_at    INTEGER NOT NULL, -- 0: never used
	revoked_at INTEGER NOT NULL, -- 0: it counts
	PRIMARY KEY (account, api_key)
);
CREATE UNIQUE INDEX api_keys_token ON api_keys (account, token);

CREATE TABLE coupling_codes (
	code       BLOB    NOT NULL PRIMARY KEY, -- argon2id
	account    BLOB    NOT NULL,
	id         BLOB    NOT NULL,
	till_name  TEXT    NOT NULL,
	created_at INTEGER NOT NULL,
	created_by TEXT    NOT NULL,
	expires_at INTEGER NOT NULL,
	failures   INTEGER NOT NULL, -- how often another till tried it
	used_at    INTEGER NOT NULL, -- 0: not yet
	till       BLOB              -- that used it
);
CREATE INDEX coupling_codes_account ON coupling_codes (account, id);

CREATE TABLE coupling_nonces (
	account    BLOB    NOT NULL,
	nonce      BLOB    NOT NULL,
	shop       BLOB    NOT NULL,
	till       BLOB    NOT NULL,
	expires_at INTEGER NOT NULL,
	PRIMARY KEY (account, nonce)
);

CREATE TABLE shops (
	shop       BLOB    NOT NULL PRIMARY KEY,
	account    BLOB    NOT NULL,
	name       TEXT    NOT NULL,
	coupled_at INTEGER NOT NULL,
	coupled_by TEXT    NOT NULL
);
CREATE INDEX shops_account ON shops (account, shop);

CREATE TABLE devices (
	shop        BLOB    NOT NULL,
	till        BLOB    NOT NULL, -- SHA-256 of the key
	public_key  BLOB    NOT NULL, -- Ed25519
	name        TEXT    NOT NULL,
	coupled_at  INTEGER NOT NULL,
	coupled_by  TEXT    NOT NULL,
	seen_at     INTEGER NOT NULL,
	revoked_at  INTEGER NOT NULL, -- 0: it is not
	revoked_by  TEXT    NOT NULL,
	revoked_why TEXT    NOT NULL,
	PRIMARY KEY (shop, till)
);

CREATE TABLE attempts (
	subject  TEXT    NOT NULL PRIMARY KEY, -- what is tried, or from where
	failures INTEGER NOT NULL,
	last_at  INTEGER NOT NULL,
	until    INTEGER NOT NULL -- nothing is tried before
);
CREATE INDEX attempts_last ON attempts (last_at);

CREATE TABLE account_acts (
	account BLOB    NOT NULL,
	at      INTEGER NOT NULL,
	id      BLOB    NOT NULL,
	act     TEXT    NOT NULL,
	by_whom TEXT    NOT NULL,
	subject TEXT    NOT NULL,
	detail  TEXT    NOT NULL,
	PRIMARY KEY (account, at, id)
);

CREATE TABLE replies (
	caller  BLOB    NOT NULL, -- SHA-256 of the caller's token
	reply   BLOB    NOT NULL, -- SHA-256 of the idempotency key
	request BLOB    NOT NULL, -- SHA-256
	status  INTEGER NOT NULL, -- 0: still running
	body    BLOB    NOT NULL, -- encrypted for the caller
	until   INTEGER NOT NULL,
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
