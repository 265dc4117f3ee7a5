package nodetest_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/nodetest"
)

// changes are the calls by which a till changes its files, as strace names them.
const changes = "openat,ftruncate,write,pwrite64,fsync,renameat,unlinkat,mkdirat,linkat"

// fileChange is one kind of call on one file.
type fileChange struct {
	call string
	file string // without its directory; what Badger counts up is named by its ending, such as ".mem", and so is what is named after the till
	dir  string // in the data directory
	// outside means that it lies in the state directory instead.
	outside bool
}

func (c fileChange) String() string { return c.call + " " + c.file }

// TestKilledAtEachFileChange kills a till at each kind of change to each of its files: in its first start, and while it starts, sells and stops
// later. After that it starts, with the same series, all that it acknowledged, and nothing to complain about.
func TestKilledAtEachFileChange(t *testing.T) {
	killing(t)
	t.Run("first start", func(t *testing.T) {
		t.Parallel()
		s := nodetest.New(t)
		found := func() *nodetest.Till {
			till := s.NewTill()
			out := till.Exec("init", "--data", till.Data, "--shop", "Café Möwe", "--name", till.Name)
			require.Zero(t, out.Code, "till init: %s", out.Stderr)
			return till
		}
		list, reached := changesOf(t, found()), 0
		for _, at := range list {
			till := found()
			if killAt(t, till, at, "") {
				reached++
			}
			till.Sell(till.PutArticle("Ceylon", 290, till.PutTax(700)))
			requireWell(t, till, at)
			till.Stop()
		}
		t.Logf("killed at %d of %d kinds of changes: %v", reached, len(list), list)
		require.Greater(t, reached, 40)
	})
	t.Run("later", func(t *testing.T) {
		t.Parallel()
		s := nodetest.New(t)
		till := s.Found()
		tea := till.PutArticle("Assam", 310, till.PutTax(1900))
		till.Stop()
		list, reached := changesOf(t, till), 0
		for _, at := range list {
			if killAt(t, till, at, tea) {
				reached++
			}
			till.Sell(tea)
			requireWell(t, till, at)
			till.Stop()
		}
		t.Logf("killed at %d of %d kinds of changes: %v", reached, len(list), list)
		require.Greater(t, reached, 30)
	})
}

// remade is of how many kinds of changes one is tried each time while a store is made anew, which takes seconds for each.
const remade = 5

// TestKilledWhileItsStoreIsMadeAnew kills a till at kinds of changes to its files while it finds its store damaged or missing, makes it anew
// and fills it from another till. After that it starts, goes on in new series only, and comes to the same as the other till.
func TestKilledWhileItsStoreIsMadeAnew(t *testing.T) {
	killing(t)
	for name, harm := range map[string]func(d *doubted){
		"damaged": func(d *doubted) { d.flip(d.files(".sst")[0]) },
		"missing": func(d *doubted) { require.NoError(d.t, os.RemoveAll(filepath.Join(d.two.Data, "store"))) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := inDoubt(t)
			d.two.Stop()
			harm(d)
			list := changesOf(t, d.two)
			first, tried, reached := rand.IntN(remade), 0, 0
			for i := first; i < len(list); i += remade {
				harm(d)
				if tried++; killAt(t, d.two, list[i], "") {
					reached++
				}
				d.Equal() // it has the articles again
				d.sell(d.two, 1)
				d.Equal() // the next harm may take what is here only
				d.two.Stop()
			}
			d.two.Start()
			d.whole()
			t.Logf("killed at %d of %d kinds of changes, from number %d of %d: %v", reached, tried, first, len(list), list)
			require.Greater(t, reached, tried/2)
		})
	}
}

// killing skips a test that kills a till at each change of a file where it is not wanted or not possible.
func killing(t *testing.T) {
	t.Helper()
	if os.Getenv(nodetest.EnvFull) != "1" {
		t.Skipf("some hundred starts take minutes: set %s=1", nodetest.EnvFull)
	}
	if _, err := exec.LookPath("strace"); err != nil {
		nodetest.Lacks(t, "strace is not installed")
	}
}

