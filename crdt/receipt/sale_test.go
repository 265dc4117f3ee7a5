package receipt_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

var (
	articles = []string{"Ostfriesentee", "Krabbenbrötchen", "Mineralwasser", "Rote Grütze"}
	prices   = []receipt.Amount{350, 890, 290, 480}
)

// line makes a line that looks like most of them.
func line(i int) receipt.Line {
	return receipt.Line{
		Article: crdt.ObjectID{1, byte(i)}, Name: articles[i%4], Group: crdt.ObjectID{2, byte(i)}, GroupName: "Speisen",
		Quantity: receipt.Quantity(1000 * (1 + i%3)), UnitPrice: prices[i%4], Currency: "EUR", Tax: general,
		Case: receipt.SaleCase, Till: tillID(), MS: 1_788_000_000_000 + int64(i),
	}
}

// shopTill is one replica with the state it reached, and the builders of this package used as a till uses them.
type shopTill struct {
	t       *testing.T
	replica crdt.ReplicaID
	seq     uint32
	state   *crdt.State
	next    *byte // of the next new object, shared by all tills of a test
}

func shopOf(t *testing.T, n int) []*shopTill {
	next := byte(0)
	var tills []*shopTill
	for i := range n {
		tills = append(tills, &shopTill{t: t, replica: crdt.ReplicaID{byte(i + 1)}, state: crdt.NewState(), next: &next})
	}
	return tills
}

func (s *shopTill) newID() crdt.ObjectID {
	*s.next++
	return crdt.ObjectID{9, *s.next}
}

// commit makes one commit and applies it here.
func (s *shopTill) commit(pieces []crdt.Piece, err error) *crdt.Commit {
	s.t.Helper()
	require.NoError(s.t, err)
	require.NotEmpty(s.t, pieces)
	s.seq++
	c := &crdt.Commit{Scope: crdt.Sales, Dot: crdt.Dot{Replica: s.replica, Seq: crdt.NewSeq(1, s.seq)}, Schema: receipt.Schema,
		Stamp: crdt.Stamp{Trusted: true, MS: int64(s.seq)}, Pieces: pieces}
	if s.seq > 1 {
		c.Pred = crdt.NewSeq(1, s.seq-1)
	}
	require.NoError(s.t, c.Seal())
	decoded, err := crdt.DecodeCommit(c.Bytes())
	require.NoError(s.t, err)
	s.state.Apply(decoded)
	return decoded
}

func (s *shopTill) obj(typ string, id crdt.ObjectID) *crdt.Object {
	return s.state.Objects[crdt.Key{Scope: crdt.Sales, Type: typ, Object: id}]
}

func (s *shopTill) open(name string) crdt.ObjectID {
	id := s.newID()
	s.commit(receipt.EditTab(id, nil, receipt.TabEdit{Head: &receipt.Head{Name: name, OpenedMS: 1_788_000_000_000, Till: tillID(), User: "Jule"}}))
	return id
}

func (s *shopTill) add(tab crdt.ObjectID, l receipt.Line) crdt.ObjectID {
	id := s.newID()
	s.commit(receipt.NewLine(id, tab, l))
	return id
}

func (s *shopTill) pay(tab crdt.ObjectID, typ string, amount, tendered receipt.Amount, state string) crdt.ObjectID {
	id := s.newID()
	s.commit(receipt.NewPayment(id, receipt.Payment{Tab: tab, Type: typ, Amount: amount, Tendered: tendered, Till: tillID(), MS: 1_788_000_009_000}, state))
	return id
}

// item returns the bytes of an object's item.
func (s *shopTill) item(o *crdt.Object) []byte {
	if len(o.Items) == 0 {
		return nil
	}
	ref := o.Items[0].Ref
	return s.state.Commits[crdt.Sales][ref.Origin.Dot].Commit.Pieces[ref.Piece].Raw
}

func (s *shopTill) mergeOf(id crdt.ObjectID) (crdt.ObjectID, bool) {
	return receipt.MergedInto(s.obj(receipt.TypeTab, id))
}

// parts gathers a tab by looking at everything, as simply as possible.
func (s *shopTill) parts(tab crdt.ObjectID) receipt.Parts {
	p := receipt.Parts{Tab: receipt.Part{ID: tab, Object: s.obj(receipt.TypeTab, tab)}}
	on := map[crdt.ObjectID]bool{tab: true}
	each := func(typ string, f func(receipt.Part)) {
		for k, o := range s.state.Objects {
			if k.Type == typ && o.Live() {
				f(receipt.Part{ID: k.Object, Object: o, Item: s.item(o)})
			}
		}
	}
	each(receipt.TypeTab, func(m receipt.Part) {
		if m.ID != tab && receipt.ResolveTab(m.ID, s.mergeOf) == tab {
			p.Merged = append(p.Merged, m)
			on[m.ID] = true
		}
	})
	each(receipt.TypeLine, func(l receipt.Part) {
		if at, ok := receipt.Locate(l.Object, s.mergeOf); ok && at == tab && l.Item != nil {
			p.Lines = append(p.Lines, l)
			on[l.ID] = true
		}
	})
	each(receipt.TypeVoid, func(part receipt.Part) {
		if v, err := receipt.ParseVoid(part.Item); err == nil && on[v.Line] {
			p.Voids = append(p.Voids, part)
		}
	})
	each(receipt.TypeDiscount, func(part receipt.Part) {
		if d, err := receipt.ParseDiscount(part.Object.Value(receipt.RegisterValue)); err == nil && on[d.Target] {
			p.Discounts = append(p.Discounts, part)
		}
	})
	each(receipt.TypePayment, func(part receipt.Part) {
		if x, err := receipt.ParsePayment(part.Item); err == nil && receipt.ResolveTab(x.Tab, s.mergeOf) == tab {
			p.Payments = append(p.Payments, part)
		}
	})
	return p
}

func (s *shopTill) view(tab crdt.ObjectID) receipt.TabView { return receipt.View(s.parts(tab)) }

// closing is a header for number 1 of a series.
func closing(series string) receipt.Closing {
	h := header(receipt.KindReceipt, 1)
	return receipt.Closing{
		Shop: h.Shop, Till: h.Till, Replica: h.Replica, Series: series, Number: 1, Previous: receipt.First(h.Shop.ID, tillID(), series),
		Closed: h.Closed, BusinessDay: h.BusinessDay, ClockTrusted: true, User: "Jule",
		Time: func(ms int64) string { return fmt.Sprintf("2026-09-03T21:00:%02d+02:00", ms%60) },
		Sign: func(doc []byte) (receipt.Signed, error) { return receipt.Sign(deviceKey, doc) },
	}
}

// close closes a tab here and returns the commit.
func (s *shopTill) close(tab crdt.ObjectID, series string) (receipt.Closed, *crdt.Commit) {
	s.t.Helper()
	closed, err := receipt.BuildClose(s.view(tab), closing(series))
	require.NoError(s.t, err)
	return closed, s.commit([]crdt.Piece{closed.Piece}, nil)
}

// meet lets all tills exchange everything.
func meet(tills ...*shopTill) {
	for _, a := range tills {
		for _, b := range tills {
			if a != b {
				a.state.Merge(b.state)
			}
		}
	}
}
