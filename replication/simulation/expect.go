package simulation

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/tillmesh/tillmesh/crdt"
)

var errCopy = errors.New("it is a copy of another till")

// errExpected is wrapped by errors of statements that found something else than was expected.
var errExpected = errors.New("not as expected")

func unless(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf("%w: %s", errExpected, fmt.Sprintf(format, args...))
}

var expectVerbs = Verbs[script]{
	"expect": {Params: "word word...", Help: "what has to be true now; see the list below", Do: func(s script, a Args) error {
		about := map[string]func(Args) error{
			"equal": s.expectEqual, "running": s.expectRunning, "down": s.expectDown, "receipts": s.expectReceipts,
			"lineages": s.expectLineages, "link": s.expectLink, "nolink": s.expectNoLink, "doubt": s.expectDoubt, "series": s.expectSeries,
			"fault": s.expectFault, "holders": s.expectHolders, "joined": s.expectJoined,
		}[a.Word(0)]
		if about == nil {
			return fmt.Errorf("nothing is known about %q", a.Word(0))
		}
		a.Words = a.Words[1:]
		return about(a)
	}},
}

func (s *branch) machines(a Args) ([]*Machine, error) {
	var out []*Machine
	for _, name := range a.Words {
		t, err := s.named(name)
		if err != nil {
			return nil, err
		}
		out = append(out, t.m)
	}
	return out, nil
}

// expectEqual: these tills hold the same, within the usual patience.
func (s *branch) expectEqual(a Args) error {
	machines, err := s.machines(a)
	if err != nil {
		return err
	}
	s.w.AwaitEqual(machines...)
	return nil
}

func (s *branch) expectRunning(a Args) error { return s.expectState(a, true) }
func (s *branch) expectDown(a Args) error    { return s.expectState(a, false) }

func (s *branch) expectState(a Args, running bool) error {
	machines, err := s.machines(a)
	for _, m := range machines {
		err = errors.Join(err, unless(m.Running() == running, "%s runs: %v", m.name, m.Running()))
	}
	return err
}

// expectReceipts K1 n: so many live receipts are in its store.
func (s *branch) expectReceipts(a Args) error {
	t, err := s.running(a.Word(0))
	if err != nil {
		return err
	}
	found, err := t.store.Objects(background, crdt.Sales, typeReceipt, crdt.ObjectID{}, 100_000)
	if err != nil {
		return err
	}
	return unless(len(found) == a.Int(1, -1), "%s holds %d receipts", t.m.name, len(found))
}

func (s *branch) running(name string) (*till, error) {
	t, err := s.named(name)
	if err != nil {
		return nil, err
	}
	return t, unless(t.m.life != nil, "%s does not run", name)
}

// expectLineages K1 n: so many lineages of the till are in its own roster.
func (s *branch) expectLineages(a Args) error {
	t, err := s.running(a.Word(0))
	if err != nil {
		return err
	}
	about, _ := t.roster.Till(t.m.till)
	return unless(len(about.Lineages) == a.Int(1, -1), "%s has %d lineages", t.m.name, len(about.Lineages))
}

func (s *branch) linked(a Args) (bool, error) {
	x, err := s.running(a.Word(0))
	if err != nil {
		return false, err
	}
	y, err := s.named(a.Word(1))
	if err != nil {
		return false, err
	}
	for _, e := range x.m.life.ends {
		if e.peer().life.m == y.m {
			return true, nil
		}
	}
	return false, nil
}

func (s *branch) expectLink(a Args) error {
	ok, err := s.linked(a)
	return errors.Join(err, unless(ok || err != nil, "%s and %s are not linked", a.Word(0), a.Word(1)))
}

func (s *branch) expectNoLink(a Args) error {
	ok, err := s.linked(a)
	return errors.Join(err, unless(!ok, "%s and %s are linked", a.Word(0), a.Word(1)))
}

// expectDoubt K1 kind: its last start had this doubt, or none.
func (s *branch) expectDoubt(a Args) error {
	t, err := s.named(a.Word(0))
	if err != nil {
		return err
	}
	for _, d := range t.doubts {
		if string(d.Kind) == a.Word(1) {
			return nil
		}
	}
	return unless(a.Word(1) == "none" && len(t.doubts) == 0, "the doubts of %s are %v", t.m.name, t.doubts)
}

// expectSeries K1 K1b 5: the till numbers its receipts so, and this is the last number.
func (s *branch) expectSeries(a Args) error {
	t, err := s.running(a.Word(0))
	if err != nil {
		return err
	}
	return unless(t.series.prefix == a.Word(1) && strconv.FormatUint(t.series.durable.number, 10) == a.Word(2),
		"%s stands at %s-%06d", t.m.name, t.series.prefix, t.series.durable.number)
}

// expectFault name n: that happened at least so often.
func (s *branch) expectFault(a Args) error {
	name, n := a.Word(0), a.Int(a.Len()-1, 1)
	for _, word := range a.Words[1 : a.Len()-1] {
		name += " " + word
	}
	return unless(s.w.faults[name] >= n, "%q happened %d times", name, s.w.faults[name])
}

// expectJoined K1 K2: in every scope, what they hold of each replica is one run.
func (s *branch) expectJoined(a Args) error {
	machines, err := s.machines(a)
	for _, m := range machines {
		if m.life == nil {
			return errors.Join(err, unless(false, "%s does not run", m.name))
		}
		for _, scope := range m.life.core.Scopes() {
			for replica, runs := range m.life.core.Context(scope) {
				err = errors.Join(err, unless(len(runs) == 1, "%s holds %d runs of %v in %v", m.name, len(runs), replica, scope))
			}
		}
	}
	return err
}

// expectHolders K1 n: so many other tills are known to hold its last receipt.
func (s *branch) expectHolders(a Args) error {
	t, err := s.running(a.Word(0))
	if err != nil {
		return err
	}
	head := t.m.life.opened.Store.Heads()[crdt.Sales]
	r := s.w.oracle.chains[scopedReplica{crdt.Sales, t.m.life.opened.Replica}]
	if len(r) == 0 {
		return unless(false, "%s sold nothing, its last change is %v", t.m.name, head.Seq)
	}
	holders := t.m.life.Holders(crdt.Sales, r[len(r)-1].commit.Dot)
	return unless(len(holders) == a.Int(1, -1), "%s knows %d holders of its last change of sales", t.m.name, len(holders))
}
