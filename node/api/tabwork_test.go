package api

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// line adds a line to a tab and returns its ID.
func (b *bench) line(tab, body string) string {
	b.t.Helper()
	return b.ok(201, "POST", "/api/v1/tabs/"+tab+"/lines", body).in("line").text("id")
}

func gross(tab object) float64 {
	g, _ := tab.in("totals")["gross"].(float64)
	return g
}

func TestLinesMoveToAnotherTab(t *testing.T) {
	b := newBench(t)
	b.stock()
	one, two := b.openTab(), b.openTab()
	espresso := b.line(one, `{"article":"`+articleID+`"}`)
	more := b.line(one, `{"article":"`+articleID+`","quantity":2000}`)
	b.ok(200, "POST", "/api/v1/tabs/"+one+"/lines/"+more+"/discount", `{"kind":"percent","basis_points":1000}`)

	path := "/api/v1/tabs/" + one + "/lines/" + more + "/move"
	moved := b.ok(200, "POST", path, `{"to":"`+two+`"}`, "Idempotency-Key", "m1")
	require.EqualValues(t, 340, gross(moved.in("from")))
	require.EqualValues(t, 612, gross(moved.in("to")), "its discount goes with it")
	require.Equal(t, moved, b.ok(200, "POST", path, `{"to":"`+two+`"}`, "Idempotency-Key", "m1"))
	b.ok(200, "POST", path, `{"to":"`+two+`"}`) // it is there already
	b.refused(404, "unknown-line", "POST", "/api/v1/tabs/"+one+"/lines/"+one+"/move", `{"to":"`+two+`"}`)
	b.refused(409, "same-tab", "POST", "/api/v1/tabs/"+one+"/move", `{"to":"`+one+`","lines":["`+espresso+`"]}`)
	b.refused(404, "unknown-tab", "POST", "/api/v1/tabs/"+one+"/move", `{"to":"`+espresso+`","lines":["`+espresso+`"]}`)

	// Practice stays practice.
	practice := b.ok(201, "POST", "/api/v1/tabs", `{"training":true}`).text("id")
	b.refused(409, "same-tab", "POST", "/api/v1/tabs/"+one+"/move", `{"to":"`+practice+`","lines":["`+espresso+`"]}`)

	// What was paid stays with its tab.
	b.ok(201, "POST", "/api/v1/tabs/"+one+"/payments", `{"type":"Bar","amount":200}`)
	b.refused(409, "paid-more", "POST", "/api/v1/tabs/"+one+"/move", `{"to":"`+two+`","lines":["`+espresso+`"]}`)

	back := b.ok(200, "POST", "/api/v1/tabs/"+two+"/move", `{"to":"`+one+`","lines":["`+more+`"]}`)
	require.EqualValues(t, 0, gross(back.in("from")))
	require.EqualValues(t, 952, gross(back.in("to")))
}

func TestATabIsSplitByLinesAndParts(t *testing.T) {
	b := newBench(t)
	b.stock()
	one := b.openTab()
	a := b.line(one, `{"article":"`+articleID+`","quantity":3000}`)
	c := b.line(one, `{"article":"`+articleID+`"}`)
	body := fmt.Sprintf(`{"lines":[{"line":"%s","quantity":1000},{"line":"%s"}],"name":"Gast 2","user":"Anna"}`, a, c)
	cut := b.ok(200, "POST", "/api/v1/tabs/"+one+"/split", body, "Idempotency-Key", "s1")
	require.EqualValues(t, 680, gross(cut.in("from")))
	require.EqualValues(t, 680, gross(cut.in("to")))
	require.Equal(t, "Gast 2", cut.in("to").text("name"))
	stays := cut.in("from").list("lines")[0]
	require.EqualValues(t, 1000, stays["voided"])
	require.Equal(t, "split", stays.in("void").text("reason"))
	part := cut.in("to").list("lines")[0]
	require.EqualValues(t, 1000, part["quantity"])
	require.EqualValues(t, 340, part["unit_price"])
	require.Equal(t, cut, b.ok(200, "POST", "/api/v1/tabs/"+one+"/split", body, "Idempotency-Key", "s1"))
	require.Len(t, b.ok(200, "GET", "/api/v1/tabs", "").list("items"), 2)

	b.refused(422, "quantity", "POST", "/api/v1/tabs/"+one+"/split", fmt.Sprintf(`{"lines":[{"line":"%s","quantity":2001}]}`, a))
	b.refused(404, "unknown-line", "POST", "/api/v1/tabs/"+one+"/split", fmt.Sprintf(`{"lines":[{"line":"%s"},{"line":"%s"}]}`, a, a))
	b.refused(422, "invalid", "POST", "/api/v1/tabs/"+one+"/split", `{"equal":2,"amounts":[1]}`)
	for _, tab := range []string{one, cut.in("to").text("id")} {
		b.ok(201, "POST", "/api/v1/tabs/"+tab+"/close", `{"payments":[{"type":"Bar","amount":680}]}`)
	}
}

