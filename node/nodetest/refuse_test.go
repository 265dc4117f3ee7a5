package nodetest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/nodetest"
)

// requireRefused checks that a command failed as commands do: one line, then a hint, exit code 1.
func requireRefused(t *testing.T, out nodetest.Output, says ...string) {
	t.Helper()
	require.Equal(t, 1, out.Code, "stdout %q stderr %q", out.Stdout, out.Stderr)
	require.Empty(t, out.Stdout)
	require.Contains(t, out.Stderr, "till: ")
	require.Contains(t, out.Stderr, "\nhint: ")
	for _, s := range says {
		require.Contains(t, out.Stderr, s)
	}
}

// snapshot reads a whole directory: paths, and contents of files that hold data.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			all[path] = "a directory"
			return nil
		}
		if e.Name() == "ballast" { // room for a full disk, made by whoever runs first
			return nil
		}
		b, err := os.ReadFile(path)
		all[path] = string(b)
		return err
	}))
	return all
}

// requireSame checks that a directory is byte for byte what it was.
func requireSame(t *testing.T, before map[string]string, dir string) {
	t.Helper()
	after := snapshot(t, dir)
	for path, content := range before {
		now, there := after[path]
		require.True(t, there, "%s is gone", path)
		require.True(t, bytes.Equal([]byte(content), []byte(now)), "%s was changed", path)
	}
	for path := range after {
		require.Contains(t, before, path, "a file appeared")
	}
}

// copyDir copies a directory to a path where nothing is.
func copyDir(t *testing.T, to, from string) {
	t.Helper()
	require.NoError(t, os.CopyFS(to, os.DirFS(from)))
}

func TestJoinRefusesADirectoryWithData(t *testing.T) {
	t.Parallel()
	shop := nodetest.New(t)
	one := shop.Found()
	token := shop.Invite(one)

	late := shop.NewTill()
	require.NoError(t, os.MkdirAll(late.Data, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(late.Data, "letter.txt"), []byte("mine"), 0o600))
	before := snapshot(t, late.Data)
	requireRefused(t, late.Exec(late.JoinArgs(one, token)...), late.Data, "empty directory")
	requireSame(t, before, late.Data)
	requireRefused(t, late.Exec("init", "--data", late.Data, "--shop", "Zweitladen", "--name", "Kasse 1"), late.Data)
	requireSame(t, before, late.Data)

	// A till that runs is data, too; the token was not used up by any of this.
	args := late.JoinArgs(one, token)
	args[2] = one.Data
	requireRefused(t, late.Exec(args...), one.Data)
	require.NoError(t, os.RemoveAll(late.Data))
	require.Zero(t, late.Exec(late.JoinArgs(one, token)...).Code)
}

func TestJoinRefusesAWrongToken(t *testing.T) {
	t.Parallel()
	shop := nodetest.New(t)
	one := shop.Found()
	used := shop.Invite(one)
	two := shop.NewTill()
	require.Zero(t, two.Exec(two.JoinArgs(one, used)...).Code)

	three := shop.NewTill()
	for _, token := range []string{used, "0000-0000-0000-0000-0000-0000-0000", "no token"} {
		out := three.Exec(three.JoinArgs(one, token)...)
		require.Equal(t, 1, out.Code, "%s", out.Stderr)
		require.Contains(t, out.Stderr, "till: ")
		require.NoDirExists(t, three.Data)
	}
	mesh, err := one.API().Mesh(t.Context())
	require.NoError(t, err)
	require.Len(t, mesh.Tills, 2, "nobody else was admitted")
}

func TestRunRefusesWhatIsInUse(t *testing.T) {
	t.Parallel()
	shop := nodetest.New(t)
	one := shop.Found()
	other := shop.NewTill()

	// The directory: all ports are free, only the store is not.
	args := other.RunArgs()
	args[2] = one.Data
	requireRefused(t, other.Exec(args...), one.Data, "in use")

	// The ports, one after the other.
	require.Zero(t, other.Exec("init", "--data", other.Data, "--shop", "Zweitladen", "--name", "Kasse 1").Code)
	before := snapshot(t, other.Data)
	args = other.RunArgs()
	args[4] = one.Place.HTTP.String()
	requireRefused(t, other.Exec(args...), one.Place.HTTP.String(), "in use", "--http")
	args = other.RunArgs()
	args[6] = one.Place.Listen
	requireRefused(t, other.Exec(args...), one.Place.Listen, "in use", "--listen")
	requireSame(t, before, other.Data)
	one.Sell(one.PutArticle("Kaffee", 290, one.PutTax(1900)))
}

