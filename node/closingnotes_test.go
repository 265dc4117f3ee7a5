package node

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

const closingGolden = "../testdata/closing/v1"

func goldenPlan() *closingPlan {
	counted := int64(23_300)
	return &closingPlan{Under: "K1", Booked: []string{stepDifference}, Series: "K1", Number: 17, Head: 418, User: "Anna", Reason: "Abend",
		Cash:  planCash{Expected: 23_400, Counted: &counted, Difference: -100, Dropped: 3_300, Reason: "Wechselgeld", Pieces: [][2]int64{{5000, 4}, {3300, 1}}},
		Float: 20_000, request: &request{key: "evening", hash: [32]byte{7}},
		tabs: []receipt.ZTab{{ID: crdt.ObjectID{1}, Name: "Tisch 7", Gross: 1250, Lines: 3, What: receipt.TabKept},
			{ID: crdt.ObjectID{2}, Gross: 340, Lines: 1, What: receipt.TabHanded, To: crdt.TillID{5}}}}
}

func goldenDays() *shownDays {
	d := newShownDays()
	d.shown["2026-11-20"], d.shown["2026-11-21"] = 3, 4
	d.heard[crdt.TillID{5}] = time.UnixMilli(1_788_000_000_000)
	return d
}

func closingFile(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join(closingGolden, name)
	if *update {
		require.NoError(t, os.MkdirAll(closingGolden, 0o755))
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), name)
}

// TestClosingBytesArePinned: what a till keeps about closings, and what tills say to each other about them.
func TestClosingBytesArePinned(t *testing.T) {
	note, err := goldenPlan().note()
	require.NoError(t, err)
	closingFile(t, "plan.json", note.Value)
	back, err := readPlan(note.Value)
	require.NoError(t, err)
	require.Equal(t, goldenPlan().tabs, back.tabs)
	require.Equal(t, goldenPlan().request, back.request)
	require.Equal(t, goldenPlan().zcash(), back.zcash())
	days, err := goldenDays().encode()
	require.NoError(t, err)
	closingFile(t, "days.json", days)
	again := newShownDays()
	require.NoError(t, again.decode(days))
	require.Equal(t, goldenDays().shown, again.shown)
	require.Equal(t, goldenDays().heard, again.heard)
	ask, err := json.Marshal(closingAsk{Version: closingVersion, ID: crdt.ObjectID{9}.String(), User: "Anna", Reason: "Abend"})
	require.NoError(t, err)
	closingFile(t, "ask.json", ask)
	for name, a := range map[string]closingAnswer{
		"answer-made.json":    {Version: closingVersion, ID: crdt.ObjectID{3}.String(), Text: "K2 Z 17"},
		"answer-refused.json": {Version: closingVersion, Code: CodeGap, Why: "receipt K2-000017 is not on this till"},
	} {
		raw, err := json.Marshal(a)
		require.NoError(t, err)
		closingFile(t, name, raw)
		read, err := readClosingAnswer(raw)
		require.NoError(t, err)
		require.Equal(t, a, read)
	}
}

func TestOldDaysAreForgotten(t *testing.T) {
	d := newShownDays()
	for at := range 2 * daysKept {
		d.show(time.Date(2026, 1, 1+at, 0, 0, 0, 0, time.UTC).Format(time.DateOnly), 1)
	}
	raw, err := d.encode()
	require.NoError(t, err)
	back := newShownDays()
	require.NoError(t, back.decode(raw))
	require.Len(t, back.shown, daysKept)
	require.Contains(t, back.shown, time.Date(2026, 1, 2*daysKept, 0, 0, 0, 0, time.UTC).Format(time.DateOnly), "the latest ones stay")
}

// FuzzClosingNotes reads any bytes as what is kept and said about closings: refused, or read to something that can be used.
func FuzzClosingNotes(f *testing.F) {
	for _, name := range []string{"plan.json", "days.json", "ask.json", "answer-made.json", "answer-refused.json"} {
		raw, err := os.ReadFile(filepath.Join(closingGolden, name))
		require.NoError(f, err)
		f.Add(raw)
	}
	f.Add([]byte(`{"v":1,"tabs":[{"id":"x"}]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := readPlan(b); err == nil {
			note, err := p.note()
			require.NoError(t, err)
			_, err = readPlan(note.Value)
			require.NoError(t, err)
			p.zcash()
			p.steps()
		}
		d := newShownDays()
		if d.decode(b) == nil {
			_, err := d.encode()
			require.NoError(t, err)
		}
		if a, err := readClosingAnswer(b); err == nil {
			require.True(t, a.ID != "" || a.Why != "")
		}
	})
}
