package nodetest_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/nodetest"
)

// cases returns how many cases of a kind a till shows, and the first of them.
func cases(t *testing.T, till *nodetest.Till, kind string) (n int, id string) {
	t.Helper()
	var list struct {
		Items []struct {
			ID, Kind string
			Ways     []struct{ Way, Text, Call string }
		}
	}
	till.Must("GET", "/api/v1/cases", nil, &list)
	for _, c := range list.Items {
		if c.Kind == kind {
			if n++; n == 1 {
				id = c.ID
			}
			require.NotEmpty(t, c.Ways, "a case has a way out")
		}
	}
	return n, id
}

func awaitCases(t *testing.T, till *nodetest.Till, kind string, want int) (id string) {
	t.Helper()
	nodetest.Eventually(t, 5*time.Second, fmt.Sprintf("%s shows %d of %s", till.Name, want, kind), func() error {
		n, first := cases(t, till, kind)
		if id = first; n != want {
			return fmt.Errorf("it shows %d", n)
		}
		return nil
	})
	return id
}

// TestDoublePayment is scenario 1: a tab is settled at two tills that do not hear each other. Both receipts stay, and one case
// is on all tills within 5 s.
func TestDoublePayment(t *testing.T) {
	t.Parallel()
	shop := nodetest.Open(t, 3)
	one, two, three := shop.Tills[0], shop.Tills[1], shop.Tills[2]
	tax := one.PutTax(1900)
	meal, water := one.PutArticle("Schnitzel", 820, tax), one.PutArticle("Wasser", 250, tax)
	tab := one.OpenTab("Tisch 7")
	for range 3 {
		one.Add(tab.ID, meal)
	}
	shop.Equal()

	// The others are cut off: they are off while one settles, and it is off while they do.
	two.Kill()
	three.Kill()
	first := one.Finish(tab.ID)
	one.Kill()
	two.Start()
	three.Start()
	shop.Agree(two, three)
	two.Await(water)
	two.Add(tab.ID, water)
	require.NoError(t, two.Take(t.Context(), tab.ID))
	second, err := two.API().CloseTab(t.Context(), tab.ID, client.Close{Payments: []client.Payment{{Type: "ECKarte", Amount: 2710}}})
	require.NoError(t, err)
	require.NotEqual(t, first.Number, second.Number)
	n, _ := cases(t, three, "double-settlement")
	require.Zero(t, n)

	one.Start()
	shop.Equal()
	ids := make([]string, len(shop.Tills))
	for i, till := range shop.Tills {
		ids[i] = awaitCases(t, till, "double-settlement", 1)
		for _, r := range []client.Receipt{first, second} {
			copied, err := till.API().Receipt(t.Context(), r.Number)
			require.NoError(t, err)
			require.Equal(t, r.Canonical, copied.Canonical)
		}
	}
	require.Equal(t, []string{ids[0], ids[0], ids[0]}, ids, "it is the same case everywhere")
	one.Restart()
	awaitCases(t, one, "double-settlement", 1)
}

