package node

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhereAMachineIsRemembered(t *testing.T) {
	for _, test := range []struct {
		name, system string
		uid          int
		env          map[string]string
		want         string
	}{
		{"named", "linux", 0, map[string]string{"TILLMESH_STATE": "/x", "HOME": "/root"}, "/x"},
		{"root", "linux", 0, map[string]string{"HOME": "/root", "XDG_STATE_HOME": "/s"}, "/var/lib/tillmesh"},
		{"a user", "linux", 1000, map[string]string{"HOME": "/home/a"}, "/home/a/.local/state/tillmesh"},
		{"a user with a place", "linux", 1000, map[string]string{"HOME": "/home/a", "XDG_STATE_HOME": "/s"}, "/s/tillmesh"},
		{"a place that is nowhere", "linux", 1000, map[string]string{"HOME": "/home/a", "XDG_STATE_HOME": "s"}, "/home/a/.local/state/tillmesh"},
		{"a Mac", "darwin", 501, map[string]string{"HOME": "/Users/a"}, "/Users/a/Library/Application Support/tillmesh"},
		{"a service on Windows", "windows", -1, map[string]string{"ProgramData": "/p"}, "/p/tillmesh"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := stateDir(func(name string) string { return test.env[name] }, test.uid, test.system)
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
	_, err := stateDir(func(string) string { return "" }, 1000, "linux")
	require.ErrorContains(t, err, "no place")
}
