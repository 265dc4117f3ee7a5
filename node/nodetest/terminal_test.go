package nodetest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/nodetest"
)

var errUndecided = errors.New("a payment is not decided")

// TestCardPaymentsSurviveKills: a till takes card payments from a terminal that loses requests and answers, captures late and
// goes down, and is killed again and again. In the end the terminal's book of captured money is what the till shows, and no
// payment was charged twice.
func TestCardPaymentsSurviveKills(t *testing.T) {
	t.Parallel()
	shop := nodetest.New(t)
	till := shop.Found()
	beside := shop.NewTill()
	book := filepath.Join(t.TempDir(), "book")
	at := beside.Place.HTTP.String()
	beside.Spawn("terminal", "--listen", at, "--seed", "11", "--book", book)
	require.NoError(t, till.Process().Stop(nodetest.Patience))
	till.Place.Flags = append(till.Place.Flags, "--terminal", "simulated@"+at)
	till.Start()
	article := till.PutArticle("Espresso", 250, till.PutTax(1900))

	want := make(map[string]string) // payment -> tab
	payments := 4
	if os.Getenv(nodetest.EnvFull) == "1" {
		payments = 30
	}
	for n := range payments {
		tab := till.OpenTab(fmt.Sprint("Tisch ", n))
		till.Add(tab.ID, article)
		id := ""
		nodetest.Eventually(t, 90*time.Second, "the terminal is free", func() error {
			paid, err := till.API().Pay(t.Context(), tab.ID, client.Payment{Type: "ECKarte", Amount: 250, Terminal: true})
			id = paid.Payment.ID
			return err
		})
		want[id] = tab.ID
		if n%4 == 3 { // while the terminal is asked
			nodetest.Eventually(t, nodetest.Patience, "the terminal is asked", func() error {
				p, err := till.API().Payment(t.Context(), id)
				if err == nil && p.State == "intended" {
					err = errUndecided
				}
				return err
			})
		}
		if n%2 == 1 {
			require.NoError(t, till.Process().Kill())
			till.Start()
		}
	}
	nodetest.Eventually(t, 3*time.Minute, "all payments are decided", func() error {
		open, err := till.API().Payments(t.Context())
		if err == nil && len(open) > 0 {
			err = errUndecided
		}
		return err
	})
	shown := make(map[string]string)
	for id, tab := range want {
		p, err := till.API().Payment(t.Context(), id)
		require.NoError(t, err)
		shown[id] = p.State
		cash := []client.Payment{{Type: "Bar", Amount: 250}}
		if p.State == "captured" {
			cash = nil
		}
		_, err = till.API().CloseTab(t.Context(), tab, client.Close{Payments: cash})
		require.NoError(t, err)
	}
	require.NoError(t, till.Process().Stop(nodetest.Patience))
	require.NoError(t, beside.Process().Stop(nodetest.Patience))
	raw, err := os.ReadFile(book)
	require.NoError(t, err)
	captured := make(map[string]string)
	for line := range strings.Lines(string(raw)) {
		var e struct{ Payment, State string }
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		if e.State == "captured" {
			require.Empty(t, captured[e.Payment], "captured once")
			captured[e.Payment] = e.State
		}
	}
	for id, state := range shown {
		require.Equal(t, captured[id] != "", state == "captured", "payment %s is %s, the terminal says %q", id, state, captured[id])
		delete(captured, id)
	}
	require.Empty(t, captured, "the terminal took money of which the till knows nothing")
	out := till.Exec("verify", till.Data)
	require.Zero(t, out.Code, out.Stdout+out.Stderr)
	require.Contains(t, out.Stdout, "nothing is wrong")
}

// TestWhatWasBeingPrintedIsPrintedAsACopy: a till is killed between "intended" and "done".
func TestWhatWasBeingPrintedIsPrintedAsACopy(t *testing.T) {
	t.Parallel()
	shop := nodetest.New(t)
	till := shop.Found()
	article := till.PutArticle("Espresso", 250, till.PutTax(1900))
	first, second := till.Sell(article), till.Sell(article)
	paper := filepath.Join(t.TempDir(), "paper")
	command := func(args ...string) nodetest.Output {
		return till.Exec(append(args, "--http", till.URL(), "--data", till.Data)...)
	}
	out := command("print", first.Number, "--to", paper)
	require.Zero(t, out.Code, out.Stderr)
	_, err := till.API().PrintReceipt(t.Context(), second.Number, "intended", "Theke")
	require.NoError(t, err)
	require.NoError(t, till.Process().Kill())
	till.Start()
	out = command("prints")
	require.Zero(t, out.Code, out.Stderr)
	require.Contains(t, out.Stdout, second.Number)
	require.NotContains(t, out.Stdout, first.Number)
	for _, number := range []string{second.Number, first.Number} {
		out = command("print", number, "--to", paper)
		require.Zero(t, out.Code, out.Stderr)
	}
	printed, err := os.ReadFile(paper)
	require.NoError(t, err)
	pages := strings.Split(strings.TrimSuffix(string(printed), "\f"), "\f")
	require.Len(t, pages, 3)
	require.NotContains(t, pages[0], "KOPIE")
	require.Contains(t, pages[1], "KOPIE 1", "nobody knows whether there was paper")
	require.Contains(t, pages[2], "KOPIE 1")
	require.Contains(t, pages[2], "2,50")
	out = command("prints")
	require.Contains(t, out.Stdout, "everything that was to be printed here was printed")
	out = command("why", first.Number)
	require.Zero(t, out.Code, out.Stderr)
	require.Contains(t, out.Stdout, "this is the only till of the shop")
	require.Contains(t, out.Stdout, "no cloud")
	out = command("explain", first.Number)
	require.Zero(t, out.Code, out.Stderr)
	require.Contains(t, out.Stdout, "Espresso")
	require.Contains(t, out.Stdout, "sent to printer")
	out = command("verify")
	require.Zero(t, out.Code, out.Stderr)
}
