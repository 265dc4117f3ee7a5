-- What the cloud says about tills that are away and numbers that are missing, and the restores of the cloud itself.

-- +goose Up
CREATE TABLE heard (
	shop     BYTEA   NOT NULL,
	till     BYTEA   NOT NULL,
	heard_at BIGINT  NOT NULL, -- by the cloud's clock
	told_by  BYTEA   NOT NULL, -- the till itself, or another one that was linked with it
	PRIMARY KEY (shop, till)
);

CREATE TABLE series_gaps (
	account    BYTEA   NOT NULL,
	shop       BYTEA   NOT NULL,
	type       TEXT    NOT NULL, -- of the documents: receipt or closing
	series     BYTEA   NOT NULL, -- 8 bytes, with which the IDs of the series begin
	first      BIGINT  NOT NULL, -- numbers that are missing
	last       BIGINT  NOT NULL,
	till       BYTEA   NOT NULL,
	name       TEXT    NOT NULL, -- of the series
	noticed_at BIGINT  NOT NULL,
	PRIMARY KEY (account, shop, type, series, first)
);

CREATE TABLE series_whole (
	account BYTEA   NOT NULL,
	shop    BYTEA   NOT NULL,
	type    TEXT    NOT NULL,
	series  BYTEA   NOT NULL,
	till    BYTEA   NOT NULL,
	name    TEXT    NOT NULL,
	whole   BIGINT  NOT NULL, -- all numbers up to this one are there
	PRIMARY KEY (account, shop, type, series)
);

CREATE TABLE archive_restores (
	account     BYTEA   NOT NULL,
	size        BIGINT  NOT NULL, -- leaves that the backup held; the statement is the leaf behind them
	restored_at BIGINT  NOT NULL,
	note        BYTEA   NOT NULL, -- signed, verbatim
	PRIMARY KEY (account, size, restored_at)
);

ALTER TABLE devices ADD COLUMN program TEXT NOT NULL DEFAULT ''; -- of the till, as it said last

-- +goose Down
ALTER TABLE devices DROP COLUMN program;
DROP TABLE archive_restores;
DROP TABLE series_whole;
DROP TABLE series_gaps;
DROP TABLE heard;
