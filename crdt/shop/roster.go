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
	objects map[crdt.ObjectID]*crdt.Object // merged registers of tills
	known   map[crdt.Hash]struct{}         // items that were given already
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

// claim is a signed item that does not count yet.
type claim struct {
	typ       string
	signer    crdt.TillID
	about     crdt.TillID
	rec       crdt.Record
	raw       []byte
	verified  bool
	admission Admission
	lineage   Lineage
	departure Departure
}

// NewRoster returns the roster of a shop of which nothing is known.
func NewRoster(shop crdt.ShopID) *Roster {
	return &Roster{
		shop:    shop,
		members: make(map[crdt.TillID]*member),
		left:    make(map[crdt.TillID][]Departure),
		replica: make(map[crdt.ReplicaID][]Lineage),
		objects: make(map[crdt.ObjectID]*crdt.Object),
		known:   make(map[crdt.Hash]struct{}),
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

func readClaim(typ string, raw []byte) (c claim, id crdt.ObjectID, err error) {
	switch typ {
	case TypeAdmission:
		c.admission, c.rec, err = parseAdmission(raw)
		c.signer, c.about, id = c.admission.By, c.admission.Till(), AdmissionID(c.admission.Till())
	case TypeLineage:
		c.lineage, c.rec, err = parseLineage(raw)
		c.signer, c.about, id = c.lineage.Till, c.lineage.Till, c.lineage.ObjectID()
	case TypeRetirement, TypeRevocation:
		c.departure, c.rec, err = parseDeparture(typ == TypeRevocation, raw)
		c.signer, c.about, id = c.departure.By, c.departure.Till, c.departure.ObjectID()
	default:
		return claim{}, id, nil
	}
	c.typ, c.raw = typ, raw
	return c, id, err
}

// settle takes every waiting item whose signer counts by now, until none is left that does. Taking one can only make
// others count, never stop one from counting, so the order does not matter.
func (r *Roster) settle() {
	for again := true; again; {
		again = false
		keep := r.waiting[:0]
		for _, c := range r.waiting {
			taken, err := r.take(&c)
			switch {
			case err != nil:
				r.refused = append(r.refused, Problem{c.about, fmt.Sprintf("%s refused: %v", c.typ, err)})
			case taken:
				again = true
			default:
				keep = append(keep, c)
			}
		}
		clear(r.waiting[len(keep):])
		r.waiting = keep
	}
}

// take makes an item count if it can already. An error means that it never will.
func (r *Roster) take(c *claim) (bool, error) {
	by := r.members[c.signer]
	var key ed25519.PublicKey
	switch {
	case c.typ == TypeAdmission && c.admission.Founder:
		if IDOf(c.admission.PublicKey, c.admission.Nonce) != r.shop {
			return false, fmt.Errorf("%w: not the founder of shop %v", ErrSignature, r.shop)
		}
		key = c.admission.PublicKey
	case by == nil:
		return false, nil
	default:
		key = by.key
	}
	if !c.verified {
		if err := verify(c.typ, r.shop, c.rec, key); err != nil {
			return false, err
		}
		c.verified = true
	}
	switch c.typ {
	case TypeAdmission:
		if !c.admission.Founder && !by.given(c.admission.Prefix) {
			return false, nil
		}
		r.admit(c)
	case TypeLineage:
		if !by.continues(c.lineage.Prefix) {
			return false, nil
		}
		r.extend(by, c.lineage)
	default:
		r.left[c.about] = append(r.left[c.about], c.departure)
		slices.SortFunc(r.left[c.about], func(a, b Departure) int {
			return cmp.Or(-compareBool(a.Revoked, b.Revoked), cmp.Compare(a.MS, b.MS), a.By.Compare(b.By), cmp.Compare(a.Reason, b.Reason))
		})
	}
	return true, nil
}

func (r *Roster) admit(c *claim) {
	m := r.members[c.about]
	if m == nil {
		m = &member{key: c.admission.PublicKey}
		r.members[c.about] = m
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

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

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
