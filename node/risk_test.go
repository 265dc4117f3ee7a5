package node

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

func sampleRisk(now time.Time) Risk {
	return Risk{Receipts: 3, More: true, Sums: []Sum{{"CHF", 5}, {"EUR", 2460}}, Tabs: 1, TabSums: []Sum{{"EUR", 800}}, Oldest: now.Add(-90 * time.Second)}
}

func TestRiskIsReadBack(t *testing.T) {
	now := time.UnixMilli(1_788_000_000_000)
	for _, want := range []Risk{{}, sampleRisk(now)} {
		b := encodeRisk(want, now)
		got, err := decodeRisk(b, now)
		require.NoError(t, err)
		require.True(t, want.Oldest.Equal(got.Oldest))
		got.Oldest = want.Oldest
		require.Equal(t, want, got)
		for cut := range b {
			_, err := decodeRisk(b[:cut], now)
			require.Error(t, err)
		}
	}
	require.True(t, Risk{}.None())
	require.False(t, Risk{Tabs: 1}.None())

	said := newSaidRisks()
	said.last[crdt.TillID{1}] = saidRisk{sampleRisk(now), now}
	said.last[crdt.TillID{2}] = saidRisk{Risk{}, now.Add(time.Second)}
	back := newSaidRisks()
	require.NoError(t, back.decode(said.encode()))
	require.Equal(t, said.encode(), back.encode())
	require.Len(t, back.last, 2)
}

func FuzzRisk(f *testing.F) {
	now := time.UnixMilli(1_788_000_000_000)
	f.Add(encodeRisk(Risk{}, now))
	f.Add(encodeRisk(sampleRisk(now), now))
	said := newSaidRisks()
	said.last[crdt.TillID{1}] = saidRisk{sampleRisk(now), now}
	f.Add(said.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := decodeRisk(b, now); err == nil {
			again, err := decodeRisk(encodeRisk(r, now), now)
			require.NoError(t, err)
			require.True(t, bytes.Equal(encodeRisk(r, now), encodeRisk(again, now)))
		}
		s := newSaidRisks()
		_ = s.decode(b) // it may be refused; it must not break
		if w, err := readWait(b); err == nil {
			require.LessOrEqual(t, w.wanted, 50)
		}
	})
}

// What is counted one by one is bounded, and that there is more is told.
func TestRiskIsBounded(t *testing.T) {
	var r atRisk
	for n := range 3 * riskMost {
		r.add(riskEntry{gross: receipt.Amount(n)})
		require.LessOrEqual(t, len(r.entries), riskMost)
	}
	require.True(t, r.more)
	require.Equal(t, receipt.Amount(3*riskMost-1), r.entries[len(r.entries)-1].gross)
}
