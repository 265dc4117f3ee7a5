package nodetest_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/nodetest"
)

// doubted is a shop in which the second till comes into doubt about its data.
type doubted struct {
	*nodetest.Shop
	t        *testing.T
	one, two *nodetest.Till
	coffee   string
	backup   string // copy of the second till's data directory at an earlier number
	sold     map[string]string
}

// before and after the backup the second till sells so many receipts.
const soldBefore, soldAfter = 4, 3

func inDoubt(t *testing.T) *doubted {
	t.Helper()
	d := &doubted{Shop: nodetest.Open(t, 2), t: t, sold: make(map[string]string)}
	d.one, d.two = d.Tills[0], d.Tills[1]
	d.coffee = d.one.PutArticle("Kaffee", 290, d.one.PutTax(1900))
	d.two.Await(d.coffee)
	d.sell(d.two, soldBefore)
	d.two.Stop()
	d.backup = d.Data("backup")
	d.Copy(d.two.Data, d.backup)
	d.two.Start()
	d.sell(d.two, soldAfter)
	d.sell(d.one, 1)
	d.Equal()
	return d
}

// sell sells receipts, of which none may have a number that was given out before on whatever machine. A till that is being
// opened again is waited for.
func (d *doubted) sell(at *nodetest.Till, n int) (last string) {
	d.t.Helper()
	for range n {
		nodetest.Eventually(d.t, nodetest.Patience, at.Name+" sells", func() error {
			tab, err := at.API().OpenTab(d.t.Context(), client.NewTab{})
			if err == nil {
				_, err = at.API().AddLine(d.t.Context(), tab.ID, client.NewLine{Article: d.coffee})
			}
			if err != nil {
				return err
			}
			r, err := at.API().CloseTab(d.t.Context(), tab.ID, client.Close{Payments: []client.Payment{{Type: "Bar", Amount: 290}}})
			if err != nil {
				return err
			}
			require.Empty(d.t, d.sold[r.Number], "number %s is given out twice, at %s and %s", r.Number, d.sold[r.Number], at.Name)
			d.sold[r.Number], last = at.Name, r.Number
			return nil
		})
	}
	return last
}

// alarm waits for the only alarm of a till and checks why it is there.
func (d *doubted) alarm(at *nodetest.Till, kinds ...string) client.Alarm {
	d.t.Helper()
	list, err := at.API().Alarms(d.t.Context())
	require.NoError(d.t, err)
	require.Len(d.t, list, 1, "alarms of %s: %+v", at.Name, list)
	a := list[0]
	found := slices.ContainsFunc(a.Reasons, func(r client.AlarmReason) bool { return slices.Contains(kinds, r.Kind) })
	require.True(d.t, found, "one of %v is a reason, not only %+v", kinds, a.Reasons)
	require.True(d.t, a.SeenAt.IsZero())
	require.NotEmpty(d.t, a.Text)
	out := at.Exec("status", "--data", at.Data, "--http", at.URL())
	require.Zero(d.t, out.Code, out.Stderr)
	require.Contains(d.t, out.Stdout, "ALARM "+a.Text)
	return a
}

// whole waits until the tills are equal and checks every series at every till: each number once, no gap, the chain of each with
// its opening, and nothing is missing that was sold.
func (d *doubted) whole() {
	d.t.Helper()
	d.Equal()
	for _, at := range d.Tills {
		list, err := at.API().AllReceipts(d.t.Context(), client.List{})
		require.NoError(d.t, err)
		requireNumbers(d.t, list)
		have := make(map[string]bool)
		series := make(map[string][]client.ReceiptEntry)
		for _, r := range list {
			have[r.Number] = true
			series[r.Series] = append(series[r.Series], r)
		}
		for number, by := range d.sold {
			require.True(d.t, have[number], "%s, sold at %s, is at %s", number, by, at.Name)
		}
		for name, entries := range series {
			d.chain(at, name, entries)
		}
	}
}

