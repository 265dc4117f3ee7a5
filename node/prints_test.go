package node_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node"
)

// soldCoffee closes a receipt.
func soldCoffee(t testing.TB, till *running) node.Receipt {
	t.Helper()
	r, err := till.CloseTab(t.Context(), tabOf(t, till, 1), "Anna", []node.NewPayment{{Type: "Bar", Amount: 340}})
	require.NoError(t, err)
	return r
}

func TestASecondPrintIsAMarkedCopy(t *testing.T) {
	till := run(t, found(t))
	stock(t, till)
	r := soldCoffee(t, till)
	_, err := till.PrintDone(t.Context(), r.Number)
	require.Equal(t, node.CodeNoPrint, code(t, err))
	p, err := till.IntendPrint(t.Context(), r.Number, "Theke")
	require.NoError(t, err)
	require.False(t, p.Copy)
	require.Empty(t, p.Mark)
	for range 2 { // said twice
		p, err = till.PrintDone(t.Context(), r.ID.String())
		require.NoError(t, err)
		require.Equal(t, 1, p.Done)
	}
	require.Equal(t, "Kopie 1", p.Mark, "of the next one")
	for n := range 2 {
		p, err = till.IntendPrint(t.Context(), r.Number, "Theke")
		require.NoError(t, err)
		require.True(t, p.Copy)
		require.Equal(t, []string{"Kopie 1", "Kopie 2"}[n], p.Mark)
		_, err = till.PrintDone(t.Context(), r.Number)
		require.NoError(t, err)
	}
	open, err := till.OpenPrints(t.Context())
	require.NoError(t, err)
	require.Empty(t, open)
}

func TestWhatWasNotPrintedIsOfferedAsACopyAfterACrash(t *testing.T) {
	data := found(t)
	till := run(t, data)
	stock(t, till)
	r := soldCoffee(t, till)
	key := node.ForRequest(t.Context(), "k", [32]byte{1})
	for range 2 { // the request came twice: its answer was lost
		p, err := till.IntendPrint(key, r.Number, "Theke")
		require.NoError(t, err)
		require.Equal(t, 1, p.Count)
		require.False(t, p.Copy)
	}
	till.stop()
	till = run(t, data)
	open, err := till.OpenPrints(t.Context())
	require.NoError(t, err)
	require.Len(t, open, 1)
	require.Equal(t, r.Number, open[0].Number)
	require.Equal(t, "Theke", open[0].Printer)
	require.True(t, open[0].Copy)
	require.Equal(t, "Kopie 1", open[0].Mark)
	status, err := till.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, status.Prints.Open)
	list, _, ok := till.Events().After(t.Context(), till.Events().Last()-1)
	require.True(t, ok)
	require.NotEmpty(t, list)
	p, err := till.IntendPrint(t.Context(), r.Number, "Theke")
	require.NoError(t, err)
	require.Equal(t, "Kopie 1", p.Mark)
	_, err = till.DropPrint(t.Context(), r.Number)
	require.NoError(t, err)
	open, err = till.OpenPrints(t.Context())
	require.NoError(t, err)
	require.Empty(t, open)
	p, err = till.PrintState(t.Context(), r.Number)
	require.NoError(t, err)
	require.Equal(t, 0, p.Done)
	require.Equal(t, "Kopie 2", p.Mark)
}

func TestAReceiptOnTooFewTillsIsNotPrinted(t *testing.T) {
	tills := shopOf(t, 2)
	stock(t, tills[0])
	_, err := tills[0].EditSettings(t.Context(), shop.SettingsEdit{Print: &shop.PrintRule{Copies: 2, Seconds: 60}})
	require.NoError(t, err)
	waitEqual(t, tills...)
	tills[1].stop()
	r := soldCoffee(t, tills[0])
	_, err = tills[0].IntendPrint(t.Context(), r.Number, "Theke")
	require.Equal(t, node.CodePrintWaits, code(t, err))
	again := run(t, tills[1].data, tills[0].LinkAddr().String())
	waitEqual(t, tills[0], again)
	require.Eventually(t, func() bool { _, err := tills[0].IntendPrint(t.Context(), r.Number, "Theke"); return err == nil }, patience, 5*time.Millisecond)
	p, err := again.IntendPrint(t.Context(), r.Number, "Bar")
	require.NoError(t, err)
	require.True(t, p.Copy, "the till that closed it prints the original")
}

func TestPrintsAreForgottenAfterAMonth(t *testing.T) {
	now := time.Date(2026, 9, 1, 10, 0, 0, 0, time.UTC)
	data := found(t)
	open := func() *running { return runOn(t, data, func() time.Time { return now }) }
	till := open()
	stock(t, till)
	r, kept := soldCoffee(t, till), soldCoffee(t, till)
	for _, n := range []string{r.Number, kept.Number} {
		_, err := till.IntendPrint(t.Context(), n, "Theke")
		require.NoError(t, err)
		_, err = till.PrintDone(t.Context(), n)
		require.NoError(t, err)
	}
	till.stop()
	now = now.AddDate(0, 0, 20)
	till = open()
	_, err := till.IntendPrint(t.Context(), kept.Number, "Theke")
	require.NoError(t, err)
	till.stop()
	now = now.AddDate(0, 0, 11)
	till = open()
	till.Housekeep(t.Context())
	counts, err := till.PrintCounts(t.Context())
	require.NoError(t, err)
	require.Equal(t, node.PrintCounts{Open: 1, Dropped: 1}, counts)
	p, err := till.PrintState(t.Context(), r.Number)
	require.NoError(t, err)
	require.Zero(t, p.Count)
	require.True(t, p.Copy, "nobody knows any more whether it was printed")
	p, err = till.PrintState(t.Context(), kept.Number)
	require.NoError(t, err)
	require.Equal(t, 2, p.Count)
	p, err = till.PrintState(t.Context(), soldCoffee(t, till).Number)
	require.NoError(t, err)
	require.False(t, p.Copy)
}

// runOn runs a till with a clock of its own.
func runOn(t testing.TB, data string, now func() time.Time) *running {
	t.Helper()
	till, err := node.Open(t.Context(), node.Options{Data: data, Listen: "127.0.0.1:0", NoMDNS: true, Version: "test", Log: logTo(t), Environment: node.Environment{Now: now}})
	require.NoError(t, err)
	return runOpened(t, till, data)
}
