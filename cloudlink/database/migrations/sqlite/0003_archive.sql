-- The archive: one append-only log of leaves for each account, the hashes of its tree, signed checkpoints, legal holds.
-- See cloudlink/archive/FORMAT.md.

-- +goose Up
CREATE TABLE archive_logs (
	account BLOB NOT NULL PRIMARY KEY,
	size    INTEGER NOT NULL -- leaves; who appends holds the lock of this row
);

CREATE TABLE archive_trees (
	account  BLOB NOT NULL PRIMARY KEY,
	hashed   INTEGER NOT NULL, -- leaves whose hashes are in archive_tiles
	reviewed INTEGER NOT NULL  -- leaves that were judged
);

CREATE TABLE archive_leaves (
	account     BLOB NOT NULL,
	leaf_index  INTEGER NOT NULL, -- 0, 1, 2, ...: no gaps
	origin      BLOB NOT NULL, -- 16 bytes: what makes a leaf the same
	shop        BLOB NOT NULL,
	kind        INTEGER NOT NULL,
	type        TEXT NOT NULL,
	object      BLOB NOT NULL,
	name        TEXT NOT NULL,
	number      INTEGER NOT NULL,
	day         TEXT NOT NULL, -- YYYY-MM-DD
	archived_at INTEGER NOT NULL,
	leaf        BLOB NOT NULL, -- canonical bytes
	content     BLOB,          -- verbatim; NULL: erased
	salt        BLOB,          -- of customers; NULL: none, or erased
	PRIMARY KEY (account, leaf_index)
);
CREATE UNIQUE INDEX archive_origins ON archive_leaves (account, origin);
CREATE INDEX archive_objects ON archive_leaves (account, shop, type, object, leaf_index);

CREATE TABLE archive_erased (
	account BLOB NOT NULL,
	shop    BLOB NOT NULL,
	type    TEXT NOT NULL,
	object  BLOB NOT NULL,
	PRIMARY KEY (account, shop, type, object)
);

CREATE TABLE archive_tiles (
	account BLOB NOT NULL,
	level   INTEGER NOT NULL,
	tile    INTEGER NOT NULL,
	hashes  BLOB NOT NULL, -- 1 to 256 hashes of 32 bytes
	PRIMARY KEY (account, level, tile)
);

CREATE TABLE archive_checkpoints (
	account BLOB NOT NULL,
	size    INTEGER NOT NULL,
	made_at INTEGER NOT NULL,
	note    BLOB NOT NULL, -- signed, verbatim
	PRIMARY KEY (account, size)
);

CREATE TABLE archive_holds (
	account      BLOB NOT NULL,
	hold         BLOB NOT NULL, -- 16 random bytes
	shop         BLOB,          -- NULL: all of the account
	from_day     TEXT NOT NULL, -- empty: from the first
	to_day       TEXT NOT NULL, -- included; empty: to the last
	reason       TEXT NOT NULL,
	set_by       TEXT NOT NULL,
	set_at       INTEGER NOT NULL,
	released_by  TEXT NOT NULL,
	released_at  INTEGER NOT NULL, -- 0: it holds
	released_why TEXT NOT NULL,
	PRIMARY KEY (account, hold)
);

-- +goose Down
DROP TABLE archive_holds;
DROP TABLE archive_checkpoints;
DROP TABLE archive_tiles;
DROP TABLE archive_erased;
DROP TABLE archive_leaves;
DROP TABLE archive_trees;
DROP TABLE archive_logs;
