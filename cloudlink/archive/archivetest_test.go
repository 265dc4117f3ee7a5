package archive_test

import (
	"crypto/ed25519"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/receipt/receipttest"
)

var account = archive.AccountID{1, 2, 3}

func cloudKey() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte("a cloud that signs in the tests."))
}

// commit seals one commit of a scope.
func commit(t testing.TB, scope crdt.Scope, seq uint32, pieces ...crdt.Piece) *crdt.Commit {
	t.Helper()
	c := &crdt.Commit{Scope: scope, Dot: crdt.Dot{Replica: crdt.ReplicaID{5}, Seq: crdt.NewSeq(9, seq)}, Stamp: crdt.Stamp{Trusted: true, MS: 1788422400000},
		WallMS: 1788422400000, Pieces: pieces}
	require.NoError(t, c.Seal())
	return c
}

func record(fields ...string) []byte {
	var r crdt.Record
	for i := 0; i < len(fields); i += 2 {
		r.SetString(fields[i], fields[i+1])
	}
	return r.Bytes()
}

// sold returns the piece of a receipt of the test's shop.
func sold(t testing.TB) crdt.Piece {
	t.Helper()
	b, _ := receipttest.Shop(t)
	e := b.Sold[0]
	h, err := receipt.ParseHeader(e.Signed.Document)
	require.NoError(t, err)
	p, err := receipt.NewReceipt(e.ID, receipt.Receipt{Signed: e.Signed, Series: h.Series, Number: h.Number, BusinessDay: "2026-09-03"}, receipt.Supersedes{})
	require.NoError(t, err)
	return p
}
