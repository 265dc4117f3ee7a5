package journal

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
)

var samplePrint = Print{Number: "K2-000418", Printer: "Theke", Count: 3, Done: 2, Intended: 1_790_000_000_000, Printed: 1_780_000_000_000, Open: true}

func TestPrintBytesArePinned(t *testing.T) {
	require.Equal(t, "9801a94b322d303030343138a55468656b650302cf000001a0c4506c00cf0000019e70448800c3", hex.EncodeToString(samplePrint.Bytes()))
	again, err := ParsePrint(samplePrint.Bytes())
	require.NoError(t, err)
	require.Equal(t, samplePrint, again)
}

func TestPrintsThatCannotBeAreRefused(t *testing.T) {
	for _, p := range []Print{{}, {Count: 1, Done: 2}} {
		_, err := ParsePrint(p.Bytes())
		require.Error(t, err)
	}
	_, err := ParsePrint([]byte{0x98, 2})
	require.Error(t, err)
}

func FuzzParsePrint(f *testing.F) {
	f.Add(samplePrint.Bytes())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePrint(b)
		if err != nil {
			return
		}
		again, err := ParsePrint(p.Bytes())
		require.NoError(t, err)
		require.Equal(t, p, again)
	})
}