// TestFinishedElsewhere is scenario 2: the till of the waiter dies, another one voids, splits and settles; what the first one
// had alone is offered when it is back, at every till.
func TestFinishedElsewhere(t *testing.T) {
	t.Parallel()
	shop := nodetest.Open(t, 3)
	one, two, three := shop.Tills[0], shop.Tills[1], shop.Tills[2]
	beer := one.PutArticle("Bier", 410, one.PutTax(1900))
	tab := one.OpenTab("Tisch 3")
	for range 40 {
		one.Add(tab.ID, beer)
	}
	shop.Equal()
	two.Kill()
	three.Kill()
	extra := one.Add(tab.ID, beer)
	one.Kill()
	two.Start()
	three.Start()
	shop.Agree(two, three)

	got := three.AwaitTab(tab.ID, 40)
	for _, l := range got.Lines[:2] {
		three.Must("POST", "/api/v1/tabs/"+tab.ID+"/lines/"+l.ID+"/void", map[string]any{"reason": "zurück"}, nil)
	}
	var split client.Split
	for _, l := range got.Lines[35:] {
		split.Lines = append(split.Lines, client.SplitLine{Line: l.ID})
	}
	parts, err := three.API().SplitTab(t.Context(), tab.ID, split, client.WithKey("split"))
	require.NoError(t, err)
	require.EqualValues(t, 5*410, parts.To.Totals.Gross)
	again, err := three.API().SplitTab(t.Context(), tab.ID, split, client.WithKey("split"))
	require.NoError(t, err)
	require.Equal(t, parts.To.ID, again.To.ID)
	small, large := three.Finish(parts.To.ID), three.Finish(tab.ID)

	one.Start()
	shop.Equal()
	for _, r := range []client.Receipt{small, large} {
		copied, err := one.API().Receipt(t.Context(), r.Number)
		require.NoError(t, err)
		require.Equal(t, r.Canonical, copied.Canonical)
	}
	var document struct {
		Totals struct{ Gross int64 }
		Lines  []struct{ ID string }
	}
	require.NoError(t, json.Unmarshal(large.Canonical, &document))
	require.EqualValues(t, 33*410, document.Totals.Gross)
	require.Len(t, document.Lines, 35)
	for _, till := range shop.Tills {
		awaitCases(t, till, "continuation", 1)
	}
	_, id := cases(t, two, "continuation")
	adopted := two.Exec("tab", "adopt", id, "--name", "Nachtrag", "--http", two.URL(), "--data", two.Data, "--json")
	require.Zero(t, adopted.Code, adopted.Stderr)
	var later client.Tab
	require.NoError(t, json.Unmarshal([]byte(adopted.Stdout), &later))
	require.Equal(t, extra.ID, later.Lines[0].ID)
	shop.Equal()
	for _, till := range shop.Tills {
		awaitCases(t, till, "continuation", 0)
	}
	two.Finish(later.ID)
	shop.Equal()
}

