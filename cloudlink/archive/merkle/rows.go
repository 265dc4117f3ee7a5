package merkle

import (
	"context"
	"strings"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/replication/store/sql/dialect"
)

// leafRows are new rows of archive_leaves. Of several, PostgreSQL takes each column as an array: one statement for any number of rows,
// which it plans once, where a list of rows with a thousand parameters costs it nearly as much as to store them. One row alone is cheaper
// as a list.
type leafRows struct {
	first                int64 // index of the first row
	origin, shop, object [][]byte
	kind, number         []int64
	typ, name, day       []string
	leaf, content, salt  [][]byte // content and salt may be nil
}

func (r *leafRows) rows() int { return len(r.origin) }

func (r *leafRows) add(e *archive.Entry, origin [16]byte, erased bool) {
	l := &e.Leaf
	var content, salt []byte
	if e.Content != nil && !(erased && len(e.Salt) > 0) {
		content = e.Content
		if len(e.Salt) > 0 {
			salt = e.Salt
		}
	}
	r.origin, r.shop, r.object = append(r.origin, origin[:]), append(r.shop, l.Shop[:]), append(r.object, l.Object[:])
	r.kind, r.number = append(r.kind, int64(l.Kind)), append(r.number, l.Number)
	r.typ, r.name, r.day = append(r.typ, l.Type), append(r.name, l.Name), append(r.day, l.Day)
	r.leaf, r.content, r.salt = append(r.leaf, l.Bytes()), append(r.content, content), append(r.salt, salt)
}

func (r *leafRows) insert(ctx context.Context, tx *database.Tx, account archive.AccountID, at int64) error {
	const into = `INSERT INTO archive_leaves (account, archived_at, leaf_index, origin, shop, kind, type, object, name, number, day, leaf, content, salt) `
	if tx.Dialect() == dialect.Postgres && r.rows() > 1 {
		_, err := tx.Exec(ctx, into+`SELECT ?::BYTEA, ?::BIGINT, ?::BIGINT + n - 1, origin, shop, kind, type, object, name, number, day, leaf, content, salt
			FROM unnest(?::BYTEA[], ?::BYTEA[], ?::BIGINT[], ?::TEXT[], ?::BYTEA[], ?::TEXT[], ?::BIGINT[], ?::TEXT[], ?::BYTEA[], ?::BYTEA[], ?::BYTEA[])
			WITH ORDINALITY AS new (origin, shop, kind, type, object, name, number, day, leaf, content, salt, n)`,
			account[:], at, r.first, r.origin, r.shop, r.kind, r.typ, r.object, r.name, r.number, r.day, r.leaf, r.content, r.salt)
		return err
	}
	const row = `(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	var args []any
	for i := range r.rows() {
		args = append(args, account[:], at, r.first+int64(i), r.origin[i], r.shop[i], r.kind[i], r.typ[i], r.object[i], r.name[i], r.number[i], r.day[i],
			r.leaf[i], r.content[i], r.salt[i])
	}
	_, err := tx.Exec(ctx, into+`VALUES `+row+strings.Repeat(`, `+row, r.rows()-1), args...)
	return err
}
