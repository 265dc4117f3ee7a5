package shop

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

// State says whether a till takes part.
type State uint8

// The states, in the order a till goes through them. There is no way back.
const (
	Unknown State = 0 // never validly admitted
	Active  State = 1
	Retired State = 2 // no longer used; what it still has to hand over is accepted
	Revoked State = 3 // lost; nothing more from it is accepted
)

// String returns the state as a word.
func (s State) String() string {
	return [...]string{"unknown", "active", "retired", "revoked"}[min(s, Revoked)]
}

// Roster says who belongs to a shop. It is a function of the items it was given, whatever their order: an admission
// counts as soon as the till that signed it counts, up to the founder. It is not safe for concurrent use.
type Roster struct {
	shop    crdt.ShopID
	members map[crdt.TillID]*member
	left    map[crdt.TillID][]Departure // valid ones
	replica map[crdt.ReplicaID][]Lineage
	recover map[crdt.TillID]recovered            // keys that may admit, by their ID
	instead map[crdt.TillID]map[crdt.TillID]bool // tills that counting admissions say are replaced, and by whom
	objects map[crdt.ObjectID]*crdt.Object       // merged registers of tills
	known   map[crdt.Hash]struct{}               // items that were given already
	taken   []Takeover
	clouds  map[crdt.TillID]*cloud         // with a coupling that counts, whatever became of it
	ended   map[crdt.ObjectID][]Uncoupling // those that count, by coupling, the earliest first
	seats   map[crdt.ReplicaID][]Seat      // those that count, the earliest first
	waiting []claim
	refused []Problem
}

type member struct {
	key        ed25519.PublicKey
	admissions []admitted // all that are valid, the one that counts first
	lineages   []Lineage  // all that are valid, by number of the lineage
}

type admitted struct {
	Admission
	raw []byte
}

type recovered struct {
	Recovery
	raw []byte
}

// NewRoster returns the roster of a shop of which nothing is known.
func NewRoster(shop crdt.ShopID) *Roster {
	return &Roster{
		shop:    shop,
		members: make(map[crdt.TillID]*member),
		left:    make(map[crdt.TillID][]Departure),
		replica: make(map[crdt.ReplicaID][]Lineage),
		recover: make(map[crdt.TillID]recovered),
		instead: make(map[crdt.TillID]map[crdt.TillID]bool),
		objects: make(map[crdt.ObjectID]*crdt.Object),
		known:   make(map[crdt.Hash]struct{}),
		clouds:  make(map[crdt.TillID]*cloud),
		ended:   make(map[crdt.ObjectID][]Uncoupling),
		seats:   make(map[crdt.ReplicaID][]Seat),
	}
}

// BuildRoster returns the roster from all live commits of the shop scope, in any order. Errors of single items are
// joined; the roster holds all others.
func BuildRoster(shop crdt.ShopID, commits iter.Seq[*crdt.Commit]) (*Roster, error) {
	r := NewRoster(shop)
	var errs []error
	for c := range commits {
		errs = append(errs, r.AddCommit(c))
	}
	return r, errors.Join(errs...)
}

// AddCommit takes what a commit of the shop scope says about tills; commits of other scopes and pieces of other types
// change nothing, and giving a commit twice neither. An error names the items that could not be read; all others of
// the commit are taken.
func (r *Roster) AddCommit(c *crdt.Commit) error {
	if c.Scope != crdt.Shop {
		return nil
	}
	var errs []error
	for i := range c.Pieces {
		p := &c.Pieces[i]
		switch {
		case p.Kind == crdt.KindItem:
			errs = append(errs, r.AddItem(p.Type, p.Object, p.Raw))
		case p.Type == TypeTill:
			obj := r.objects[p.Object]
			if obj == nil {
				obj = new(crdt.Object)
				r.objects[p.Object] = obj
			}
			obj.Apply(c.Origin(), i, p)
		}
	}
	return errors.Join(errs...)
}

// AddItem takes one item by its type. Other types change nothing. Whether the signature counts may only turn out later;
// [Roster.Problems] lists what does not. The bytes are kept and must not be changed.
func (r *Roster) AddItem(typ string, id crdt.ObjectID, raw []byte) error {
	c, want, err := readClaim(typ, raw)
	if err != nil {
		return fmt.Errorf("roster: %s %v: %w", typ, id, err)
	}
	if c.typ == "" {
		return nil
	}
	if id != want {
		return fmt.Errorf("roster: %w: %s has object ID %v, its content gives %v", codec.ErrMalformed, typ, id, want)
	}
	hash := crdt.Hash(sha256.Sum256(append([]byte(typ+"\x00"), raw...)))
	if _, again := r.known[hash]; again {
		return nil
	}
	r.known[hash] = struct{}{}
	r.waiting = append(r.waiting, c)
	r.settle()
	return nil
}

func (r *Roster) admit(c *claim) {
	m := r.members[c.about]
	if m == nil {
		m = &member{key: c.admission.PublicKey}
		r.members[c.about] = m
	}
	if old := c.admission.Replaces; !old.IsZero() && old != c.about {
		if r.instead[old] == nil {
			r.instead[old] = make(map[crdt.TillID]bool)
		}
		r.instead[old][c.about] = true
	}
	m.admissions = append(m.admissions, admitted{c.admission, c.raw})
	slices.SortFunc(m.admissions, func(a, b admitted) int {
		return cmp.Or(-compareBool(a.Founder, b.Founder), cmp.Compare(a.MS, b.MS), bytes.Compare(a.raw, b.raw))
	})
}

func (r *Roster) extend(m *member, l Lineage) {
	m.lineages = append(m.lineages, l)
	slices.SortFunc(m.lineages, compareLineages)
	r.replica[l.Replica] = append(r.replica[l.Replica], l)
	slices.SortFunc(r.replica[l.Replica], func(a, b Lineage) int {
		return cmp.Or(cmp.Compare(a.MS, b.MS), a.Till.Compare(b.Till))
	})
}

func compareLineages(a, b Lineage) int {
	p, _ := parsePrefix(a.Prefix) // checked when it was taken
	q, _ := parsePrefix(b.Prefix)
	return cmp.Or(cmp.Compare(p.lineage, q.lineage), cmp.Compare(a.MS, b.MS), a.Replica.Compare(b.Replica))
}

// compareDepartures puts the one that counts first: revoked before retired, then the earlier.
func compareDepartures(a, b Departure) int {
	return cmp.Or(-compareBool(a.Revoked, b.Revoked), cmp.Compare(a.MS, b.MS), a.By.Compare(b.By), cmp.Compare(a.Reason, b.Reason))
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// founder reports whether this till founded the shop.
func (m *member) founder() bool { return m.admissions[0].Founder }

// bases returns the prefixes that admissions gave the till.
func (m *member) bases() iter.Seq[prefix] {
	return func(yield func(prefix) bool) {
		for _, a := range m.admissions {
			if p, err := parsePrefix(a.Prefix); err != nil || !yield(p) {
				return
			}
		}
	}
}

// given reports whether this till may give a prefix to a till it admits.
func (m *member) given(s string) bool {
	p, err := parsePrefix(s)
	for base := range m.bases() {
		if err == nil && p.givenBy(base) {
			return true
		}
	}
	return false
}

// continues reports whether a prefix is of a lineage of this till.
func (m *member) continues(s string) bool {
	p, err := parsePrefix(s)
	for base := range m.bases() {
		if err == nil && p.base() == base {
			return true
		}
	}
	return false
}