func TestRunRefusesAStoreOfANewerFormat(t *testing.T) {
	t.Parallel()
	shop := nodetest.New(t)
	one := shop.Found()
	one.Sell(one.PutArticle("Kaffee", 290, one.PutTax(1900)))
	one.Stop()

	newer := shop.NewTill()
	copyDir(t, newer.Data, one.Data)
	format := filepath.Join(newer.Data, "store", "store.format")
	was, err := os.ReadFile(format)
	require.NoError(t, err)
	engine, _, two := strings.Cut(string(was), " ")
	require.True(t, two, "%q", was)
	require.NoError(t, os.WriteFile(format, []byte(engine+" 9999\n"), 0o600))
	before := snapshot(t, newer.Data)
	requireRefused(t, newer.Exec(newer.RunArgs()...), newer.Data, "9999")
	requireSame(t, before, newer.Data)
}

// TestRunRefusesTheStoreOfAnotherTill: of all doubts about a store this is the one that a till cannot end by itself.
func TestRunRefusesTheStoreOfAnotherTill(t *testing.T) {
	t.Parallel()
	shop := nodetest.New(t)
	one := shop.Found()
	coffee := one.PutArticle("Kaffee", 290, one.PutTax(1900))
	one.Sell(coffee)
	one.Stop()

	other := shop.NewTill()
	require.Zero(t, other.Exec("init", "--data", other.Data, "--shop", "Zweitladen", "--name", "Kasse 1").Code)
	till := shop.NewTill()
	copyDir(t, till.Data, one.Data)
	require.NoError(t, os.RemoveAll(filepath.Join(till.Data, "store")))
	copyDir(t, filepath.Join(till.Data, "store"), filepath.Join(other.Data, "store"))
	refuse(t, till)
	one.Start()
	receipts, err := one.API().AllReceipts(t.Context(), client.List{})
	require.NoError(t, err)
	require.Len(t, receipts, 1, "the right directory is in no doubt")
}

// refuse checks that run refuses, twice in the same words, and changes nothing. Only the engine's own files may
// differ, because some doubts show only after it opened the store.
func refuse(t *testing.T, till *nodetest.Till) {
	t.Helper()
	store := filepath.Join(till.Data, "store")
	look := func() map[string]string {
		all := snapshot(t, till.Data)
		maps.DeleteFunc(all, func(path, _ string) bool { return strings.HasPrefix(path, store+string(filepath.Separator)) })
		return all
	}
	before := look()
	first := till.Exec(till.RunArgs()...)
	requireRefused(t, first, "belongs to another till")
	require.Equal(t, before, look())
	require.Equal(t, first, till.Exec(till.RunArgs()...))
}

// TestEmptyDirectoryIsNoShop: run on an empty directory serves its status and nothing else, and goes on as a till when
// the directory has become one.
func TestEmptyDirectoryIsNoShop(t *testing.T) {
	t.Parallel()
	till := nodetest.New(t).NewTill()
	till.Spawn(till.RunArgs()...)
	var status client.Status
	nodetest.Eventually(t, nodetest.Patience, "it answers", func() error {
		a, err := till.Send(t.Context(), http.MethodGet, "/api/v1/status", nil)
		if err == nil {
			err = a.OK()
		}
		if err == nil {
			err = json.Unmarshal(a.Body, &status)
		}
		return err
	})
	require.Nil(t, status.Shop)
	require.Empty(t, status.Found)
	refused := till.Call(http.MethodPost, "/api/v1/tabs", client.NewTab{})
	require.Equal(t, http.StatusConflict, refused.Status)
	require.Equal(t, "no-shop", refused.Problem().Code)

	require.Zero(t, till.Exec("init", "--data", till.Data, "--shop", "Café Möwe", "--name", till.Name).Code)
	till.Meet()
	till.Sell(till.PutArticle("Kaffee", 290, till.PutTax(1900)))
	till.Stop()
}

// TestWaitingTillStops: run on an empty directory ends when it is told to, and leaves nothing behind.
func TestWaitingTillStops(t *testing.T) {
	t.Parallel()
	till := nodetest.New(t).NewTill()
	till.Spawn(till.RunArgs()...)
	nodetest.Eventually(t, nodetest.Patience, "it answers", func() error {
		_, err := till.Send(t.Context(), http.MethodGet, "/healthz", nil)
		return err
	})
	till.Stop()
	if entries, err := os.ReadDir(till.Data); !errors.Is(err, fs.ErrNotExist) {
		require.NoError(t, err)
		require.Empty(t, entries)
	}
}
