package books

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// besideLeaf is a leaf that says something about a document: another one under its number, the one before it, or a note.
type besideLeaf struct {
	index int64
	leaf  archive.Leaf
	note  archive.Judgement // of a note
}

// objectBatch is how many objects are asked for at once.
const objectBatch = 100

// beside returns the leaves of objects: documents of the type, openings of series, and notes.
func (b *Books) beside(ctx context.Context, account archive.AccountID, shop crdt.ShopID, typ string, objects []crdt.ObjectID) (map[crdt.ObjectID][]besideLeaf, error) {
	out := make(map[crdt.ObjectID][]besideLeaf, len(objects))
	for len(objects) > 0 {
		n := min(len(objects), objectBatch)
		var ids [][]byte
		for i := range n {
			ids = append(ids, objects[i][:])
		}
		objects = objects[n:]
		err := b.db.View(ctx, func(tx *database.Tx) error {
			// Without an order: with one, the engine would rather read the whole log in that order.
			among, args := tx.Dialect().Among(ids)
			rows, err := tx.Query(ctx, `SELECT leaf_index, leaf, CASE WHEN kind = 6 THEN content END FROM archive_leaves
				WHERE account = ? AND shop = ? AND type IN (?, ?, ?) AND object `+among,
				append([]any{account[:], shop[:], typ, receipt.TypeOpening, archive.NoteLate}, args...)...)
			if err != nil {
				return err
			}
			for rows.Next() {
				if err := addBeside(rows, out); err != nil {
					return errors.Join(err, rows.Close())
				}
			}
			return errors.Join(rows.Err(), rows.Close())
		})
		if err != nil {
			return nil, fmt.Errorf("read what is beside documents in the archive of %s: %w", account, err)
		}
	}
	return out, nil
}

func addBeside(rows *sql.Rows, out map[crdt.ObjectID][]besideLeaf) error {
	var raw, content []byte
	var o besideLeaf
	if err := rows.Scan(&o.index, &raw, &content); err != nil {
		return err
	}
	var err error
	if o.leaf, err = archive.ParseLeaf(raw); err != nil {
		return fmt.Errorf("leaf %d: %w", o.index, err)
	}
	if o.leaf.Kind == archive.Note {
		if o.note, err = archive.ParseJudgement(content); err != nil {
			return fmt.Errorf("leaf %d: %w", o.index, err)
		}
	}
	known := out[o.leaf.Object]
	for _, k := range known {
		if k.index == o.index { // its object was asked for twice
			return nil
		}
	}
	out[o.leaf.Object] = append(known, o)
	return nil
}

// lastObject is the highest ID.
var lastObject = func() (id crdt.ObjectID) {
	for i := range id {
		id[i] = 0xff
	}
	return id
}()

// maxSeries bounds how many series are looked through for a number.
const maxSeries = 4096

// numbered finds the object of a number. IDs begin with a hash of till and series, so it looks into each series once.
func (b *Books) numbered(ctx context.Context, account archive.AccountID, shop crdt.ShopID, typ, series string, number int64) (id crdt.ObjectID, there bool, err error) {
	err = b.db.View(ctx, func(tx *database.Tx) error {
		var from crdt.ObjectID
		for range maxSeries {
			var raw []byte
			err := tx.QueryRow(ctx, `SELECT object FROM archive_leaves WHERE account = ? AND shop = ? AND type = ? AND object >= ? ORDER BY object LIMIT 1`,
				account[:], shop[:], typ, from[:]).Scan(&raw)
			if errors.Is(err, sql.ErrNoRows) {
				return nil
			}
			if err != nil {
				return err
			}
			copy(from[:], raw)
			id = withNumber(from, number)
			if there, err = named(ctx, tx, account, shop, typ, id, series); err != nil || there {
				return err
			}
			if from = withNumber(from, -1); from == lastObject {
				return nil
			}
			from = next(from)
		}
		return nil
	})
	if err != nil {
		return id, false, fmt.Errorf("look for a number in the archive of %s: %w", account, err)
	}
	return id, there, nil
}

func named(ctx context.Context, tx *database.Tx, account archive.AccountID, shop crdt.ShopID, typ string, id crdt.ObjectID, series string) (bool, error) {
	var n int64
	err := tx.QueryRow(ctx, `SELECT count(*) FROM archive_leaves WHERE account = ? AND shop = ? AND type = ? AND object = ? AND name = ?`,
		account[:], shop[:], typ, id[:], series).Scan(&n)
	return n > 0, err
}

// withNumber returns the ID of a number in the series of an ID.
func withNumber(id crdt.ObjectID, number int64) crdt.ObjectID {
	for i := 15; i >= 8; i-- {
		id[i] = byte(number)
		number >>= 8
	}
	return id
}

// next returns the ID behind one that is not the last.
func next(id crdt.ObjectID) crdt.ObjectID {
	for i := len(id) - 1; i >= 0; i-- {
		if id[i]++; id[i] != 0 {
			break
		}
	}
	return id
}
