package health_test

import (
	"encoding/hex"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/node/health"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var (
	question = health.Question{From: crdt.TillID{1}, To: crdt.TillID{2}, Relay: true,
		Addrs: []netip.AddrPort{addr("192.168.1.11:8481"), addr("[fd00::11]:8481")}}
	answer = health.Answer{Linked: true, Heard: 1500 * time.Millisecond, Program: "v1", Tries: []health.Try{
		{Addr: addr("192.168.1.11:8481"), Result: health.TimedOut}, {Addr: addr("[fd00::11]:8481"), Result: health.Reached}}}
)

func golden(t *testing.T, name string, b []byte) []byte {
	t.Helper()
	path := filepath.Join("testdata", "v1", name+".hex")
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(hex.EncodeToString(b)+"\n"), 0o644))
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	want, err := hex.DecodeString(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	require.Equal(t, want, b)
	return want
}

func TestGolden(t *testing.T) {
	q, err := health.DecodeQuestion(golden(t, "question", question.Encode()))
	require.NoError(t, err)
	require.Equal(t, question, q)
	a, err := health.DecodeAnswer(golden(t, "answer", answer.Encode()))
	require.NoError(t, err)
	require.Equal(t, answer, a)
}

func TestNewerAndBrokenProbes(t *testing.T) {
	newer := question.Encode()
	newer[0]++
	q, err := health.DecodeQuestion(codec.AppendBool(newer, true))
	require.NoError(t, err)
	require.Equal(t, question, q)
	for i := range len(question.Encode()) {
		_, err := health.DecodeQuestion(question.Encode()[:i])
		require.ErrorIs(t, err, health.ErrQuestion)
	}
	for i := range len(answer.Encode()) {
		_, err := health.DecodeAnswer(answer.Encode()[:i])
		require.ErrorIs(t, err, health.ErrQuestion)
	}
	// What this program does not know how to read is silence, not success.
	unknown := answer
	unknown.Tries = []health.Try{{Addr: addr("192.168.1.11:8481"), Result: 99}}
	a, err := health.DecodeAnswer(unknown.Encode())
	require.NoError(t, err)
	require.Equal(t, health.TimedOut, a.Tries[0].Result)

	// What cannot be dialled is not sent, and not taken.
	many := question
	many.Addrs = []netip.AddrPort{addr("224.0.0.251:5353"), addr("[fe80::1]:8481"), addr("192.168.1.1:22"), addr("0.0.0.0:8481")}
	for i := range 20 {
		many.Addrs = append(many.Addrs, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 8481))
	}
	q, err = health.DecodeQuestion(many.Encode())
	require.NoError(t, err)
	require.Len(t, q.Addrs, 8)
	require.Equal(t, addr("10.0.0.0:8481"), q.Addrs[0])
	bad := question.Encode()
	copy(bad[len(bad)-2:], []byte{0, 22})
	_, err = health.DecodeQuestion(bad)
	require.ErrorIs(t, err, health.ErrQuestion)
}

func FuzzDecode(f *testing.F) {
	f.Add(question.Encode())
	f.Add(answer.Encode())
	f.Add(health.Answer{Heard: -1}.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if q, err := health.DecodeQuestion(b); err == nil {
			again, err := health.DecodeQuestion(q.Encode())
			require.NoError(t, err)
			require.Equal(t, q, again)
		} else {
			require.ErrorIs(t, err, health.ErrQuestion)
		}
		if a, err := health.DecodeAnswer(b); err == nil {
			again, err := health.DecodeAnswer(a.Encode())
			require.NoError(t, err)
			require.Equal(t, a, again)
		} else {
			require.ErrorIs(t, err, health.ErrQuestion)
		}
	})
}