// changesOf runs a till from its start to its end and returns how it changed its files.
func changesOf(t *testing.T, till *nodetest.Till) (list []fileChange) {
	t.Helper()
	trace := filepath.Join(t.TempDir(), "trace")
	plain := till.Place.Enter
	till.Place.Enter = slices.Concat(plain, []string{"strace", "-D", "-f", "-y", "-qqq", "-s", "0", "-o", trace, "-e", "trace=" + changes})
	till.Start()
	till.Sell(till.PutArticle("Ceylon", 290, till.PutTax(700)))
	till.Stop()
	till.Place.Enter = plain
	b, err := os.ReadFile(trace)
	require.NoError(t, err)
	call := regexp.MustCompile(`(?m)^\d+ +(\w+)\((.*)$`)
	path := regexp.MustCompile(fmt.Sprintf(`(%s|%s)(/[^">]*)?[">]`, regexp.QuoteMeta(till.Data), regexp.QuoteMeta(till.State)))
	for _, found := range call.FindAllStringSubmatch(string(b), -1) {
		at := path.FindStringSubmatch(found[2])
		if at == nil || found[1] == "openat" && !strings.Contains(found[2], "O_CREAT") || strings.Contains(found[2], "= -1") {
			continue
		}
		c := fileChange{found[1], filepath.Base(at[2]), filepath.Dir(at[2]), at[1] == till.State}
		if name, end, ok := strings.Cut(c.file, "."); ok && (strings.Trim(name, "0123456789") == "" || c.outside) {
			c.file = "." + end
		}
		if !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	return list
}

// paths are where the file of a change may lie next time: Badger counts its files up.
func (c fileChange) paths(t *testing.T, till *nodetest.Till) (list []string) {
	t.Helper()
	dir := filepath.Join(till.Data, c.dir)
	if c.outside {
		dir = filepath.Join(till.State, c.dir)
	}
	if !strings.HasPrefix(c.file, ".") {
		return []string{filepath.Join(dir, c.file)}
	}
	list, err := filepath.Glob(filepath.Join(dir, "*"+strings.TrimSuffix(c.file, ".new")))
	require.NoError(t, err)
	if c.outside {
		for i := range list {
			list[i] = strings.TrimSuffix(list[i], ".new") + ".new"
		}
		return list
	}
	last, digits := 0, 6
	if c.file == ".mem" {
		digits = 5
	}
	for _, path := range list {
		var n int
		_, err := fmt.Sscanf(filepath.Base(path), "%d", &n)
		require.NoError(t, err)
		last = max(last, n)
	}
	for _, from := range []int{0, last} { // a store that is made anew begins again
		for n := range 4 {
			list = append(list, filepath.Join(dir, fmt.Sprintf("%0*d%s", digits, from+1+n, c.file)))
		}
	}
	return list
}

// killAt starts a till that is killed at its first change of a kind, sells, unless article is empty, and stops it. It reports whether the till
// was killed, and fails if the till does not have what it acknowledged when it is back.
func killAt(t *testing.T, till *nodetest.Till, at fileChange, article string) bool {
	t.Helper()
	plain := till.Place.Enter
	till.Place.Enter = slices.Concat(plain, []string{"strace", "-D", "-f", "-qqq", "-o", "/dev/null", "-e", "trace=" + at.call,
		"-e", "inject=" + at.call + ":signal=KILL:when=1"})
	for _, path := range at.paths(t, till) {
		till.Place.Enter = append(till.Place.Enter, "-P", path)
	}
	till.Spawn(till.RunArgs()...)
	nodetest.Eventually(t, 2*nodetest.Patience, "it answers or is killed", func() error {
		if !till.Running() {
			return nil
		}
		answer, err := till.Send(t.Context(), http.MethodGet, "/healthz", nil)
		if err == nil && answer.Status != http.StatusOK {
			err = fmt.Errorf("status %d", answer.Status)
		}
		return err
	})
	sold := seller{till: till, tea: article, acked: make(map[string]string)}
	if article != "" {
		sold.sell(t.Context())
	}
	err := till.Process().Stop(time.Minute)
	till.Place.Enter = plain
	till.Start()
	for number, hash := range sold.acked {
		again, err := till.API().Receipt(t.Context(), number)
		require.NoError(t, err, "%s: a receipt that was acknowledged", at)
		require.Equal(t, hash, again.Hash)
	}
	return err != nil && strings.Contains(err.Error(), "killed")
}

// requireWell checks that a till goes on as it was: in its one series, its numbers without a gap, and nothing to say about it.
func requireWell(t *testing.T, till *nodetest.Till, at fileChange) {
	t.Helper()
	alarms, err := till.API().Alarms(t.Context())
	require.NoError(t, err)
	require.Empty(t, alarms, "killed at %s", at)
	receipts, err := till.API().AllReceipts(t.Context(), client.List{})
	require.NoError(t, err)
	requireNumbers(t, receipts)
	for _, r := range receipts {
		require.Equal(t, receipts[0].Series, r.Series, "killed at %s", at)
	}
}
