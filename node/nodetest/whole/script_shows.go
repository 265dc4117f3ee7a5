package whole

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/book"
	"github.com/tillmesh/tillmesh/replication/lineage"
	"github.com/tillmesh/tillmesh/replication/simulation"
)

// showVerbs are what is looked at.
var showVerbs = verbs{
	"shows": {Params: "subject word word...", Help: "one till, or all that run: all shows tab r 3 24.60; see shown", Do: func(s *Script, a args) error {
		tills, err := s.some(a.Subject)
		if err != nil {
			return err
		}
		look, ok := shown[a.Word(0)]
		if !ok {
			look, ok = closingsShown[a.Word(0)]
		}
		if !ok {
			look, ok = shownOfCorrections[a.Word(0)]
		}
		if !ok {
			look, ok = cloudShown[a.Word(0)]
		}
		if !ok {
			return fmt.Errorf("nobody can look at %q", a.Word(0))
		}
		rest := a.Words[1:]
		if len(rest) < look.words {
			return fmt.Errorf("%s needs %d words", a.Word(0), look.words)
		}
		for _, t := range tills {
			if err := look.at(s, t, rest); err != nil {
				return fmt.Errorf("%s: %w", t.Name, err)
			}
		}
		return nil
	}},
	"equal": {Params: "time word...", Help: "these hold the same within that time", Do: func(s *Script, a args) error {
		var tills []*Till
		for _, name := range a.Words[1:] {
			if name == "C" && s.Cloud != nil {
				continue
			}
			t, err := s.named(name)
			if err != nil {
				return err
			}
			tills = append(tills, t)
		}
		machines := func() []*simulation.Machine {
			out := Machines(tills...)
			if slices.Contains(a.Words[1:], "C") {
				out = append(out, s.Cloud.machine())
			}
			return out
		}
		if !s.W.RunUntil(a.Time(0, 0), func() bool { return s.W.Equal(machines()...) }) {
			return fmt.Errorf("they are not equal after %v", a.Time(0, 0))
		}
		return nil
	}},
	"lean": {Params: "subject", Help: "since its start a till got less of what it had already than of what was new to it", Do: on(func(s *Script, t *Till, _ args) error {
		c := t.life.State().Stats
		if c.CommitsForeign == 0 || c.CommitsKnown >= c.CommitsForeign {
			return fmt.Errorf("%s took %d changes and got %d that it had", t.Name, c.CommitsForeign, c.CommitsKnown)
		}
		return nil
	})},
}

// looked is how a till is asked for something: how many words it takes, and what it must say.
type looked struct {
	words int
	at    func(s *Script, t *Till, a []string) error
}

