package archive_test

import (
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt/receipttest"
)

var update = flag.Bool("update", false, "write the golden bytes anew")

const goldenDir = "../../testdata/archive/v1"

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join(goldenDir, name)
	if *update {
		require.NoError(t, os.MkdirAll(goldenDir, 0o755))
		require.NoError(t, os.WriteFile(path, got, 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "these bytes must never change; a new version of the format gets a directory of its own")
}

// samples are one leaf of each kind.
func samples(t testing.TB) []archive.Leaf {
	digest := func(b byte) (d [32]byte) {
		for i := range d {
			d[i] = b + byte(i)
		}
		return d
	}
	sale := archive.Entries(receipttest.ShopID, commit(t, crdt.Sales, 1, sold(t)))[0].Leaf
	salted := crdt.Piece{Kind: crdt.KindRegister, Type: "customer", Object: crdt.ObjectID{6}, Name: "contact", Salt: []byte("0123456789abcdef"), Raw: record("n", "Anna Möwe")}
	customer := archive.Entries(receipttest.ShopID, commit(t, crdt.Customers, 2, salted))[0].Leaf
	j, err := archive.Judgement{Code: archive.NoteLate, About: 41, Text: "K2-000001 came after K2 Z 1, which covers it."}.Entry(sale, "2026-09-04")
	require.NoError(t, err)
	base := archive.Leaf{Shop: receipttest.ShopID, Scope: crdt.Sales, Dot: crdt.Dot{Replica: crdt.ReplicaID{5}, Seq: crdt.NewSeq(9, 3)}, Object: crdt.ObjectID{7}, Name: "K2b",
		Day: "2026-09-03", Digest: digest(1), Hash: digest(100)}
	opening, closing := base, base
	opening.Kind, opening.Type = archive.Opening, "opening"
	closing.Kind, closing.Type, closing.Number = archive.Closing, "closing", 17
	own := archive.Leaf{Kind: archive.Item, Shop: receipttest.ShopID, Scope: crdt.Scope{Kind: crdt.KindStock, Owner: crdt.TillID{4}}, Dot: base.Dot, Piece: 2, Type: "stocktake",
		Object: crdt.ObjectID{1}, Day: "2026-12-31", Digest: digest(7)}
	return []archive.Leaf{sale, opening, closing, customer, own, j.Leaf}
}

func TestGoldenLeaves(t *testing.T) {
	var b strings.Builder
	for _, l := range samples(t) {
		raw := l.Bytes()
		record := archive.RecordHash(raw)
		e := archive.Entry{Leaf: l}
		origin := e.Origin()
		b.WriteString(l.Kind.String() + "\n  leaf   " + hex.EncodeToString(raw) + "\n  record " + hex.EncodeToString(record[:]) + "\n  origin " + hex.EncodeToString(origin[:]) + "\n")
		back, err := archive.ParseLeaf(raw)
		require.NoError(t, err)
		require.Equal(t, l, back)
		require.LessOrEqual(t, len(raw), archive.MaxLeaf)
	}
	golden(t, "leaves.txt", []byte(b.String()))
}

func TestGoldenCheckpoint(t *testing.T) {
	golden(t, "checkpoint.txt", grown(t, 5, honest).checkpoint(t, 5, 1788422400000))
}

func FuzzParseLeaf(f *testing.F) {
	for _, l := range samples(f) {
		f.Add(l.Bytes())
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := archive.ParseLeaf(b)
		if err == nil {
			require.Equal(t, b, l.Bytes(), "each leaf has one encoding")
			require.NoError(t, l.Check())
		}
	})
}

func FuzzOpenCheckpoint(f *testing.F) {
	f.Add(grown(f, 5, honest).checkpoint(f, 5, 1788422400000))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, v := signer(t)
		c, err := archive.OpenCheckpoint(b, account, v)
		if err == nil {
			s, _ := signer(t)
			again, err := archive.SignCheckpoint(c, s)
			require.NoError(t, err)
			require.Equal(t, b, again)
		}
	})
}