func (d *doubted) chain(at *nodetest.Till, series string, entries []client.ReceiptEntry) {
	d.t.Helper()
	opened := series != "K1" && series != "K2"
	slices.SortFunc(entries, func(a, b client.ReceiptEntry) int { return int(a.N - b.N) })
	numbers := []string{}
	if opened {
		numbers = append(numbers, series+"-000000")
	}
	for _, e := range entries {
		numbers = append(numbers, e.Number)
	}
	report, err := receipt.VerifyChain(d.documents(at, numbers), receipt.Chain{Series: series, Opened: opened})
	require.NoError(d.t, err)
	require.True(d.t, report.OK(), "series %s at %s: %+v", series, at.Name, report.Findings)
	require.EqualValues(d.t, len(numbers), report.Documents)
}

func (d *doubted) documents(at *nodetest.Till, numbers []string) iter.Seq2[receipt.Signed, error] {
	return func(yield func(receipt.Signed, error) bool) {
		for _, n := range numbers {
			r, err := at.API().Receipt(d.t.Context(), n)
			if err != nil {
				yield(receipt.Signed{}, fmt.Errorf("%s: %w", n, err))
				return
			}
			require.True(d.t, r.Verified, "%s at %s", n, at.Name)
			s := receipt.Signed{Document: r.Canonical, Signature: unhex(d.t, r.Signature), Key: unhex(d.t, r.Key)}
			if !yield(s, nil) {
				return
			}
		}
	}
}

// files returns the files of the second till's store with this ending; there must be some.
func (d *doubted) files(ending string) []string {
	d.t.Helper()
	list, err := filepath.Glob(filepath.Join(d.two.Data, "store", "*"+ending))
	require.NoError(d.t, err)
	require.NotEmpty(d.t, list)
	return list
}

func (d *doubted) flip(path string) {
	d.t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(d.t, err)
	used := len(strings.TrimRight(string(b), "\x00"))
	b[used/2] ^= 0x10
	require.NoError(d.t, os.WriteFile(path, b, 0o600))
}

func (d *doubted) cut(path string) {
	d.t.Helper()
	info, err := os.Stat(path)
	require.NoError(d.t, err)
	require.NoError(d.t, os.Truncate(path, info.Size()/2))
}

// full skips what only make check runs.
func full(t *testing.T) {
	t.Helper()
	if os.Getenv(nodetest.EnvFull) != "1" {
		t.Skip(nodetest.EnvFull + "=1 runs it")
	}
}

