package node_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/backup"
)

func why(t testing.TB, till *running, asked string) (node.Why, map[string]node.Step) {
	t.Helper()
	w, err := till.Why(t.Context(), asked)
	require.NoError(t, err)
	steps := make(map[string]node.Step)
	for _, s := range w.Steps {
		steps[s.Name] = s
	}
	require.Len(t, steps, 5)
	require.Equal(t, "no cloud", steps[node.StepUplink].Text)
	return w, steps
}

func TestWhyNamesTheFirstBrokenStep(t *testing.T) {
	tills := shopOf(t, 2)
	stock(t, tills[0])
	waitEqual(t, tills...)
	r := soldCoffee(t, tills[0])
	waitEqual(t, tills...)
	require.Eventually(t, func() bool { w, _ := why(t, tills[0], r.Number); return w.First == "" }, patience, 5*time.Millisecond)
	w, steps := why(t, tills[0], r.Number)
	require.Empty(t, w.First)
	require.Equal(t, r.ID, w.ID)
	require.Equal(t, node.StepDone, steps[node.StepTills].State)
	require.Len(t, steps[node.StepTills].Tills, 1)
	require.True(t, steps[node.StepTills].Tills[0].Has)

	tills[1].stop()
	alone := soldCoffee(t, tills[0])
	w, steps = why(t, tills[0], alone.ID.String())
	require.Equal(t, node.StepTills, w.First)
	require.NotEmpty(t, steps[node.StepTills].Cause)
	require.NotEmpty(t, steps[node.StepTills].Do)

	again := run(t, tills[1].data)
	w, steps = why(t, again, alone.Number)
	require.Equal(t, node.StepIssued, w.First)
	_, first, _ := tills[0].Self()
	require.Equal(t, first, w.Till)
	require.Contains(t, steps[node.StepIssued].Text, "the last number known of it is "+r.Number)
	require.Contains(t, steps[node.StepHere].Cause, "no link")
	require.Contains(t, steps[node.StepHere].Do, "only it would have the receipt")

	w, steps = why(t, again, "K9-000001")
	require.Equal(t, node.StepIssued, w.First)
	require.Contains(t, steps[node.StepIssued].Cause, "K1, K2")
	_, steps = why(t, again, "K2-000007")
	require.Contains(t, steps[node.StepIssued].Text, "the next number is K2-000001")
	_, steps = why(t, again, "paper")
	require.Equal(t, node.StepBroken, steps[node.StepIssued].State)
	_, steps = why(t, again, crdt.ObjectID{5}.String())
	require.Contains(t, steps[node.StepIssued].Text, "no receipt with this ID")
}

func texts(e node.Explained) string {
	var b strings.Builder
	for _, h := range e.Events {
		b.WriteString(h.What + ": " + h.Text + " | ")
	}
	return b.String()
}

func TestExplainTellsAllThatHappened(t *testing.T) {
	till := run(t, found(t))
	stock(t, till)
	tab, err := till.OpenTab(t.Context(), node.NewTab{Name: "Tisch 7", User: "Anna", Shared: true})
	require.NoError(t, err)
	ids, _, err := till.AddLines(t.Context(), tab.ID, []node.NewLine{{Article: coffeeID, Quantity: 2000, User: "Ben"}, {Article: coffeeID, Quantity: 1000, User: "Ben"}})
	require.NoError(t, err)
	_, err = till.VoidLine(t.Context(), tab.ID, ids[0], node.NewVoid{Quantity: 1000, Reason: "zu kalt", User: "Cem"})
	require.NoError(t, err)
	_, err = till.Discount(t.Context(), tab.ID, ids[1], node.NewDiscount{Amount: 40, Reason: "Stammgast", User: "Cem"})
	require.NoError(t, err)

	check := func(closed bool) {
		e, err := till.Explain(t.Context(), tab.ID.String())
		require.NoError(t, err)
		require.Equal(t, "tab", e.Kind)
		for _, want := range []string{"Cappuccino", "zu kalt", "Stammgast"} {
			require.Contains(t, texts(e), want)
		}
		for i := range e.Events[1:] {
			require.False(t, e.Events[i+1].At.Before(e.Events[i].At), "in order")
		}
		e, err = till.Explain(t.Context(), ids[0].String())
		require.NoError(t, err)
		require.Equal(t, "line", e.Kind)
		require.Contains(t, texts(e), "zu kalt")
		require.NotContains(t, texts(e), "Stammgast", "that is of another line")
		if closed {
			require.Contains(t, e.State, "K1-000001")
			require.Contains(t, texts(e), "K1-000001: receipt of 640 EUR")
		}
	}
	check(false)
	paid, err := till.Pay(t.Context(), tab.ID, node.NewPayment{Type: "Bar", Amount: 640, Tendered: 1000, User: "Anna"})
	require.NoError(t, err)
	r, err := till.CloseTab(t.Context(), tab.ID, "Anna", nil)
	require.NoError(t, err)
	check(true)
	e, err := till.Explain(t.Context(), r.Number)
	require.NoError(t, err)
	require.Equal(t, "receipt", e.Kind)
	require.Equal(t, "receipt", e.Events[len(e.Events)-1].What)
	e, err = till.Explain(t.Context(), paid.ID.String())
	require.NoError(t, err)
	require.Equal(t, "payment", e.Kind)
	require.Contains(t, texts(e), "Bar of 640")
	e, err = till.Explain(t.Context(), coffeeID.String())
	require.NoError(t, err)
	require.Equal(t, "article", e.Kind)
	require.Contains(t, texts(e), "costs 340 EUR")
	_, err = till.Explain(t.Context(), crdt.ObjectID{77}.String())
	require.ErrorIs(t, err, node.ErrNotFound)
	_, err = till.Explain(t.Context(), "paper")
	require.ErrorIs(t, err, node.ErrNotFound)
}

