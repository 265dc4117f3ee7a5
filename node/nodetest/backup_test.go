package nodetest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/nodetest"
)

// backedUp is what "till backup --json" prints.
type backedUp struct {
	File          string   `json:"file"`
	Till          string   `json:"till"`
	Bytes         int64    `json:"bytes"`
	Receipts      int64    `json:"receipts"`
	SHA256        string   `json:"sha256"`
	FounderSecret bool     `json:"founder_secret"`
	Problems      []string `json:"problems"`
}

func backupOf(t *testing.T, till *nodetest.Till, file string) backedUp {
	t.Helper()
	out := till.Exec("backup", file, "--http", till.URL(), "--data", till.Data, "--json")
	require.Zero(t, out.Code, "till backup: %s", out.Stderr)
	var made backedUp
	require.NoError(t, json.Unmarshal([]byte(out.Stdout), &made), out.Stdout)
	require.Empty(t, made.Problems)
	return made
}

// restoreArgs are the arguments that restore a backup into the directory of a new till.
func restoreArgs(file string, till *nodetest.Till, more ...string) []string {
	return append(append([]string{"restore", file, "--data", till.Data, "--json"}, till.Place.Flags...), more...)
}

// numbersAt returns the numbers of all receipts at a till.
func numbersAt(t *testing.T, till *nodetest.Till) []string {
	t.Helper()
	list, err := till.API().AllReceipts(t.Context(), client.List{})
	require.NoError(t, err)
	requireNumbers(t, list)
	var out []string
	for _, r := range list {
		out = append(out, r.Number)
	}
	return out
}

// TestTheLastTillIsRestoredAlone: the founder's till is backed up while it sells, and lost. A new one is restored from the
// file and the founder secret in it, sells under numbers of its own, and its own backup can be restored in turn.
func TestTheLastTillIsRestoredAlone(t *testing.T) {
	t.Parallel()
	shop := nodetest.New(t)
	one := shop.Found()
	coffee := one.PutArticle("Kaffee", 290, one.PutTax(1900))
	var before []client.Receipt
	for range 5 {
		before = append(before, one.Sell(coffee))
	}
	open := one.OpenTab("Tisch 3")
	one.Add(open.ID, coffee)

	// Selling goes on while it is written.
	selling, enough := context.WithCancel(t.Context())
	var seller sync.WaitGroup
	api := one.API()
	seller.Go(func() {
		for selling.Err() == nil {
			tab, err := api.OpenTab(t.Context(), client.NewTab{})
			if err == nil {
				_, err = api.AddLine(t.Context(), tab.ID, client.NewLine{Article: coffee})
			}
			if err == nil {
				_, err = api.CloseTab(t.Context(), tab.ID, client.Close{Payments: []client.Payment{{Type: "Bar", Amount: 290}}})
			}
			if err != nil {
				t.Errorf("selling stopped during a backup: %v", err)
				return
			}
		}
	})
	file := shop.Data("first.backup")
	made := backupOf(t, one, file)
	enough()
	seller.Wait()
	require.True(t, made.FounderSecret)
	require.GreaterOrEqual(t, made.Receipts, int64(5))
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	state, err := api.BackupState(t.Context())
	require.NoError(t, err)
	require.Equal(t, made.SHA256, state.Hash)
	require.Equal(t, made.Bytes, state.Bytes)
	again := one.Exec("backup", file, "--http", one.URL(), "--data", one.Data)
	require.Equal(t, 1, again.Code, "a file is never written over")
	require.Contains(t, again.Stderr, "already")

	one.Kill()
	require.NoError(t, os.RemoveAll(one.Data))
	two := shop.NewTill()
	out := two.Exec(restoreArgs(file, two, "--alone", "--name", "Kasse 1 neu")...)
	require.Zero(t, out.Code, "till restore: %s", out.Stderr)
	var restored struct {
		Prefix   string `json:"prefix"`
		Replaces string `json:"replaces"`
	}
	require.NoError(t, json.Unmarshal([]byte(out.Stdout), &restored))
	require.Equal(t, made.Till, restored.Replaces)
	require.NoDirExists(t, two.Data+".new")
	two.Start()
	held := numbersAt(t, two)
	require.Len(t, held, int(made.Receipts))
	for _, r := range before {
		copied, err := two.API().Receipt(t.Context(), r.Number)
		require.NoError(t, err)
		require.Equal(t, r.Canonical, copied.Canonical)
		require.True(t, copied.Verified)
	}
	tab, err := two.API().Tab(t.Context(), open.ID)
	require.NoError(t, err)
	require.Equal(t, "open", tab.State)
	own := two.Finish(open.ID)
	require.Equal(t, restored.Prefix+"-000001", own.Number, "a series of its own")
	require.NotEqual(t, "K1", restored.Prefix)
	mesh, err := two.API().Mesh(t.Context())
	require.NoError(t, err)
	for _, m := range mesh.Tills {
		require.Equal(t, map[bool]string{true: "active", false: "retired"}[m.Self], m.State, m.Name)
	}
	require.Len(t, mesh.Tills, 2)

	second := backupOf(t, two, shop.Data("second.backup"))
	require.True(t, second.FounderSecret, "whoever was restored with it keeps it")
	two.Restart()
	last := two.Sell(coffee)
	require.Equal(t, restored.Prefix+"-000002", last.Number)
	three := shop.NewTill()
	out = three.Exec(restoreArgs(second.File, three, "--alone")...)
	require.Zero(t, out.Code, "restore a restored till: %s", out.Stderr)
}

