package node

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/lineage"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/memory"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var goldenTime = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// counting is a source of chance that only counts.
type counting struct{ n byte }

func (c *counting) Read(b []byte) (int, error) {
	for i := range b {
		c.n++
		b[i] = c.n
	}
	return len(b), nil
}

func goldenShop(t testing.TB) Newcomer {
	t.Helper()
	env := Environment{Now: func() time.Time { return goldenTime }, Random: new(counting)}
	n, err := NewShop(FoundOptions{Shop: "Café Möwe", Name: "Kasse 1", Environment: env}, env.deviceKey())
	require.NoError(t, err)
	return n
}

// goldenProof returns the roster file of a new shop.
func goldenProof(t testing.TB) []byte {
	t.Helper()
	r := memory.New()
	_, err := goldenShop(t).Fill(t.Context(), r, goldenTime)
	require.NoError(t, err)
	st, err := store.Open(t.Context(), r)
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, keepProof(t.Context(), dir, st))
	raw, err := os.ReadFile(filepath.Join(dir, fileProof))
	require.NoError(t, err)
	require.NoError(t, st.Close())
	return raw
}

func goldenRebuild() *rebuild {
	return &rebuild{Version: 1, Kind: lineage.StoreDamaged, Detail: "a checksum does not hold", At: goldenTime, Moved: movedStore + "20261121T120000Z",
		Filled: true, Commits: 412, Damage: []string{"000002.sst: block 3 is damaged"}, Replica: crdt.ReplicaID{1, 2}, Boot: 217382912,
		Series: map[string]uint64{"K2": 418, "K2b": 3}}
}

func goldenRebuildFile(t testing.TB) []byte {
	t.Helper()
	m := &Machine{o: Options{Data: t.TempDir()}}
	require.NoError(t, m.keepRebuild(goldenRebuild()))
	raw, err := os.ReadFile(m.rebuildPath())
	require.NoError(t, err)
	return raw
}

func goldenAlarm() kept {
	return kept{ID: "clock-1", Kind: "clock", Text: "The clock is wrong.", Next: "Set it.", Detail: "26h0m0s", MS: goldenTime.UnixMilli(),
		SeenMS: goldenTime.UnixMilli() + 5000, SeenBy: "Jule"}
}

// What lies on disks or goes to programs of other versions keeps its bytes.
func TestGolden(t *testing.T) {
	identity, err := json.MarshalIndent(goldenShop(t).Identity, "", "  ")
	require.NoError(t, err)
	wait := &waitingReceipt{wanted: 2, from: goldenTime, limit: 20 * time.Second}
	said := newSaidRisks()
	said.last[crdt.TillID{1}] = saidRisk{sampleRisk(goldenTime), goldenTime}
	first, err := firstKeys(goldenShop(t).Identity.ShopKey)
	require.NoError(t, err)
	keys, err := keptKeys(first.Rotated(1, [32]byte{9}), goldenShop(t).Identity.ShopKey)
	require.NoError(t, err)
	for name, raw := range map[string][]byte{
		"identity.json": append(identity, '\n'),
		"rebuild.json":  goldenRebuildFile(t),
		"rebuilt.json":  append(goldenRebuild().note(crdt.ReplicaID{7}).Value, '\n'),
		"roster.hex":    goldenProof(t),
		"alarm.hex":     goldenAlarm().note().Value,
		"wait.hex":      wait.notes(crdt.ObjectID{1})[0].Value,
		"claim.hex":     encodeClaim(crdt.ObjectID{1, 2}, "Jule", true),
		"risk.hex":      encodeRisk(sampleRisk(goldenTime), goldenTime),
		"risks.hex":     said.encode(),
		"keptkeys.hex":  append(keys[0], keys[1]...),
	} {
		text := string(raw)
		if filepath.Ext(name) == ".hex" {
			text = hex.EncodeToString(raw) + "\n"
		}
		path := filepath.Join("testdata", "v1", name)
		if *update {
			require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), text, name)
	}
}

// What is pinned is read as what was written.
func TestGoldenFilesAreRead(t *testing.T) {
	list, err := decodeProof(goldenProof(t))
	require.NoError(t, err)
	require.Len(t, list, 1)
	alarm, err := readAlarm(goldenAlarm().note())
	require.NoError(t, err)
	require.Equal(t, goldenAlarm(), alarm)
	m := &Machine{o: Options{Data: t.TempDir()}}
	require.NoError(t, m.keepRebuild(goldenRebuild()))
	again, err := m.pendingRebuild()
	require.NoError(t, err)
	require.Equal(t, goldenRebuild(), again)
}
