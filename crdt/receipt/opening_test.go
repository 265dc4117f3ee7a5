package receipt_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// seriesStart opens K2b after K2-000417.
func seriesStart() receipt.SeriesStart {
	h := header(receipt.KindOpening, 0)
	hash := receipt.Hash([]byte("the last one of K2"))
	return receipt.SeriesStart{Shop: h.Shop, Till: h.Till, Replica: h.Replica, Series: "K2b", Currency: "EUR", Time: h.Closed,
		BusinessDay: h.BusinessDay, ClockTrusted: true,
		Continues: receipt.DocOpening{Replica: crdt.ReplicaID{1}, Series: "K2", LastNumber: 417, LastHash: &hash, Reason: "restored from a backup"},
		Sign:      func(b []byte) (receipt.Signed, error) { return receipt.Sign(deviceKey, b) }}
}

func TestOpeningIsBuiltAndVerified(t *testing.T) {
	o, err := receipt.BuildOpening(seriesStart())
	require.NoError(t, err)
	require.Equal(t, "K2b-000000", receipt.NumberText(o.Document.Series, o.Document.Number))
	require.Equal(t, receipt.OpeningID(crdt.ShopID{1, 2, 3}, tillID(), "K2b"), o.ID)
	require.Zero(t, receipt.NumberOf(o.ID))
	require.Equal(t, crdt.KindItem, o.Piece.Kind)
	back, err := receipt.ParseOpening(o.Piece.Raw)
	require.NoError(t, err)
	d, err := back.Verify(o.ID)
	require.NoError(t, err)
	require.Equal(t, seriesStart().Continues, *d.Opening)
	require.Equal(t, o.Hash, receipt.Hash(back.Document))

	_, err = back.Verify(receipt.OpeningID(crdt.ShopID{1, 2, 3}, tillID(), "K2c"))
	require.ErrorIs(t, err, receipt.ErrInvalid)
	other := back
	other.Series = "K2c"
	_, err = other.Verify(o.ID)
	require.ErrorIs(t, err, receipt.ErrInvalid)
	other = back
	other.Signature = bytes.Repeat([]byte{1}, 64)
	_, err = other.Verify(o.ID)
	require.ErrorIs(t, err, receipt.ErrSign)
	s := signed(t, sample(t, 1, 1), receipt.First(crdt.ShopID{1, 2, 3}, tillID(), "K2"))
	_, err = receipt.Opening{Signed: s, Series: "K2"}.Verify(receipt.OpeningID(crdt.ShopID{1, 2, 3}, tillID(), "K2"))
	require.ErrorIs(t, err, receipt.ErrInvalid, "a receipt is no opening")
	moved := opening()
	moved.ID = receipt.OpeningID(crdt.ShopID{1, 2, 3}, tillID(), "K2")
	s = signed(t, moved, receipt.Digest{5})
	_, err = receipt.Opening{Signed: s, Series: "K2"}.Verify(moved.ID)
	require.ErrorIs(t, err, receipt.ErrInvalid, "it begins its series")
}

func TestOpeningRefuses(t *testing.T) {
	bad := seriesStart()
	bad.Series = "K-2"
	_, err := receipt.BuildOpening(bad)
	require.ErrorIs(t, err, receipt.ErrDocument)
	bad = seriesStart()
	bad.Continues.LastNumber = -1
	_, err = receipt.BuildOpening(bad)
	require.ErrorIs(t, err, receipt.ErrDocument)
	bad = seriesStart()
	failed := errors.New("no device")
	bad.Sign = func([]byte) (receipt.Signed, error) { return receipt.Signed{}, failed }
	_, err = receipt.BuildOpening(bad)
	require.ErrorIs(t, err, failed)
	bad.Sign = func(b []byte) (receipt.Signed, error) { return receipt.Signed{Document: []byte("x")}, nil }
	_, err = receipt.BuildOpening(bad)
	require.ErrorIs(t, err, receipt.ErrSign)
	_, err = receipt.NewOpening(crdt.ObjectID{1}, receipt.Opening{})
	require.ErrorIs(t, err, receipt.ErrInvalid)
	_, err = receipt.ParseHeader([]byte(`{"closed":"","kind":"receipt","number":0,"previous_hash":"` + receipt.Digest{}.String() +
		`","series":"K2","shop":{"id":"` + crdt.ShopID{}.String() + `"},"till":{"id":"` + tillID().String() + `"},"version":1}`))
	require.ErrorIs(t, err, receipt.ErrDocument, "only an opening has number 0")
	numbered := opening()
	numbered.Number = 1
	require.NotEmpty(t, numbered.Check())
}

// openedChain is a series K2b: its opening and n receipts.
func openedChain(t *testing.T, n int64) []receipt.Signed {
	t.Helper()
	o, err := receipt.BuildOpening(seriesStart())
	require.NoError(t, err)
	docs, previous := []receipt.Signed{o.Opening.Signed}, o.Hash
	for i := range n {
		d := sample(t, i+1, 1)
		d.Series = "K2b"
		s := signed(t, d, previous)
		docs, previous = append(docs, s), receipt.Hash(s.Document)
	}
	return docs
}

func TestChainBeginsWithItsOpening(t *testing.T) {
	k2b := receipt.Chain{Shop: crdt.ShopID{1, 2, 3}, Till: tillID(), Series: "K2b"}
	must := k2b
	must.Opened = true
	docs := openedChain(t, 3)
	for _, c := range []receipt.Chain{k2b, must, {}} {
		r := verify(t, docs, c)
		require.True(t, r.OK(), codes(r))
		require.EqualValues(t, 4, r.Documents)
		require.Zero(t, r.First.Number)
		require.EqualValues(t, 3, r.Last.Number)
	}
	require.Equal(t, []string{"start:1"}, codes(verify(t, docs[1:], k2b)), "number 1 names an opening that is not there")
	r := verify(t, docs[1:], must)
	require.Equal(t, []string{"gap:0"}, codes(r))
	require.EqualValues(t, 1, r.Missing)
	require.Equal(t, []string{"gap:1"}, codes(verify(t, append(docs[:1:1], docs[2:]...), k2b)))
	require.Equal(t, []string{"duplicate:0"}, codes(verify(t, append(docs[:1:1], docs...), k2b)))

	other := seriesStart()
	other.Continues.LastNumber++
	forked, err := receipt.BuildOpening(other)
	require.NoError(t, err)
	require.Equal(t, []string{"fork:0"}, codes(verify(t, append([]receipt.Signed{docs[0], forked.Opening.Signed}, docs[1:]...), k2b)))
	require.Equal(t, []string{"changed:0"}, codes(verify(t, append([]receipt.Signed{forked.Opening.Signed}, docs[1:]...), k2b)))
	require.Equal(t, []string{"order:0"}, codes(verify(t, append(docs[1:3:3], docs[0]), receipt.Chain{Series: "K2b",
		After: &receipt.ChainLink{Hash: receipt.Hash(docs[0].Document)}})))
	after := k2b
	after.After = &receipt.ChainLink{Number: 0, Hash: receipt.Hash(docs[0].Document)}
	require.True(t, verify(t, docs[1:], after).OK(), "what follows a known opening")
}
