// Package crdttest holds the laws that every document type must obey, and the seeded histories they are tried on.
//
// A document package runs each of its types through [Run] in its own tests:
//
//	func TestLaws(t *testing.T) {
//		crdttest.Run(t, crdttest.Type{Name: catalog.TypeArticle, Scope: crdt.Catalog, ...})
//	}
//
// A history is what some tills did to a few objects while links came and went: edits through the type's own rules, restarts,
// items that supersede objects or registers, deliveries in any order with gaps. What the rules of package crdt made
// of it is compared with a model that is too slow and too simple to be wrong.
//
// A type that is declared but never run here fails a test of this package.
package crdttest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tillmesh/tillmesh/crdt"
)

var (
	seedFlag = flag.Uint64("crdttest.seed", 0, "run only the history of this seed")
	runsFlag = flag.Int("crdttest.runs", 12, "how many histories each document type is tried on")
)

// Type is a document type under test.
type Type struct {
	Name  string
	Scope crdt.Scope

	// Registers are the names of the type's registers. A name that ends in "/" stands for all that begin with it,
	// such as a price for every date.
	Registers []string
	// Item tells whether objects of the type have an item.
	Item bool

	// Write returns the pieces of a random but realistic edit of obj, as the program's own code would write it: with
	// the clocks seen ([crdt.Object.Seen]) and keeping fields it does not know. obj is never nil, may be empty
	// or in conflict, is never gone, and must not be changed. No pieces mean that nothing can be done to it now.
	Write func(r *rand.Rand, obj *crdt.Object, id crdt.ObjectID) []crdt.Piece

	// View returns the typed document that the program shows for obj. It must never panic, whatever the values are,
	// must not change obj and depends on nothing else. load returns the bytes of an item, nil if they were erased.
	View func(obj *crdt.Object, load func(crdt.Ref) []byte) any
}

// Run tries every law on the type. A failing history names its seed; -crdttest.seed replays it alone.
func Run(t *testing.T, d Type) {
	t.Helper()
	if d.Name == "" || d.Write == nil || d.View == nil || len(d.Registers) == 0 && !d.Item {
		t.Fatal("crdttest: a type needs a name, registers or an item, Write and View")
	}
	t.Run(d.Name, func(t *testing.T) {
		if *seedFlag != 0 {
			laws(t, d, *seedFlag)
			return
		}
		var written written
		for seed := uint64(1); seed <= uint64(*runsFlag); seed++ {
			t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { written.add(laws(t, d, seed)) })
		}
		if !t.Failed() {
			written.complete(t, d)
		}
	})
}

// laws tries them all on the history of one seed.
func laws(t testing.TB, d Type, seed uint64) *world {
	t.Helper()
	t.Logf("replay with -run '%s' -args -crdttest.seed=%d", strings.SplitN(t.Name(), "/seed=", 2)[0], seed)
	w := newWorld(t, d, rand.New(rand.NewPCG(seed, 0)))
	w.run(40 + w.rand.IntN(60))
	w.anyOrder()
	w.merges()
	w.partial()
	w.concurrent()
	w.upTo()
	w.unknownFields()
	w.unknownForms()
	w.views()
	w.hostileViews()
	return w
}

// allows reports whether a register of this name was announced.
func (d *Type) allows(name string) bool {
	for _, n := range d.Registers {
		if n == name || strings.HasSuffix(n, "/") && strings.HasPrefix(name, n) {
			return true
		}
	}
	return false
}

// written counts what the histories exercised, so that a Write which never writes proves nothing unnoticed.
type written map[string]int

func (w *written) add(from *world) {
	if *w == nil {
		*w = make(written)
	}
	for _, c := range from.commits {
		for i := range c.Pieces {
			if p := &c.Pieces[i]; p.Type == from.doc.Name && p.Kind == crdt.KindItem {
				(*w)[""]++
			} else if p.Type == from.doc.Name {
				(*w)[p.Name]++
			}
		}
	}
}

func (w written) complete(t *testing.T, d Type) {
	t.Helper()
	if d.Item && w[""] == 0 {
		t.Errorf("no history wrote an item of type %q", d.Name)
	}
	for _, want := range d.Registers {
		found := false
		for name := range w {
			found = found || name == want || strings.HasSuffix(want, "/") && strings.HasPrefix(name, want)
		}
		if !found {
			t.Errorf("no history wrote register %q of type %q", want, d.Name)
		}
	}
}
