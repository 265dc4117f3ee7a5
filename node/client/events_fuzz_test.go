package client

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzEvents reads any bytes as a stream of events. It always ends with an error, and hands over nothing longer than it got.
func FuzzEvents(f *testing.F) {
	f.Add([]byte("id: 7\nevent: tab\ndata: {\"a\":1}\n\n: still here\n\ndata: x\ndata: y\r\n\r\n"))
	f.Add([]byte("data"))
	f.Fuzz(func(t *testing.T, b []byte) {
		size := 0
		err := readEvents(bytes.NewReader(b), func() {}, func(e Event) error {
			size += len(e.ID) + len(e.Kind) + len(e.Data)
			return nil
		})
		require.ErrorIs(t, err, errStream)
		require.LessOrEqual(t, size, len(b))
	})
}
