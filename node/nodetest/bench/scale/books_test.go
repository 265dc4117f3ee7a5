//go:build bench

package scale

import (
	"context"
	"crypto/ed25519"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/badger"
	"github.com/tillmesh/tillmesh/replication/store/highwater"
)

// books writes the sales of a till into its store on the disk, as the till itself does below its committer: real
// documents in a chain, in commits in a chain, with the record beside the store.
type books struct {
	who      node.Identity
	key      ed25519.PrivateKey
	rows     *badger.Store
	water    *highwater.File
	guard    *store.Guard
	boot     uint32
	next     map[crdt.Scope]uint32 // the next own number of this start
	heads    map[crdt.Scope]replication.Head
	number   uint64 // of the last receipt
	previous crdt.Hash
	random   *rand.Rand
	model    *receipt.Closed // what later receipts are like
	gap      uint32          // numbers to leave out before each receipt: those of the commits that it superseded
}

// openBooks opens the data directory of a till that does not run, or makes a store and a record in an empty one. It
// returns how long the store engine took to open.
func openBooks(ctx context.Context, dir string, who node.Identity, key ed25519.PrivateKey) (b *books, took time.Duration, err error) {
	b = &books{who: who, key: key, next: make(map[crdt.Scope]uint32)}
	began := time.Now()
	if b.rows, _, err = badger.Open(badger.Options{Dir: filepath.Join(dir, "store")}); err != nil {
		return nil, 0, err
	}
	took = time.Since(began)
	st, err := store.Open(ctx, b.rows)
	if err != nil {
		return nil, took, err
	}
	water := filepath.Join(dir, "highwater")
	if _, err = st.Identity(ctx); errors.Is(err, store.ErrNoIdentity) {
		if err = st.SetIdentity(ctx, store.Identity{Shop: who.Shop, Till: who.Till, Replica: who.Replica}); err == nil {
			b.water, err = highwater.Create(water, nil)
		}
	} else if err == nil {
		b.water, _, err = highwater.Open(water)
	}
	if err != nil {
		return nil, took, err
	}
	if b.boot, err = st.NextBoot(ctx, time.Now().Unix()); err != nil {
		return nil, took, err
	}
	b.random = random(uint64(b.boot)) // other IDs in every start
	if b.guard, err = store.NewGuard(ctx, st, b.water, who.Replica, b.boot); err != nil {
		return nil, took, err
	}
	b.heads, b.previous = st.Heads(), crdt.Hash(receipt.First(who.Shop, who.Till, who.Prefix))
	notes, err := st.Notes(ctx, b.note())
	if err == nil && notes[0] != nil {
		b.number, b.previous, err = store.ReadSeries(notes[0])
	}
	return b, took, err
}

func (b *books) close() error { return errors.Join(b.guard.Settle(), b.water.Close(), b.rows.Close()) }

func (b *books) note() string { return store.SeriesNote + b.who.Prefix }

func (b *books) object() (id crdt.ObjectID) {
	for i := range id {
		id[i] = byte(b.random.Uint32())
	}
	return id
}

// own seals the next own change.
func (b *books) own(scope crdt.Scope, at time.Time, pieces []crdt.Piece, notes ...replication.Note) (replication.Op, error) {
	head := b.heads[scope]
	b.next[scope]++
	c := &crdt.Commit{
		Scope: scope, Dot: crdt.Dot{Replica: b.who.Replica, Seq: crdt.NewSeq(b.boot, b.next[scope])}, Pred: head.Seq, Prev: head.Hash,
		Stamp: crdt.Stamp{Trusted: true, MS: at.UnixMilli()}, WallMS: at.UnixMilli(), Schema: receipt.Schema, Pieces: pieces,
	}
	err := c.Seal()
	b.heads[scope] = replication.Head{Seq: c.Dot.Seq, Hash: c.Hash()}
	return replication.Op{Commit: c, Own: true, Notes: notes}, err
}

// sale is a tab with everything on it, not closed yet.
type sale struct {
	at    time.Time
	ops   []replication.Op // that wrote it: one commit for the tab, each line and the payment
	parts receipt.Parts
}

const linesPerTab = 2

