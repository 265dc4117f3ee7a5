package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// Closing is a closing as this till holds it, or the interim report of what was not closed yet.
type Closing struct {
	ID       crdt.ObjectID // zero for an interim report, like Hash and Signed
	Text     string        // such as "K2 Z 17"
	Report   receipt.ZReport
	Item     receipt.ClosingItem
	Hash     receipt.Digest
	Verified bool // the signature holds and the till was in the roster
	Alarm    bool // another document exists under the same number
	Copies   []crdt.TillID
	Warnings []ClosingWarning // of one that was just made, and of an interim report
}

// ClosingWarning is something a person should know about a closing.
type ClosingWarning struct {
	Code string // one of the Warn constants
	Text string
}

// ClosingFilter says which closings to list.
type ClosingFilter struct {
	From, To string // business days, inclusive, YYYY-MM-DD
	Till     crdt.TillID
}

// lastClosing returns the last closing of a series that this till holds, nil if it holds none.
func (t *Till) lastClosing(ctx context.Context, key seriesKey) (*Closing, error) {
	n, err := t.lastClosingNumber(ctx, key)
	if err != nil || n == 0 {
		return nil, err
	}
	c, err := t.heldClosing(ctx, receipt.ZID(t.id.Shop, key.till, key.series, n))
	return &c, err
}

func (t *Till) lastClosingNumber(ctx context.Context, key seriesKey) (int64, error) {
	n, err := t.lastOf(ctx, receipt.TypeClosing, func(n uint64) crdt.ObjectID {
		return receipt.ZID(t.id.Shop, key.till, key.series, int64(n))
	})
	return int64(n), err
}

// Closing returns a closing by its ID or as people name it, such as "K2 Z 17" or "K2-Z-17"; [ErrNotFound] if this till holds
// none.
func (t *Till) Closing(ctx context.Context, ref string) (Closing, error) {
	if id, err := crdt.ParseObjectID(ref); err == nil {
		return t.heldClosing(ctx, id)
	}
	series, n, ok := cutClosing(ref)
	for _, key := range t.allSeries() {
		if !ok || key.series != series {
			continue
		}
		c, err := t.heldClosing(ctx, receipt.ZID(t.id.Shop, key.till, series, n))
		if !errors.Is(err, ErrNotFound) {
			return c, err
		}
	}
	return Closing{}, fmt.Errorf("closing %.60q: %w", ref, ErrNotFound)
}

// cutClosing reads what people call a closing.
func cutClosing(ref string) (series string, number int64, ok bool) {
	f := strings.FieldsFunc(ref, func(c rune) bool { return c == ' ' || c == '-' })
	if len(f) != 3 || f[1] != "Z" {
		return "", 0, false
	}
	number, err := strconv.ParseInt(f[2], 10, 64)
	return f[0], number, err == nil && number > 0
}

func (t *Till) heldClosing(ctx context.Context, id crdt.ObjectID) (Closing, error) {
	obj, err := t.store.Object(ctx, salesKey(receipt.TypeClosing, id))
	if err != nil {
		return Closing{}, err
	}
	if len(obj.Items) == 0 {
		return Closing{}, fmt.Errorf("closing %v: %w", id, ErrNotFound)
	}
	piece, err := t.store.Piece(ctx, crdt.Sales, obj.Items[0].Ref)
	if err != nil {
		return Closing{}, err
	}
	if piece == nil {
		return Closing{}, fmt.Errorf("closing %v: %w", id, ErrNotFound)
	}
	c, err := t.readClosing(id, piece.Raw)
	c.Alarm, c.Copies = obj.Alarm(), t.holders(dotsOf(obj.Items)...)
	return c, err
}

