package whole

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/replication/simulation"
	"github.com/tillmesh/tillmesh/replication/store/memory"
)

// Script is a scenario in words: statements of package simulation about a shop of whole tills. Amounts are written as on
// a price tag, 24.60. What a cashier does is over before the next statement, and has to go well unless the statement
// begins with "refused" or "unsaved". Tabs, articles and tills are called by names.
type Script struct {
	*Shop
	verbs    simulation.Verbs[*Script]
	tabs     map[string]crdt.ObjectID
	articles map[string]int
	backups  map[string]*memory.Disk
	saves    map[string]cloudBackup
	closings map[string]string // bytes of closings that were looked at
	stocked  bool
}

// NewScript returns a script without anything said.
func NewScript(s *Shop) *Script {
	return &Script{Shop: s, verbs: Verbs(), tabs: make(map[string]crdt.ObjectID), articles: make(map[string]int), backups: make(map[string]*memory.Disk),
		closings: make(map[string]string), saves: make(map[string]cloudBackup)}
}

// Verbs are what a scenario can say.
func Verbs() simulation.Verbs[*Script] {
	verbs := make(simulation.Verbs[*Script])
	for _, some := range []simulation.Verbs[*Script]{shopVerbs, memberVerbs, saleVerbs, closingVerbs, tabVerbs, correctionVerbs, goodsVerbs, faultVerbs, machineVerbs, cloudVerbs, showVerbs, outcomeVerbs()} {
		maps.Copy(verbs, some)
	}
	return verbs
}

type (
	verbs = simulation.Verbs[*Script]
	args  = simulation.Args
)

var shopVerbs = verbs{
	"needs": {Params: "word...", Help: "what the till has to be able to do; without it the scenario waits", Do: func(*Script, args) error { return nil }},
	"seed":  {Params: "int", Help: "everything left to chance", Do: func(*Script, args) error { return nil }},
	"tills": {Params: "word...", Help: "found the shop with the first, and let the others join", Do: func(s *Script, a args) error {
		for i, name := range a.Words {
			if i == 0 {
				s.restarts(s.Found(name))
			} else {
				s.restarts(s.Join(name, s.Tills[0]))
			}
		}
		return s.W.Err()
	}},
	"later": {Params: "word...", Help: "tills of a later version, whose articles have one field more", Do: func(s *Script, a args) error {
		for _, name := range a.Words {
			t, err := s.named(name)
			if err != nil {
				return err
			}
			t.Newer = true
		}
		return nil
	}},
	"wait": {Params: "time", Help: "time passes", Do: func(s *Script, a args) error { s.W.RunFor(a.Time(0, 0)); return nil }},
	"busy": {Params: "time time word...", Help: "for a time cashiers do something about every so often: busy 30s 200ms K1 K2", Do: func(s *Script, a args) error {
		return s.employ(a, s.Employ)
	}},
	"close": {Params: "time", Help: "all that run are switched off, time passes, they are switched on", Do: func(s *Script, a args) error {
		return s.holiday(a.Time(0, 0))
	}},
	"sales": {Params: "time time word...", Help: "for a time cashiers sell a receipt about every so often: sales 30s 150ms K1 K2", Do: func(s *Script, a args) error {
		return s.employ(a, s.EmployFast)
	}},
	"long": {Help: "it takes its time: only with -long", Do: func(*Script, args) error { return nil }},
	"settle": {Help: "end all faults, set the clocks, switch everything on, and check all that must hold", Do: func(s *Script, _ args) error {
		s.Heal()
		s.Check(s.present()...)
		s.CheckDepartures(s.present()...)
		s.Cloud.Check(s.present()...)
		s.W.CheckAtRest(s.all()...)
		return s.W.Err()
	}},
}

// employ lets cashiers work for a time.
func (s *Script) employ(a args, how func(*Till, time.Duration, time.Duration)) error {
	s.stock()
	until := s.W.Elapsed() + a.Time(0, 0)
	for _, name := range a.Words[2:] {
		t, err := s.named(name)
		if err != nil {
			return err
		}
		how(t, a.Time(1, time.Second), until)
	}
	s.W.RunFor(a.Time(0, 0))
	return s.calm()
}

// restarts makes somebody switch a till on again soon after it died.
func (s *Script) restarts(t *Till) {
	t.Restart = func() time.Duration { return 500*time.Millisecond + s.under(3*time.Second) }
}

// present are the tills of the shop that exist.
func (s *Shop) present() (out []*Till) {
	for _, t := range s.Tills {
		if !t.M.Gone() && !t.left && s.member(t) {
			out = append(out, t)
		}
	}
	return out
}

