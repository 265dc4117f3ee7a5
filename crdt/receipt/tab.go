package receipt

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// Head is the register "head" of a tab: what it is called and who opened it.
type Head struct {
	Name     string // table or name; may be empty
	OpenedMS int64  // Unix milliseconds, business time of the opening till
	Till     crdt.TillID
	User     string // at most [MaxText] runes; may be empty
	Shared   bool   // tabs of other tills are shown by modes only if they are shared
	Training bool   // for practice: its receipt takes a number, and counts in no sum
}

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (h Head) Check() error {
	return errors.Join(checkTexts("name of the tab", h.Name, "user", h.User), checkMS(h.OpenedMS),
		checkNamed("opening till", h.Till.IsZero()))
}

// ParseHead reads a register value.
func ParseHead(raw []byte) (Head, error) {
	f := rules.Parse(raw)
	h := Head{Name: f.Text("n"), OpenedMS: f.Int("m"), Till: f.Till("d"), User: f.Text("u"), Shared: f.Bool("s"), Training: f.Bool("t")}
	return document.Checked(f, "head of a tab", h)
}

// Edit writes the value over the register value shown (nil if there is none) and keeps fields it does not know.
func (h Head) Edit(old []byte) ([]byte, error) {
	return rules.Edit(old, func(rec *crdt.Record) {
		rec.SetString("n", h.Name)
		rec.SetInt("m", h.OpenedMS)
		rec.SetTill("d", h.Till)
		rec.SetString("u", h.User)
		rec.SetBool("s", h.Shared)
		rec.SetBool("t", h.Training)
	})
}

// Note is the register "note" of a tab: a text for people, printed on the receipt.
type Note struct{ Text string } // at most [MaxNote] runes, may have several lines

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (n Note) Check() error {
	if !utf8.ValidString(n.Text) {
		return fmt.Errorf("%w: note is not valid UTF-8", ErrInvalid)
	}
	return rules.CheckText("note", strings.ReplaceAll(n.Text, "\n", " "), MaxNote)
}

// ParseNote reads a register value.
func ParseNote(raw []byte) (Note, error) {
	f := rules.Parse(raw)
	return document.Checked(f, "note of a tab", Note{f.Text("t")})
}

// Edit writes the value over the register value shown (nil if there is none) and keeps fields it does not know.
func (n Note) Edit(old []byte) ([]byte, error) {
	return rules.Edit(old, func(rec *crdt.Record) { rec.SetString("t", n.Text) })
}

// Customer is the register "customer" of a tab: whom the receipt is for. All fields may be empty.
type Customer struct {
	ID     crdt.ObjectID // of the customer's document, if there is one
	Number string
	Name   string
}

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (c Customer) Check() error {
	return checkTexts("customer number", c.Number, "customer name", c.Name)
}

// ParseCustomer reads a register value.
func ParseCustomer(raw []byte) (Customer, error) {
	f := rules.Parse(raw)
	return document.Checked(f, "customer of a tab", Customer{ID: f.Object("c"), Number: f.Text("n"), Name: f.Text("m")})
}

// Edit writes the value over the register value shown (nil if there is none) and keeps fields it does not know.
func (c Customer) Edit(old []byte) ([]byte, error) {
	return rules.Edit(old, func(rec *crdt.Record) {
		rec.SetObject("c", c.ID)
		rec.SetString("n", c.Number)
		rec.SetString("m", c.Name)
	})
}

// Merge is the register "merge" of a tab: the tab that its lines are on now. See [ResolveTab].
type Merge struct{ Into crdt.ObjectID } // zero: into none

// Check always returns nil: any tab may be merged into any other, [ResolveTab] has an answer even for a cycle.
func (m Merge) Check() error { return nil }

// ParseMerge reads a register value.
func ParseMerge(raw []byte) (Merge, error) {
	f := rules.Parse(raw)
	return document.Checked(f, "merge of a tab", Merge{f.Object("t")})
}

// Edit writes the value over the register value shown (nil if there is none) and keeps fields it does not know.
func (m Merge) Edit(old []byte) ([]byte, error) {
	return rules.Edit(old, func(rec *crdt.Record) { rec.SetObject("t", m.Into) })
}

// Claim is the register "claim" of a tab: who may take payment for it. The first holder is the till that opened the tab
// and needs no claim; its epoch is 0.
type Claim struct {
	Till  crdt.TillID
	User  string
	Epoch uint64 // one more than that of the holder it takes over from, at least 1
	MS    int64  // Unix milliseconds
}

// maxEpoch is what every JSON reader still holds exactly.
const maxEpoch = MaxInteger

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (c Claim) Check() error {
	if c.Epoch < 1 || c.Epoch > maxEpoch {
		return fmt.Errorf("%w: a claim with epoch %d, 1 to %d", ErrInvalid, c.Epoch, uint64(maxEpoch))
	}
	return errors.Join(checkTexts("user", c.User), checkMS(c.MS), checkNamed("till that claims", c.Till.IsZero()))
}

