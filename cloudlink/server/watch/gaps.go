package watch

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/receipt/loss"
)

// NamedAfter is how long numbers have to be missing until they count as a gap. While a till hands over what it sold alone, or two tills forward at
// once, a later number may be stored some moments before an earlier one.
const NamedAfter = time.Minute

const (
	maxSeries = 4096 // of a shop that are looked through
	// maxGaps bounds the gaps of a series that are kept; what is beyond them is found when those are filled.
	maxGaps = 200
)

// Gap are numbers of a series that are missing although a later one is archived.
type Gap struct {
	loss.Run
	Type    string // receipt.TypeReceipt or receipt.TypeClosing
	ID      merkle.SeriesID
	Till    crdt.TillID
	Series  string
	Noticed time.Time
}

// NumberText names its first number as people do.
func (g Gap) NumberText() string {
	if g.Type == receipt.TypeClosing {
		return receipt.ZText(g.Series, g.First)
	}
	return receipt.NumberText(g.Series, g.First)
}

// series is how far a series was looked through.
type series struct {
	id    merkle.SeriesID
	typ   string
	till  crdt.TillID
	name  string
	whole int64 // all numbers up to this one are there
}

// Notice looks for gaps in the series of a shop and keeps them with the time when they were first noticed. It returns all that are there
// now. The cost grows with the number of series and with what came since the last gap, not with what is archived.
func (w *Watch) Notice(ctx context.Context, account archive.AccountID, shop crdt.ShopID, now time.Time) ([]Gap, error) {
	known, err := w.wholes(ctx, account, shop)
	if err != nil {
		return nil, err
	}
	before, err := w.Gaps(ctx, account, shop)
	if err != nil {
		return nil, err
	}
	var all []Gap
	for _, typ := range []string{receipt.TypeReceipt, receipt.TypeClosing} {
		ids, err := w.logs.Series(ctx, account, shop, typ, maxSeries)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			was := known[key{typ, id}]
			s := was
			if s.name == "" {
				if s, err = w.named(ctx, account, shop, typ, id); err != nil {
					return nil, err
				}
			}
			gaps, err := w.look(ctx, account, shop, &s)
			if err != nil {
				return nil, err
			}
			had := of(before, s)
			for i := range gaps {
				gaps[i].Noticed = since(had, gaps[i].Run, now)
			}
			if s != was || !same(gaps, had) {
				if err := w.keep(ctx, account, shop, s, gaps); err != nil {
					return nil, err
				}
			}
			all = append(all, gaps...)
		}
	}
	return all, nil
}

type key struct {
	typ string
	id  merkle.SeriesID
}

// look finds the gaps behind what is whole, and moves that.
func (w *Watch) look(ctx context.Context, account archive.AccountID, shop crdt.ShopID, s *series) (gaps []Gap, err error) {
	next := s.whole + 1
	for r, err := range w.logs.Runs(ctx, account, shop, s.typ, s.id, next) {
		if err != nil {
			return nil, err
		}
		switch {
		case r.First == next && len(gaps) == 0:
			s.whole = r.Last
		case r.First > next:
			gaps = append(gaps, Gap{Run: loss.Run{First: next, Last: r.First - 1}, Type: s.typ, ID: s.id, Till: s.till, Series: s.name})
		}
		if next = r.Last + 1; len(gaps) >= maxGaps {
			break
		}
	}
	return gaps, nil
}

// named reads of what till and series the documents are.
func (w *Watch) named(ctx context.Context, account archive.AccountID, shop crdt.ShopID, typ string, id merkle.SeriesID) (series, error) {
	out := series{id: id, typ: typ}
	for s, err := range w.logs.Objects(ctx, account, shop, typ, id.Object(0), id.Object(receipt.MaxInteger)) {
		if err != nil {
			return out, err
		}
		leaf, err := archive.ParseLeaf(s.Leaf)
		if err != nil {
			return out, fmt.Errorf("leaf %d: %w", s.Index, err)
		}
		if signed, err := archive.SignedOf(leaf.Kind, s.Content); err == nil && leaf.Kind.Document() {
			out.till, out.name = crdt.TillIDOf(signed.Key), leaf.Name
			return out, nil
		}
	}
	return out, nil // nothing of it can be read: it is looked at again
}