// readClosing reads the item of a closing. A signature that does not hold is shown, not hidden.
func (t *Till) readClosing(id crdt.ObjectID, raw []byte) (Closing, error) {
	item, err := receipt.ParseClosing(raw)
	if err != nil {
		return Closing{}, fmt.Errorf("closing %v: %w", id, err)
	}
	c := Closing{ID: id, Text: receipt.ZText(item.Series, item.Number), Item: item, Hash: receipt.Hash(item.Document)}
	report, verifyErr := item.Verify(id)
	if verifyErr != nil {
		if report, err = receipt.ParseZReport(item.Document); err != nil {
			return c, fmt.Errorf("closing %s: %w", c.Text, err)
		}
	}
	c.Report = report
	_, member := t.roster.publicKey(report.Till.ID)
	c.Verified = verifyErr == nil && member
	return c, nil
}

// closingRun walks the closings of one series, the latest first.
type closingRun struct {
	key  seriesKey
	next int64 // the number to look at next, 0 at the end
	held []Closing
}

// closingBlock is how many closings are read at once.
const closingBlock = 16

// fillClosings reads the next closings, if none are held.
func (t *Till) fillClosings(ctx context.Context, c *closingRun) error {
	for len(c.held) == 0 && c.next > 0 {
		from := max(c.next-closingBlock+1, 1)
		first := receipt.ZID(t.id.Shop, c.key.till, c.key.series, from)
		list, err := t.store.Objects(ctx, crdt.Sales, receipt.TypeClosing, first, int(c.next-from+1))
		if err != nil {
			return err
		}
		for _, f := range list {
			n := receipt.NumberOf(f.ID)
			if [8]byte(f.ID[:8]) != [8]byte(first[:8]) || n > c.next {
				break
			}
			piece, err := t.store.Piece(ctx, crdt.Sales, f.Object.Items[0].Ref)
			if err != nil {
				return err
			}
			if piece == nil {
				continue
			}
			one, err := t.readClosing(f.ID, piece.Raw)
			if err != nil {
				return err
			}
			one.Alarm, one.Copies = f.Object.Alarm(), t.holders(dotsOf(f.Object.Items)...)
			c.held = append([]Closing{one}, c.held...)
		}
		c.next = from - 1
	}
	return nil
}

// Closings lists the closings of all tills, the latest first; next is where to go on, empty at the end.
func (t *Till) Closings(ctx context.Context, f ClosingFilter, after string, limit int) (list []Closing, next string, err error) {
	at, err := parseCursor(after)
	if err != nil {
		return nil, "", err
	}
	var all []*closingRun
	for _, key := range t.allSeries() {
		if !f.Till.IsZero() && key.till != f.Till {
			continue
		}
		from, known := at[key]
		if !known {
			last, err := t.lastClosingNumber(ctx, key)
			if err != nil {
				return nil, "", err
			}
			from = uint64(last)
		}
		all = append(all, &closingRun{key: key, next: int64(min(from, 1<<53))})
	}
	for {
		var best *closingRun
		for _, c := range all {
			if err := t.fillClosings(ctx, c); err != nil {
				return nil, "", err
			}
			if len(c.held) > 0 && (best == nil || later(c.held[0], best.held[0])) {
				best = c
			}
		}
		switch {
		case best == nil:
			return list, "", nil
		case len(list) == limit:
			return list, closingCursor(all), nil
		}
		c := best.held[0]
		best.held = best.held[1:]
		if day := c.Report.BusinessDay; (f.From == "" || day >= f.From) && (f.To == "" || day <= f.To) {
			list = append(list, c)
		}
		if f.From != "" && c.Report.BusinessDay < f.From { // days rise with numbers: nothing newer follows
			best.next, best.held = 0, nil
		}
	}
}

// later orders closings of several series for the list.
func later(a, b Closing) bool {
	return cmp.Or(cmp.Compare(a.Report.BusinessDay, b.Report.BusinessDay), cmp.Compare(a.Report.Closed, b.Report.Closed)) > 0
}

func closingCursor(all []*closingRun) string {
	runs := make([]*run, len(all))
	for i, c := range all {
		runs[i] = &run{key: c.key, next: uint64(c.next)}
		if len(c.held) > 0 {
			runs[i].next = uint64(c.held[0].Report.Number)
		}
	}
	return cursor(runs)
}
