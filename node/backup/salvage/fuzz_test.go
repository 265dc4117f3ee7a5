package salvage

import (
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzFiles reads any bytes as a log, as a table and as a block: nothing may break, and no row may be longer than a row.
func FuzzFiles(f *testing.F) {
	entry := []byte{metaTxn, 0, 10, 3, 0, 'c', '1', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 'a', 'b', 'c'}
	entry = binary.BigEndian.AppendUint32(entry, crc32.Checksum(entry, castagnoli))
	end := []byte{metaFinTxn, 0, 12, 1, 0, '!', 'b', 'a', 'd', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, '1'}
	end = binary.BigEndian.AppendUint32(end, crc32.Checksum(end, castagnoli))
	log := append(append(make([]byte, logHead), entry...), end...)
	f.Add(log)
	f.Add(append(log[:logHead+5], log[logHead+6:]...))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 2, 1 << 3, 0, 0, 0, 0, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		for _, name := range []string{"00001.mem", "000001.sst"} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
		}
		s, err := Open(dir)
		require.NoError(t, err)
		for row, err := range s.Rows(t.Context(), nil) {
			require.NoError(t, err)
			require.LessOrEqual(t, len(row.Key), maxKey)
			require.LessOrEqual(t, len(row.Value), maxValue)
		}
		require.NoError(t, s.Close())
		defer func() {
			// read recovers from what a checksum did not cover; blockEntries alone may panic.
			_ = recover()
		}()
		_, _ = blockEntries(b)
	})
}
