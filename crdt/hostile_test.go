package crdt

import (
	"bytes"
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt/codec"
)

// TestHostile: inputs that would take a trusting decoder's memory or stack get an error and cost next to nothing,
// wherever foreign bytes come in.
func TestHostile(t *testing.T) {
	var before, after runtime.MemStats
	for name, b := range map[string][]byte{
		"array of 4 billion": {0xdd, 0xff, 0xff, 0xff, 0xff},
		"map of 4 billion":   {0xdf, 0xff, 0xff, 0xff, 0xff},
		"4 GB of bytes":      {0xc6, 0xff, 0xff, 0xff, 0xff},
		"1 MB of arrays":     bytes.Repeat([]byte{0x91}, 1<<20),
		"1 MB of pairs":      bytes.Repeat([]byte{0x92}, 1<<20),
		"in a map":           append([]byte{0x81, 0xa1, 'x'}, bytes.Repeat([]byte{0x91}, 1<<20)...),
		"arrays of 65535":    bytes.Repeat([]byte{0xdc, 0xff, 0xff}, 1000),
		"unused code":        {0xc1},
		"nothing":            {},
	} {
		for where, read := range map[string]func() error{
			"commit":  func() error { _, err := DecodeCommit(b); return err },
			"record":  func() error { _, err := ParseRecord(b, math.MaxUint32); return err },
			"context": func() error { r := codec.NewReader(b); ReadContext(r); return r.Done() },
			"runs":    func() error { r := codec.NewReader(b); ReadIntervals(r); return r.Done() },
			"clock":   func() error { r := codec.NewReader(b); readClock(r); return r.Done() },
			"scope":   func() error { r := codec.NewReader(b); ReadScope(r); return r.Done() },
		} {
			runtime.ReadMemStats(&before)
			err := read()
			runtime.ReadMemStats(&after)
			require.ErrorIs(t, err, codec.ErrMalformed, "%s as %s", name, where)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<10), "%s as %s", name, where)
		}
	}
	_, err := DecodeCommit(make([]byte, MaxLoneItem+5000))
	require.ErrorIs(t, err, ErrTooLarge)
}
