package nodetest_test

import (
	"bytes"
	"io/fs"
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

// snapshot reads a whole directory: paths, and contents of files.
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

// TestRunRefusesAStoreInDoubt: what a store lost must not be numbered or written again, so the till does not sell until
// a person decided.
func TestRunRefusesAStoreInDoubt(t *testing.T) {
	t.Parallel()
	shop := nodetest.New(t)
	one := shop.Found()
	coffee := one.PutArticle("Kaffee", 290, one.PutTax(1900))
	one.Sell(coffee)
	one.Stop()
	older := shop.Data("older")
	copyDir(t, older, one.Data)
	one.Start()
	one.Sell(coffee)
	one.Stop()

	shop.Run("missing record", func(t *testing.T) {
		till := shop.NewTill()
		copyDir(t, till.Data, one.Data)
		require.NoError(t, os.Remove(filepath.Join(till.Data, "highwater")))
		refuseInDoubt(t, till)
	})
	shop.Run("damaged record", func(t *testing.T) {
		till := shop.NewTill()
		copyDir(t, till.Data, one.Data)
		require.NoError(t, os.WriteFile(filepath.Join(till.Data, "highwater"), make([]byte, 8192), 0o600))
		refuseInDoubt(t, till)
	})
	shop.Run("older store", func(t *testing.T) {
		till := shop.NewTill()
		copyDir(t, till.Data, one.Data)
		require.NoError(t, os.RemoveAll(filepath.Join(till.Data, "store")))
		copyDir(t, filepath.Join(till.Data, "store"), filepath.Join(older, "store"))
		refuseInDoubt(t, till)
	})
	shop.Run("missing store", func(t *testing.T) {
		till := shop.NewTill()
		copyDir(t, till.Data, one.Data)
		require.NoError(t, os.RemoveAll(filepath.Join(till.Data, "store")))
		refuseInDoubt(t, till)
	})
	shop.Run("store of another till", func(t *testing.T) {
		other := shop.NewTill()
		require.Zero(t, other.Exec("init", "--data", other.Data, "--shop", "Zweitladen", "--name", "Kasse 1").Code)
		till := shop.NewTill()
		copyDir(t, till.Data, one.Data)
		require.NoError(t, os.RemoveAll(filepath.Join(till.Data, "store")))
		copyDir(t, filepath.Join(till.Data, "store"), filepath.Join(other.Data, "store"))
		refuseInDoubt(t, till)
	})
	one.Start()
	receipts, err := one.API().AllReceipts(t.Context(), client.List{})
	require.NoError(t, err)
	require.Len(t, receipts, 2, "the right directory is in no doubt")
}

// refuseInDoubt checks that run refuses, twice in the same words: the first refusal changed nothing.
func refuseInDoubt(t *testing.T, till *nodetest.Till) {
	t.Helper()
	before := snapshot(t, till.Data)
	first := till.Exec(till.RunArgs()...)
	requireRefused(t, first, "doubt")
	requireSame(t, before, till.Data)
	second := till.Exec(till.RunArgs()...)
	require.Equal(t, first, second)
}

// TestUnknownKeyGetsNothing: a till of another shop that knows an address learns nothing there, and is counted.
func TestUnknownKeyGetsNothing(t *testing.T) {
	t.Parallel()
	ours, theirs := nodetest.New(t), nodetest.New(t)
	one, stranger := ours.Found(), theirs.Found()
	coffee := one.PutArticle("Kaffee", 290, one.PutTax(1900))
	stranger.Stop()
	stranger.Place.Flags = append(stranger.Place.Flags, "--peer", one.Link().String())
	stranger.Start()

	nodetest.Eventually(t, nodetest.Patience, "the stranger is counted", func() error {
		mesh, err := one.API().Mesh(t.Context())
		if err == nil && mesh.Counters["refused_unknown_key"] == 0 {
			return errNotYet
		}
		return err
	})
	for _, till := range []*nodetest.Till{one, stranger} {
		mesh, err := till.API().Mesh(t.Context())
		require.NoError(t, err)
		require.Len(t, mesh.Tills, 1, "%s of its shop knows itself only", till.Name)
		status, err := till.API().Status(t.Context())
		require.NoError(t, err)
		require.Empty(t, status.Peers)
	}
	_, err := stranger.API().Article(t.Context(), coffee)
	require.Equal(t, "not-found", client.CodeOf(err), "%v", err)
	require.NotContains(t, stranger.Log(), "Kaffee")
	one.Sell(coffee)
}

// TestEmptyDirectoryIsNoShop: run on an empty directory serves its status, refuses everything else and changes nothing
// for good.
func TestEmptyDirectoryIsNoShop(t *testing.T) {
	t.Parallel()
	shop := nodetest.New(t)
	till := shop.NewTill()
	till.Start()
	status, err := till.API().Status(t.Context())
	require.NoError(t, err)
	require.Nil(t, status.Shop)
	_, err = till.API().OpenTab(t.Context(), client.NewTab{})
	require.Equal(t, "no-shop", client.CodeOf(err), "%v", err)
	till.Stop()
}