// shown is what a till can be asked for, by what comes first. See closingsShown, too.
var shown = map[string]looked{
	"price": {2, func(s *Script, t *Till, a []string) error {
		article, err := t.Node().Article(context.Background(), s.article(a[0]))
		if err != nil {
			return err
		}
		p, err := article.PriceOn(t.Node().Now().UTC().Format(time.DateOnly))
		return errors.Join(err, same(price(receipt.Amount(p.Amount)), a[1]))
	}},
	"archived": {1, func(s *Script, t *Till, a []string) error {
		article, err := t.Node().Article(context.Background(), s.article(a[0]))
		return errors.Join(err, same(article.Life.Archived, true))
	}},
	"name": {2, func(s *Script, t *Till, a []string) error {
		article, err := t.Node().Article(context.Background(), s.article(a[0]))
		return errors.Join(err, same(article.Names.In(catalog.DefaultLanguage), a[1]))
	}},
	"later-field": {1, func(s *Script, t *Till, a []string) error {
		obj, err := t.life.guard.Object(context.Background(), crdt.Key{Scope: crdt.Catalog, Type: catalog.TypeArticle, Object: s.article(a[0])})
		if err != nil {
			return err
		}
		rec, err := crdt.ParseRecord(obj.Value(catalog.RegisterNames), catalog.Schema)
		return errors.Join(err, same(rec.Raw(laterField) != nil, true))
	}},
	"conflicts": {2, func(s *Script, t *Till, a []string) error {
		article, err := t.Node().Article(context.Background(), s.article(a[0]))
		return errors.Join(err, same(fmt.Sprint(len(article.Conflicts)), a[1]))
	}},
	"tab": {3, func(s *Script, t *Till, a []string) error {
		v, err := t.Node().Tab(context.Background(), s.tab(a[0]))
		return errors.Join(err, same(fmt.Sprint(v.State, len(v.Lines), price(v.Totals.Gross)), fmt.Sprint(book.StateOpen, a[1], a[2])))
	}},
	"continuation": {2, func(s *Script, t *Till, a []string) error {
		v, err := t.Node().Tab(context.Background(), s.tab(a[0]))
		return errors.Join(err, same(fmt.Sprint(v.State, len(v.Lines)), fmt.Sprint(book.StateContinuation, a[1])))
	}},
	"closed": {2, func(s *Script, t *Till, a []string) error {
		v, err := t.Node().Tab(context.Background(), s.tab(a[0]))
		return errors.Join(err, same(fmt.Sprint(v.State, " ", v.Receipt), fmt.Sprint(node.StateClosed, " ", a[1])))
	}},
	"receipt": {3, func(s *Script, t *Till, a []string) error {
		r, err := t.Node().Receipt(context.Background(), a[0])
		return errors.Join(err, same(fmt.Sprint(len(r.Parsed.Lines), price(r.Parsed.Totals.Gross)), a[1]+a[2]))
	}},
	"receipts": {1, func(_ *Script, t *Till, a []string) error {
		v, err := look(t.Node())
		return errors.Join(err, same(fmt.Sprint(len(v.receipts)), a[0]))
	}},
	"takeovers": {2, func(s *Script, t *Till, a []string) error { // of a tab, that were written down
		list, err := t.Node().TabHistory(context.Background(), s.tab(a[0]))
		return errors.Join(err, same(strconv.Itoa(len(list)), a[1]))
	}},
	"present": {2, func(s *Script, t *Till, a []string) error { // who works on a tab, as this till knows: present r K1,K2; none
		var names []string
		for _, p := range t.Node().Presence()[s.tab(a[0])] {
			names = append(names, p.User)
		}
		slices.Sort(names)
		return same(cmp.Or(strings.Join(names, ","), "none"), a[1])
	}},
	"cases": {2, func(_ *Script, t *Till, a []string) error {
		cases, err := t.Node().Cases(context.Background())
		n := 0
		for _, c := range cases {
			if string(c.Kind) == a[0] {
				n++
			}
		}
		return errors.Join(err, same(strconv.Itoa(n), a[1]))
	}},
	"till": {2, func(s *Script, t *Till, a []string) error {
		other, err := s.named(a[0])
		if err != nil {
			return err
		}
		about, err := t.Node().FindTill(other.M.Till().String())
		return errors.Join(err, same(about.State.String(), a[1]))
	}},
	"keys": {2, func(s *Script, t *Till, a []string) error { // keys same K2: both know the same keys of the group; keys other K2
		other, err := s.named(a[1])
		if err != nil {
			return err
		}
		if other.life == nil {
			return fmt.Errorf("%s does not run", a[1])
		}
		return same(t.Node().GossipKeys().Equal(other.Node().GossipKeys()), a[0] == "same")
	}},
	"clock": {1, func(_ *Script, t *Till, a []string) error { // clock right, wrong (its own) or others (some other one)
		r := t.Node().ClockReport()
		is := "right"
		switch ahead := max(r.AheadMS, -r.AheadMS); {
		case ahead >= 2000:
			is = "wrong"
		case len(r.Wrong) > 0:
			is = "others"
		}
		return same(is, a[0])
	}},
	"marked": {2, func(_ *Script, t *Till, a []string) error { // the receipt says whether its time is to be trusted
		r, err := t.Node().Receipt(context.Background(), a[0])
		return errors.Join(err, same(fmt.Sprint(!r.Parsed.ClockTrusted), a[1]))
	}},
	"revoked": {2, func(_ *Script, t *Till, a []string) error { // the receipt is marked as of a till that was revoked
		r, err := t.Node().Receipt(context.Background(), a[0])
		return errors.Join(err, same(fmt.Sprint(!r.Revoked.IsZero()), a[1]))
	}},
	"taken": {2, func(s *Script, t *Till, a []string) error { // at which till the receipt was taken over from a found one, or nobody
		series, number, _ := strings.Cut(a[0], "-")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return err
		}
		o, _ := t.Node().TakenOver(series, n)
		by := "nobody"
		for _, till := range s.Tills {
			if till.M.Till() == o.By {
				by = till.Name
			}
		}
		return same(by, a[1])
	}},
	"doubt": {1, func(_ *Script, t *Till, a []string) error { // its lives began a new number series for this reason; none: never
		if len(t.doubts) == 0 {
			return same("none", a[0])
		}
		return same(slices.Contains(t.doubts, lineage.Kind(a[0])), true)
	}},
	"alarms": {1, func(_ *Script, t *Till, a []string) error {
		return same(strconv.Itoa(len(t.Node().Alarms())), a[0])
	}},
	"sells": {1, func(_ *Script, t *Till, a []string) error { return same(fmt.Sprint(t.handing == ""), a[0]) }},
	"next": {1, func(_ *Script, t *Till, a []string) error {
		status, err := t.Node().Status(context.Background())
		return errors.Join(err, same(status.NextNumber, a[0]))
	}},
	"links": {1, func(_ *Script, t *Till, a []string) error {
		n := 0
		for _, l := range t.life.State().Links {
			if l.Ready {
				n++
			}
		}
		return same(strconv.Itoa(n), a[0])
	}},
	"copies": {2, func(_ *Script, t *Till, a []string) error {
		r, err := t.Node().Receipt(context.Background(), a[0])
		return errors.Join(err, same(strconv.Itoa(len(r.Copies)), a[1]))
	}},
}

func same[T comparable](is, want T) error {
	if is != want {
		return fmt.Errorf("it is %v, not %v", is, want)
	}
	return nil
}