// of returns the gaps of a series.
func of(list []Gap, s series) (out []Gap) {
	for _, g := range list {
		if g.Type == s.typ && g.ID == s.id {
			out = append(out, g)
		}
	}
	return out
}

// since is when a gap was noticed: what is left of an older one is as old as that.
func since(before []Gap, r loss.Run, now time.Time) time.Time {
	at := now
	for _, g := range before {
		if g.First <= r.Last && r.First <= g.Last && g.Noticed.Before(at) {
			at = g.Noticed
		}
	}
	return at
}

func same(a, b []Gap) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Run != b[i].Run || !a[i].Noticed.Equal(b[i].Noticed) {
			return false
		}
	}
	return true
}

// wholes returns how far the series of a shop were looked through.
func (w *Watch) wholes(ctx context.Context, account archive.AccountID, shop crdt.ShopID) (out map[key]series, err error) {
	err = w.db.View(ctx, func(tx *database.Tx) error {
		out = make(map[key]series)
		return each(ctx, tx, `SELECT type, series, till, name, whole FROM series_whole WHERE account = ? AND shop = ?`, []any{account[:], shop[:]}, func(r *sql.Rows) error {
			var s series
			var id, till []byte
			if err := r.Scan(&s.typ, &id, &till, &s.name, &s.whole); err != nil {
				return err
			}
			copy(s.id[:], id)
			copy(s.till[:], till)
			out[key{s.typ, s.id}] = s
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("how far the series of shop %s are whole: %w", shop, err)
	}
	return out, nil
}

// Gaps returns the gaps of a shop as they were noticed last, by series and number. Those younger than [NamedAfter] are not worth a word yet.
func (w *Watch) Gaps(ctx context.Context, account archive.AccountID, shop crdt.ShopID) (out []Gap, err error) {
	err = w.db.View(ctx, func(tx *database.Tx) error {
		out = nil
		return each(ctx, tx, `SELECT type, series, first, last, till, name, noticed_at FROM series_gaps WHERE account = ? AND shop = ? ORDER BY name, type DESC, series, first`,
			[]any{account[:], shop[:]}, func(r *sql.Rows) error {
				var g Gap
				var id, till []byte
				var at int64
				if err := r.Scan(&g.Type, &id, &g.First, &g.Last, &till, &g.Series, &at); err != nil {
					return err
				}
				copy(g.ID[:], id)
				copy(g.Till[:], till)
				g.Noticed = time.UnixMilli(at)
				out = append(out, g)
				return nil
			})
	})
	if err != nil {
		return nil, fmt.Errorf("gaps in the series of shop %s: %w", shop, err)
	}
	return out, nil
}

// keep writes what was found of one series.
func (w *Watch) keep(ctx context.Context, account archive.AccountID, shop crdt.ShopID, s series, gaps []Gap) error {
	err := w.db.Tx(ctx, func(tx *database.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO series_whole (account, shop, type, series, till, name, whole) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (account, shop, type, series) DO UPDATE SET till = excluded.till, name = excluded.name, whole = excluded.whole`,
			account[:], shop[:], s.typ, s.id[:], s.till[:], s.name, s.whole); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM series_gaps WHERE account = ? AND shop = ? AND type = ? AND series = ?`, account[:], shop[:], s.typ, s.id[:]); err != nil {
			return err
		}
		for _, g := range gaps {
			if _, err := tx.Exec(ctx, `INSERT INTO series_gaps (account, shop, type, series, first, last, till, name, noticed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
				account[:], shop[:], s.typ, s.id[:], g.First, g.Last, g.Till[:], g.Series, g.Noticed.UnixMilli()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store the gaps of series %s of shop %s: %w", s.name, shop, err)
	}
	return nil
}
