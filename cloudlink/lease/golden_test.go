package lease_test

import (
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/lease"
	"github.com/tillmesh/tillmesh/crdt"
)

var update = flag.Bool("update", false, "write the golden bytes again from the present code")

var (
	classes  = []lease.Class{{Name: "receipts", Done: 41000, Total: 41003, Pending: 3}, {Name: "articles", Done: 7, Total: 7}}
	state    = lease.State{Sessions: 9, Term: 4, Holder: crdt.TillID{1, 2}, Session: 8, GivenMS: 1795219200000, RenewMS: 1795219202000, UntilMS: 1795219208000, Cursor: lease.Cursor{Term: 4, Till: crdt.TillID{1, 2}, AtMS: 1795219202000, Pending: 3, CompleteMS: 1795219100000, Classes: classes}}
	question = lease.Question{Session: 8, Term: 4, Gone: 3, Report: &lease.Report{Pending: 3, Classes: classes}}
	short    = lease.Question{Session: 8, Term: 4}
	answer   = lease.Answer{Granted: true, Noted: true, Term: 4, Holder: crdt.TillID{1, 2}, LeftMS: 6000, Reason: lease.Renewed, NowMS: 1795219202000}
)

func TestGoldenBytes(t *testing.T) {
	for name, b := range map[string][]byte{
		"state": state.Encode(), "question": question.Encode(), "question-short": short.Encode(), "answer": answer.Encode(),
	} {
		file := filepath.Join("../../testdata/uplink/v1", "lease-"+name+".hex")
		if *update {
			require.NoError(t, os.WriteFile(file, []byte(hex.EncodeToString(b)+"\n"), 0o600))
		}
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, string(want), hex.EncodeToString(b)+"\n", name)
	}
	q, err := lease.DecodeQuestion(question.Encode())
	require.NoError(t, err)
	require.Equal(t, question, q)
	q, err = lease.DecodeQuestion(short.Encode())
	require.NoError(t, err)
	require.Equal(t, short, q)
	a, err := lease.DecodeAnswer(answer.Encode())
	require.NoError(t, err)
	require.Equal(t, answer, a)
	s, err := lease.DecodeState(nil)
	require.NoError(t, err)
	require.Equal(t, lease.State{}, s)
}

func FuzzBytes(f *testing.F) {
	f.Add(state.Encode())
	f.Add(question.Encode())
	f.Add(short.Encode())
	f.Add(answer.Encode())
	f.Add([]byte{0x95, 2, 0, 0, 0, 0xc0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := lease.DecodeState(b); err == nil {
			again, err := lease.DecodeState(s.Encode())
			require.NoError(t, err)
			require.Equal(t, s, again)
		}
		if q, err := lease.DecodeQuestion(b); err == nil {
			require.True(t, q.Report == nil || len(q.Report.Classes) <= lease.MaxClasses)
			again, err := lease.DecodeQuestion(q.Encode())
			require.NoError(t, err)
			require.Equal(t, q, again)
			s := state
			s.Ask(crdt.TillID{9}, q, state.UntilMS+1)
		}
		if a, err := lease.DecodeAnswer(b); err == nil {
			again, err := lease.DecodeAnswer(a.Encode())
			require.NoError(t, err)
			require.Equal(t, a, again)
		}
	})
}