// TestATillIsRestoredWithAPeer: what was sold after the backup comes from the other till, the lost till is retired, and no
// number is used twice.
func TestATillIsRestoredWithAPeer(t *testing.T) {
	t.Parallel()
	shop := nodetest.Open(t, 2)
	one, two := shop.Tills[0], shop.Tills[1]
	coffee := one.PutArticle("Kaffee", 290, one.PutTax(1900))
	two.Await(coffee)
	two.Sell(coffee)
	shop.Equal()
	made := backupOf(t, two, shop.Data("two.backup"))
	require.False(t, made.FounderSecret, "no till that joined has it")
	late := two.Sell(coffee)
	one.Sell(coffee)
	shop.Equal()

	two.Kill()
	three := shop.NewTill()
	out := three.Exec(restoreArgs(made.File, three, "--alone")...)
	require.Equal(t, 1, out.Code)
	require.Contains(t, out.Stderr, "founder secret")
	require.NoDirExists(t, three.Data)
	require.NoDirExists(t, three.Data+".new", "nothing is left")

	nodetest.Eventually(t, nodetest.Patience, "the killed till is no longer seen", func() error {
		mesh, err := one.API().Mesh(t.Context())
		if err == nil && (mesh.Tills[1].Linked || mesh.Tills[1].Alive) {
			err = errNotYet
		}
		return err
	})
	out = three.Exec(restoreArgs(made.File, three, "--name", "Kasse 2 neu", "--token", shop.Invite(one), "--peer", one.Link().String())...)
	require.Zero(t, out.Code, "till restore: %s", out.Stderr)
	shop.Tills = []*nodetest.Till{one, three}
	three.Start()
	shop.Agree(one, three)
	copied, err := three.API().Receipt(t.Context(), late.Number)
	require.NoError(t, err, "what was sold after the backup came from the other till")
	require.Equal(t, late.Canonical, copied.Canonical)
	own := three.Sell(coffee)
	require.True(t, strings.HasPrefix(own.Number, "K3-"), own.Number)
	shop.Equal()
	require.ElementsMatch(t, numbersAt(t, one), numbersAt(t, three))
	mesh, err := one.API().Mesh(t.Context())
	require.NoError(t, err)
	states := map[string]string{}
	for _, m := range mesh.Tills {
		states[m.Prefix] = m.State
	}
	require.Equal(t, map[string]string{"K1": "active", "K2": "retired", "K3": "active"}, states)
	require.NoFileExists(t, filepath.Join(three.Data, "founder.key"))
	require.NoFileExists(t, filepath.Join(two.Data, "founder.key"))
	require.FileExists(t, filepath.Join(one.Data, "founder.key"))
}

// TestTheOthersMeetATillRestoredAlone: the founder's till is lost and restored alone while another till is switched off.
// That one does not know the new till and so has no link with it, until a person shows it the new till's directory.
func TestTheOthersMeetATillRestoredAlone(t *testing.T) {
	t.Parallel()
	shop := nodetest.Open(t, 2)
	one, two := shop.Tills[0], shop.Tills[1]
	coffee := one.PutArticle("Kaffee", 290, one.PutTax(1900))
	two.Await(coffee)
	two.Sell(coffee)
	shop.Equal()
	made := backupOf(t, one, shop.Data("one.backup"))
	late := two.Sell(coffee)
	two.Stop()
	one.Kill()
	three := shop.NewTill()
	out := three.Exec(restoreArgs(made.File, three, "--alone")...)
	require.Zero(t, out.Code, "till restore: %s", out.Stderr)
	shop.Tills = []*nodetest.Till{two, three}
	three.Start()
	own := three.Sell(coffee)
	three.Stop()

	two.Start()
	met := recoverAt(t, two, three.Data, "--yes")
	require.Equal(t, own.Number, met.Found.Receipts[0].Number)
	require.Equal(t, three.ID(), met.Found.Till)
	require.Empty(t, met.Found.Refused)
	three.Start()
	shop.Agree(two, three)
	for _, at := range shop.Tills {
		for _, r := range []client.Receipt{late, own} {
			got, err := at.API().Receipt(t.Context(), r.Number)
			require.NoError(t, err, "%s at %s", r.Number, at.Name)
			require.True(t, got.Verified)
		}
		at.Sell(coffee)
	}
	shop.Agree(two, three)
	require.ElementsMatch(t, numbersAt(t, two), numbersAt(t, three))
	require.Len(t, numbersAt(t, two), 5)
}

// TestADamagedBackupIsNamed: a file that is cut, changed or something else makes nothing, and the error says which file.
func TestADamagedBackupIsNamed(t *testing.T) {
	t.Parallel()
	shop := nodetest.New(t)
	one := shop.Found()
	coffee := one.PutArticle("Kaffee", 290, one.PutTax(1900))
	one.Sell(coffee)
	made := backupOf(t, one, shop.Data("whole.backup"))
	raw, err := os.ReadFile(made.File)
	require.NoError(t, err)
	flipped := bytes.Clone(raw)
	flipped[len(flipped)/2] ^= 8
	for name, content := range map[string][]byte{"cut.backup": raw[:len(raw)-40], "flipped.backup": flipped, "other.backup": []byte("a list of guests")} {
		path := shop.Data(name)
		require.NoError(t, os.WriteFile(path, content, 0o600))
		two := shop.NewTill()
		out := two.Exec(restoreArgs(path, two, "--alone")...)
		require.Equal(t, 1, out.Code, name)
		require.Contains(t, out.Stderr, name)
		require.Contains(t, out.Stderr, "nothing was made")
		require.NoDirExists(t, two.Data, name)
		require.Equal(t, 1, two.Exec("restore", path).Code, "%s is only looked at", name)
	}
	require.Zero(t, one.Exec("restore", made.File).Code)
}
