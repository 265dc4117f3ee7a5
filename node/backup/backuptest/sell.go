package backuptest

import (
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
)

// Sold is what a sale left.
type Sold struct {
	ID      crdt.ObjectID
	Number  string
	Total   receipt.Amount
	Commit  *crdt.Commit
	Receipt receipt.Receipt
}

// Sell sells some receipts of a few lines each. They are written, a few dozen in one transaction.
func (x *Till) Sell(n int) []Sold {
	x.T.Helper()
	sold := make([]Sold, n)
	for i := range sold {
		sold[i] = x.SellWith(x.Key)
		if len(x.queue) > 200 {
			x.Flush()
		}
	}
	x.Flush()
	return sold
}

// SellWith makes one sale whose receipt is signed with this key. It is not flushed.
func (x *Till) SellWith(key ed25519.PrivateKey) Sold {
	x.T.Helper()
	parts, due := x.tab(1 + x.Shop.rand.IntN(4))
	parts.Payments = append(parts.Payments, x.pay(parts.Tab.ID, due))
	ms := Begin.UnixMilli() + int64(x.Shop.next)*1000
	closed, err := receipt.BuildClose(receipt.View(parts), receipt.Closing{
		Shop:    receipt.DocShop{ID: x.Shop.ID, Name: "Café Möwe"},
		Till:    receipt.DocTill{ID: crdt.TillIDOf(key.Public().(ed25519.PublicKey)), Name: x.Name, Serial: "1"},
		Replica: x.Replica, Series: x.Prefix, Number: int64(x.number + 1), Previous: receipt.Digest(x.last),
		Closed: clock(ms), BusinessDay: "2026-09-03", Time: clock,
		Sign: func(doc []byte) (receipt.Signed, error) { return receipt.Sign(key, doc) },
	})
	require.NoError(x.T, err)
	x.number++
	x.last = crdt.Hash(receipt.Hash(closed.Receipt.Document))
	c := x.Make(crdt.Sales, []crdt.Piece{closed.Piece},
		replication.Note{Key: store.SeriesNote + x.Prefix, Value: store.AppendSeries(nil, x.number, x.last)})
	return Sold{closed.ID, closed.Receipt.NumberText(), closed.Document.Totals.Gross, c, closed.Receipt}
}

func clock(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }

// Skip leaves out a number, as no till does.
func (x *Till) Skip() { x.number++ }

// Open leaves an open tab with a payment that nothing settled yet, and returns the payment.
func (x *Till) Open(lines int) crdt.ObjectID {
	x.T.Helper()
	parts, due := x.tab(lines)
	p := x.pay(parts.Tab.ID, due)
	x.Flush()
	return p.ID
}

func (x *Till) tab(lines int) (receipt.Parts, receipt.Amount) {
	tab := x.Shop.NewID()
	ms := Begin.UnixMilli() + int64(x.Shop.next)*1000
	pieces, err := receipt.EditTab(tab, nil, receipt.TabEdit{Head: &receipt.Head{Name: "Tisch 7", OpenedMS: ms, Till: x.ID}})
	parts := receipt.Parts{Tab: x.part(tab, pieces, err)}
	var due receipt.Amount
	for i := range lines {
		id := x.Shop.NewID()
		price := receipt.Amount(100 + x.Shop.rand.IntN(900))
		due += price
		pieces, err := receipt.NewLine(id, tab, receipt.Line{Name: fmt.Sprintf("Artikel %d", i), Quantity: 1000, UnitPrice: price,
			Currency: "EUR", Tax: receipt.TaxRef{Rate: 1900}, Case: receipt.SaleCase, Till: x.ID, MS: ms})
		parts.Lines = append(parts.Lines, x.part(id, pieces, err))
	}
	return parts, due
}

func (x *Till) pay(tab crdt.ObjectID, amount receipt.Amount) receipt.Part {
	id := x.Shop.NewID()
	pieces, err := receipt.NewPayment(id, receipt.Payment{Tab: tab, Type: receipt.CashType, Amount: amount, Till: x.ID,
		MS: Begin.UnixMilli() + int64(x.Shop.next)*1000}, "")
	return x.part(id, pieces, err)
}

// part commits the pieces of a new object and returns it as a view takes it.
func (x *Till) part(id crdt.ObjectID, pieces []crdt.Piece, err error) receipt.Part {
	require.NoError(x.T, err)
	c := x.Make(crdt.Sales, pieces)
	p := receipt.Part{ID: id, Object: new(crdt.Object)}
	for i := range c.Pieces {
		p.Object.Apply(c.Origin(), i, &c.Pieces[i])
		if c.Pieces[i].Kind == crdt.KindItem {
			p.Item = c.Pieces[i].Raw
		}
	}
	return p
}
