package merkle

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/database"
)

// tileHeight and tileWidth are those of the tiles of package tlog: tile n of level 0 holds the hashes of leaves 256n to 256n+255, tile n
// of level L+1 the hashes of tiles 256n to 256n+255 of level L that are full.
const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
)

// hashBatch is how many leaves are hashed in one transaction.
const hashBatch = 8192

// Extend computes the hashes of leaves that are new, at most 8192 at a time, and reports whether there are more.
func (l *Logs) Extend(ctx context.Context, account archive.AccountID) (more bool, err error) {
	err = l.db.Tx(ctx, func(tx *database.Tx) error {
		more = false
		var hashed, size int64
		if err := lock(ctx, tx, `INSERT INTO archive_trees (account, hashed, reviewed) VALUES (?, 0, 0)`,
			`SELECT hashed FROM archive_trees WHERE account = ?`, account, &hashed); err != nil {
			return err
		}
		size, err := one(tx.QueryRow(ctx, `SELECT size FROM archive_logs WHERE account = ?`, account[:]))
		if err != nil || size == hashed {
			return err
		}
		records, err := recordHashes(ctx, tx, account, hashed, min(size, hashed+hashBatch))
		if err != nil {
			return err
		}
		if err := (&tiling{tx: tx, account: account}).grow(ctx, 0, hashed, records); err != nil {
			return err
		}
		more = hashed+int64(len(records)) < size
		_, err = tx.Exec(ctx, `UPDATE archive_trees SET hashed = ? WHERE account = ?`, hashed+int64(len(records)), account[:])
		return err
	})
	if err != nil {
		return false, fmt.Errorf("hash new leaves of the archive of %s: %w", account, err)
	}
	return more, nil
}

// recordHashes returns the hashes of leaves first to end-1.
func recordHashes(ctx context.Context, tx *database.Tx, account archive.AccountID, first, end int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	found, err := tx.Query(ctx, `SELECT leaf FROM archive_leaves WHERE account = ? AND leaf_index >= ? AND leaf_index < ? ORDER BY leaf_index`, account[:], first, end)
	err = each(found, err, func(r *sql.Rows) error {
		var leaf sql.RawBytes
		if err := r.Scan(&leaf); err != nil {
			return err
		}
		out = append(out, archive.RecordHash(leaf))
		return nil
	})
	if err == nil && int64(len(out)) != end-first {
		err = fmt.Errorf("%w: %d of the leaves %d to %d are there", ErrRewritten, len(out), first, end-1)
	}
	return out, err
}

// tiling adds hashes to the tiles of an account.
type tiling struct {
	tx      *database.Tx
	account archive.AccountID
}

// grow adds hashes to a level that has have of them, and what gets full to the level above.
func (t *tiling) grow(ctx context.Context, level int, have int64, hashes []tlog.Hash) error {
	var full []tlog.Hash
	above := have / tileWidth
	for len(hashes) > 0 {
		tile, width := have/tileWidth, int(have%tileWidth)
		data := make([]byte, 0, tileWidth*tlog.HashSize)
		if width > 0 {
			old, err := readTile(ctx, t.tx, t.account, level, tile)
			if err != nil {
				return err
			}
			if len(old) != width*tlog.HashSize {
				return fmt.Errorf("%w: tile %d of level %d has %d bytes", ErrRewritten, tile, level, len(old))
			}
			data = append(data, old...)
		}
		n := min(tileWidth-width, len(hashes))
		for _, h := range hashes[:n] {
			data = append(data, h[:]...)
		}
		hashes, have = hashes[n:], have+int64(n)
		if _, err := t.tx.Exec(ctx, `INSERT INTO archive_tiles (account, level, tile, hashes) VALUES (?, ?, ?, ?)
			ON CONFLICT (account, level, tile) DO UPDATE SET hashes = excluded.hashes`, t.account[:], level, tile, data); err != nil {
			return err
		}
		if width+n == tileWidth {
			full = append(full, tileRoot(data))
		}
	}
	if len(full) == 0 {
		return nil
	}
	return t.grow(ctx, level+1, above, full)
}

// tileRoot returns the hash of a full tile.
func tileRoot(data []byte) tlog.Hash {
	var f archive.Frontier
	for i := 0; i < len(data); i += tlog.HashSize {
		f.Add(tlog.Hash(data[i : i+tlog.HashSize]))
	}
	return f.Root()
}

func readTile(ctx context.Context, tx *database.Tx, account archive.AccountID, level int, tile int64) (data []byte, err error) {
	err = tx.QueryRow(ctx, `SELECT hashes FROM archive_tiles WHERE account = ? AND level = ? AND tile = ?`, account[:], level, tile).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("%w: tile %d of level %d is missing", ErrRewritten, tile, level)
	}
	return data, err
}

// tileKey names a tile.
type tileKey struct {
	level int
	tile  int64
}

// maxTiles bounds what a reader holds, at 8 KiB each.
const maxTiles = 256

// hashReader returns the stored hashes of an account within a transaction, for package tlog.
func hashReader(ctx context.Context, tx *database.Tx, account archive.AccountID) tlog.HashReader {
	tiles := make(map[tileKey][]byte)
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			tile := tlog.TileForIndex(tileHeight, index)
			key := tileKey{tile.L, tile.N}
			data, ok := tiles[key]
			if !ok {
				var err error
				if data, err = readTile(ctx, tx, account, tile.L, tile.N); err != nil {
					return nil, err
				}
				if len(tiles) >= maxTiles {
					clear(tiles)
				}
				tiles[key] = data
			}
			if len(data)%tlog.HashSize != 0 || len(data)/tlog.HashSize < tile.W {
				return nil, fmt.Errorf("%w: tile %d of level %d has %d bytes", ErrRewritten, tile.N, tile.L, len(data))
			}
			tile.W = len(data) / tlog.HashSize
			h, err := tlog.HashFromTile(tile, data, index)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", ErrRewritten, err)
			}
			out[i] = h
		}
		return out, nil
	})
}
