-- Rows of the shops' stores, the seats of servers, and the installation. IDs are raw bytes, times Unix milliseconds.

-- +goose Up
-- Not WITHOUT ROWID: there the value is part of the index, and each comparison with a row of 1 MiB reads all of it.
CREATE TABLE rows (
	shop  BLOB NOT NULL,
	key   BLOB NOT NULL,
	value BLOB NOT NULL,
	PRIMARY KEY (shop, key)
);

CREATE TABLE seats (
	shop   BLOB    NOT NULL PRIMARY KEY,
	server TEXT    NOT NULL, -- empty: nobody's
	epoch  INTEGER NOT NULL, -- grows whenever the seat is taken or given back
	since  INTEGER NOT NULL  -- by the clock of the database
);
CREATE INDEX seats_server ON seats (server, shop);

CREATE TABLE servers (
	server  TEXT    NOT NULL PRIMARY KEY, -- drawn anew at each start
	address TEXT    NOT NULL, -- where other servers reach it
	started INTEGER NOT NULL, -- by the clock of the database, as is:
	seen    INTEGER NOT NULL
);

CREATE TABLE installation (
	one     INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
	seed    BLOB    NOT NULL, -- of the Ed25519 key
	created INTEGER NOT NULL
);
