package verify_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/receipt/receipttest"
	"github.com/tillmesh/tillmesh/node/verify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func run(t testing.TB, b verify.Source) verify.Report {
	t.Helper()
	r, err := verify.Run(t.Context(), b, verify.Options{Devices: []func(verify.Series) verify.Device{verify.TSE}})
	require.NoError(t, err)
	return r
}

// found returns the codes that are wrong, with what they are about.
func found(r verify.Report) []string {
	var out []string
	for _, f := range r.Findings {
		if !f.Note {
			out = append(out, f.Code+" "+f.NumberText())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func TestAFolderSaysTheSame(t *testing.T) {
	b, _ := receipttest.Shop(t)
	dir := filepath.Join(t.TempDir(), "export")
	n, left, err := verify.WriteFolder(t.Context(), b, dir)
	require.NoError(t, err)
	require.EqualValues(t, 17, n)
	require.Zero(t, left)
	require.True(t, verify.IsFolder(dir))
	r := run(t, verify.Folder{Path: dir})
	require.Empty(t, r.Findings)
	require.Equal(t, run(t, b).Series, r.Series)

	_, _, err = verify.WriteFolder(t.Context(), b, dir)
	require.Error(t, err, "it is not empty")
	file := filepath.Join(dir, "receipts-K2.jsonl")
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append(raw, "no JSON\n"...), 0o600))
	require.Contains(t, run(t, verify.Folder{Path: dir}).Counts, receipt.FindMalformed)
	_, err = verify.Run(t.Context(), verify.Folder{Path: t.TempDir()}, verify.Options{})
	require.ErrorIs(t, err, verify.ErrNoFolder)
}

func FuzzFolderLine(f *testing.F) {
	f.Add([]byte(`{"document":{},"signature":"00","key":"00"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "receipts-K1.jsonl"), line, 0o600))
		_, err := verify.Run(t.Context(), verify.Folder{Path: dir}, verify.Options{})
		require.NoError(t, err)
	})
}
