package journal

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/replication"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// pinNote compares a note with its golden file: the key on the first line, the value as hex on the second.
func pinNote(t *testing.T, name string, n replication.Note) {
	t.Helper()
	path := filepath.Join("testdata", "v1", "notes", name+".txt")
	got := strconv.Quote(n.Key) + "\n" + hex.EncodeToString(n.Value) + "\n"
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got, name)
}

// goldenJWS is the first receipt of a pinned log.
func goldenJWS(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile("../../testdata/rksv/v1/closed-dep.json")
	require.NoError(t, err)
	var log struct {
		Groups []struct {
			Receipts []string `json:"Belege-kompakt"`
		} `json:"Belege-Gruppe"`
	}
	require.NoError(t, json.Unmarshal(raw, &log))
	require.NotEmpty(t, log.Groups)
	require.NotEmpty(t, log.Groups[0].Receipts)
	return log.Groups[0].Receipts[0]
}

// What a till keeps of its signing device is read by later programs.
func TestNotesOfSigningArePinned(t *testing.T) {
	o := Outage{Begin: 1_790_000_000_000, End: 1_790_000_600_000, Reason: "no answer in 3 s"}
	pinNote(t, "signing-outage", o.note(outageNote))
	numbers := Outage{Begin: o.Begin, Reason: o.Reason}.with("K2", 418).with("K2", 420)
	pinNote(t, "signing-numbers", numbers.note(numbersNote))
	for _, want := range []Outage{o, numbers} {
		back, err := parseOutage(want.note(outageNote).Value)
		require.NoError(t, err)
		require.Equal(t, want, back)
	}
	begin, ok := beginOf(o.note(outageNote).Key, outageNote)
	require.True(t, ok)
	require.Equal(t, o.Begin, begin)

	c := Chain{Number: 418, Counter: 123_456, Final: true, Month: "2026-09", Last: goldenJWS(t)}
	pinNote(t, "signing-chain", replication.Note{Key: chainNote + "K2", Value: c.Bytes()})
	chain, err := ParseChain(c.Bytes())
	require.NoError(t, err)
	require.Equal(t, c, chain)
}