// However often a tab is split, and whatever discounts are on it: all its parts come to what it came to.
func TestSplitsComeToTheWhole(t *testing.T) {
	b := newBench(t)
	b.stock()
	const seed = 99
	r := rand.New(rand.NewPCG(seed, 1))
	for round := range 12 {
		tab := b.openTab()
		for range 2 + r.IntN(4) {
			line := b.line(tab, fmt.Sprintf(`{"open":{"name":"Ware","tax":"%s","price":%d},"quantity":%d}`, taxID, 1+r.IntN(2000), 1+r.IntN(4000)))
			if r.IntN(3) == 0 {
				b.ok(200, "POST", "/api/v1/tabs/"+tab+"/lines/"+line+"/discount", fmt.Sprintf(`{"kind":"percent","basis_points":%d}`, r.IntN(5000)))
			}
		}
		if r.IntN(3) > 0 {
			b.ok(200, "POST", "/api/v1/tabs/"+tab+"/discount", fmt.Sprintf(`{"kind":"percent","basis_points":%d}`, r.IntN(5000)))
		}
		now := b.ok(200, "GET", "/api/v1/tabs/"+tab, "")
		if g := int64(gross(now)); r.IntN(3) > 0 && g > 10 {
			now = b.ok(200, "POST", "/api/v1/tabs/"+tab+"/discount", fmt.Sprintf(`{"kind":"amount","amount":%d}`, r.Int64N(g/2)))
		}
		whole := gross(now)
		for step := range 3 {
			parts := ""
			for _, l := range now.list("lines") {
				left := int(l["quantity"].(float64))
				if v, ok := l["voided"].(float64); ok {
					left -= int(v)
				}
				if left > 0 && r.IntN(2) == 0 {
					parts += fmt.Sprintf(`,{"line":"%s","quantity":%d}`, l.text("id"), r.IntN(left+1))
				}
			}
			if parts == "" {
				continue
			}
			before := gross(now)
			cut := b.ok(200, "POST", "/api/v1/tabs/"+tab+"/split", `{"lines":[`+parts[1:]+`]}`)
			now = cut.in("from")
			require.Equal(t, before, gross(now)+gross(cut.in("to")), "seed %d, round %d, step %d: %v", seed, round, step, cut)
			require.Empty(t, cut.in("to").list("problems"))
		}
		_ = whole
	}
}

func TestATabIsPaidInShares(t *testing.T) {
	b := newBench(t)
	b.stock()
	const other = "nxw3ydbzzkxdm5sjlbhrtzhxmu"
	b.ok(200, "PUT", "/api/v1/taxes/"+other, `{"names":{"de":"ermäßigt"},"rates":[{"from":"2020-01-01","rate":700,"key":2}]}`)
	tab := b.openTab()
	b.line(tab, `{"article":"`+articleID+`","quantity":3000}`)
	b.line(tab, `{"open":{"name":"Brot","tax":"`+other+`","price":500}}`)
	path := "/api/v1/tabs/" + tab + "/split"
	sums := func(answer object, want ...float64) {
		t.Helper()
		rates := make(map[string]float64)
		shares := answer.list("shares")
		require.Len(t, shares, len(want))
		for i, s := range shares {
			require.Equal(t, want[i], s["amount"])
			of := 0.0
			for _, r := range s.list("rates") {
				of += r["gross"].(float64)
				rates[r.text("tax")] += r["gross"].(float64)
			}
			require.Equal(t, want[i], of)
		}
		require.Equal(t, map[string]float64{taxID: 1020, other: 500}, rates)
	}
	sums(b.ok(200, "POST", path, `{"equal":3}`), 507, 507, 506)
	sums(b.ok(200, "POST", path, `{"amounts":[1000,20]}`), 1000, 20, 500)
	b.refused(422, "amount", "POST", path, `{"amounts":[1521]}`)
	b.refused(422, "amount", "POST", path, `{"equal":1}`)
	for _, a := range []int{507, 507, 506} {
		b.ok(201, "POST", "/api/v1/tabs/"+tab+"/payments", fmt.Sprintf(`{"type":"ECKarte","amount":%d}`, a))
	}
	b.refused(422, "nothing-to-close", "POST", path, `{"equal":3}`)
	closed := b.ok(201, "POST", "/api/v1/tabs/"+tab+"/close", `{}`)
	require.Len(t, closed.in("document").list("payments"), 3, "one receipt lists every share")
}

