package catalog

import (
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// Group is what a till shows of a group of articles.
type Group struct {
	Names     Names
	Place     GroupPlace
	Life      Life
	Conflicts []Conflict
}

// ViewGroup computes what to show of a merged group. If a register cannot be read the error names it and the group holds
// all others.
func ViewGroup(obj *crdt.Object) (Group, error) {
	var errs []error
	g := Group{
		Names:     document.Collect(obj, RegisterNames, ParseNames, &errs),
		Place:     document.Collect(obj, RegisterPlace, ParseGroupPlace, &errs),
		Life:      document.Collect(obj, RegisterLife, ParseLife, &errs),
		Conflicts: document.Conflicts(obj, readGroup),
	}
	if len(errs) > 0 {
		return g, fmt.Errorf("group: %w", errors.Join(errs...))
	}
	return g, nil
}

func readGroup(register string, raw []byte) (any, error) {
	switch register {
	case RegisterNames:
		return document.Typed(ParseNames(raw))
	case RegisterPlace:
		return document.Typed(ParseGroupPlace(raw))
	case RegisterLife:
		return document.Typed(ParseLife(raw))
	}
	return nil, nil
}

// GroupEdit says what is to be as given; nil fields stay as they are.
type GroupEdit struct {
	Names   *Names
	Place   *GroupPlace
	Life    *Life
	Resolve []string // registers to write even if the value is the one shown, which decides a conflict for it
}

// EditGroup returns the register writes that make a group so, none if it is so already. obj is the merged group, nil or
// empty for a new one. A value against the rules comes back as [ErrInvalid].
func EditGroup(id crdt.ObjectID, obj *crdt.Object, e GroupEdit) ([]crdt.Piece, error) {
	w := rules.Writer(TypeGroup, id, obj, e.Resolve...)
	putNames(w, TypeGroup, e.Names)
	if e.Place != nil {
		if e.Place.Parent == id && !id.IsZero() {
			w.Fail(fmt.Errorf("%w: a group cannot be within itself", ErrInvalid))
		}
		w.Put(RegisterPlace, *e.Place)
	}
	if e.Life != nil {
		w.Put(RegisterLife, *e.Life)
	}
	return w.Done()
}