// TestStoreInDoubt damages, loses or puts back what a till keeps. Each time it starts by itself, sells in a new number series and
// says why; in the end all tills hold the same, and no number was given out twice.
func TestStoreInDoubt(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		quick bool // runs in every test run
		kill  bool // the till is killed first, not stopped
		harm  func(d *doubted)
		kinds []string
		moved bool // the damaged store is kept
		empty bool // nothing is left: it can sell only when it has got the articles back
	}{
		{name: "the store is deleted", quick: true, harm: func(d *doubted) { require.NoError(d.t, os.RemoveAll(filepath.Join(d.two.Data, "store"))) },
			kinds: []string{"store-missing"}, empty: true},
		{name: "a table is flipped", quick: true, harm: func(d *doubted) { d.flip(d.files(".sst")[0]) }, kinds: []string{"store-damaged"}, moved: true},
		{name: "a table is cut off", quick: true, harm: func(d *doubted) { d.cut(d.files(".sst")[0]) }, kinds: []string{"store-damaged"}, moved: true},
		{name: "the store is older", quick: true, harm: func(d *doubted) {
			d.PutBack(filepath.Join(d.backup, "store"), filepath.Join(d.two.Data, "store"))
		}, kinds: []string{"record-ahead"}},
		{name: "the store lost who this till is", quick: true, harm: (*doubted).forgetItself, kinds: []string{"store-damaged"}, moved: true},
		{name: "the store lost the other tills", harm: (*doubted).forgetOthers, kinds: []string{"store-damaged"}, moved: true},
		{name: "all is older, put back in place", harm: func(d *doubted) { d.PutBack(d.backup, d.two.Data) }, kinds: []string{"newer-boot"}},
		{name: "the directory is moved", harm: func(d *doubted) {
			moved := d.Data("moved")
			require.NoError(d.t, os.Rename(d.two.Data, moved))
			d.two.Data = moved
		}, kinds: []string{"other-place"}},
		{name: "the state directory is deleted", harm: func(d *doubted) { require.NoError(d.t, os.RemoveAll(d.two.State)) },
			kinds: []string{"binding-missing"}},
		{name: "the record is deleted", harm: func(d *doubted) { require.NoError(d.t, os.Remove(filepath.Join(d.two.Data, "highwater"))) },
			kinds: []string{"record-missing"}},
		{name: "the record is flipped", harm: func(d *doubted) {
			require.NoError(d.t, os.WriteFile(filepath.Join(d.two.Data, "highwater"), []byte(strings.Repeat("x", 8192)), 0o600))
		}, kinds: []string{"record-damaged"}},
		{name: "the list of tables is cut off", harm: func(d *doubted) { d.cut(filepath.Join(d.two.Data, "store", "MANIFEST")) },
			kinds: []string{"store-damaged"}, moved: true},
		{name: "the log is flipped", kill: true, harm: func(d *doubted) { d.flip(d.files(".mem")[0]) },
			kinds: []string{"record-ahead", "store-damaged", "chain-broken"}},
		{name: "store, record and binding are deleted", harm: func(d *doubted) {
			require.NoError(d.t, errors.Join(os.RemoveAll(filepath.Join(d.two.Data, "store")), os.Remove(filepath.Join(d.two.Data, "highwater")),
				os.RemoveAll(d.two.State)))
		}, kinds: []string{"store-missing"}, empty: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if !test.quick {
				full(t)
			}
			t.Parallel()
			d := inDoubt(t)
			if !test.empty {
				d.one.Stop() // alone at first: nobody could tell it what it lacks
			}
			if test.kill {
				d.two.Kill()
			} else {
				d.two.Stop()
			}
			test.harm(d)
			d.two.Start()
			a := d.alarm(d.two, test.kinds...)
			require.True(t, strings.HasPrefix(d.sell(d.two, 2), a.Prefix+"-"), "it sells in the series that the alarm names")
			require.NotEqual(t, "K2", a.Prefix)
			if !test.empty {
				d.one.Start()
			}
			d.whole()
			require.True(t, strings.HasPrefix(d.sell(d.two, 1), a.Prefix+"-"))
			d.two.Restart()
			require.True(t, strings.HasPrefix(d.sell(d.two, 1), a.Prefix+"-"), "the next start doubts nothing")
			d.whole()
			a = d.alarm(d.two, test.kinds...)
			if test.moved {
				require.NotNil(t, a.Rebuilt)
				require.DirExists(t, filepath.Join(d.two.Data, a.Rebuilt.Moved))
				require.Positive(t, a.Rebuilt.Fetched+a.Rebuilt.Saved)
			}
			seen, err := d.two.API().SeeAlarm(t.Context(), a.ID, "Anna")
			require.NoError(t, err)
			require.Equal(t, "Anna", seen.SeenBy)
			d.two.Restart()
			status, err := d.two.API().Status(t.Context())
			require.NoError(t, err)
			require.Empty(t, status.Alarms)
		})
	}
}

