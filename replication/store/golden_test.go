package store_test

import (
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/memory"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "v1", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got, name)
}

// The record beside the store outlives the program that wrote it.
func TestRecordGolden(t *testing.T) {
	rec := store.Record{Replica: guardReplica, Boot: 217382912,
		Confirmed: store.Marks{Scopes: map[crdt.Scope]crdt.Seq{crdt.Shop: crdt.NewSeq(3, 1), crdt.Sales: crdt.NewSeq(3, 9)}, Series: map[string]uint64{"K2": 418, "K2b": 3}},
		Pending:   store.Marks{Scopes: map[crdt.Scope]crdt.Seq{crdt.Sales: crdt.NewSeq(3, 10)}, Series: map[string]uint64{"K2": 419}}}
	golden(t, "record.hex", hex.EncodeToString(rec.Encode())+"\n")
	again, err := store.DecodeRecord(rec.Encode())
	require.NoError(t, err)
	require.Equal(t, rec, again)
}

func TestSeriesNoteGolden(t *testing.T) {
	value := store.AppendSeries(nil, 418, crdt.Hash{1, 2, 3})
	golden(t, filepath.Join("notes", "series.txt"), strconv.Quote(store.SeriesNote+"K2")+"\n"+hex.EncodeToString(value)+"\n")
	number, hash, err := store.ReadSeries(value)
	require.NoError(t, err)
	require.Equal(t, uint64(418), number)
	require.Equal(t, crdt.Hash{1, 2, 3}, hash)
}

// A small store keeps its rows: whose it is, its start, two changes, the second of which takes out what the first one wrote, with
// their objects, head, context, digest and a note.
func TestRowsGolden(t *testing.T) {
	disk := memory.New()
	st, err := store.Open(t.Context(), disk)
	require.NoError(t, err)
	id := store.Identity{Shop: crdt.ShopID{1}, Till: crdt.TillID{2}, Replica: guardReplica}
	require.NoError(t, st.SetIdentity(t.Context(), id))
	boot, err := st.NextBoot(t.Context(), 1_790_000_000)
	require.NoError(t, err)
	first := ownOp(t, boot, 1, 0, 1)
	next := &crdt.Commit{Scope: crdt.Sales, Dot: crdt.Dot{Replica: guardReplica, Seq: crdt.NewSeq(boot, 2)}, Pred: first.Commit.Dot.Seq, Schema: 1,
		Pieces: []crdt.Piece{
			{Kind: crdt.KindItem, Type: "receipt", Object: crdt.ObjectID{2}, Raw: []byte{0x80},
				Objects: []crdt.TypedObjects{{Type: "receipt", IDs: []crdt.ObjectID{{1}}}}},
			{Kind: crdt.KindRegister, Type: "tab", Object: crdt.ObjectID{5}, Name: "head", Raw: []byte{0x80}},
		}}
	require.NoError(t, next.Seal())
	_, err = st.Apply(t.Context(), []replication.Op{first, {Commit: next, Own: true}})
	require.NoError(t, err)
	rows, err := disk.Scan(t.Context(), nil, nil, 1000, 0)
	require.NoError(t, err)
	var text strings.Builder
	for _, r := range rows {
		text.WriteString(strconv.Quote(string(r.Key)) + " " + hex.EncodeToString(r.Value) + "\n")
	}
	golden(t, "rows.txt", text.String())
	same, err := st.Identity(t.Context())
	require.NoError(t, err)
	require.Equal(t, id, same)
	require.NoError(t, st.Close())
}