// calm lets what cashiers began come to its end.
func (s *Script) calm() error {
	s.W.RunUntil(time.Minute, func() bool {
		for _, t := range s.Tills {
			if t.busy {
				return false
			}
		}
		return true
	})
	return s.W.Err()
}

func (s *Script) named(name string) (*Till, error) {
	for _, t := range s.Tills {
		if t.Name == name {
			return t, nil
		}
	}
	return nil, fmt.Errorf("there is no till %s", name)
}

// some returns the running tills that a subject means: one, or all.
func (s *Script) some(subject string) ([]*Till, error) {
	var out []*Till
	for _, t := range s.Tills {
		if subject == "all" && t.life != nil || t.Name == subject {
			out = append(out, t)
		}
	}
	if len(out) == 0 || out[0].life == nil {
		return nil, fmt.Errorf("%s does not run", subject)
	}
	return out, nil
}

// on makes a verb about one till, its subject or first word.
func on(do func(s *Script, t *Till, a args) error) func(*Script, args) error {
	return func(s *Script, a args) error {
		name := a.Subject
		if name == "" {
			name, a.Words = a.Word(0), a.Words[1:]
		}
		t, err := s.named(name)
		if err != nil {
			return err
		}
		return do(s, t, a)
	}
}

// say does something as a cashier, waits until it is over and returns how it went.
func (s *Script) say(t *Till, what string, do func(context.Context, *node.Till) error, learn func(fate)) error {
	err := t.Try(do)
	f := s.judge(t, what, err)
	if learn != nil {
		learn(f)
	}
	return errors.Join(s.W.Err(), err)
}

// tab returns the tab with a name; a new name is a new tab.
func (s *Script) tab(name string) crdt.ObjectID {
	id, known := s.tabs[name]
	if !known {
		id = s.object()
		s.tabs[name] = id
	}
	return id
}

func (s *Script) article(name string) crdt.ObjectID {
	n, known := s.articles[name]
	if !known {
		n = articles + len(s.articles) // the first ones are for cashiers left to chance
		s.articles[name] = n
	}
	return articleID(n)
}

var errAmount = errors.New("no amount such as 24.60")

func amount(word string) (receipt.Amount, error) {
	whole, cents, _ := strings.Cut(word, ".")
	n, err := strconv.ParseInt(whole+cents, 10, 64)
	if err != nil || len(cents) != 2 {
		return 0, fmt.Errorf("%q: %w", word, errAmount)
	}
	return receipt.Amount(n), nil
}

func price(a receipt.Amount) string { return fmt.Sprintf("%d.%02d", a/100, max(a, -a)%100) }

// outcomeVerbs are the verbs about what becomes of another statement.
func outcomeVerbs() verbs {
	return verbs{
		"refused": {Params: "word word word word...", Help: "the till says no, with this code: refused held-by K2 closes r", Do: func(s *Script, a args) error {
			err := s.inner(a.Words[1:])
			var no *node.Refusal
			if !errors.As(err, &no) || no.Code != a.Word(0) {
				return fmt.Errorf("it was not refused so: %w", orNil(err))
			}
			return nil
		}},
		"unsaved": {Params: "word word word...", Help: "the till cannot save it, and says so", Do: func(s *Script, a args) error {
			if err := s.inner(a.Words); err == nil || errors.As(err, new(*node.Refusal)) || s.W.Err() != nil {
				return fmt.Errorf("it was not an error: %w", orNil(err))
			}
			return nil
		}},
		"within": {Params: "time word...", Help: "a statement becomes true in time: within 5s all shows cases double 1", Do: func(s *Script, a args) error {
			var err error
			if s.W.RunUntil(a.Time(0, 0), func() bool { err = s.inner(a.Words[1:]); return err == nil }) {
				return nil
			}
			return errors.Join(err, s.W.Err())
		}},
	}
}

var errWentWell = errors.New("it went well")

func orNil(err error) error {
	if err == nil {
		return errWentWell
	}
	return err
}

// inner does a statement that is part of another one.
func (s *Script) inner(words []string) error {
	inner, err := simulation.ParseScenario("within", strings.Join(words, " "), s.verbs)
	if err != nil {
		return err
	}
	if len(inner.Statements) != 1 {
		return fmt.Errorf("%q: %w", strings.Join(words, " "), simulation.ErrScenario)
	}
	st := inner.Statements[0]
	return s.verbs[st.Verb].Do(s, st.Args)
}
