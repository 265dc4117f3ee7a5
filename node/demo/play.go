package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/node/client"
)

// What the play sells, by the names of the assortment.
const (
	dearer   = "Cappuccino"
	raise    = 20 // cents
	table    = "Tisch 4"
	noteStep = 500 // cents: cash is tendered in whole notes of 5 €
)

// ordered is what the tills add to the table, by till from the second on.
var ordered = []string{"Espresso", "Apfelkuchen", "Chai Latte", "Zimtschnecke"}

// step is one thing the play shows. do returns what happened in plain words.
type step struct {
	name string
	do   func(context.Context) (string, error)
}

// play shows every step in order; the first that does not hold ends it.
func (s *shop) play(ctx context.Context) error {
	var tab string // the table of steps 2, 4 and 5
	steps := []step{
		{"a price changes", s.changePrice},
		{"a tab is shared", func(ctx context.Context) (text string, err error) {
			tab, text, err = s.shareTab(ctx)
			return text, err
		}},
		{"a till dies", s.killFirst},
		{"another till finishes the tab", func(ctx context.Context) (string, error) { return s.finishTab(ctx, tab) }},
		{"the till comes back", func(ctx context.Context) (string, error) { return s.comeBack(ctx, tab) }},
		{"a till is cut off", s.cutOff},
	}
	steps = append(append(steps, s.cloudSteps()...), step{"all tills agree", s.agree})
	if s.cloud != nil {
		steps = append(steps, step{"an export is verified", s.export})
	}
	for i, st := range steps {
		began := time.Now()
		text, err := st.do(ctx)
		if err != nil {
			return s.explain(ctx, i+1, st.name, err)
		}
		s.report.print(line{Kind: "step", Step: i + 1, Name: st.name, Text: text, MS: milliseconds(time.Since(began)), OK: true})
	}
	return nil
}

// changePrice changes a price on the first till and waits until all others show it.
func (s *shop) changePrice(ctx context.Context) (string, error) {
	first, others := s.tills[0], s.tills[1:]
	a, err := first.api.Article(ctx, articleID(dearer))
	if err != nil {
		return "", first.at(err)
	}
	if len(a.Prices) == 0 {
		return "", first.at(fmt.Errorf("%s has no price", dearer))
	}
	old := a.Prices[0].Price
	a.Prices[0].Price += raise
	if err := first.api.PutArticle(ctx, a); err != nil {
		return "", first.at(err)
	}
	err = each(others, func(t *till) error {
		return t.await(ctx, "it shows the new price", func(ctx context.Context) (bool, error) {
			seen, err := t.api.Article(ctx, a.ID)
			return len(seen.Prices) == 1 && seen.Prices[0].Price == old+raise, err
		})
	})
	return fmt.Sprintf("%s changes %s from %s to %s: %s show it", first.name, dearer, euros(old), euros(old+raise), names(others)), err
}

// shareTab opens a tab on the first till; the others add a line each at the same time, and all see all of them.
func (s *shop) shareTab(ctx context.Context) (id, text string, err error) {
	first, others := s.tills[0], s.tills[1:]
	tab, err := first.api.OpenTab(ctx, client.NewTab{Name: table})
	if err != nil {
		return "", "", first.at(err)
	}
	if _, err := first.api.AddLine(ctx, tab.ID, client.NewLine{Article: articleID(dearer), Quantity: 2000}); err != nil {
		return "", "", first.at(err)
	}
	err = each(others, func(t *till) error {
		if err := t.awaitLines(ctx, tab.ID, 1); err != nil {
			return err
		}
		_, err := t.api.AddLine(ctx, tab.ID, client.NewLine{Article: articleID(ordered[t.index-1])})
		return t.at(err)
	})
	if err != nil {
		return "", "", err
	}
	err = each(s.tills, func(t *till) error { return t.awaitLines(ctx, tab.ID, len(s.tills)) })
	return tab.ID, fmt.Sprintf("%s is opened on %s; %s add a line at once, all show all %d lines",
		table, first.name, names(others), len(s.tills)), err
}

// awaitLines waits until a till shows the tab with at least so many lines.
func (t *till) awaitLines(ctx context.Context, tab string, lines int) error {
	return t.await(ctx, fmt.Sprintf("it shows %s of %s", count(lines, "line"), table), func(ctx context.Context) (bool, error) {
		seen, err := t.api.Tab(ctx, tab)
		return len(seen.Lines) >= lines, err
	})
}

// killFirst kills the first till and waits until the others have seen it.
func (s *shop) killFirst(ctx context.Context) (string, error) {
	first, others := s.tills[0], s.tills[1:]
	if err := first.proc.kill(); err != nil {
		return "", first.at(err)
	}
	err := each(others, func(t *till) error {
		return t.await(ctx, first.name+" is gone", func(ctx context.Context) (bool, error) {
			linked, err := t.linked(ctx)
			return linked == len(others)-1, err
		})
	})
	return fmt.Sprintf("%s is killed: %s notice", first.name, names(others)), err
}