// TestWorkingTogether: every till shows at once who works where; a tab that somebody works on is taken with the right only,
// and that is written down; tabs are merged, handed over and taken apart at any till.
func TestWorkingTogether(t *testing.T) {
	t.Parallel()
	shop := nodetest.Open(t, 2)
	one, two := shop.Tills[0], shop.Tills[1]
	beer := one.PutArticle("Bier", 410, one.PutTax(1900))
	two.Await(beer)
	tab := one.OpenTab("Tisch 1")
	one.Add(tab.ID, beer)
	two.AwaitTab(tab.ID, 1)
	require.NoError(t, one.API().SetPresence(t.Context(), tab.ID, "Anna", false))
	works := func(till *nodetest.Till, want ...string) {
		t.Helper()
		nodetest.Eventually(t, 5*time.Second, fmt.Sprintf("%s shows %v", till.Name, want), func() error {
			got, err := till.API().Tab(t.Context(), tab.ID)
			if err != nil {
				return err
			}
			var users []string
			for _, p := range got.Present {
				if p.User != "" {
					users = append(users, p.User+" "+p.TillName)
				}
			}
			if !slices.Equal(users, want) {
				return fmt.Errorf("it shows %v", users)
			}
			return nil
		})
	}
	works(two, "Anna "+one.Name)
	listed := two.Exec("tab", "list", "--http", two.URL(), "--data", two.Data)
	require.Zero(t, listed.Code, listed.Stderr)
	require.Contains(t, listed.Stdout, "Anna, "+one.Name+", since ")

	refused := two.Call("POST", "/api/v1/tabs/"+tab.ID+"/close", map[string]any{"payments": []client.Payment{{Type: "Bar", Amount: 410}}})
	require.Equal(t, "held-by", refused.Problem().Code)
	require.Contains(t, string(refused.Body), `"held_user":"Anna"`)
	require.Contains(t, string(refused.Body), `"held_since":"20`)
	no := two.Exec("tab", "claim", tab.ID, "--user", "Bela", "--http", two.URL(), "--data", two.Data)
	require.Equal(t, 1, no.Code)
	require.Contains(t, no.Stderr, one.Name+" keeps the tab: Anna, since ")
	taken := two.Exec("tab", "claim", tab.ID, "--user", "Bela", "--force", "--http", two.URL(), "--data", two.Data)
	require.Zero(t, taken.Code, taken.Stderr)
	require.NoError(t, one.API().SetPresence(t.Context(), tab.ID, "Anna", true))
	shop.Equal()
	for _, till := range shop.Tills {
		history, err := till.API().TabHistory(t.Context(), tab.ID)
		require.NoError(t, err)
		require.Len(t, history, 1)
		require.Equal(t, "forced", history[0].How)
		require.Equal(t, one.ID(), history[0].From.Till)
		require.Equal(t, "Bela", history[0].To.User)
		require.WithinDuration(t, time.Now(), history[0].At.Time, time.Minute)
	}
	works(one, "Bela "+two.Name)

	other := two.OpenTab("Tisch 2")
	two.Add(other.ID, beer)
	one.AwaitTab(other.ID, 1)
	merged := one.Exec("tab", "merge", other.ID, "--into", tab.ID, "--http", one.URL(), "--data", one.Data)
	require.Zero(t, merged.Code, merged.Stderr)
	two.AwaitTab(tab.ID, 2)
	apart := two.Exec("tab", "unmerge", other.ID, "--http", two.URL(), "--data", two.Data)
	require.Zero(t, apart.Code, apart.Stderr)
	one.AwaitTab(tab.ID, 1)
	moved := one.Exec("tab", "move", tab.ID, "--line", one.AwaitTab(tab.ID, 1).Lines[0].ID, "--to", other.ID, "--http", one.URL(), "--data", one.Data)
	require.Zero(t, moved.Code, moved.Stderr)
	two.AwaitTab(other.ID, 2)
	shares := two.Exec("tab", "split", other.ID, "--equal", "3", "--http", two.URL(), "--data", two.Data)
	require.Equal(t, "share 1 of 3: 2.74\nshare 2 of 3: 2.73\nshare 3 of 3: 2.73\n", shares.Stdout, shares.Stderr)
	halves := two.Exec("tab", "split", other.ID, "--line", two.AwaitTab(other.ID, 2).Lines[0].ID+"=0.5", "--name", "Halb", "--http", two.URL(), "--data", two.Data, "--json")
	require.Zero(t, halves.Code, halves.Stderr)
	handed := two.Exec("tab", "transfer", other.ID, "--till", one.Name, "--user", "Anna", "--by", "Bela", "--http", two.URL(), "--data", two.Data)
	require.Zero(t, handed.Code, handed.Stderr)
	require.Contains(t, handed.Stdout, "held by "+one.Name+", Anna")
	shop.Equal()
	shown := one.Exec("tab", "history", other.ID, "--http", one.URL(), "--data", one.Data)
	require.Contains(t, shown.Stdout, "transferred: "+two.Name+" -> "+one.Name+" (Anna), by Bela")

	// A till that is gone: what is known of it is as old as it says, and the tab is free.
	two.Kill()
	nodetest.Eventually(t, 5*time.Second, "the holder is shown as not reachable", func() error {
		got, err := one.API().Tab(t.Context(), tab.ID)
		switch {
		case err != nil:
			return err
		case got.HolderReachable:
			return fmt.Errorf("%s still shows it as reachable", one.Name)
		}
		i := slices.IndexFunc(got.Present, func(p client.Present) bool { return p.Till == two.ID() })
		if i < 0 || got.Present[i].Reachable || got.Present[i].AgeMS == 0 {
			return fmt.Errorf("it shows %+v", got.Present)
		}
		return nil
	})
	claim, err := one.API().TakeTab(t.Context(), tab.ID, "Anna", false)
	require.NoError(t, err)
	require.True(t, claim.Granted)
	require.True(t, claim.Unreachable)
}
