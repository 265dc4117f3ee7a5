package catalog

import (
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
)

// Life is the register "life" of every document here: whether it is still in use. Nothing is ever removed.
type Life struct {
	Archived bool  // no longer offered; receipts keep their own copy of what they name
	SinceMS  int64 // Unix milliseconds of the last change, 0 if it never changed
}

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (l Life) Check() error { return checkRange("time of archiving", l.SinceMS, 0, maxUnixMillis) }

// ParseLife reads a register value.
func ParseLife(raw []byte) (Life, error) {
	f := parse(raw)
	l := Life{Archived: f.bool("a"), SinceMS: f.int("t")}
	if f.err == nil {
		f.err = l.Check()
	}
	if f.err != nil {
		return Life{}, fmt.Errorf("life: %w", f.err)
	}
	return l, nil
}

// Edit writes the value over the register value shown (nil if there is none) and keeps fields it does not know. What
// is archived already stays archived since then.
func (l Life) Edit(old []byte) ([]byte, error) {
	if old == nil && !l.Archived {
		l.SinceMS = 0
	} else if old != nil {
		if before, err := ParseLife(old); err == nil && before.Archived == l.Archived {
			l.SinceMS = before.SinceMS
		}
	}
	return edit(old, func(rec *crdt.Record) {
		rec.SetBool("a", l.Archived)
		rec.SetInt("t", l.SinceMS)
	})
}

// Deposit is the register "deposit" of an article.
type Deposit struct {
	Article crdt.ObjectID // sold along with every unit of this one (Pfand), zero for none
}

// Check always returns nil: any article may be the deposit of another. See [EditArticle].
func (d Deposit) Check() error { return nil }

// ParseDeposit reads a register value.
func ParseDeposit(raw []byte) (Deposit, error) {
	f := parse(raw)
	d := Deposit{Article: f.object("a")}
	if f.err != nil {
		return Deposit{}, fmt.Errorf("deposit: %w", f.err)
	}
	return d, nil
}

// Edit writes the value over the register value shown (nil if there is none) and keeps fields it does not know.
func (d Deposit) Edit(old []byte) ([]byte, error) {
	return edit(old, func(rec *crdt.Record) { rec.SetObject("a", d.Article) })
}
