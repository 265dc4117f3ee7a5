package whole

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/replication/simulation"
)

// closingVerbs are about closings.
var closingVerbs = verbs{
	"makes": {Params: "subject word [word] [word] [word] [word]", Help: "z, or shop for the whole shop; counted, drop, float and why may be said: K1 makes z counted=24.60 why=Fehler float=20.00", Do: on(func(s *Script, t *Till, a args) error {
		n := node.NewClosing{User: t.Name, KeepTabs: true}
		for i := 1; i < a.Len(); i++ {
			if err := closingWord(&n, a.Word(i)); err != nil {
				return err
			}
		}
		return s.makes(t, a.Word(0) == "shop", n)
	})},
}

func closingWord(n *node.NewClosing, word string) error {
	key, value, _ := strings.Cut(word, "=")
	switch key {
	case "why":
		n.Why = value
		return nil
	case "series":
		n.Series = value
		return nil
	}
	sum, err := amount(value)
	switch key {
	case "counted":
		n.Counted = &sum
	case "drop":
		n.Drop = &sum
	case "float":
		n.Float = &sum
	default:
		return fmt.Errorf("nobody knows what %q says of a closing", word)
	}
	return err
}

func (s *Script) makes(t *Till, shop bool, n node.NewClosing) error {
	var made node.ShopClosing
	return s.say(t, "closing", func(ctx context.Context, till *node.Till) (err error) {
		if shop {
			made, err = till.CloseShop(ctx, n)
		} else {
			made.Own, err = till.CloseTill(ctx, n)
		}
		return err
	}, func(f fate) {
		if f == saved {
			s.closedPeriod(made.Own)
			for _, one := range made.Tills {
				s.told.answers["closing of another till "+one.State]++
			}
		}
	})
}

// closedPeriod notes a closing that a cashier was told of: it must stay as it is, everywhere.
func (s *Shop) closedPeriod(c node.Closing) {
	if was, known := s.told.closings[c.ID]; known && was != c.Hash {
		s.W.Fail("closing %s is another one now", c.Text)
	}
	s.told.closings[c.ID] = c.Hash
}

// closePeriod makes a closing at a till, as a cashier left to chance does: counted or not, and sometimes asked for twice.
func (s *Shop) closePeriod(t *Till) {
	n := node.NewClosing{User: t.Name, KeepTabs: true}
	if s.chance(60) {
		counted := receipt.Amount(s.rand.IntN(20_000))
		n.Counted, n.Why = &counted, "Wechselgeld"
		if s.chance(50) {
			left := counted / 2
			n.Float = &left
		}
	}
	key := "closing " + s.object().String()
	s.closeAs(t, n, key, s.chance(20))
}

func (s *Shop) closeAs(t *Till, n node.NewClosing, key string, shop bool) {
	var made node.ShopClosing
	s.do(t, "closing", key, func(ctx context.Context, till *node.Till) (err error) {
		ctx = node.ForRequest(ctx, key, [32]byte{1})
		if shop {
			made, err = till.CloseShop(ctx, n)
		} else {
			made.Own, err = till.CloseTill(ctx, n)
		}
		return err
	}, func(f fate) {
		switch {
		case f == saved:
			s.closedPeriod(made.Own)
		case f == unknown && s.chance(70):
			t.again = func() { s.closeAs(t, n, key, shop) }
		}
	})
}

// lookAtClosings reads all closings of a till, of each series in the order of numbers.
func (v *view) lookAtClosings(ctx context.Context, t *node.Till) error {
	for after := ""; ; {
		list, next, err := t.Closings(ctx, node.ClosingFilter{}, after, 50)
		if err != nil {
			return err
		}
		for _, c := range list {
			c.Copies = nil
			v.closings = append(v.closings, c)
		}
		if after = next; next == "" {
			break
		}
	}
	slices.SortFunc(v.closings, func(a, b node.Closing) int { return a.ID.Compare(b.ID) })
	for _, c := range v.closings { // a series may have a closing and no receipt
		series := c.Report.Series
		if _, known := v.openings[series]; known {
			continue
		}
		opening, err := t.Receipt(ctx, receipt.NumberText(series, 0))
		if err == nil {
			v.openings[series] = opening
		} else if !errors.Is(err, node.ErrNotFound) {
			return err
		}
	}
	return nil
}

