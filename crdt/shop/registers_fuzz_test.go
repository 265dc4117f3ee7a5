package shop_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzRegisters reads any bytes as every register: refused, or within the rules, and written so that it reads as the same.
func FuzzRegisters(f *testing.F) {
	for _, r := range registers {
		raw, err := r.value.Edit(nil)
		require.NoError(f, err)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, r := range registers {
			v, err := r.parse(raw)
			if err != nil {
				continue
			}
			require.NoError(t, v.(editable).Check(), r.file)
			again, err := v.(editable).Edit(raw)
			require.NoError(t, err, r.file)
			back, err := r.parse(again)
			require.NoError(t, err, r.file)
			require.Equal(t, v, back, r.file)
		}
	})
}
