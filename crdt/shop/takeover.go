package shop

import (
	"cmp"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// Takeover is the item that marks what a till took over from the files of one that was lost and found again: receipts and
// payments that had reached nobody. It is signed by the till that took them, and makes nothing valid: what was taken proves
// itself.
type Takeover struct {
	From     crdt.TillID // the found till
	By       crdt.TillID // the till that took over
	Person   string      // who said yes, may be empty
	MS       int64       // Unix milliseconds
	ID       crdt.Hash   // over the commits that were taken, in their order
	Commits  int64
	Receipts int64
	Numbers  []NumberRun // the receipts by number, sorted; at most [MaxNumberRuns], the rest is not listed
}

// NumberRun are the numbers of a series from First to Last.
type NumberRun struct {
	Series      string
	First, Last int64
}

// MaxNumberRuns is how many runs of numbers a [Takeover] lists.
const MaxNumberRuns = 256

// ObjectID returns the object ID of the item.
func (o Takeover) ObjectID() crdt.ObjectID {
	return crdt.DeriveObjectID(TypeTakeover, o.From[:], o.By[:], o.ID[:])
}

// Holds reports whether a receipt is one of those that are listed.
func (o Takeover) Holds(series string, number int64) bool {
	return slices.ContainsFunc(o.Numbers, func(n NumberRun) bool {
		return n.Series == series && n.First <= number && number <= n.Last
	})
}

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (o Takeover) Check() error {
	if o.From.IsZero() || o.By.IsZero() || o.ID == (crdt.Hash{}) {
		return fmt.Errorf("%w: a takeover names two tills and what was taken", ErrInvalid)
	}
	if o.Commits < 1 || o.Receipts < 0 || o.Receipts > o.Commits*64 || len(o.Numbers) > MaxNumberRuns {
		return fmt.Errorf("%w: a takeover of %d commits with %d receipts in %d runs", ErrInvalid, o.Commits, o.Receipts, len(o.Numbers))
	}
	for i, n := range o.Numbers {
		if err := CheckPrefix(n.Series); err != nil {
			return err
		}
		if n.First < 1 || n.Last < n.First || i > 0 && compareRuns(o.Numbers[i-1], n) >= 0 {
			return fmt.Errorf("%w: numbers %d to %d of %s in a takeover", ErrInvalid, n.First, n.Last, n.Series)
		}
	}
	return errors.Join(rules.CheckText("who took over", o.Person, MaxNameRunes), rules.CheckMS("time of a takeover", o.MS))
}

func compareRuns(a, b NumberRun) int {
	return cmp.Or(strings.Compare(a.Series, b.Series), cmp.Compare(a.First, b.First))
}

// Sign returns the item. key is the private device key of the till By.
func (o Takeover) Sign(shop crdt.ShopID, key ed25519.PrivateKey) (crdt.Piece, error) {
	if err := errors.Join(o.Check(), signer(key, o.By)); err != nil {
		return crdt.Piece{}, fmt.Errorf("sign takeover: %w", err)
	}
	var rec crdt.Record
	rec.SetTill("b", o.By)
	rec.SetInt("c", o.Commits)
	rec.SetTill("d", o.From)
	rec.SetBinary("i", o.ID[:])
	rec.SetInt("n", o.Receipts)
	rec.SetString("p", o.Person)
	if len(o.Numbers) > 0 {
		b := codec.AppendArray(nil, 3*len(o.Numbers))
		for _, n := range o.Numbers {
			b = codec.AppendUint(codec.AppendUint(codec.AppendString(b, n.Series), uint64(n.First)), uint64(n.Last))
		}
		rec.SetRaw("q", b)
	}
	rec.SetInt("t", o.MS)
	return item(TypeTakeover, o.ObjectID(), sign(TypeTakeover, shop, rec, key)), nil
}

// ParseTakeover reads an item. Only a [Roster] can say whether its signature counts.
func ParseTakeover(raw []byte) (Takeover, error) {
	o, _, err := parseTakeover(raw)
	return o, err
}

func parseTakeover(raw []byte) (Takeover, crdt.Record, error) {
	f := parseSigned(raw)
	o := Takeover{By: f.Till("b"), From: f.Till("d"), Commits: f.Int("c"), Receipts: f.Int("n"), Person: f.Text("p"), MS: f.Int("t")}
	fixed(f, "i", o.ID[:])
	f.Nested("q", func(r *codec.Reader) { o.Numbers = readRuns(r) })
	o, err := document.Checked(f, "takeover", o)
	return o, f.Record(), err
}

func readRuns(r *codec.Reader) []NumberRun {
	n := r.Array()
	if n%3 != 0 || n > 3*MaxNumberRuns {
		r.Fail("%d values for numbers of receipts", n)
		return nil
	}
	var runs []NumberRun
	for i := 0; i < n/3 && r.Err() == nil; i++ {
		run := NumberRun{Series: r.String()}
		first, last := r.Uint(), r.Uint()
		if first > 1<<62 || last > 1<<62 {
			r.Fail("a number of a receipt beyond all")
		}
		run.First, run.Last = int64(first), int64(last)
		runs = append(runs, run)
	}
	return runs
}

// Takeovers returns what tills of the shop took over from found ones, the latest first.
func (r *Roster) Takeovers() []Takeover { return slices.Clone(r.taken) }

// took notes a takeover that counts.
func (r *Roster) took(o Takeover) {
	r.taken = append(r.taken, o)
	slices.SortFunc(r.taken, func(a, b Takeover) int {
		x, y := a.ObjectID(), b.ObjectID()
		return cmp.Or(cmp.Compare(b.MS, a.MS), x.Compare(y), strings.Compare(a.Person, b.Person), cmp.Compare(a.Receipts, b.Receipts))
	})
}
