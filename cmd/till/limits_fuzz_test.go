package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzByteSize reads any text as a size: refused, or at most a pebibyte.
func FuzzByteSize(f *testing.F) {
	for _, s := range []string{"64MB", "2 gb", "1048576", "0", "99999999TB", "-1", "1.5GB", "B"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s byteSize
		if s.UnmarshalText([]byte(text)) == nil {
			require.LessOrEqual(t, s, byteSize(1<<50))
		}
	})
}
