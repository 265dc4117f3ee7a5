package watch

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/crdt"
)

// SilentAfter is how long a till has to be unheard until it is named as silent. Tills are off over night and on the day a shop is closed:
// that is no news. One that was in no link during a whole day on which others of the shop were heard has most likely been forgotten, broken, or taken away, and
// what it sold after its last contact is nowhere else.
const SilentAfter = 24 * time.Hour

// HeardEvery is how often it is stored that a till was heard: its age is known to a minute.
const HeardEvery = time.Minute

// Watch keeps what was noticed. See [New].
type Watch struct {
	db   *database.DB
	logs *merkle.Logs
}

// New returns the watch over the shops of a database.
func New(db *database.DB, logs *merkle.Logs) *Watch { return &Watch{db, logs} }

// Heard is when a till was heard, and who said so: itself, or a till that was linked with it.
type Heard struct {
	Till crdt.TillID
	At   time.Time // by the cloud's clock
	By   crdt.TillID
}

// Heard stores when tills were heard; an older time than the one that is known changes nothing.
func (w *Watch) Heard(ctx context.Context, shop crdt.ShopID, list []Heard) error {
	if len(list) == 0 {
		return nil
	}
	err := w.db.Tx(ctx, func(tx *database.Tx) error {
		for _, h := range list {
			if _, err := tx.Exec(ctx, `INSERT INTO heard (shop, till, heard_at, told_by) VALUES (?, ?, ?, ?) ON CONFLICT (shop, till) DO UPDATE
				SET heard_at = excluded.heard_at, told_by = excluded.told_by WHERE heard.heard_at < excluded.heard_at`,
				shop[:], h.Till[:], h.At.UnixMilli(), h.By[:]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store when tills of shop %s were heard: %w", shop, err)
	}
	return nil
}

// LastHeard returns when each till of a shop was heard last; one that is missing never was.
func (w *Watch) LastHeard(ctx context.Context, shop crdt.ShopID) (out map[crdt.TillID]Heard, err error) {
	err = w.db.View(ctx, func(tx *database.Tx) error {
		out = make(map[crdt.TillID]Heard)
		return each(ctx, tx, `SELECT till, heard_at, told_by FROM heard WHERE shop = ?`, []any{shop[:]}, func(r *sql.Rows) error {
			var till, by []byte
			var at int64
			if err := r.Scan(&till, &at, &by); err != nil {
				return err
			}
			h := Heard{At: time.UnixMilli(at)}
			copy(h.Till[:], till)
			copy(h.By[:], by)
			out[h.Till] = h
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("when the tills of shop %s were heard: %w", shop, err)
	}
	return out, nil
}

// each reads all rows and closes them.
func each(ctx context.Context, tx *database.Tx, query string, args []any, read func(*sql.Rows) error) error {
	found, err := tx.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	for found.Next() {
		if err := read(found); err != nil {
			return errors.Join(err, found.Close())
		}
	}
	return errors.Join(found.Err(), found.Close())
}

// Silence is what the ages of the active tills of a shop come to.
type Silence struct {
	Shop  bool          // no till was heard for that long: the shop as a whole is silent
	Tills []crdt.TillID // that are silent while others of the shop were heard, in the order given
}

// Silent says which of the active tills are silent. A till that was never heard counts from when it was admitted. While no till at all was heard
// nobody can say which ones are away: then the shop is silent, and no till of it is named.
func Silent(tills []Heard, now time.Time) (s Silence) {
	for _, h := range tills {
		if now.Sub(h.At) >= SilentAfter {
			s.Tills = append(s.Tills, h.Till)
		}
	}
	if len(tills) > 0 && len(s.Tills) == len(tills) {
		return Silence{Shop: true}
	}
	return s
}