// finishTab takes the money for the tab of the dead till on the last one, under its own number.
func (s *shop) finishTab(ctx context.Context, tab string) (string, error) {
	last := s.tills[len(s.tills)-1]
	claim, err := last.api.ClaimTab(ctx, tab, "")
	if err != nil {
		return "", last.at(err)
	}
	if !claim.Granted {
		return "", last.at(fmt.Errorf("%s is held by %s", table, claim.Holder.TillName))
	}
	r, paid, err := last.pay(ctx, tab)
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(r.Number, last.prefix+"-") {
		return "", last.at(fmt.Errorf("the receipt has the number %s, which is none of %s", r.Number, last.prefix))
	}
	s.sold = append(s.sold, r.Number)
	err = each(s.tills[1:], func(t *till) error { return t.awaitClosed(ctx, tab, r.Hash, r.Number) })
	return fmt.Sprintf("%s finishes %s: %s paid, receipt %s, on every till that runs", last.name, table, euros(paid), r.Number), err
}

// pay settles a tab in cash and returns its receipt and what it cost.
func (t *till) pay(ctx context.Context, tab string) (r client.Receipt, due int64, err error) {
	seen, err := t.api.Tab(ctx, tab)
	if err != nil {
		return r, 0, t.at(err)
	}
	due = seen.Totals.Due
	tendered := (due + noteStep - 1) / noteStep * noteStep
	r, err = t.api.CloseTab(ctx, tab, client.Close{Payments: []client.Payment{{Type: "Bar", Amount: due, Tendered: tendered}}})
	if err != nil {
		return r, 0, t.at(err)
	}
	if r.Number == "" || r.Hash == "" {
		return r, 0, t.at(errors.New("it closed the tab without a numbered receipt"))
	}
	return r, due, nil
}

// awaitClosed waits until a till shows the tab closed and holds its receipt.
func (t *till) awaitClosed(ctx context.Context, tab, hash, number string) error {
	return t.await(ctx, fmt.Sprintf("it shows %s closed", table), func(ctx context.Context) (bool, error) {
		seen, err := t.api.Tab(ctx, tab)
		if err != nil || seen.State != "closed" {
			return false, err
		}
		r, err := t.api.Receipt(ctx, number)
		return r.Hash == hash && r.Verified, err
	})
}

// comeBack starts the first till again and waits until it agrees.
func (s *shop) comeBack(ctx context.Context, tab string) (string, error) {
	first, last := s.tills[0], s.tills[len(s.tills)-1]
	list, err := last.api.AllReceipts(ctx, client.List{})
	if err != nil {
		return "", last.at(err)
	}
	if len(list) != 1 {
		return "", last.at(fmt.Errorf("it lists %d receipts, not one", len(list)))
	}
	r, err := last.api.Receipt(ctx, list[0].ID)
	if err != nil {
		return "", last.at(err)
	}
	if err := s.start(ctx, first); err != nil {
		return "", err
	}
	if err := first.awaitClosed(ctx, tab, r.Hash, r.Number); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s comes back: %s is closed there too, all tills are equal", first.name, table), s.awaitEqual(ctx)
}

// cutOff cuts the last till off; both sides sell; they meet again.
func (s *shop) cutOff(ctx context.Context) (string, error) {
	first, last := s.tills[0], s.tills[len(s.tills)-1]
	if err := s.awaitLinked(ctx, func(*till) int { return len(s.tills) - 1 }); err != nil {
		return "", err
	}
	s.relays.isolate(last.index)
	defer s.relays.heal(last.index)
	err := s.awaitLinked(ctx, func(t *till) int {
		if t == last {
			return 0
		}
		return len(s.tills) - 2
	})
	if err != nil {
		return "", err
	}
	sold := make([]string, 2)
	sellers := []*till{first, last}
	err = each(sellers, func(t *till) error {
		number, err := t.sell(ctx, "Milchkaffee", "Buttercroissant")
		sold[slices.Index(sellers, t)] = number
		return err
	})
	if err != nil {
		return "", err
	}
	s.sold = append(s.sold, sold...)
	s.relays.heal(last.index)
	healed := time.Now()
	err = s.awaitEqual(ctx)
	return fmt.Sprintf("%s is cut off, sells %s; %s sells %s; equal %s ms after they meet again",
		last.name, sold[1], first.name, sold[0], milliseconds(time.Since(healed))), err
}

// awaitLinked waits until every till has the number of links that want says.
func (s *shop) awaitLinked(ctx context.Context, want func(*till) int) error {
	return each(s.tills, func(t *till) error {
		return t.await(ctx, fmt.Sprintf("it is linked with %s", count(want(t), "till")), func(ctx context.Context) (bool, error) {
			linked, err := t.linked(ctx)
			return linked == want(t), err
		})
	})
}

// sell makes one whole sale on a till and returns the number of its receipt.
func (t *till) sell(ctx context.Context, articles ...string) (string, error) {
	tab, err := t.api.OpenTab(ctx, client.NewTab{})
	if err != nil {
		return "", t.at(err)
	}
	for _, name := range articles {
		if _, err := t.api.AddLine(ctx, tab.ID, client.NewLine{Article: articleID(name)}); err != nil {
			return "", t.at(err)
		}
	}
	r, _, err := t.pay(ctx, tab.ID)
	return r.Number, err
}
