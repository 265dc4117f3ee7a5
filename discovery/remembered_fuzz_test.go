package discovery_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/discovery"
)

// rememberedFile writes addresses of two tills and returns the bytes of the file.
func rememberedFile(t testing.TB) []byte {
	path := filepath.Join(t.TempDir(), "peers.json")
	r, err := discovery.LoadRemembered(path)
	require.NoError(t, err)
	for i, a := range addrs("192.168.1.9:8481", "10.0.0.9:8481", "[fe80::1%eth0]:8481") {
		r.Success(till(byte(1+i%2)), a, start.Add(time.Duration(i)*time.Minute))
	}
	require.NoError(t, r.Save())
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	return raw
}

// The file outlives the program that wrote it.
func TestRememberedGolden(t *testing.T) {
	want, err := os.ReadFile("testdata/peers.v1.json")
	require.NoError(t, err)
	require.Equal(t, string(want), string(rememberedFile(t)))
}

// FuzzRemembered reads any bytes as the file of remembered tills: moved aside, or kept within its limits.
func FuzzRemembered(f *testing.F) {
	f.Add(rememberedFile(f))
	f.Add([]byte(`{"version":1,"tills":[null]}`))
	f.Add([]byte(`{"version":2}`))
	path := filepath.Join(f.TempDir(), "peers.json")
	f.Fuzz(func(t *testing.T, b []byte) {
		require.NoError(t, os.WriteFile(path, b, 0o600))
		r, err := discovery.LoadRemembered(path)
		if err != nil {
			require.ErrorIs(t, err, discovery.ErrDamaged)
			require.NoFileExists(t, path)
		}
		list := r.Candidates()
		require.LessOrEqual(t, len(list), discovery.MaxRememberedTills)
		for _, c := range list {
			require.LessOrEqual(t, len(c.Addrs), discovery.MaxRememberedAddresses)
			for _, a := range c.Addrs {
				require.True(t, a.IsValid() && a.Port() != 0)
			}
		}
		r.Success(till(9), addrs("10.0.0.1:1")[0], start)
		require.NoError(t, r.Save())
		_, err = discovery.LoadRemembered(path)
		require.NoError(t, err)
	})
}
