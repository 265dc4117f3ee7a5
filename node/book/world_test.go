package book_test

import (
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/book"
	"github.com/tillmesh/tillmesh/replication"
)

var (
	deviceKey = ed25519.NewKeyFromSeed([]byte("key of a till in tests of a book"))
	tillID    = crdt.TillIDOf(deviceKey.Public().(ed25519.PublicKey))
	shopID    = crdt.ShopID{7}
)

const day = "2026-09-03"

// seeded returns a generator whose seed is printed when the test fails.
func seeded(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// till is one replica as crdt.State knows it, with the book that is fed beside it.
type till struct {
	t       testing.TB
	replica crdt.ReplicaID
	seq     uint32
	state   *crdt.State
	book    *book.Book
	shop    *shop
}

// shop is some tills, and every commit they made.
type shop struct {
	tills   []*till
	commits []*crdt.Commit
	next    uint32 // of the next new object
}

func newTill(t testing.TB, replica byte, s *shop) *till {
	return &till{t: t, replica: crdt.ReplicaID{replica}, state: crdt.NewState(), book: book.New(), shop: s}
}

func newShop(t testing.TB, n int) *shop {
	s := new(shop)
	for i := range n {
		s.tills = append(s.tills, newTill(t, byte(i+1), s))
	}
	return s
}

func (s *shop) newID() crdt.ObjectID {
	s.next++
	return crdt.ObjectID{9, byte(s.next >> 8), byte(s.next)}
}

// take applies commits in one batch, as a store and its committer do, and feeds the book.
func (x *till) take(commits ...*crdt.Commit) []book.Change {
	var taken []replication.Taken
	for _, c := range commits {
		if ctx := x.state.Contexts[c.Scope]; ctx.Has(c.Dot) {
			continue
		}
		x.state.Apply(c)
		taken = append(taken, replication.Taken{Commit: c, Own: c.Dot.Replica == x.replica})
	}
	for i := range taken {
		c := taken[i].Commit
		out := &taken[i].Outcome
		out.New = true
		live := x.state.Commits[c.Scope][c.Dot]
		for k := range c.Pieces {
			if live != nil && !live.Dead[k] {
				out.Live = true
				continue
			}
			if out.Dead == nil {
				out.Dead = make([]byte, (len(c.Pieces)+7)/8)
			}
			out.Dead[k/8] |= 1 << (k % 8)
		}
	}
	return x.book.Apply(taken)
}

func (x *till) commit(pieces []crdt.Piece, err error) []book.Change {
	x.t.Helper()
	require.NoError(x.t, err)
	if len(pieces) == 0 {
		return nil
	}
	x.seq++
	c := &crdt.Commit{Scope: crdt.Sales, Dot: crdt.Dot{Replica: x.replica, Seq: crdt.NewSeq(1, x.seq)}, Schema: receipt.Schema,
		Stamp: crdt.Stamp{Trusted: true, MS: int64(len(x.shop.commits))}, Pieces: pieces}
	if x.seq > 1 {
		c.Pred = crdt.NewSeq(1, x.seq-1)
	}
	require.NoError(x.t, c.Seal())
	decoded, err := crdt.DecodeCommit(c.Bytes())
	require.NoError(x.t, err)
	x.shop.commits = append(x.shop.commits, decoded)
	return x.take(decoded)
}

func (x *till) obj(typ string, id crdt.ObjectID) *crdt.Object {
	return x.state.Objects[crdt.Key{Scope: crdt.Sales, Type: typ, Object: id}]
}

func line(i int) receipt.Line {
	return receipt.Line{Name: fmt.Sprintf("Artikel %d", i%7), Quantity: 1000, UnitPrice: receipt.Amount(100 + i%13), Currency: "EUR",
		Tax: receipt.TaxRef{Rate: 1900}, Case: receipt.SaleCase, Till: tillID, MS: int64(i)}
}

func (x *till) open(name string) crdt.ObjectID {
	id := x.shop.newID()
	x.commit(receipt.EditTab(id, nil, receipt.TabEdit{Head: &receipt.Head{Name: name, OpenedMS: int64(x.shop.next), Till: tillID}}))
	return id
}

func (x *till) add(tab crdt.ObjectID) crdt.ObjectID {
	id := x.shop.newID()
	x.commit(receipt.NewLine(id, tab, line(int(x.shop.next))))
	return id
}

func (x *till) void(line crdt.ObjectID) crdt.ObjectID {
	id := x.shop.newID()
	x.commit(receipt.NewVoid(id, receipt.Void{Line: line, Till: tillID, MS: int64(x.shop.next)}))
	return id
}

func (x *till) pay(tab crdt.ObjectID, amount receipt.Amount, state string) crdt.ObjectID {
	id := x.shop.newID()
	x.commit(receipt.NewPayment(id, receipt.Payment{Tab: tab, Type: receipt.CashType, Amount: amount, Till: tillID, MS: int64(x.shop.next)}, state))
	return id
}

func (x *till) discount(target crdt.ObjectID, on string, percent receipt.Rate) crdt.ObjectID {
	d := receipt.Discount{Target: target, On: on, Kind: receipt.DiscountPercent, Percent: percent, Till: tillID, MS: int64(x.shop.next)}
	x.commit(receipt.EditDiscount(x.obj(receipt.TypeDiscount, d.ID()), d))
	return d.ID()
}

func (x *till) merge(tab, into crdt.ObjectID) []book.Change {
	return x.commit(receipt.EditTab(tab, x.obj(receipt.TypeTab, tab), receipt.TabEdit{Merge: &receipt.Merge{Into: into}}))
}

// close pays and closes a tab from what the book says, under the series of this till.
func (x *till) close(tab crdt.ObjectID) (receipt.Closed, []book.Change) {
	x.t.Helper()
	v, _, ok := x.book.Tab(tab)
	require.True(x.t, ok)
	if v.Due != 0 {
		x.pay(tab, v.Due, "")
	}
	p, ok := x.book.Parts(tab)
	require.True(x.t, ok)
	series := fmt.Sprintf("K%d", x.replica[0])
	x.shop.newID() // each closing has a number of its own
	number := int64(x.shop.next)
	closed, err := receipt.BuildClose(receipt.View(p), receipt.Closing{
		Shop: receipt.DocShop{ID: shopID, Name: "Café Möwe"}, Till: receipt.DocTill{ID: tillID, Name: "Tresen", Serial: "1"}, Replica: x.replica,
		Series: series, Number: number, Closed: "2026-09-03T21:00:00+02:00", BusinessDay: day,
		Time: func(int64) string { return "2026-09-03T20:00:00+02:00" },
		Sign: func(doc []byte) (receipt.Signed, error) { return receipt.Sign(deviceKey, doc) },
	})
	require.NoError(x.t, err)
	return closed, x.commit([]crdt.Piece{closed.Piece}, nil)
}

// meet lets tills exchange all they hold, in any order.
func (s *shop) meet(tills ...*till) {
	for _, a := range tills {
		for _, b := range tills {
			for _, c := range s.commits {
				if b.state.Contexts[c.Scope].Has(c.Dot) {
					a.take(c)
				}
			}
		}
	}
}

// stored lists what a store with this state would list.
func stored(state *crdt.State) (out []book.Stored) {
	for k, o := range state.Objects {
		if !o.Live() {
			continue
		}
		s := book.Stored{Type: k.Type, ID: k.Object, Object: o}
		if len(o.Items) > 0 {
			ref := o.Items[0].Ref
			s.Item = &state.Commits[crdt.Sales][ref.Origin.Dot].Commit.Pieces[ref.Piece]
		}
		out = append(out, s)
	}
	return out
}

// oracle computes the views of all tabs by looking at every object of the state, with no index.
func oracle(state *crdt.State) map[crdt.ObjectID]receipt.TabView {
	mergeOf := func(id crdt.ObjectID) (crdt.ObjectID, bool) {
		o := state.Objects[crdt.Key{Scope: crdt.Sales, Type: receipt.TypeTab, Object: id}]
		if o == nil || !o.Live() {
			return crdt.ObjectID{}, false
		}
		return receipt.MergedInto(o)
	}
	parts := make(map[crdt.ObjectID]*receipt.Parts)
	at := func(id crdt.ObjectID) *receipt.Parts {
		id = receipt.ResolveTab(id, mergeOf)
		if parts[id] == nil {
			parts[id] = &receipt.Parts{Tab: receipt.Part{ID: id}}
		}
		return parts[id]
	}
	onLine := make(map[crdt.ObjectID]crdt.ObjectID)
	all := stored(state)
	part := func(s book.Stored) receipt.Part {
		p := receipt.Part{ID: s.ID, Object: s.Object}
		if s.Item != nil {
			p.Item = s.Item.Raw
		}
		return p
	}
	for _, s := range all {
		switch s.Type {
		case receipt.TypeTab:
			if p := at(s.ID); p.Tab.ID == s.ID {
				p.Tab = part(s)
			} else {
				p.Merged = append(p.Merged, part(s))
			}
		case receipt.TypeLine:
			if tab, ok := receipt.Locate(s.Object, mergeOf); ok && s.Item != nil {
				p := at(tab)
				p.Lines = append(p.Lines, part(s))
				onLine[s.ID] = tab
			}
		}
	}
	for id, p := range parts { // a tab that was closed, merged into by an open one, and without lines is none
		if p.Tab.Object == nil && len(p.Lines) == 0 {
			delete(parts, id)
		}
	}
	for _, s := range all {
		var target crdt.ObjectID
		list := func(p *receipt.Parts) *[]receipt.Part { return &p.Voids }
		switch s.Type {
		case receipt.TypeVoid:
			v, _ := receipt.ParseVoid(s.Item.Raw)
			target = onLine[v.Line]
		case receipt.TypeDiscount:
			d, _ := receipt.ParseDiscount(s.Object.Value(receipt.RegisterValue))
			if target = onLine[d.Target]; d.On == receipt.OnTab {
				target = d.Target
			}
			list = func(p *receipt.Parts) *[]receipt.Part { return &p.Discounts }
		case receipt.TypePayment:
			if s.Item == nil {
				continue
			}
			p, _ := receipt.ParsePayment(s.Item.Raw)
			target = p.Tab
			list = func(p *receipt.Parts) *[]receipt.Part { return &p.Payments }
		default:
			continue
		}
		if p := parts[receipt.ResolveTab(target, mergeOf)]; p != nil {
			*list(p) = append(*list(p), part(s))
		}
	}
	views := make(map[crdt.ObjectID]receipt.TabView)
	for id, p := range parts {
		views[id] = receipt.View(*p)
	}
	return views
}

// comparable takes out the clocks of discounts: a store also remembers what closings that came before it had seen.
func comparable(v receipt.TabView) receipt.TabView {
	for i := range v.Supersedes.Discounts {
		v.Supersedes.Discounts[i].Clock = nil
	}
	return v
}

// requireEqual compares a book with the state it was fed beside, and with a book that is loaded from that state.
func requireEqual(t testing.TB, state *crdt.State, fed *book.Book) {
	t.Helper()
	fresh := book.New()
	fresh.Load(stored(state))
	want := oracle(state)
	require.Equal(t, len(want), fed.Len())
	tabs := fed.Tabs()
	require.Len(t, tabs, len(want))
	require.Equal(t, fresh.Tabs(), tabs)
	for _, s := range tabs {
		v, st, ok := fed.Tab(s.ID)
		require.True(t, ok)
		require.Equal(t, s.State, st)
		require.Equal(t, comparable(want[s.ID]), comparable(v))
		require.Equal(t, len(v.Lines), s.Lines)
		require.Equal(t, v.Totals.Gross, s.Total)
		loaded, _, _ := fresh.Tab(s.ID)
		require.Equal(t, comparable(loaded), comparable(v))
		n, ok := fed.LineCount(s.ID)
		require.True(t, ok)
		require.Equal(t, len(v.Lines), n)
		for _, l := range v.Lines {
			at, ok := fed.Line(l.ID)
			require.True(t, ok)
			require.Equal(t, s.ID, at)
		}
	}
	require.Equal(t, fresh.Cases(), fed.Cases())
}