// sell makes a tab with lines and a payment. Nothing is written yet.
func (b *books) sell(at time.Time) (s sale, err error) {
	s.at = at
	add := func(pieces []crdt.Piece, err error) (*crdt.Object, error) {
		if err != nil {
			return nil, err
		}
		op, err := b.own(crdt.Sales, at, pieces)
		if err != nil {
			return nil, err
		}
		s.ops = append(s.ops, op)
		obj := new(crdt.Object)
		for i := range op.Commit.Pieces {
			obj.Apply(op.Commit.Origin(), i, &op.Commit.Pieces[i])
		}
		return obj, nil
	}
	tab, ms := b.object(), at.UnixMilli()
	s.parts.Tab.ID = tab
	if s.parts.Tab.Object, err = add(receipt.EditTab(tab, nil, receipt.TabEdit{Head: &receipt.Head{
		Name: "Tisch 12", OpenedMS: ms, Till: b.who.Till, User: "Anna", Shared: true,
	}})); err != nil {
		return s, err
	}
	var total receipt.Amount
	for range linesPerTab {
		n, id := b.random.IntN(1000), b.object()
		price := receipt.Amount(articlePrice(n))
		total += price
		l := receipt.Line{
			Article: articleID(n), Name: articleName(n), Quantity: receipt.DefaultQuantity, UnitPrice: price, Currency: receipt.DefaultCurrency,
			Tax: receipt.TaxRef{ID: taxID(), Key: "2", Rate: 700}, Case: receipt.SaleCase, User: "Anna", Till: b.who.Till, MS: ms,
		}
		obj, err := add(receipt.NewLine(id, tab, l))
		if err != nil {
			return s, err
		}
		s.parts.Lines = append(s.parts.Lines, receipt.Part{ID: id, Object: obj, Item: l.Bytes()})
	}
	id, p := b.object(), receipt.Payment{Tab: tab, Type: receipt.CashType, Amount: total, User: "Anna", Till: b.who.Till, MS: ms}
	obj, err := add(receipt.NewPayment(id, p, ""))
	s.parts.Payments = append(s.parts.Payments, receipt.Part{ID: id, Object: obj, Item: p.Bytes()})
	return s, err
}

const clockFormat = time.RFC3339

// settle makes the receipt that closes a tab.
func (b *books) settle(s sale) (replication.Op, error) {
	closed, err := receipt.BuildClose(receipt.View(s.parts), receipt.Closing{
		Shop: receipt.DocShop{ID: b.who.Shop, Name: "Café Möwe", TaxID: "12/345/67890",
			Address: receipt.DocAddress{Street: "Hafenstraße 1", Postcode: "20457", Town: "Hamburg", Country: "DE"}},
		Till:    receipt.DocTill{ID: b.who.Till, Name: "Kasse 1", Serial: b.who.Till.String(), Software: "tillmesh"},
		Replica: b.who.Replica, Series: b.who.Prefix, Number: int64(b.number) + 1, Previous: receipt.Digest(b.previous),
		Closed: s.at.Format(clockFormat), BusinessDay: s.at.Format(time.DateOnly), ClockTrusted: true, User: "Anna",
		Time: func(ms int64) string { return time.UnixMilli(ms).In(s.at.Location()).Format(clockFormat) },
		Sign: func(document []byte) (receipt.Signed, error) { return receipt.Sign(b.key, document) },
	})
	if err != nil {
		return replication.Op{}, err
	}
	b.model = &closed
	return b.issued(closed.Piece, receipt.Hash(closed.Receipt.Document), s.at)
}

// issued seals the commit of a receipt, with the note about its number.
func (b *books) issued(piece crdt.Piece, hash receipt.Digest, at time.Time) (replication.Op, error) {
	b.number, b.previous = b.number+1, crdt.Hash(hash)
	if b.gap > 0 {
		b.next[crdt.Sales] += b.gap
		b.heads[crdt.Sales] = replication.Head{Seq: crdt.NewSeq(b.boot, b.next[crdt.Sales]), Hash: crdt.Hash{1}}
	}
	note := replication.Note{Key: b.note(), Value: store.AppendSeries(nil, b.number, b.previous)}
	return b.own(crdt.Sales, at, []crdt.Piece{piece}, note)
}

// batch is as much as the committer of a till writes at once.
const batch = 900 << 10

// write writes what next returns until it returns false, in batches; what follows is made while one is written.
func (b *books) write(ctx context.Context, next func() (replication.Op, bool, error)) error {
	full := make(chan []replication.Op, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	made := make(chan error, 1)
	go func() {
		defer close(full)
		made <- b.fold(ctx, next, full)
	}()
	var err error
	for ops := range full {
		if _, err = b.guard.Apply(ctx, ops); err != nil {
			cancel()
			break
		}
	}
	return errors.Join(err, <-made)
}

// fold sends batches of what next returns.
func (b *books) fold(ctx context.Context, next func() (replication.Op, bool, error), full chan<- []replication.Op) error {
	for more := true; more; {
		var ops []replication.Op
		for size := 0; size < batch; {
			var op replication.Op
			var err error
			if op, more, err = next(); err != nil {
				return err
			}
			if !more {
				break
			}
			ops, size = append(ops, op), size+len(op.Commit.Bytes())+len(op.Commit.Pieces)*60
		}
		select {
		case full <- ops:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
