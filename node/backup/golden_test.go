package backup_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node/backup"
	"github.com/tillmesh/tillmesh/node/backup/backuptest"
	"github.com/tillmesh/tillmesh/replication"
)

var update = flag.Bool("update", false, "write the golden file anew")

const goldenFile = "../../testdata/backup/v1/small.backup"

// golden is a shop of two tills that follows from its seed.
func golden(t testing.TB) *backuptest.Till {
	a := backuptest.Found(t, "", 7)
	b := a.Admit("", "K2", "Kasse 2")
	a.Article("Kaffee")
	a.Sell(2)
	b.Sell(1)
	a.Open(1)
	a.Pull(b)
	return a
}

// The bytes of version 1 stay readable for ever, and what is written of what they hold says the same. Only -update
// depends on how documents are written today.
func TestGolden(t *testing.T) {
	if *update {
		a := golden(t)
		require.NoError(t, os.WriteFile(goldenFile, bytesOf(t, a.Gate, a.About()), 0o600))
	}
	file, err := os.ReadFile(goldenFile)
	require.NoError(t, err)
	st, c := restore(t, "", file)
	h := c.Report.Header
	require.Equal(t, "Café Möwe", h.ShopName)
	require.Equal(t, "Kasse 1", h.TillName)
	require.Equal(t, "K1", h.Prefix)
	require.Equal(t, "1.2.3", h.Program)
	require.Equal(t, backuptest.Begin.Add(time.Hour), h.Made)
	require.Equal(t, "the founder's secret", string(c.Secrets.Founder))
	require.Len(t, c.Secrets.Gossip, 2)
	require.Equal(t, []backup.ScopeCount{{Scope: crdt.Shop, Commits: 3}, {Scope: crdt.Catalog, Commits: 1}, {Scope: crdt.Sales, Commits: 6}}, c.Report.Scopes)
	require.EqualValues(t, 2, c.Report.Heads[0].Number)
	require.Empty(t, c.Report.Problems)

	_, err = st.Apply(t.Context(), []replication.Op{{Notes: c.Report.Notes}})
	require.NoError(t, err)
	again := bytesOf(t, backup.NewGate(st), backup.About{Header: h, Secrets: c.Secrets})
	// How well zstd packs is not part of the format; what is packed is.
	require.Equal(t, plain(t, file), plain(t, again))
}

// plain reads blocks by what FORMAT.md says alone: another library for msgpack, no code of the package. The end block holds
// a hash of packed bytes and is left out.
func plain(t *testing.T, file []byte) (out []string) {
	t.Helper()
	require.Equal(t, "tmbackup\x00\x01\x00\x00", string(file[:12]))
	zip, err := zstd.NewReader(nil)
	require.NoError(t, err)
	defer zip.Close()
	previous := sha256.Sum256(file[:12])
	for i, s := range spans(t, file) {
		stored := file[s.from+16 : s.to-32]
		sum := sha256.New()
		sum.Write([]byte("tillmesh backup block 1\n"))
		sum.Write(previous[:])
		sum.Write(file[s.from : s.from+16])
		sum.Write(stored)
		require.Equal(t, file[s.to-32:s.to], sum.Sum(nil), "block %d", i)
		previous = [32]byte(file[s.to-32 : s.to])
		b, err := zip.DecodeAll(stored, nil)
		require.NoError(t, err)
		var values []any
		require.NoError(t, msgpack.Unmarshal(b, &values))
		switch s.kind {
		case 'H':
			require.Equal(t, "Café Möwe", values[1])
			require.Equal(t, "K1", values[5])
		case 'C':
			for _, v := range values[2:] {
				var commit []any
				require.NoError(t, msgpack.Unmarshal(v.([]byte), &commit))
			}
		case 'E':
			require.EqualValues(t, i, values[0])
			all := sha256.Sum256(file[:s.from])
			require.True(t, bytes.Equal(all[:], values[3].([]byte)))
			continue
		}
		out = append(out, string(s.kind)+" "+hex.EncodeToString(b))
	}
	return out
}

// A backup of a till that heard of its own last receipt but lost it says so.
func TestProblemsAreSentences(t *testing.T) {
	a := golden(t)
	a.Skip()
	a.Sell(1)
	rep, err := backup.Verify(t.Context(), bytes.NewReader(bytesOf(t, a.Gate, a.About())), nil)
	require.NoError(t, err)
	require.Equal(t, []string{"K1-000003 is missing."}, rep.Problems)
}

// Two copies of a till wrote at the same time: that is a case for people, and no reason to have no backup.
func TestAForkCanBeBackedUp(t *testing.T) {
	a := golden(t)
	a.Article("Tee")
	head := a.Store.Heads()[crdt.Catalog]
	c := &crdt.Commit{Scope: crdt.Catalog, Dot: crdt.Dot{Replica: a.Replica, Seq: head.Seq + 1}, Pred: head.Seq, Prev: crdt.Hash{1}, Schema: 1,
		Pieces: []crdt.Piece{{Kind: crdt.KindItem, Type: "article", Object: a.Shop.NewID(), Raw: []byte{0x80}}}}
	require.NoError(t, c.Seal())
	_, err := a.Gate.Apply(t.Context(), []replication.Op{{Commit: c}})
	require.NoError(t, err)
	st, contents := restore(t, "", bytesOf(t, a.Gate, a.About()))
	require.Len(t, contents.Report.Problems, 1)
	require.Contains(t, contents.Report.Problems[0], c.Dot.String())
	same(t, a.Store, st)
}
