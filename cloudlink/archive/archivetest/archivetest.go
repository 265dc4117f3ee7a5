// Package archivetest makes the commits of whole shops for tests of the archive: a founded shop, its master data, and the documents of its till.
package archivetest

import (
	"crypto/ed25519"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/receipt/receipttest"
	"github.com/tillmesh/tillmesh/crdt/receipt/verify"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

// NowMS is the stamp of all commits: 2026-09-03.
const NowMS = 1788422400000

// CloudKey returns the key with which the cloud of the tests signs.
func CloudKey() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte("a cloud that signs in the tests."))
}

// Shop is a shop with one till.
type Shop struct {
	ID      crdt.ShopID
	Key     ed25519.PrivateKey
	Books   *receipttest.Books
	Series  *receipttest.Series
	Commits []*crdt.Commit // so far

	t    testing.TB
	seqs map[crdt.Scope]uint32
	rep  crdt.ReplicaID
	done [3]int // how many entries of the books are in commits
}

// NewShop founds a shop; n makes it another one.
func NewShop(t testing.TB, n byte) *Shop {
	t.Helper()
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = n
	s := &Shop{t: t, Key: ed25519.NewKeyFromSeed(seed), Books: &receipttest.Books{}, seqs: make(map[crdt.Scope]uint32), rep: crdt.ReplicaID{3, n}}
	public, _ := s.Key.Public().(ed25519.PublicKey)
	admission, id := shop.Found(public, [shop.NonceSize]byte{n}, "Theke", NowMS)
	s.ID = id
	piece, err := admission.Sign(id, s.Key)
	require.NoError(t, err)
	s.Commit(crdt.Shop, piece)
	s.Series = receipttest.NewSeriesOf(t, s.Books, id, s.Key, "K1")
	return s
}

// Commit adds a commit.
func (s *Shop) Commit(scope crdt.Scope, pieces ...crdt.Piece) *crdt.Commit {
	s.t.Helper()
	s.seqs[scope]++
	c := &crdt.Commit{Scope: scope, Dot: crdt.Dot{Replica: s.rep, Seq: crdt.NewSeq(9, s.seqs[scope])}, Stamp: crdt.Stamp{Trusted: true, MS: NowMS}, WallMS: NowMS, Pieces: pieces}
	require.NoError(s.t, c.Seal())
	s.Commits = append(s.Commits, c)
	return c
}

// Article adds a version of an article.
func (s *Shop) Article(id byte, name string) {
	var r crdt.Record
	r.SetString("n", name)
	r.SetInt("p", -340)
	r.SetBinary("x", []byte{1, 2})
	s.Commit(crdt.Catalog, crdt.Piece{Kind: crdt.KindRegister, Type: "article", Object: crdt.ObjectID{id}, Name: "texts", Raw: r.Bytes()})
}

// Customer adds a version of a customer.
func (s *Shop) Customer(id byte, name string) {
	var r crdt.Record
	r.SetString("n", name)
	salt := []byte(fmt.Sprintf("salt %011d", s.seqs[crdt.Customers]))
	s.Commit(crdt.Customers, crdt.Piece{Kind: crdt.KindRegister, Type: "customer", Object: crdt.ObjectID{id}, Name: "contact", Salt: salt, Raw: r.Bytes()})
}

// Forget erases a customer.
func (s *Shop) Forget(id byte) {
	s.Commit(crdt.Customers, crdt.Piece{Kind: crdt.KindItem, Type: "erasure", Object: crdt.ObjectID{id, 1}, Salt: []byte("salt of an erase"), Raw: []byte{0x80},
		Erases: crdt.TypedObject{Type: "customer", Object: crdt.ObjectID{id}}})
}

// Forgotten drops commits and documents that were made, so that long series take no memory.
func (s *Shop) Forgotten() {
	s.Commits, s.done = nil, [3]int{}
	*s.Books = receipttest.Books{}
}

// Fill makes commits of all documents of the books that are in none yet: receipts first, closings last.
func (s *Shop) Fill() {
	for ; s.done[0] < len(s.Books.Starts); s.done[0]++ {
		e := s.Books.Starts[s.done[0]]
		s.item(receipt.TypeOpening, e, func(h receipt.Header) []byte { return receipt.Opening{Signed: e.Signed, Series: h.Series}.Bytes() })
	}
	for ; s.done[1] < len(s.Books.Sold); s.done[1]++ {
		e := s.Books.Sold[s.done[1]]
		s.item(receipt.TypeReceipt, e, func(h receipt.Header) []byte {
			return receipt.Receipt{Signed: e.Signed, Series: h.Series, Number: h.Number, BusinessDay: "2026-09-03"}.Bytes()
		})
	}
	for ; s.done[2] < len(s.Books.Reports); s.done[2]++ {
		e := s.Books.Reports[s.done[2]]
		s.item(receipt.TypeClosing, e, func(receipt.Header) []byte {
			z, err := receipt.ParseZReport(e.Signed.Document)
			require.NoError(s.t, err)
			return receipt.ClosingItem{Signed: e.Signed, Series: z.Series, Number: z.Number, BusinessDay: z.BusinessDay, From: z.From, To: z.To}.Bytes()
		})
	}
}

func (s *Shop) item(typ string, e verify.Entry, raw func(receipt.Header) []byte) {
	h, err := receipt.ParseHeader(e.Signed.Document)
	require.NoError(s.t, err)
	s.Commit(crdt.Sales, crdt.Piece{Kind: crdt.KindItem, Type: typ, Object: e.ID, Raw: raw(h)})
}

// Day makes the commits of a day: articles, a customer, n receipts and a closing.
func Day(t testing.TB, shop byte, n int) *Shop {
	s := NewShop(t, shop)
	s.Article(1, "Espresso")
	s.Article(1, "Espresso <doppio> & \u2028 Möwe")
	s.Customer(2, "Anna Möwe")
	for i := range n {
		s.Series.Sell(receipt.Amount(340+i), 100)
	}
	s.Fill()
	s.Series.Close(nil)
	s.Fill()
	return s
}