func TestTabsAreMergedAndTakenApart(t *testing.T) {
	b := newBench(t)
	b.stock()
	one, two, three := b.openTab(), b.openTab(), b.openTab()
	for _, tab := range []string{one, two, three} {
		b.line(tab, `{"article":"`+articleID+`"}`)
	}
	b.ok(201, "POST", "/api/v1/tabs/"+one+"/payments", `{"type":"Bar","amount":100}`)
	merged := b.ok(200, "POST", "/api/v1/tabs/"+one+"/merge", `{"into":"`+two+`"}`)
	require.EqualValues(t, 680, gross(merged.in("to")))
	require.EqualValues(t, 580, merged.in("to").in("totals")["due"], "payments come along")
	require.Equal(t, two, b.ok(200, "GET", "/api/v1/tabs/"+one, "").text("id"))
	b.ok(200, "POST", "/api/v1/tabs/"+one+"/merge", `{"into":"`+two+`"}`) // again
	b.refused(409, "same-tab", "POST", "/api/v1/tabs/"+two+"/merge", `{"into":"`+one+`"}`)
	b.ok(200, "POST", "/api/v1/tabs/"+two+"/merge", `{"into":"`+three+`"}`)
	require.EqualValues(t, 1020, gross(b.ok(200, "GET", "/api/v1/tabs/"+one, "")))

	apart := b.ok(200, "POST", "/api/v1/tabs/"+two+"/unmerge", "")
	require.EqualValues(t, 340, gross(apart.in("from")))
	require.EqualValues(t, 680, gross(apart.in("to")), "with what was merged into it")
	b.refused(409, "not-merged", "POST", "/api/v1/tabs/"+two+"/unmerge", "")
	b.ok(200, "POST", "/api/v1/tabs/"+two+"/merge", `{"into":"`+three+`"}`)
	closed := b.ok(201, "POST", "/api/v1/tabs/"+one+"/close", `{"payments":[{"type":"Bar","amount":920}]}`)
	require.Len(t, closed.in("document").list("tabs"), 3)
	b.refused(409, "tab-closed", "POST", "/api/v1/tabs/"+two+"/unmerge", "")
}

func TestATabIsHandedOver(t *testing.T) {
	b := newBench(t)
	tab := b.openTab()
	got := b.ok(200, "POST", "/api/v1/tabs/"+tab+"/transfer", `{"user":"Bela","by":"Anna"}`)
	require.Equal(t, "Bela", got.in("holder").text("user"))
	b.ok(200, "POST", "/api/v1/tabs/"+tab+"/transfer", `{"user":"Bela"}`) // already
	history := b.ok(200, "GET", "/api/v1/tabs/"+tab+"/history", "").list("items")
	require.Len(t, history, 1)
	require.Equal(t, "transferred", history[0].text("how"))
	require.Equal(t, "Anna", history[0].in("from").text("user"))
	require.Equal(t, "Bela", history[0].in("to").text("user"))
	require.Equal(t, "Anna", history[0].text("by"))
	b.refused(404, "unknown-till", "POST", "/api/v1/tabs/"+tab+"/transfer", `{"till":"K9"}`)
}

func TestWhoLooksAtATab(t *testing.T) {
	b := newBench(t)
	tab := b.openTab() // by Anna
	present := func() []object { return b.ok(200, "GET", "/api/v1/tabs/"+tab, "").list("present") }
	require.Equal(t, "Anna", present()[0].text("user"))
	b.ok(204, "POST", "/api/v1/tabs/"+tab+"/presence", `{"user":"Bela"}`)
	require.Len(t, present(), 2)
	b.ok(204, "POST", "/api/v1/tabs/"+tab+"/presence", `{"user":"Bela","left":true}`)
	require.Len(t, present(), 1)
	b.refused(404, "unknown-tab", "POST", "/api/v1/tabs/"+taxID+"/presence", `{"user":"Bela"}`)
}