// closings checks what must hold of all closings: their chains and ranges without a gap, every receipt in at most one, sums
// that are those of the receipts, and that those that cashiers were told of are there as they were.
func (s *Shop) closings(v view, away inventory) {
	documents := make(map[crdt.ObjectID]node.Receipt, len(v.receipts))
	for _, r := range v.receipts {
		documents[r.ID] = r
	}
	shop := s.Tills[0].newcomer.Identity.Shop
	last := make(map[string]node.Closing)
	for _, c := range v.closings {
		z := c.Report
		key := z.Till.ID.String() + " " + z.Series
		if !c.Verified || c.Alarm {
			s.W.Fail("closing %s: verified %v, alarm %v", c.Text, c.Verified, c.Alarm)
		}
		opening, opened := v.openings[z.Series]
		want := receipt.ZReport{Number: 1, From: 1, Previous: receipt.FirstZ(shop, z.Till.ID, z.Series)}
		if opened {
			want.From = 0
		}
		if before, ok := last[key]; ok {
			want.Number, want.From, want.Previous = before.Report.Number+1, before.Report.To+1, before.Hash
		}
		if z.Number != want.Number || z.From != want.From || z.Previous != want.Previous {
			s.W.Fail("closing %s covers %d to %d after %d: not what follows the one before it", c.Text, z.From, z.To, want.From)
		}
		last[key] = c
		sums := receipt.NewZSums(z.Currency)
		for n := z.From; n <= z.To; n++ {
			r, ok := documents[receipt.ReceiptID(shop, z.Till.ID, z.Series, n)]
			if n == 0 {
				r, ok = opening, opened
			}
			if !ok {
				s.W.Fail("closing %s covers %s, which is not there", c.Text, receipt.NumberText(z.Series, n))
				return
			}
			if err := sums.Add(&r.Parsed, r.Hash); err != nil {
				s.W.Fail("closing %s: %v", c.Text, err)
			}
		}
		is, should := z, z
		is.Sums, is.Hash = sums.Totals(), sums.Hash()
		a, errA := is.Canonical()
		b, errB := should.Canonical()
		if err := errors.Join(errA, errB); err != nil || string(a) != string(b) {
			s.W.Fail("closing %s says other sums than its receipts (%v):\n%s\n%s", c.Text, err, a, b)
		}
		if err := z.Check(); err != nil {
			s.W.Fail("%v", err)
		}
		s.told.answers["a closing"]++
	}
	there := maps.Clone(away.closings)
	for _, c := range v.closings {
		there[c.ID] = c.Hash
	}
	for _, id := range slices.SortedFunc(maps.Keys(s.told.closings), crdt.ObjectID.Compare) {
		if there[id] != s.told.closings[id] {
			s.W.Fail("closing %v was made and is not there as it was", id)
		}
	}
	s.drawers(v)
}

// drawers checks that each period begins with what the one before left in the drawer, once, and that what was counted was
// booked once.
func (s *Shop) drawers(v view) {
	booked := make(map[string]receipt.Amount) // by closing: floats that name it
	for _, r := range v.receipts {
		if len(r.Parsed.Lines) == 1 && r.Parsed.Lines[0].Case == receipt.CaseFloat && strings.Contains(r.Parsed.Reason, " Z ") {
			if booked[r.Parsed.Reason] != 0 {
				s.W.Fail("the float after %s was booked twice", r.Parsed.Reason)
			}
			booked[r.Parsed.Reason] += r.Parsed.Totals.Gross
		}
	}
	current := s.currentSeries()
	for _, c := range v.closings {
		stays := c.Report.Cash.Expected + c.Report.Cash.Difference - c.Report.Cash.Dropped
		// A till that went on in another series between a closing and the float after it books none, and raises an alarm.
		must := stays > 0 && slices.Contains(current, c.Report.Series)
		if got := booked[c.Text]; (must || got != 0) && got != stays {
			s.W.Fail("%d stay in the drawer after %s, and %d were booked", stays, c.Text, got)
		}
	}
}

