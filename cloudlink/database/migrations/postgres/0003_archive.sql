-- The archive: one append-only log of leaves for each account, the hashes of its tree, signed checkpoints, legal holds.
-- See cloudlink/archive/FORMAT.md.

-- +goose Up
CREATE TABLE archive_logs (
	account BYTEA NOT NULL PRIMARY KEY,
	size    BIGINT NOT NULL -- leaves; who appends holds the lock of this row
);

CREATE TABLE archive_trees (
	account  BYTEA NOT NULL PRIMARY KEY,
	hashed   BIGINT NOT NULL, -- leaves whose hashes are in archive_tiles
	reviewed BIGINT NOT NULL  -- leaves that were judged
);

CREATE TABLE archive_leaves (
	account     BYTEA NOT NULL,
	leaf_index  BIGINT NOT NULL, -- 0, 1, 2, ...: no gaps
	origin      BYTEA NOT NULL, -- 16 bytes: what makes a leaf the same
	shop        BYTEA NOT NULL,
	kind        BIGINT NOT NULL,
	type        TEXT NOT NULL,
	object      BYTEA NOT NULL,
	name        TEXT NOT NULL,
	number      BIGINT NOT NULL,
	day         TEXT NOT NULL, -- YYYY-MM-DD
	archived_at BIGINT NOT NULL,
	leaf        BYTEA NOT NULL, -- canonical bytes
	content     BYTEA,          -- verbatim; NULL: erased
	salt        BYTEA,          -- of customers; NULL: none, or erased
	PRIMARY KEY (account, leaf_index)
);
CREATE UNIQUE INDEX archive_origins ON archive_leaves (account, origin);
CREATE INDEX archive_objects ON archive_leaves (account, shop, type, object, leaf_index);

CREATE TABLE archive_erased (
	account BYTEA NOT NULL,
	shop    BYTEA NOT NULL,
	type    TEXT NOT NULL,
	object  BYTEA NOT NULL,
	PRIMARY KEY (account, shop, type, object)
);

CREATE TABLE archive_tiles (
	account BYTEA NOT NULL,
	level   BIGINT NOT NULL,
	tile    BIGINT NOT NULL,
	hashes  BYTEA NOT NULL, -- 1 to 256 hashes of 32 bytes
	PRIMARY KEY (account, level, tile)
);

CREATE TABLE archive_checkpoints (
	account BYTEA NOT NULL,
	size    BIGINT NOT NULL,
	made_at BIGINT NOT NULL,
	note    BYTEA NOT NULL, -- signed, verbatim
	PRIMARY KEY (account, size)
);

CREATE TABLE archive_holds (
	account      BYTEA NOT NULL,
	hold         BYTEA NOT NULL, -- 16 random bytes
	shop         BYTEA,          -- NULL: all of the account
	from_day     TEXT NOT NULL, -- empty: from the first
	to_day       TEXT NOT NULL, -- included; empty: to the last
	reason       TEXT NOT NULL,
	set_by       TEXT NOT NULL,
	set_at       BIGINT NOT NULL,
	released_by  TEXT NOT NULL,
	released_at  BIGINT NOT NULL, -- 0: it holds
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
