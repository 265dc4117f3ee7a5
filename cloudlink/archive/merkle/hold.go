package merkle

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"time"
	"unicode/utf8"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/crdt"
)

// Hold keeps leaves beyond their time, such as while a tax assessment is open. It is never changed, only released.
type Hold struct {
	ID             crdt.ObjectID // 16 random bytes
	Shop           crdt.ShopID   // zero: all of the account
	FromDay, ToDay string        // YYYY-MM-DD, both included; empty: without an end
	Reason         string        // 1 to 500 characters
	SetBy          string        // 1 to 200 characters
	SetAt          int64         // Unix milliseconds
	ReleasedBy     string        // empty: it holds
	ReleasedAt     int64
	ReleasedWhy    string
}

// ErrHold means that a hold cannot be set or released as asked.
var ErrHold = errors.New("this legal hold cannot be set or released")

// Limits of the texts of a hold, in characters.
const (
	maxReason = 500
	maxWho    = 200
)

func said(text string, most int) bool {
	return text != "" && utf8.ValidString(text) && utf8.RuneCountInString(text) <= most
}

func (h *Hold) check() error {
	for _, day := range []string{h.FromDay, h.ToDay} {
		if t, err := time.Parse(time.DateOnly, day); day != "" && (err != nil || t.Format(time.DateOnly) != day) {
			return fmt.Errorf("%w: day %.20q is not YYYY-MM-DD", ErrHold, day)
		}
	}
	switch {
	case h.ID.IsZero():
		return fmt.Errorf("%w: it has no ID", ErrHold)
	case h.FromDay != "" && h.ToDay != "" && h.ToDay < h.FromDay:
		return fmt.Errorf("%w: it ends on %s, before it begins on %s", ErrHold, h.ToDay, h.FromDay)
	case !said(h.Reason, maxReason) || !said(h.SetBy, maxWho):
		return fmt.Errorf("%w: say why (at most %d characters) and who you are", ErrHold, maxReason)
	}
	return nil
}

// SetHold sets a hold: ID, shop, days, reason, by whom and when. One with its ID that is there stays as it is, so it may be asked for again.
func (l *Logs) SetHold(ctx context.Context, account archive.AccountID, h Hold) error {
	if err := h.check(); err != nil {
		return err
	}
	var shop any
	if !h.Shop.IsZero() {
		shop = h.Shop[:]
	}
	err := l.db.Tx(ctx, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO archive_holds (account, hold, shop, from_day, to_day, reason, set_by, set_at, released_by, released_at, released_why)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, '', 0, '') ON CONFLICT (account, hold) DO NOTHING`,
			account[:], h.ID[:], shop, h.FromDay, h.ToDay, h.Reason, h.SetBy, h.SetAt)
		return err
	})
	if err != nil {
		return fmt.Errorf("set a legal hold in the archive of %s: %w", account, err)
	}
	return nil
}

// ReleaseHold ends a hold. The record of it stays. [ErrNotFound]: there is none, or it was released before.
func (l *Logs) ReleaseHold(ctx context.Context, account archive.AccountID, id crdt.ObjectID, by, why string, now time.Time) error {
	if !said(by, maxWho) || !said(why, maxReason) {
		return fmt.Errorf("%w: say why (at most %d characters) and who you are", ErrHold, maxReason)
	}
	err := l.db.Tx(ctx, func(tx *database.Tx) error {
		done, err := tx.Exec(ctx, `UPDATE archive_holds SET released_by = ?, released_at = ?, released_why = ? WHERE account = ? AND hold = ? AND released_by = ''`,
			by, now.UnixMilli(), why, account[:], id[:])
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, fmt.Errorf("%w: hold %s", ErrNotFound, id))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("release a legal hold in the archive of %s: %w", account, err)
	}
	return nil
}

// Holds lists all holds of an account, released ones too, in the order in which they were set.
func (l *Logs) Holds(ctx context.Context, account archive.AccountID) (holds []Hold, err error) {
	err = l.db.View(ctx, func(tx *database.Tx) error {
		holds = nil
		found, err := tx.Query(ctx, `SELECT hold, shop, from_day, to_day, reason, set_by, set_at, released_by, released_at, released_why
			FROM archive_holds WHERE account = ? ORDER BY set_at, hold`, account[:])
		return each(found, err, func(r *sql.Rows) error {
			var h Hold
			var id, shop []byte
			if err := r.Scan(&id, &shop, &h.FromDay, &h.ToDay, &h.Reason, &h.SetBy, &h.SetAt, &h.ReleasedBy, &h.ReleasedAt, &h.ReleasedWhy); err != nil {
				return err
			}
			copy(h.ID[:], id)
			copy(h.Shop[:], shop)
			holds = append(holds, h)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list the legal holds in the archive of %s: %w", account, err)
	}
	return holds, nil
}

// covers reports whether the hold keeps a leaf.
func (h *Hold) covers(l *archive.Leaf) bool {
	return h.ReleasedBy == "" && (h.Shop.IsZero() || h.Shop == l.Shop) && (h.FromDay == "" || l.Day >= h.FromDay) && (h.ToDay == "" || l.Day <= h.ToDay)
}

// Expired is a leaf that nobody has to keep any more.
type Expired struct {
	Index     int64
	Leaf      archive.Leaf
	KeptUntil string // the last day on which it had to be kept, YYYY-MM-DD
	Bytes     int    // of its content
}

// Deletable gives the leaves whose time is over today and that no hold keeps, in the order of their indexes. It is a list and no more: this
// program deletes none of them.
func (l *Logs) Deletable(ctx context.Context, account archive.AccountID, now time.Time) iter.Seq2[Expired, error] {
	return func(yield func(Expired, error) bool) {
		holds, err := l.Holds(ctx, account)
		if err != nil {
			yield(Expired{}, err)
			return
		}
		today := now.UTC().Format(time.DateOnly)
		retained, err := archive.RetainedFrom(today)
		if err != nil {
			yield(Expired{}, err)
			return
		}
		day, _ := time.Parse(time.DateOnly, retained)
		for s, err := range l.Leaves(ctx, account, Query{ToDay: day.AddDate(0, 0, -1).Format(time.DateOnly)}) {
			var e Expired
			if err == nil {
				e, err = expired(s)
			}
			if err != nil {
				yield(Expired{}, err)
				return
			}
			held := false
			for i := range holds {
				held = held || holds[i].covers(&e.Leaf)
			}
			if !held && e.KeptUntil < today && !yield(e, nil) {
				return
			}
		}
	}
}

func expired(s Stored) (e Expired, err error) {
	e.Index, e.Bytes = s.Index, len(s.Content)
	if e.Leaf, err = archive.ParseLeaf(s.Leaf); err != nil {
		return e, fmt.Errorf("leaf %d: %w", s.Index, err)
	}
	e.KeptUntil, err = archive.KeepUntil(e.Leaf.Day, time.UnixMilli(s.ArchivedAt).UTC().Format(time.DateOnly))
	return e, err
}
