package merkle

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/crdt"
)

// Stored is a leaf as the database holds it.
type Stored struct {
	Index      int64
	Leaf       []byte // canonical bytes; see archive.ParseLeaf
	Content    []byte // verbatim; nil: erased
	Salt       []byte
	ArchivedAt int64 // Unix milliseconds, by the server's clock
}

// Query says which leaves to read. A zero field does not narrow them.
type Query struct {
	Shop           crdt.ShopID
	FromDay, ToDay string // YYYY-MM-DD, both included: the days of the leaves
	Kinds          []archive.Kind
	Type           string
	Object         crdt.ObjectID // with Shop and Type
	First          int64         // lowest index
	End            int64         // above the highest index; 0: the size when the reading began
	Bare           bool          // without contents and salts
}

// pageRows and pageBytes bound what is held at a time; a page holds at least one leaf.
const (
	pageRows  = 256
	pageBytes = 4 << 20
)

// Leaves gives the leaves of an account in the order of their indexes, as many as there were when it began. It reads them page by page, so
// appending goes on meanwhile, and ends with the first error.
func (l *Logs) Leaves(ctx context.Context, account archive.AccountID, q Query) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		if q.End == 0 {
			size, _, err := l.Size(ctx, account)
			if err != nil {
				yield(Stored{}, err)
				return
			}
			q.End = size
		}
		for q.First < q.End {
			page, err := l.page(ctx, account, q)
			if err != nil {
				yield(Stored{}, fmt.Errorf("read the archive of %s from leaf %d on: %w", account, q.First, err))
				return
			}
			for _, s := range page {
				if !yield(s, nil) {
					return
				}
			}
			if len(page) == 0 {
				return
			}
			q.First = page[len(page)-1].Index + 1
		}
	}
}

func (l *Logs) page(ctx context.Context, account archive.AccountID, q Query) (page []Stored, err error) {
	where, args := q.where(account)
	columns, limit := columns, pageRows
	if q.Bare {
		columns, limit = `leaf_index, leaf, NULL, 1, NULL, archived_at`, 16*pageRows
	}
	err = l.db.View(ctx, func(tx *database.Tx) error {
		page, err = readPage(ctx, tx, `SELECT `+columns+` FROM archive_leaves WHERE `+where+` ORDER BY leaf_index LIMIT ?`, append(args, limit))
		return err
	})
	return page, err
}

// columns are those of a leaf with its content.
const columns = `leaf_index, leaf, content, CASE WHEN content IS NULL THEN 1 ELSE 0 END, salt, archived_at`

// errPageFull ends the reading of a page.
var errPageFull = errors.New("the page is full")

func readPage(ctx context.Context, tx *database.Tx, statement string, args []any) (page []Stored, err error) {
	bytes := 0
	found, err := tx.Query(ctx, statement, args...)
	err = each(found, err, func(r *sql.Rows) error {
		var s Stored
		var erased int
		if err := r.Scan(&s.Index, &s.Leaf, &s.Content, &erased, &s.Salt, &s.ArchivedAt); err != nil {
			return err
		}
		if erased == 0 && s.Content == nil {
			s.Content = []byte{} // drivers return nil for a value without bytes
		}
		page = append(page, s)
		if bytes += len(s.Leaf) + len(s.Content); bytes > pageBytes {
			return errPageFull
		}
		return nil
	})
	if errors.Is(err, errPageFull) {
		err = nil
	}
	return page, err
}

func (q *Query) where(account archive.AccountID) (string, []any) {
	where, args := `account = ? AND leaf_index >= ? AND leaf_index < ?`, []any{account[:], q.First, q.End}
	and := func(condition string, values ...any) {
		where += ` AND ` + condition
		args = append(args, values...)
	}
	if !q.Shop.IsZero() {
		and(`shop = ?`, q.Shop[:])
	}
	if q.FromDay != "" {
		and(`day >= ?`, q.FromDay)
	}
	if q.ToDay != "" {
		and(`day <= ?`, q.ToDay)
	}
	if q.Type != "" {
		and(`type = ?`, q.Type)
	}
	if !q.Object.IsZero() {
		and(`object = ?`, q.Object[:])
	}
	for i, k := range q.Kinds {
		if i == 0 {
			where += ` AND kind IN (?`
		} else {
			where += `, ?`
		}
		args = append(args, int64(k))
	}
	if len(q.Kinds) > 0 {
		where += `)`
	}
	return where, args
}

// At returns one leaf, or [ErrNotFound].
func (l *Logs) At(ctx context.Context, account archive.AccountID, index int64) (Stored, error) {
	page, err := l.page(ctx, account, Query{First: index, End: index + 1})
	if err == nil && len(page) == 0 {
		err = fmt.Errorf("%w: leaf %d", ErrNotFound, index)
	}
	if err != nil {
		return Stored{}, fmt.Errorf("read the archive of %s: %w", account, err)
	}
	return page[0], nil
}

// Shops lists the shops of which an account holds anything, in the order of their IDs.
func (l *Logs) Shops(ctx context.Context, account archive.AccountID) (shops []crdt.ShopID, err error) {
	err = l.db.View(ctx, func(tx *database.Tx) error {
		var after crdt.ShopID
		shops = nil
		// One step of the index for each shop, instead of all leaves.
		compare := `>=`
		for {
			var raw []byte
			err := tx.QueryRow(ctx, `SELECT shop FROM archive_leaves WHERE account = ? AND shop `+compare+` ? ORDER BY shop LIMIT 1`, account[:], after[:]).Scan(&raw)
			if errors.Is(err, sql.ErrNoRows) {
				return nil
			}
			if err != nil {
				return err
			}
			copy(after[:], raw)
			shops, compare = append(shops, after), `>`
		}
	})
	if err != nil {
		return nil, fmt.Errorf("list the shops in the archive of %s: %w", account, err)
	}
	return shops, nil
}

// Objects gives the leaves of a type of a shop in the order of their objects, from one object to another one (both included), those of one object in the
// order of their indexes: the documents of a series in the order of their numbers.
func (l *Logs) Objects(ctx context.Context, account archive.AccountID, shop crdt.ShopID, typ string, from, to crdt.ObjectID) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		after := int64(-1) // index of the last leaf of the object from
		for {
			var page []Stored
			err := l.db.View(ctx, func(tx *database.Tx) (err error) {
				page, err = readPage(ctx, tx, `SELECT `+columns+` FROM archive_leaves
					WHERE account = ? AND shop = ? AND type = ? AND (object, leaf_index) > (?, ?) AND object <= ? ORDER BY object, leaf_index LIMIT ?`,
					[]any{account[:], shop[:], typ, from[:], after, to[:], pageRows})
				return err
			})
			if err != nil {
				yield(Stored{}, fmt.Errorf("read the archive of %s: %w", account, err))
				return
			}
			for _, s := range page {
				leaf, err := archive.ParseLeaf(s.Leaf)
				if err != nil {
					yield(Stored{}, fmt.Errorf("read the archive of %s: leaf %d: %w", account, s.Index, err))
					return
				}
				from, after = leaf.Object, s.Index
				if !yield(s, nil) {
					return
				}
			}
			if len(page) == 0 {
				return
			}
		}
	}
}
