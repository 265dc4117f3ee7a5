package loss_test

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt/loss"
)

func TestHeld(t *testing.T) {
	q := loss.Question{Till: crdt.TillID{2}, Relay: true, Series: []string{"K2", "K2b"}}
	require.Equal(t, "9401c420"+"02"+hex.EncodeToString(make([]byte, 31))+"c392a24b32a34b3262", hex.EncodeToString(q.Encode()))
	got, err := loss.DecodeQuestion(q.Encode())
	require.NoError(t, err)
	require.Equal(t, q, got)

	list := []loss.Answer{{Till: crdt.TillID{1}, Asked: true, Runs: [][]loss.Run{{{First: 1, Last: 300}, {First: 302, Last: 302}}, nil}}, {Till: crdt.TillID{3}}}
	raw := loss.EncodeAnswers(list)
	require.Equal(t, "92019293c42001"+hex.EncodeToString(make([]byte, 31))+"c3929401cd012ccd012ecd012e9093c42003"+hex.EncodeToString(make([]byte, 31))+"c290", hex.EncodeToString(raw))
	back, err := loss.DecodeAnswers(raw, 2)
	require.NoError(t, err)
	require.Equal(t, list, back)
	_, err = loss.DecodeAnswers(raw, 3)
	require.Error(t, err, "of another question")

	var many []loss.Answer
	for range loss.MaxAnswers {
		a := loss.Answer{Till: crdt.TillID{9}, Asked: true}
		var runs []loss.Run
		for n := range int64(300) {
			runs = append(runs, loss.Run{First: 1_000_000 + 3*n, Last: 1_000_001 + 3*n})
		}
		a.Runs = append(a.Runs, runs)
		many = append(many, a)
	}
	raw = loss.EncodeAnswers(many)
	require.LessOrEqual(t, len(raw), loss.MaxAnswer)
	back, err = loss.DecodeAnswers(raw, 1)
	require.NoError(t, err)
	require.Len(t, back, loss.MaxAnswers)
	require.True(t, back[0].Asked)
	require.False(t, back[loss.MaxAnswers-1].Asked, "no room: it counts as not asked")
}

func FuzzHeld(f *testing.F) {
	f.Add(loss.Question{Till: crdt.TillID{2}, Series: []string{"K2"}}.Encode())
	f.Add(loss.EncodeAnswers([]loss.Answer{{Till: crdt.TillID{1}, Asked: true, Runs: [][]loss.Run{{{First: 1, Last: 2}}}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if q, err := loss.DecodeQuestion(b); err == nil {
			again, err := loss.DecodeQuestion(q.Encode())
			require.NoError(t, err)
			require.Equal(t, q, again)
		}
		if a, err := loss.DecodeAnswers(b, 1); err == nil {
			_, err := loss.DecodeAnswers(loss.EncodeAnswers(a), 1)
			require.NoError(t, err)
		}
	})
}
