-- Rows of the shops' stores, the seats of servers, and the installation. IDs are raw bytes, times Unix milliseconds.

-- +goose Up
CREATE TABLE rows (
	shop  BYTEA NOT NULL,
	key   BYTEA NOT NULL,
	value BYTEA NOT NULL,
	PRIMARY KEY (shop, key)
);

CREATE TABLE seats (
	shop   BYTEA   NOT NULL PRIMARY KEY,
	server TEXT    NOT NULL, -- empty: nobody's
	epoch  BIGINT  NOT NULL, -- grows whenever the seat is taken or given back
	since  BIGINT  NOT NULL  -- by the clock of the database
);
CREATE INDEX seats_server ON seats (server, shop);

CREATE TABLE servers (
	server  TEXT    NOT NULL PRIMARY KEY, -- drawn anew at each start
	address TEXT    NOT NULL, -- where other servers reach it
	started BIGINT  NOT NULL, -- by the clock of the database, as is:
	seen    BIGINT  NOT NULL
);

CREATE TABLE installation (
	one     BIGINT  NOT NULL PRIMARY KEY CHECK (one = 1),
	seed    BYTEA   NOT NULL, -- of the Ed25519 key
	created BIGINT  NOT NULL
);