// TestCloneOfATill is scenario 5: a backup of the second till is started on another machine.
func TestCloneOfATill(t *testing.T) {
	t.Parallel()
	t.Run("after it is gone", func(t *testing.T) {
		t.Parallel()
		d := inDoubt(t)
		d.two.Kill()
		clone := d.Elsewhere(d.backup, d.Data("another machine"))
		d.Tills[1] = clone
		clone.Start()
		a := d.alarm(clone, "binding-missing")
		require.True(t, strings.HasPrefix(d.sell(clone, 1), a.Prefix+"-"), "it is fenced before the first sale")
		d.whole()
		d.sell(clone, 2)
		d.whole()
		d.alarm(clone, "binding-missing")
	})
	t.Run("alone, then the others come", func(t *testing.T) {
		t.Parallel()
		d := inDoubt(t)
		d.two.Kill()
		d.one.Stop()
		clone := d.Elsewhere(d.backup, d.two.State) // on the same machine, in another place
		d.Tills[1] = clone
		clone.Start()
		a := d.alarm(clone, "other-place")
		require.Equal(t, a.Prefix+"-000005", d.sell(clone, 5))
		d.one.Start()
		d.whole()
		d.alarm(clone, "other-place")
	})
	t.Run("beside it", func(t *testing.T) {
		t.Parallel()
		full(t)
		d := inDoubt(t)
		before, err := d.two.API().Status(t.Context())
		require.NoError(t, err)
		clone := d.Elsewhere(d.backup, d.Data("another machine"))
		clone.Start()
		sold := ""
		// It either stops at once or has a series of its own.
		if tab, err := clone.API().OpenTab(t.Context(), client.NewTab{}); err == nil {
			if _, err = clone.API().AddLine(t.Context(), tab.ID, client.NewLine{Article: d.coffee}); err == nil {
				if r, err := clone.API().CloseTab(t.Context(), tab.ID, client.Close{Payments: []client.Payment{{Type: "Bar", Amount: 290}}}); err == nil {
					sold = r.Number
					require.Empty(t, d.sold[sold])
					d.sold[sold] = "the clone"
				}
			}
		}
		nodetest.Eventually(t, nodetest.Patience, "the clone stops selling", func() error {
			s, err := clone.API().Status(t.Context())
			if err != nil {
				return err
			}
			if s.Halted == nil || s.Halted.Code != "copy-runs" {
				return fmt.Errorf("halted: %+v, alarms %+v", s.Halted, s.Alarms)
			}
			require.Contains(t, s.Halted.Hint, "till join --replaces")
			return nil
		})
		t.Logf("the clone sold %q before it stopped", sold)
		require.True(t, strings.HasPrefix(d.sell(d.two, 3), "K2-"), "the one that was there first goes on in its series")
		d.whole()
		after, err := d.two.API().Status(t.Context())
		require.NoError(t, err)
		require.Equal(t, before.Since, after.Since, "its copy does not interrupt it")
		list, err := d.two.API().Alarms(t.Context())
		require.NoError(t, err)
		require.Len(t, list, 1, "%+v", list)
		require.Equal(t, "copy-runs", list[0].Kind)
	})
}

// TestWholeMachineGoesBack: data directory and state directory are as they were, in the same place, so nothing on the machine
// tells. Another till does, before anything is sold.
func TestWholeMachineGoesBack(t *testing.T) {
	t.Parallel()
	full(t)
	d := inDoubt(t)
	d.two.Stop()
	data, state := d.Data("data then"), d.Data("state then")
	d.Copy(d.two.Data, data)
	d.Copy(d.two.State, state)
	d.two.Start()
	d.sell(d.two, 2)
	d.Equal()
	d.two.Kill()
	d.PutBack(data, d.two.Data)
	d.PutBack(state, d.two.State)
	d.two.Start()
	nodetest.Eventually(t, nodetest.Patience, "the other till tells", func() error {
		list, err := d.two.API().Alarms(t.Context())
		if err == nil && len(list) == 0 {
			err = errNotYet
		}
		return err
	})
	a := d.alarm(d.two, "unknown-own")
	require.True(t, strings.HasPrefix(d.sell(d.two, 2), a.Prefix+"-"))
	d.whole()
}

// TestAuditOnDemand: what audits came to is shown, and one can be asked for.
func TestAuditOnDemand(t *testing.T) {
	t.Parallel()
	d := inDoubt(t)
	got, err := d.two.API().RunAudit(t.Context())
	require.NoError(t, err)
	require.True(t, got.Ended)
	with := make(map[string]bool)
	for _, r := range got.Items {
		require.Equal(t, "equal", r.Outcome, "%+v", r)
		with[r.Till] = true
	}
	require.Equal(t, map[string]bool{"": true, d.one.ID(): true}, with)
	out := d.two.Exec("audit", "--last", "--data", d.two.Data, "--http", d.two.URL())
	require.Zero(t, out.Code, out.Stderr)
	require.Contains(t, out.Stdout, "equal")
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}
