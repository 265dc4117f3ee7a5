package discovery_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/discovery"
)

func load(t *testing.T, path string) *discovery.Remembered {
	t.Helper()
	r, err := discovery.LoadRemembered(path)
	require.NoError(t, err)
	return r
}

func TestRememberedComesBackAfterARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "peers.json")
	r := load(t, path)
	a := addrs("192.168.1.9:8481", "10.0.0.9:8481", "[fe80::1%eth0]:8481")
	r.Success(till(1), a[0], start)
	r.Success(till(1), a[1], start.Add(time.Minute))
	r.Success(till(2), a[2], start)
	r.Success(till(3), a[0], start)
	r.Forget(till(3))
	require.NoError(t, r.Save())

	require.Equal(t, []discovery.Candidate{
		{Till: till(1), Addrs: addrs("10.0.0.9:8481", "192.168.1.9:8481"), Source: "remembered", SeenAt: start.Add(time.Minute)},
		{Till: till(2), Addrs: addrs("[fe80::1%eth0]:8481"), Source: "remembered", SeenAt: start},
	}, load(t, path).Candidates())
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	require.NoError(t, err)
	require.Equal(t, []string{path}, left, "no temporary file stays")
}

func TestRememberedIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "peers.json")
	r := load(t, path)
	for i := range 100 {
		for port := range uint16(20) {
			at := netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), port+1)
			r.Success(till(byte(i+1)), at, start.Add(time.Duration(i)*time.Minute))
		}
	}
	require.NoError(t, r.Save())
	got := load(t, path).Candidates()
	require.Len(t, got, discovery.MaxRememberedTills)
	require.Equal(t, till(37), got[0].Till, "the oldest are forgotten")
	require.Len(t, got[0].Addrs, discovery.MaxRememberedAddresses)
	require.EqualValues(t, 20, got[0].Addrs[0].Port(), "the newest comes first")
}

func TestRememberedIsNotWrittenForNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "peers.json")
	r := load(t, path)
	require.NoError(t, r.Save())
	require.NoFileExists(t, path)
	r.Success(till(1), addrs("10.0.0.1:1")[0], start)
	require.NoError(t, r.Save())
	require.NoError(t, os.Remove(path))
	r.Success(till(1), addrs("10.0.0.1:1")[0], start.Add(time.Minute))
	require.NoError(t, r.Save())
	require.NoFileExists(t, path)
	r.Success(till(1), addrs("10.0.0.1:1")[0], start.Add(2*time.Hour))
	require.NoError(t, r.Save())
	require.FileExists(t, path)
}

func TestRememberedMovesADamagedFileAside(t *testing.T) {
	for name, content := range map[string]string{
		"empty":          "",
		"cut off":        `{"version":1,"tills":[{"till":`,
		"trailing":       `{"version":1,"tills":[]}{}`,
		"other version":  `{"version":2,"tills":[]}`,
		"no till":        `{"version":1,"tills":[{"addresses":["10.0.0.1:1"]}]}`,
		"null":           `{"version":1,"tills":[null]}`,
		"bad address":    `{"version":1,"tills":[{"till":"` + till(1).String() + `","addresses":["ten:1"]}]}`,
		"no address":     `{"version":1,"tills":[{"till":"` + till(1).String() + `","addresses":[""]}]}`,
		"far too large":  fmt.Sprintf(`{"version":1,"pad":%q}`, make([]byte, 1<<20)),
		"not even text":  "\x00\xff\x00",
		"another format": `[1,2,3]`,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "peers.json")
			require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
			r, err := discovery.LoadRemembered(path)
			require.ErrorIs(t, err, discovery.ErrDamaged)
			require.ErrorContains(t, err, path+".damaged")
			require.Empty(t, r.Candidates())
			kept, err := os.ReadFile(path + ".damaged")
			require.NoError(t, err)
			require.Equal(t, content, string(kept))

			r.Success(till(1), addrs("10.0.0.1:1")[0], start)
			require.NoError(t, r.Save())
			require.Len(t, load(t, path).Candidates(), 1)
		})
	}
}

func TestRememberedKeepsTheOldFileIfItCannotWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "peers.json")
	r := load(t, path)
	r.Success(till(1), addrs("10.0.0.1:1")[0], start)
	require.NoError(t, r.Save())
	require.NoError(t, os.Mkdir(path+".tmp", 0o700)) // in the way of the new file
	r.Success(till(2), addrs("10.0.0.2:1")[0], start)
	require.Error(t, r.Save())
	require.Len(t, load(t, path).Candidates(), 1)
	require.NoError(t, os.Remove(path+".tmp"))
	require.NoError(t, r.Save(), "the next attempt writes what is still unsaved")
	require.Len(t, load(t, path).Candidates(), 2)
}

func TestRememberedFileThatCannotBeRead(t *testing.T) {
	path := t.TempDir() // a directory
	r, err := discovery.LoadRemembered(path)
	require.Error(t, err)
	require.NotErrorIs(t, err, discovery.ErrDamaged)
	require.Empty(t, r.Candidates())
}