// ParseClaim reads a register value.
func ParseClaim(raw []byte) (Claim, error) {
	f := rules.Parse(raw)
	return document.Checked(f, "claim of a tab", Claim{Till: f.Till("d"), User: f.Text("u"), Epoch: f.Uint("e"), MS: f.Int("m")})
}

// Edit writes the value over the register value shown (nil if there is none) and keeps fields it does not know.
func (c Claim) Edit(old []byte) ([]byte, error) {
	return rules.Edit(old, func(rec *crdt.Record) {
		rec.SetTill("d", c.Till)
		rec.SetString("u", c.User)
		rec.SetUint("e", c.Epoch)
		rec.SetInt("m", c.MS)
	})
}

// Holder is the till that may take payment for a tab.
type Holder struct {
	Till    crdt.TillID // zero: nobody knows, because the tab's head is not here
	User    string
	Epoch   uint64         // of the claim; 0: the opener, nobody claimed
	MS      int64          // since when, Unix milliseconds
	Replica crdt.ReplicaID // that wrote it
}

// HolderOf returns who holds a tab, from all claims that stand beside each other: the highest epoch holds, of equal
// epochs the one with the smaller replica ID, whatever their stamps. Without a claim it is the opener. A claim that
// cannot be read does not count. tab may be nil.
func HolderOf(tab *crdt.Object) Holder {
	var h Holder
	if r := registerOf(tab, RegisterHead); r != nil && len(r.Siblings) > 0 {
		if head, err := ParseHead(r.Siblings[0].Raw); err == nil {
			h = Holder{head.Till, head.User, 0, head.OpenedMS, r.Siblings[0].Origin.Dot.Replica}
		}
	}
	r := registerOf(tab, RegisterClaim)
	if r == nil {
		return h
	}
	for _, s := range r.Siblings {
		c, err := ParseClaim(s.Raw)
		if err != nil {
			continue
		}
		replica := s.Origin.Dot.Replica
		if c.Epoch > h.Epoch || c.Epoch == h.Epoch && replica.Compare(h.Replica) < 0 {
			h = Holder{c.Till, c.User, c.Epoch, c.MS, replica}
		}
	}
	return h
}

// TabEdit says what is to be as given; nil fields stay as they are.
type TabEdit struct {
	Head     *Head
	Note     *Note
	Customer *Customer
	Merge    *Merge
	Claim    *Claim
	Resolve  []string // registers to write even if the value is the one shown, which decides a conflict for it
}

// EditTab returns the register writes that make a tab so, none if it is so already. obj is the merged tab, nil or empty
// for a new one. A value against the rules comes back as [ErrInvalid].
func EditTab(id crdt.ObjectID, obj *crdt.Object, e TabEdit) ([]crdt.Piece, error) {
	w := newWriter(TypeTab, id, obj, e.Resolve...)
	if e.Head != nil {
		w.Put(RegisterHead, *e.Head)
	}
	if e.Note != nil {
		w.Put(RegisterNote, *e.Note)
	}
	if e.Customer != nil {
		w.Put(RegisterCustomer, *e.Customer)
	}
	if e.Merge != nil {
		if e.Merge.Into == id {
			w.Fail(fmt.Errorf("%w: a tab cannot be merged into itself", ErrInvalid))
		}
		w.Put(RegisterMerge, *e.Merge)
	}
	if e.Claim != nil {
		w.Put(RegisterClaim, *e.Claim)
	}
	return w.Done()
}

// MergedInto returns the tab that a tab was merged into, and whether it was. tab may be nil.
func MergedInto(tab *crdt.Object) (crdt.ObjectID, bool) {
	m, err := document.Shown(tab, RegisterMerge, ParseMerge)
	return m.Into, err == nil && !m.Into.IsZero()
}

// ResolveTab returns the tab that a line with this location is on: the end of the chain of merges. A chain that runs
// into a cycle ends at the lowest tab ID of that cycle. mergeOf returns the tab that a tab was merged into, if it was.
func ResolveTab(loc crdt.ObjectID, mergeOf func(crdt.ObjectID) (crdt.ObjectID, bool)) crdt.ObjectID {
	// Two walkers, one at twice the speed, meet in the cycle if there is one: no memory, whatever the length.
	slow, fast := loc, loc
	for {
		for range 2 {
			next, merged := mergeOf(fast)
			if !merged {
				return fast
			}
			fast = next
		}
		slow, _ = mergeOf(slow)
		if slow == fast {
			break
		}
	}
	lowest := slow
	for at, _ := mergeOf(slow); at != slow; at, _ = mergeOf(at) {
		if at.Compare(lowest) < 0 {
			lowest = at
		}
	}
	return lowest
}
