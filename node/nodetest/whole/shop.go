package whole

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/replication/simulation"
)

// Options say what shop to run.
type Options struct {
	Seed  uint64
	Trace io.Writer // nil: nowhere
	Plant Plant
	// Country of the shop, DE or AT: its tills have signing devices, which are slow, fail and return. Empty: they have none.
	Country string
}

// Shop is a simulated shop of whole tills. It belongs to the goroutine of its test.
type Shop struct {
	W     *simulation.World
	Tills []*Till
	Cloud *Cloud // nil: the shop never had one

	told          told
	stays         crdt.TillID          // the till that nobody revokes or retires; zero: a script says who left
	lost          map[crdt.TillID]bool // somebody tried to revoke it
	copied        bool                 // a copy of a till runs, or did
	plant         Plant
	country       string        // whose signing devices the tills have; empty: they have none
	calmTerminals bool          // nothing goes wrong at terminals
	files         string        // a directory of this machine
	closing       time.Duration // since the world's beginning, when cashiers go home
	rand          *rand.Rand    // of cashiers; the world has its own
	began         time.Time     // of the bubble, when the world began
	meant         error         // what a test wanted to go wrong

	seen     sync.Mutex
	answers  []func() // each wakes one goroutine
	planned  bool     // a turn is to come
	ticking  bool     // a turn is to come because time passes
	routines []*routine
	lives    []*life // in the order they began, with something left to do
}

// Run runs a shop in a bubble. What goes wrong in the world fails the test, and says with which seed.
func Run(t *testing.T, o Options, do func(s *Shop)) {
	t.Helper()
	files := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := newShop(o)
		if err != nil {
			t.Fatal(err)
		}
		defer s.close()
		s.files = files
		do(s)
		if err := s.W.Err(); err != nil && !errors.Is(err, s.meant) {
			t.Error(err)
		}
	})
}

// takeErr returns what went wrong, which was meant to.
func (s *Shop) takeErr() error {
	s.meant = s.W.Err()
	return s.meant
}

func newShop(o Options) (*Shop, error) {
	w, err := simulation.NewWorld(simulation.Options{Seed: o.Seed, Trace: o.Trace})
	if err != nil {
		return nil, err
	}
	return &Shop{W: w, began: time.Now(), rand: rand.New(rand.NewPCG(o.Seed, 0x63_6173)), told: newTold(), plant: o.Plant, country: o.Country, lost: make(map[crdt.TillID]bool)}, nil
}

// close ends everything: all goroutines are gone when it returns.
func (s *Shop) close() {
	s.W.Close()
	s.Cloud.end()
	s.turn()
	if len(s.routines) > 0 {
		panic(fmt.Sprintf("%d goroutines of tills that are over do not end", len(s.routines)))
	}
	if err := s.Cloud.close(); err != nil {
		panic(err)
	}
}

// Found makes the first till of the shop and runs it.
func (s *Shop) Found(name string) *Till {
	t := s.newTill(name)
	n, err := node.NewShop(node.FoundOptions{Shop: "Café Mitte", Name: name, Country: s.country, Environment: t.environment(0)}, t.M.Key())
	if err != nil {
		s.W.Fail("found the shop: %v", err)
		return t
	}
	t.start(n)
	s.W.RunUntil(time.Minute, func() bool { return t.Idle() && t.Node().MayLink(t.M.Till()) })
	return t
}

// Join adds a till to the shop, admitted by another one, and runs it until they are equal.
func (s *Shop) Join(name string, by *Till) *Till {
	t, n, do := s.admission(name)
	by.Do("admits "+name, do)
	t.start(*n)
	s.W.RunUntil(time.Minute, func() bool { return t.Idle() && s.W.Equal(by.M, t.M) })
	return t
}

// admission makes a machine for a new till, and returns what another one has to do to let it in.
func (s *Shop) admission(name string) (t *Till, n *node.Newcomer, do func(context.Context, *node.Till) error) {
	t, n = s.newTill(name), new(node.Newcomer)
	var replica crdt.ReplicaID
	fill(t.random(0), replica[:])
	return t, n, func(ctx context.Context, till *node.Till) error {
		answer, err := till.Admit(ctx, t.request(name, replica))
		if err == nil && !answer.Accepted {
			err = &node.Refusal{Code: answer.Code, Text: answer.Text}
		}
		if err == nil {
			*n, err = node.NewMember(answer, t.M.Key(), replica, name, "", t.M.Wall())
		}
		return err
	}
}

// Stock gives the shop a tax and some articles.
func (s *Shop) Stock(by *Till, articles int) {
	by.Do("stocks the shop", func(ctx context.Context, till *node.Till) error {
		vat := catalog.Named("19 %")
		err := till.EditTax(ctx, taxID, catalog.TaxEdit{Names: &vat, Rates: map[string]catalog.Rate{catalog.DayOne: {BasisPoints: 1900, FiscalKey: 1}}})
		for n := range articles {
			names := catalog.Named(fmt.Sprintf("Artikel %d", n+1))
			if err == nil {
				err = till.EditArticle(ctx, articleID(n), catalog.ArticleEdit{Names: &names,
					Codes:  &catalog.Codes{PLU: fmt.Sprint(100 + n)},
					Prices: map[string]catalog.Price{catalog.DayOne: {Amount: int64(100 + 35*n), Currency: "EUR", Tax: taxID}}})
			}
		}
		return err
	})
}

var taxID = crdt.ObjectID{1}

func articleID(n int) crdt.ObjectID { return crdt.ObjectID{2, byte(n >> 8), byte(n)} }

// Machines returns the machines of tills.
func Machines(tills ...*Till) []*simulation.Machine {
	out := make([]*simulation.Machine, len(tills))
	for i, t := range tills {
		out[i] = t.M
	}
	return out
}

// object draws an ID, for what a cashier makes.
func (s *Shop) object() (id crdt.ObjectID) {
	fill(s.rand, id[:])
	return id
}

// chance is true in n of 100 cases.
func (s *Shop) chance(n int) bool { return s.rand.IntN(100) < n }

// under returns a time of at least nothing and less than limit.
func (s *Shop) under(limit time.Duration) time.Duration {
	return time.Duration(s.rand.Int64N(int64(limit)))
}

func fill(r *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(r.Uint32())
	}
}
