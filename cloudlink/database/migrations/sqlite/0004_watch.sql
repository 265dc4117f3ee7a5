-- What the cloud says about tills that are away and numbers that are missing, and the restores of the cloud itself.

-- +goose Up
CREATE TABLE heard (
	shop     BLOB    NOT NULL,
	till     BLOB    NOT NULL,
	heard_at INTEGER NOT NULL, -- by the cloud's clock
	told_by  BLOB    NOT NULL, -- the till itself, or another one that was linked with it
	PRIMARY KEY (shop, till)
);

CREATE TABLE series_gaps (
	account    BLOB    NOT NULL,
	shop       BLOB    NOT NULL,
	type       TEXT    NOT NULL, -- of the documents: receipt or closing
	series     BLOB    NOT NULL, -- 8 bytes, with which the IDs of the series begin
	first      INTEGER NOT NULL, -- numbers that are missing
	last       INTEGER NOT NULL,
	till       BLOB    NOT NULL,
	name       TEXT    NOT NULL, -- of the series
	noticed_at INTEGER NOT NULL,
	PRIMARY KEY (account, shop, type, series, first)
);

CREATE TABLE series_whole (
	account BLOB    NOT NULL,
	shop    BLOB    NOT NULL,
	type    TEXT    NOT NULL,
	series  BLOB    NOT NULL,
	till    BLOB    NOT NULL,
	name    TEXT    NOT NULL,
	whole   INTEGER NOT NULL, -- all numbers up to this one are there
	PRIMARY KEY (account, shop, type, series)
);

CREATE TABLE archive_restores (
	account     BLOB    NOT NULL,
	size        INTEGER NOT NULL, -- leaves that the backup held; the statement is the leaf behind them
	restored_at INTEGER NOT NULL,
	note        BLOB    NOT NULL, -- signed, verbatim
	PRIMARY KEY (account, size, restored_at)
);

ALTER TABLE devices ADD COLUMN program TEXT NOT NULL DEFAULT ''; -- of the till, as it said last

-- +goose Down
ALTER TABLE devices DROP COLUMN program;
DROP TABLE archive_restores;
DROP TABLE series_whole;
DROP TABLE series_gaps;
DROP TABLE heard;