// currentSeries returns the series that the tills which may sell do it under now.
func (s *Shop) currentSeries() (out []string) {
	for _, t := range s.sellers() {
		status, err := t.Node().Status(context.Background())
		if err != nil {
			s.W.Fail("%s: %v", t.Name, err)
			return nil
		}
		out = append(out, seriesOf(status.NextNumber))
	}
	return out
}

// closingsShown are what a till can be asked for about closings.
var closingsShown = map[string]looked{
	"closings": {1, func(_ *Script, t *Till, a []string) error {
		list, _, err := t.Node().Closings(context.Background(), node.ClosingFilter{}, "", 1000)
		return errors.Join(err, same(fmt.Sprint(len(list)), a[0]))
	}},
	"closing": {4, func(_ *Script, t *Till, a []string) error { // closing K1-Z-1 FROM TO TOTAL
		c, err := t.Node().Closing(context.Background(), a[0])
		return errors.Join(err, same(fmt.Sprint(c.Report.From, c.Report.To, " ", price(c.Report.Sums.Gross)), fmt.Sprint(a[1], " ", a[2], " ", a[3])))
	}},
	"bytes": {1, func(s *Script, t *Till, a []string) error { // bytes K1-Z-1: the closing is what it was when this was first asked
		c, err := t.Node().Closing(context.Background(), a[0])
		if err != nil {
			return err
		}
		was, known := s.closings[a[0]]
		s.closings[a[0]] = string(c.Item.Bytes())
		return same(!known || was == string(c.Item.Bytes()), true)
	}},
	"drawer": {1, func(_ *Script, t *Till, a []string) error {
		x, err := t.Node().Interim(context.Background())
		return errors.Join(err, same(price(x.Report.Cash.Expected), a[0]))
	}},
	"day": {4, func(s *Script, t *Till, a []string) error { // day 0 complete 3 24.60: days since the first one, state, revision, total
		d, err := t.Node().ShopDay(context.Background(), s.dayOf(a[0]))
		if err != nil {
			return err
		}
		state := "complete"
		if !d.Complete {
			state = "provisional"
		}
		return same(fmt.Sprint(state, " ", d.Revision, " ", price(d.Sums.Gross)), fmt.Sprint(a[1], " ", a[2], " ", a[3]))
	}},
	"missing": {1, func(s *Script, t *Till, a []string) error { // missing 0 K4 K5: which tills are missing in a day
		d, err := t.Node().ShopDay(context.Background(), s.dayOf(a[0]))
		var names []string
		for _, m := range d.Missing {
			for _, other := range s.Tills {
				if other.M.Till() == m.Till {
					names = append(names, other.Name)
				}
			}
		}
		slices.Sort(names)
		return errors.Join(err, same(strings.Join(names, " "), strings.Join(a[1:], " ")))
	}},
	"revised": {2, func(s *Script, t *Till, a []string) error { // revised 0 2: how often this start told that a day was revised
		n := 0
		for at := t.Node().Events().Last() >> 32 << 32; ; {
			list, known, _ := t.Node().Events().After(done, at)
			if !known || len(list) == 0 {
				break
			}
			at = list[len(list)-1].ID
			for _, e := range list {
				if e.What == "day" && e.Change == "revised" && e.Object == s.dayOf(a[0]) {
					n++
				}
			}
		}
		return same(fmt.Sprint(n), a[1])
	}},
}

// done is a context that waits for nothing.
var done = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// dayOf returns a business day by how many days it is after the first one of the world.
func (s *Script) dayOf(word string) string {
	n, err := strconv.Atoi(word)
	if err != nil {
		return word
	}
	return simulation.Epoch.UTC().AddDate(0, 0, n).Format(time.DateOnly)
}
