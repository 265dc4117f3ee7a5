// Package receipttest writes the documents of whole shops for tests: series of receipts with their closings, signed as a till
// signs them, and the ways in which somebody could spoil them.
package receipttest

import (
	"context"
	"crypto/ed25519"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/receipt/verify"
)

// ShopID is the shop of [Shop].
var ShopID = crdt.ShopID{7}

// Books are a source in memory.
type Books struct {
	Sold    []verify.Entry // receipts and other events of the series
	Starts  []verify.Entry // openings
	Reports []verify.Entry // closings
	Ends    []verify.Head
}

func each[T any](list []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, e := range list {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Receipts is a method of verify.Source.
func (b *Books) Receipts(context.Context) iter.Seq2[verify.Entry, error] { return each(b.Sold) }

// Openings is a method of verify.Source.
func (b *Books) Openings(context.Context) iter.Seq2[verify.Entry, error] { return each(b.Starts) }

// Heads is a method of verify.Source.
func (b *Books) Heads(context.Context) ([]verify.Head, error) { return b.Ends, nil }

// Closings is a method of verify.Source.
func (b *Books) Closings(_ context.Context, _ crdt.ShopID, _ crdt.TillID, series string) iter.Seq2[verify.Entry, error] {
	var out []verify.Entry
	for _, e := range b.Reports {
		if z, err := receipt.ParseZReport(e.Signed.Document); err != nil || z.Series == series {
			out = append(out, e)
		}
	}
	return each(out)
}

// Closed is a method of verify.Source.
func (b *Books) Closed(context.Context) iter.Seq2[verify.Series, error] {
	var out []verify.Series
	for _, e := range b.Reports {
		if z, err := receipt.ParseZReport(e.Signed.Document); err == nil {
			out = append(out, verify.Series{Shop: z.Shop.ID, Till: z.Till.ID, Prefix: z.Series})
		}
	}
	return each(out)
}

// Clone returns a deep copy.
func (b *Books) Clone() *Books {
	deep := func(list []verify.Entry) []verify.Entry {
		out := slices.Clone(list)
		for i := range out {
			out[i].Signed.Document = slices.Clone(out[i].Signed.Document)
			out[i].Signed.Signature = slices.Clone(out[i].Signed.Signature)
			out[i].Signed.Key = slices.Clone(out[i].Signed.Key)
		}
		return out
	}
	return &Books{deep(b.Sold), deep(b.Starts), deep(b.Reports), slices.Clone(b.Ends)}
}

// Series writes the documents of one series.
type Series struct {
	Shop crdt.ShopID
	// Device is what a signing device says of the document with a number; nil: there is none.
	Device   func(number int64) receipt.Object
	t        testing.TB
	b        *Books
	key      ed25519.PrivateKey
	prefix   string
	number   int64
	previous receipt.Digest
	sums     *receipt.ZSums
	from     int64
	z        int64
	lastZ    receipt.Digest
}

// NewSeries begins a series of the till of [ShopID].
func NewSeries(t testing.TB, b *Books, prefix string) *Series {
	return NewSeriesOf(t, b, ShopID, Key(), prefix)
}

// Key returns the device key of the till of [NewSeries].
func Key() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte("a till that sells in the test..."))
}

// NewSeriesOf begins a series of any till.
func NewSeriesOf(t testing.TB, b *Books, shop crdt.ShopID, key ed25519.PrivateKey, prefix string) *Series {
	s := &Series{Shop: shop, t: t, b: b, prefix: prefix, key: key, from: 1}
	s.previous, s.lastZ = receipt.First(shop, s.Till(), prefix), receipt.FirstZ(shop, s.Till(), prefix)
	s.sums = receipt.NewZSums("EUR")
	return s
}

// Till returns the till that signs.
func (s *Series) Till() crdt.TillID {
	public, _ := s.key.Public().(ed25519.PublicKey)
	return crdt.TillIDOf(public)
}

// At returns a time of day, n minutes after 8:00.
func At(n int64) string {
	return time.Date(2026, 9, 3, 8, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Minute).Format(time.RFC3339)
}

// Sign signs a document as the till.
func (s *Series) Sign(d []byte) (receipt.Signed, error) { return receipt.Sign(s.key, d) }

// Header returns a document of the next number without lines.
func (s *Series) Header(kind string) receipt.Document {
	d := receipt.Document{
		Version: receipt.DocumentVersion, Kind: kind, ID: receipt.ReceiptID(s.Shop, s.Till(), s.prefix, s.number), Shop: receipt.DocShop{ID: s.Shop, Name: "Café Möwe"},
		Till: receipt.DocTill{ID: s.Till(), Name: "Theke", Serial: "1"}, Replica: crdt.ReplicaID{3}, Series: s.prefix, Number: s.number, Previous: s.previous,
		Currency: "EUR", Opened: At(s.number), Closed: At(s.number), BusinessDay: "2026-09-03", ClockTrusted: true, User: "Anna",
	}
	if s.Device != nil {
		d.Security = s.Device(s.number)
	}
	return d
}

