package nodetest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/nodetest"
)

// sellOne closes a tab with one article and returns the receipt.
func sellOne(t *testing.T, till *nodetest.Till, article string, price int64) client.Receipt {
	t.Helper()
	tab := till.OpenTab("")
	till.Add(tab.ID, article)
	r, err := till.API().CloseTab(t.Context(), tab.ID, client.Close{User: "Anna", Payments: []client.Payment{{Type: "Bar", Amount: price}}})
	require.NoError(t, err)
	return r
}

// TestPrintOnlyOnTwoTills: with the rule a receipt may be printed as soon as another till has it; while the other till is
// away it waits, after the time of the rule a person lets it go, and all tills know who did.
func TestPrintOnlyOnTwoTills(t *testing.T) {
	t.Parallel()
	opening := time.Now()
	shop := nodetest.Open(t, 2)
	t.Logf("opened within %v", time.Since(opening).Round(time.Millisecond))
	one, two := shop.Tills[0], shop.Tills[1]
	coffee := one.PutArticle("Kaffee", 290, one.PutTax(1900))
	require.NoError(t, one.API().PutSettings(t.Context(), client.Settings{Print: &client.PrintRule{Copies: 2, Seconds: 2}}))
	shop.Equal()
	settings, err := two.API().Settings(t.Context())
	require.NoError(t, err)
	require.Equal(t, client.PrintRule{Copies: 2, Seconds: 2}, *settings.Print)

	state := func(till *nodetest.Till, number, want string) client.Receipt {
		t.Helper()
		var r client.Receipt
		nodetest.Eventually(t, nodetest.Patience, number+" is "+want, func() error {
			var err error
			if r, err = till.API().Receipt(t.Context(), number); err != nil {
				return err
			}
			if r.Release == nil || r.Release.State != want {
				return fmt.Errorf("it is %+v", r.Release)
			}
			return nil
		})
		return r
	}
	begin := time.Now()
	first := sellOne(t, one, coffee, 290)
	require.NotNil(t, first.Release)
	released := state(one, first.Number, "released")
	t.Logf("closed and released within %v", time.Since(begin).Round(time.Millisecond))
	require.Equal(t, []string{two.Name}, released.Copies.Names)
	require.Equal(t, "saved here and on 1 other till", released.Copies.Text)

	two.Kill()
	second := sellOne(t, one, coffee, 290)
	require.Equal(t, "waiting", second.Release.State)
	require.Equal(t, 1, second.Release.Copies)
	require.Equal(t, 2, second.Release.Wanted)
	require.Equal(t, "saved here only", second.Copies.Text)
	release := []string{"release", second.Number, "--http", one.URL(), "--data", one.Data, "--user", "Anna", "--reason", "guest waits"}
	early := one.Exec(release...)
	require.Equal(t, 1, early.Code)
	require.Contains(t, early.Stderr, "waits until it is on 2 tills")

	status := one.Exec("status", "--http", one.URL(), "--data", one.Data)
	require.Zero(t, status.Code, status.Stderr)
	require.Contains(t, status.Stdout, "if this till vanished now: 1 receipt, 2.90 EUR (the oldest: ")
	one.Kill()
	t.Logf("started again alone within %v", one.Start().Round(time.Millisecond))
	again := state(one, second.Number, "waiting")
	require.Equal(t, 2, again.Release.Wanted, "it is derived again after a restart")
	listed, err := one.API().Receipts(t.Context(), client.List{})
	require.NoError(t, err)
	require.True(t, listed.Items[0].Waiting)
	require.Equal(t, 1, listed.Items[0].Copies.On)

	nodetest.Eventually(t, nodetest.Patience, "the time is over", func() error {
		r, err := one.API().Receipt(t.Context(), second.Number)
		if err == nil && !r.Release.MayOverride {
			err = errNotYet
		}
		return err
	})
	require.Equal(t, "waiting", state(one, second.Number, "waiting").Release.State, "the end of the time lets nothing go by itself")
	said := one.Exec(release...)
	require.Zero(t, said.Code, said.Stderr)
	require.Contains(t, said.Stdout, "Anna let it go")

	t.Logf("the other one started within %v", two.Start().Round(time.Millisecond))
	t.Logf("equal after %v", shop.EqualWithin(nodetest.Patience).Round(time.Millisecond))
	for _, till := range shop.Tills {
		r := state(till, second.Number, "overridden")
		require.Equal(t, "Anna", r.Release.Override.User)
		require.Equal(t, "guest waits", r.Release.Override.Reason)
		require.Equal(t, one.ID(), r.Release.Override.Till)
		require.Equal(t, 1, r.Release.Override.Copies)
	}
	require.Equal(t, "closed-elsewhere", func() string {
		_, err := two.API().ReleaseReceipt(t.Context(), second.Number, "Ben", "")
		return client.CodeOf(err)
	}())
	nodetest.Eventually(t, nodetest.Patience, "nothing is at risk", func() error {
		status, err := one.API().Status(t.Context())
		if err == nil && (status.Risk.Receipts > 0 || status.Risk.Tabs > 0) {
			err = fmt.Errorf("%+v", status.Risk)
		}
		return err
	})
	risk := one.Exec("risk", "--http", one.URL(), "--data", one.Data)
	require.Zero(t, risk.Code, risk.Stderr)
	require.Contains(t, risk.Stdout, two.Name)
	state(one, sellOne(t, one, coffee, 290).Number, "released")
}