func TestExplainTellsWhichOfTwoValuesIsShown(t *testing.T) {
	tills := shopOf(t, 2)
	stock(t, tills[0])
	waitEqual(t, tills...)
	tills[1].stop()
	one, two := catalog.Named("Kaffee"), catalog.Named("Espresso")
	require.NoError(t, tills[0].EditArticle(t.Context(), coffeeID, catalog.ArticleEdit{Names: &one}))
	tills[0].stop()
	second := run(t, tills[1].data)
	require.NoError(t, second.EditArticle(t.Context(), coffeeID, catalog.ArticleEdit{Names: &two}))
	first := run(t, tills[0].data, second.LinkAddr().String())
	waitEqual(t, first, second)
	for _, till := range []*running{first, second} {
		e, err := till.Explain(t.Context(), coffeeID.String())
		require.NoError(t, err)
		require.Len(t, e.Beside, 1)
		require.Equal(t, "names", e.Beside[0].Register)
		require.Len(t, e.Beside[0].Values, 2)
		require.Contains(t, e.Beside[0].Values[0].Text, "Espresso")
		require.Contains(t, e.Beside[0].Rule, "written later")
	}
}

func TestTheRunningTillIsVerified(t *testing.T) {
	data := found(t)
	till := run(t, data)
	stock(t, till)
	for range 3 {
		soldCoffee(t, till)
	}
	r, err := till.Verify(t.Context())
	require.NoError(t, err)
	require.True(t, r.OK(), "%+v", r.Findings)
	require.EqualValues(t, 3, r.Documents)
	require.EqualValues(t, 3, till.VerifyState().Progress.Documents)
	file := t.TempDir() + "/b.backup"
	_, err = backup.SaveFile(t.Context(), file, func(w io.Writer) error { return till.Backup(t.Context(), w) }, nil)
	require.NoError(t, err)
	_, _, err = node.VerifyPath(t.Context(), node.VerifyOptions{Path: data})
	require.ErrorContains(t, err, "a till runs on")
	till.stop()
	export := t.TempDir() + "/export"
	for path, kind := range map[string]string{data: node.PathData, file: node.PathBackup} {
		o := node.VerifyOptions{Path: path}
		if kind == node.PathData {
			o.Export = export
		}
		was, r, err := node.VerifyPath(t.Context(), o)
		require.NoError(t, err)
		require.Equal(t, kind, was)
		require.True(t, r.OK(), "%+v", r.Findings)
		require.EqualValues(t, 3, r.Documents)
	}
	was, r, err := node.VerifyPath(t.Context(), node.VerifyOptions{Path: export})
	require.NoError(t, err)
	require.Equal(t, node.PathExport, was)
	require.EqualValues(t, 3, r.Documents)
	for _, nothing := range []string{t.TempDir(), data + "/token", data + "/missing"} {
		_, _, err = node.VerifyPath(t.Context(), node.VerifyOptions{Path: nothing})
		require.ErrorIs(t, err, node.ErrNothingToVerify, nothing)
	}
}
