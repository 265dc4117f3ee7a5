package nodetest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/nodetest"
)

// TestATillRevokedWhileOffIsToldWhy: a till that was revoked while it was switched off is refused by all others. They say why;
// it shows who said so, and does nothing more because of it.
func TestATillRevokedWhileOffIsToldWhy(t *testing.T) {
	t.Parallel()
	shop := nodetest.Open(t, 3)
	one, two, lost := shop.Tills[0], shop.Tills[1], shop.Tills[2]
	coffee := one.PutArticle("Kaffee", 290, one.PutTax(1900))
	lost.Await(coffee)
	sold := lost.Sell(coffee)
	shop.Equal()
	lost.Stop()
	_, err := one.API().Revoke(t.Context(), "K3", "stolen")
	require.NoError(t, err)
	require.NoError(t, nodetest.Await(t.Context(), nodetest.Patience, func() error { return seesRevoked(t, two, lost) }))
	two.Stop()

	lost.Start()
	awaitTold(t, lost, one.Name)
	two.Start()
	awaitTold(t, lost, one.Name, two.Name)
	awaitCounter(t, one, "refused_removed")

	out := lost.Exec("status", "--data", lost.Data, "--http", lost.URL())
	require.Zero(t, out.Code, out.Stderr)
	require.Contains(t, out.Stdout, one.Name+" says that this till was removed from the shop (first ")
	require.Contains(t, out.Stdout, two.Name+" says that")
	doctor := lost.Exec("doctor", "--quick", "--data", lost.Data, "--http", lost.URL())
	require.Zero(t, doctor.Code, doctor.Stderr)
	require.Contains(t, doctor.Stdout, "!! This till was removed from the shop, says: "+one.Name+" and "+two.Name)
	require.Contains(t, doctor.Stdout, "till mesh")

	// The word of others is no revocation: nothing is deleted and nothing is refused.
	receipt, err := lost.API().Receipt(t.Context(), sold.Number)
	require.NoError(t, err)
	require.True(t, receipt.Verified)
	lost.Sell(coffee)
	require.FileExists(t, filepath.Join(lost.Data, "device.key"))
	status, err := lost.API().Status(t.Context())
	require.NoError(t, err)
	require.Nil(t, status.Removed)

	// It is remembered: with the others switched off, and without a second alarm.
	one.Stop()
	two.Stop()
	lost.Restart()
	awaitTold(t, lost, one.Name, two.Name)
	again, err := lost.API().Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, status.ToldRemoved[0].Since, again.ToldRemoved[0].Since)
	list, err := lost.API().Alarms(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 2)
	_, err = os.Stat(filepath.Join(lost.Data, "store"))
	require.NoError(t, err)
}

// awaitTold waits until a till shows that exactly these say that it was removed, each with an alarm, and that its doctor names
// it.
func awaitTold(t *testing.T, till *nodetest.Till, names ...string) {
	t.Helper()
	nodetest.Eventually(t, nodetest.Patience, till.Name+" was told", func() error {
		status, err := till.API().Status(t.Context())
		if err != nil {
			return err
		}
		said := make(map[string]bool)
		for _, o := range status.ToldRemoved {
			said[o.Name] = true
		}
		alarmed := make(map[string]bool)
		for _, a := range status.Alarms {
			require.Equal(t, "told-removed", a.Kind)
			require.Contains(t, a.Next, "till mesh")
			alarmed[a.Text] = true
		}
		for _, name := range names {
			if !said[name] || !alarmed[name+" says that this till was removed from the shop."] {
				return fmt.Errorf("not yet by %s: %+v, %+v", name, status.ToldRemoved, status.Alarms)
			}
		}
		if len(said) != len(names) {
			return fmt.Errorf("by others, too: %+v", status.ToldRemoved)
		}
		return findingOf(t, till, "told-removed", names)
	})
}

func findingOf(t *testing.T, till *nodetest.Till, code string, about []string) error {
	t.Helper()
	d, err := till.API().Diagnosis(t.Context(), "")
	if err != nil {
		return err
	}
	for _, f := range d.Findings {
		if f.Code == code {
			return sameTills(f, about)
		}
	}
	return fmt.Errorf("the doctor says %+v", d.Findings)
}

func sameTills(f client.Finding, about []string) error {
	if fmt.Sprint(f.Tills) != fmt.Sprint(about) {
		return fmt.Errorf("the doctor says %s of %v", f.Code, f.Tills)
	}
	return nil
}