// Open opens the series as one that continues another.
func (s *Series) Open(before string, last int64, hash receipt.Digest) {
	o, err := receipt.BuildOpening(receipt.SeriesStart{Shop: receipt.DocShop{ID: s.Shop, Name: "Café Möwe"}, Till: receipt.DocTill{ID: s.Till(), Name: "Theke", Serial: "1"},
		Replica: crdt.ReplicaID{4}, Series: s.prefix, Currency: "EUR", Time: At(0), BusinessDay: "2026-09-03",
		Continues: receipt.DocOpening{Series: before, LastNumber: last, LastHash: &hash, Reason: "test"}, Sign: s.Sign})
	require.NoError(s.t, err)
	s.b.Starts = append(s.b.Starts, verify.Entry{ID: o.ID, Signed: o.Opening.Signed})
	s.previous, s.from = o.Hash, 0
	require.NoError(s.t, s.sums.Add(&o.Document, o.Hash))
}

// Sell writes a receipt of some lines.
func (s *Series) Sell(amounts ...receipt.Amount) {
	s.number++
	d := s.Header(receipt.KindReceipt)
	for i, a := range amounts {
		d.Lines = append(d.Lines, receipt.DocLine{ID: crdt.ObjectID{1, byte(i), byte(s.number >> 8), byte(s.number)}, Name: "Espresso", Quantity: 1000, UnitPrice: a,
			Tax: receipt.TaxRef{Key: "1", Rate: 1900}, Case: receipt.SaleCase, Till: s.Till(), Time: At(s.number)})
	}
	require.NoError(s.t, d.FillTotals())
	d.Payments = []receipt.DocPayment{{ID: crdt.ObjectID{2, byte(s.number >> 8), byte(s.number)}, Type: receipt.CashType, Tendered: d.Totals.Gross, Till: s.Till(), Time: At(s.number)}}
	require.NoError(s.t, d.FillTotals())
	s.Write(d)
}

// Write signs a document and adds it.
func (s *Series) Write(d receipt.Document) {
	raw, err := d.Canonical()
	require.NoError(s.t, err)
	signed, err := s.Sign(raw)
	require.NoError(s.t, err)
	s.previous = receipt.Hash(raw)
	s.b.Sold = append(s.b.Sold, verify.Entry{ID: d.ID, Signed: signed})
	require.NoError(s.t, s.sums.Add(&d, s.previous))
}

// Close writes a closing of everything since the last one.
func (s *Series) Close(change func(*receipt.ZReport)) {
	s.z++
	z := receipt.ZReport{Shop: receipt.DocShop{ID: s.Shop, Name: "Café Möwe"}, Till: receipt.DocTill{ID: s.Till(), Name: "Theke", Serial: "1"}, Replica: crdt.ReplicaID{3},
		Series: s.prefix, Number: s.z, Previous: s.lastZ, Currency: "EUR", Closed: At(s.number), BusinessDay: "2026-09-03", ClockTrusted: true,
		From: s.from, To: s.number, Began: s.sums.Began(), Hash: s.sums.Hash(), Last: s.previous, Sums: s.sums.Totals(), Cash: receipt.ZCash{Expected: s.sums.Drawer()}}
	if change != nil {
		change(&z)
	}
	closed, err := receipt.BuildZ(z, s.Sign)
	require.NoError(s.t, err)
	s.b.Reports = append(s.b.Reports, verify.Entry{ID: closed.ID, Signed: closed.Item.Signed})
	s.lastZ, s.from, s.sums = closed.Hash, s.number+1, receipt.NewZSums("EUR")
}

// Again makes the next receipt take the last number again, and the next closing cover it again.
func (s *Series) Again() {
	s.from = s.number
	s.number--
}

// Last returns the number and the hash of the last document.
func (s *Series) Last() (int64, receipt.Digest) { return s.number, s.previous }

// Resigned changes a document, and signs it again as whoever has the key could.
func (s *Series) Resigned(e *verify.Entry, change func(*receipt.Document)) {
	d, err := receipt.ParseDocument(e.Signed.Document)
	require.NoError(s.t, err)
	change(&d)
	raw, err := d.Canonical()
	require.NoError(s.t, err)
	e.Signed, err = s.Sign(raw)
	require.NoError(s.t, err)
}

// Shop returns the books of a shop: K2 with three closings, K2b that continues it, and K2c without a receipt.
func Shop(t testing.TB) (*Books, *Series) {
	b := &Books{}
	s := NewSeries(t, b, "K2")
	s.Close(nil) // nothing was sold yet
	for n := range receipt.Amount(5) {
		s.Sell(340, 100+n)
	}
	s.Close(nil)
	for range 3 {
		s.Sell(990)
	}
	s.Close(nil)
	s.Sell(1)
	next := NewSeries(t, b, "K2b")
	next.Open("K2", 9, s.previous)
	next.Sell(500)
	next.Sell(250, 250)
	next.Close(nil)
	NewSeries(t, b, "K2c").Open("K2b", 2, next.previous)
	return b, s
}
