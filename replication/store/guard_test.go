package store_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/highwater"
	"github.com/tillmesh/tillmesh/replication/store/memory"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

var guardReplica = crdt.ReplicaID{7}

// guarded opens the store on a disk with the record beside it.
func guarded(t *testing.T, disk *memory.Disk, path string, boot uint32) (*store.Guard, *highwater.File) {
	t.Helper()
	engine, err := disk.Open()
	require.NoError(t, err)
	st, err := store.Open(t.Context(), engine)
	require.NoError(t, err)
	file, payload, err := highwater.Open(path)
	if errors.Is(err, highwater.ErrMissing) {
		payload = store.Record{Replica: guardReplica}.Encode()
		file, err = highwater.Create(path, payload)
	}
	require.NoError(t, err)
	rec, err := store.DecodeRecord(payload)
	require.NoError(t, err)
	require.NoError(t, st.Check(t.Context(), rec, guardReplica))
	g, err := store.NewGuard(t.Context(), st, file, guardReplica, boot)
	require.NoError(t, err)
	return g, file
}

func ownOp(t *testing.T, boot, k uint32, pred crdt.Seq, series uint64) replication.Op {
	t.Helper()
	c := &crdt.Commit{Scope: crdt.Sales, Dot: crdt.Dot{Replica: guardReplica, Seq: crdt.NewSeq(boot, k)}, Pred: pred, Schema: 1,
		Pieces: []crdt.Piece{{Kind: crdt.KindItem, Type: "receipt", Object: crdt.ObjectID{byte(k)}, Raw: []byte{0x80}}}}
	require.NoError(t, c.Seal())
	return replication.Op{Commit: c, Own: true, Notes: []replication.Note{{Key: store.SeriesNote + "K1", Value: store.AppendSeries(nil, series, c.Hash())}}}
}

func record(t *testing.T, path string) store.Record {
	t.Helper()
	file, payload, err := highwater.Open(path)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	rec, err := store.DecodeRecord(payload)
	require.NoError(t, err)
	return rec
}

func TestRecordFollowsTheStore(t *testing.T) {
	disk, path := memory.NewDisk(), filepath.Join(t.TempDir(), "highwater")
	g, file := guarded(t, disk, path, 1)
	_, err := g.Apply(t.Context(), []replication.Op{ownOp(t, 1, 1, 0, 1)})
	require.NoError(t, err)
	rec := record(t, path)
	require.Empty(t, rec.Confirmed.Series, "the first number was not confirmed before it was written")
	require.Equal(t, uint64(1), rec.Pending.Series["K1"])
	require.Equal(t, crdt.NewSeq(1, 1), rec.Pending.Scopes[crdt.Sales])
	require.NoError(t, g.Settle())
	require.Equal(t, uint64(1), record(t, path).Confirmed.Series["K1"])
	require.NoError(t, file.Close())
}

// Without its own runs a till would take its last changes for those of the lineage before, and begin its chain anew.
func TestAStoreThatLostItsOwnRunsIsInDoubt(t *testing.T) {
	disk, path := memory.NewDisk(), filepath.Join(t.TempDir(), "highwater")
	g, file := guarded(t, disk, path, 1)
	_, err := g.Apply(t.Context(), []replication.Op{ownOp(t, 1, 1, 0, 1)})
	require.NoError(t, err)
	require.NoError(t, g.Settle())
	require.NoError(t, file.Close())

	engine, err := disk.Clone().Open()
	require.NoError(t, err)
	list, err := engine.Scan(t.Context(), []byte{'k'}, []byte{'l'}, 10, 0)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.NoError(t, engine.Commit(t.Context(), []rows.Write{{Key: list[0].Key, Delete: true}}))
	st, err := store.Open(t.Context(), engine)
	require.NoError(t, err)
	err = st.Check(t.Context(), record(t, path), guardReplica)
	require.ErrorIs(t, err, store.ErrDoubt)
	require.ErrorContains(t, err, "no longer knows it")
}

func TestAStoreThatLostConfirmedChangesIsInDoubt(t *testing.T) {
	disk, path := memory.NewDisk(), filepath.Join(t.TempDir(), "highwater")
	g, file := guarded(t, disk, path, 1)
	_, err := g.Apply(t.Context(), []replication.Op{ownOp(t, 1, 1, 0, 1)})
	require.NoError(t, err)
	older := disk.Clone()
	_, err = g.Apply(t.Context(), []replication.Op{ownOp(t, 1, 2, crdt.NewSeq(1, 1), 2)})
	require.NoError(t, err)
	require.NoError(t, g.Settle())
	require.NoError(t, file.Close())

	engine, err := older.Open()
	require.NoError(t, err)
	st, err := store.Open(t.Context(), engine)
	require.NoError(t, err)
	err = st.Check(t.Context(), record(t, path), guardReplica)
	require.ErrorIs(t, err, store.ErrDoubt)
	rec := record(t, path)
	rec.Confirmed.Scopes = nil
	require.ErrorContains(t, st.Check(t.Context(), rec, guardReplica), "K1-000002")
	require.ErrorIs(t, st.Check(t.Context(), rec, crdt.ReplicaID{8}), store.ErrDoubt)
}

func TestACrashBetweenRecordAndStoreIsNoDoubt(t *testing.T) {
	disk, path := memory.NewDisk(), filepath.Join(t.TempDir(), "highwater")
	g, file := guarded(t, disk, path, 1)
	_, err := g.Apply(t.Context(), []replication.Op{ownOp(t, 1, 1, 0, 1)})
	require.NoError(t, err)
	disk.FailNext(memory.BeforeWrite)
	_, err = g.Apply(t.Context(), []replication.Op{ownOp(t, 1, 2, crdt.NewSeq(1, 1), 2)})
	require.Error(t, err, "the record was written, the store was not")
	require.Equal(t, uint64(2), record(t, path).Pending.Series["K1"])
	disk.Crash()
	require.NoError(t, file.Close())

	g, file = guarded(t, disk, path, 2) // which checks that there is no doubt
	_, err = g.Apply(t.Context(), []replication.Op{ownOp(t, 2, 1, crdt.NewSeq(1, 1), 2)})
	require.NoError(t, err, "the number nobody was told of is given out now")
	require.NoError(t, file.Close())
}

// deaf is a record file whose disk fails.
type deaf struct{ err error }

func (d *deaf) Write([]byte) error { return d.err }

func TestARecordThatCannotBeWrittenStopsTheStore(t *testing.T) {
	engine, err := memory.NewDisk().Open()
	require.NoError(t, err)
	st, err := store.Open(t.Context(), engine)
	require.NoError(t, err)
	file := &deaf{}
	g, err := store.NewGuard(t.Context(), st, file, guardReplica, 1)
	require.NoError(t, err)
	file.err = errors.New("no disk")
	_, err = g.Apply(t.Context(), []replication.Op{ownOp(t, 1, 1, 0, 1)})
	require.ErrorIs(t, err, rows.ErrFailed, "nobody may be answered, and nothing more may be written")
	require.ErrorIs(t, err, file.err)
}
