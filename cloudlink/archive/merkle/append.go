package merkle

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/crdt"
)

// Appended says what an append did.
type Appended struct {
	First int64 // index of the first new leaf
	New   int   // how many are new; the others were there
	Size  int64 // leaves of the account now
}

// batchRows and batchBytes bound one statement.
const (
	batchRows  = 64
	batchBytes = 4 << 20
)

// Append appends leaves to the log of an account within a transaction of the caller's, as [database.DB.In] gives it for a running one: they
// are there if and only if that transaction is. What is there already, by its origin, is passed over, so a commit may come again. The
// account's log is locked from here to the end of the transaction. now is the server's clock.
//
// An entry that erases an object (customers only) drops its contents and salts, also of those that come later; their leaves stay.
func (l *Logs) Append(ctx context.Context, tx *database.Tx, account archive.AccountID, entries []archive.Entry, now time.Time) (Appended, error) {
	if len(entries) == 0 {
		return Appended{}, nil
	}
	a := appending{tx: tx, account: account, at: now.UnixMilli()}
	if err := a.run(ctx, entries); err != nil {
		return Appended{}, fmt.Errorf("append %d leaves to the archive of %s: %w", len(entries), account, err)
	}
	return a.done, nil
}

type appending struct {
	tx      *database.Tx
	account archive.AccountID
	at      int64
	done    Appended
}

func (a *appending) run(ctx context.Context, entries []archive.Entry) error {
	err := lock(ctx, a.tx, `INSERT INTO archive_logs (account, size) VALUES (?, 0)`, `SELECT size FROM archive_logs WHERE account = ?`, a.account, &a.done.Size)
	if err != nil {
		return err
	}
	a.done.First = a.done.Size
	for len(entries) > 0 {
		n, bytes := 0, 0
		for n < len(entries) && n < batchRows && (n == 0 || bytes+len(entries[n].Content) <= batchBytes) {
			bytes += len(entries[n].Content)
			n++
		}
		if err := a.batch(ctx, entries[:n]); err != nil {
			return err
		}
		entries = entries[n:]
	}
	if a.done.New == 0 {
		return nil
	}
	_, err = a.tx.Exec(ctx, `UPDATE archive_logs SET size = ? WHERE account = ?`, a.done.Size, a.account[:])
	return err
}

// batch appends what is new of some entries with one statement.
func (a *appending) batch(ctx context.Context, entries []archive.Entry) error {
	origins := make([][16]byte, len(entries))
	for i := range entries {
		origins[i] = entries[i].Origin()
	}
	known, err := a.known(ctx, origins)
	if err != nil {
		return err
	}
	erased, err := a.erasing(ctx, entries)
	if err != nil {
		return err
	}
	fresh := leafRows{first: a.done.Size}
	for i := range entries {
		if e := &entries[i]; !known[origins[i]] {
			known[origins[i]] = true // the same entry may be there twice
			fresh.add(e, origins[i], erased[object{e.Leaf.Shop, e.Leaf.Type, e.Leaf.Object}])
		}
	}
	if fresh.rows() == 0 {
		return nil
	}
	a.done.Size += int64(fresh.rows())
	a.done.New += fresh.rows()
	return fresh.insert(ctx, a.tx, a.account, a.at)
}

// known returns which origins are there.
func (a *appending) known(ctx context.Context, origins [][16]byte) (map[[16]byte]bool, error) {
	var list [][]byte
	for i := range origins {
		list = append(list, origins[i][:])
	}
	among, args := a.tx.Dialect().Among(list)
	known := make(map[[16]byte]bool, len(origins))
	found, err := a.tx.Query(ctx, `SELECT origin FROM archive_leaves WHERE account = ? AND origin `+among, append([]any{a.account[:]}, args...)...)
	return known, each(found, err, func(r *sql.Rows) error {
		var raw []byte
		if err := r.Scan(&raw); err != nil {
			return err
		}
		var origin [16]byte
		copy(origin[:], raw)
		known[origin] = true
		return nil
	})
}

// object names an object of a shop.
type object struct {
	shop crdt.ShopID
	typ  string
	id   crdt.ObjectID
}

// erasing drops what the entries erase, and returns which of their objects were ever erased.
func (a *appending) erasing(ctx context.Context, entries []archive.Entry) (map[object]bool, error) {
	erased := make(map[object]bool)
	for i := range entries {
		e := &entries[i]
		if e.Leaf.Scope.Kind == crdt.KindCustomers && e.Erases.Type != "" {
			if err := a.erase(ctx, e.Leaf.Shop, e.Erases); err != nil {
				return nil, err
			}
		}
	}
	for i := range entries {
		l := &entries[i].Leaf
		o := object{l.Shop, l.Type, l.Object}
		if _, asked := erased[o]; asked || len(entries[i].Salt) == 0 {
			continue
		}
		n, err := one(a.tx.QueryRow(ctx, `SELECT count(*) FROM archive_erased WHERE account = ? AND shop = ? AND type = ? AND object = ?`,
			a.account[:], l.Shop[:], l.Type, l.Object[:]))
		if err != nil {
			return nil, err
		}
		erased[o] = n > 0
	}
	return erased, nil
}

// erase drops contents whose digests are salted: without the salt nobody can tell what they were.
func (a *appending) erase(ctx context.Context, shop crdt.ShopID, o crdt.TypedObject) error {
	if _, err := a.tx.Exec(ctx, `INSERT INTO archive_erased (account, shop, type, object) VALUES (?, ?, ?, ?) ON CONFLICT (account, shop, type, object) DO NOTHING`,
		a.account[:], shop[:], o.Type, o.Object[:]); err != nil {
		return err
	}
	_, err := a.tx.Exec(ctx, `UPDATE archive_leaves SET content = NULL, salt = NULL WHERE account = ? AND shop = ? AND type = ? AND object = ? AND salt IS NOT NULL`,
		a.account[:], shop[:], o.Type, o.Object[:])
	return err
}
