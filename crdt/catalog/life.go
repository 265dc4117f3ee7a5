package catalog

import (
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// Life is the register "life" of every document here: whether it is still in use. Nothing is ever removed.
type Life struct {
	Archived bool  // no longer offered; receipts keep their own copy of what they name
	SinceMS  int64 // Unix milliseconds of the last change, 0 if it never changed
}

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (l Life) Check() error { return rules.CheckMS("time of archiving", l.SinceMS) }

// ParseLife reads a register value.
func ParseLife(raw []byte) (Life, error) {
	f := rules.Parse(raw)
	l := Life{Archived: f.Bool("a"), SinceMS: f.Int("t")}
	return document.Checked(f, "life", l)
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
	return rules.Edit(old, func(rec *crdt.Record) {
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
	f := rules.Parse(raw)
	return document.Checked(f, "deposit", Deposit{Article: f.Object("a")})
}

// Edit writes the value over the register value shown (nil if there is none) and keeps fields it does not know.
func (d Deposit) Edit(old []byte) ([]byte, error) {
	return rules.Edit(old, func(rec *crdt.Record) { rec.SetObject("a", d.Article) })
}
