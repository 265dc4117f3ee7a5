package catalog

import (
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// Place is the register "place" of an article: where and how it appears on the till's screen.
type Place struct {
	Group   crdt.ObjectID // zero: in no group
	Sort    int64         // position within the group, ascending; articles with equal ones are sorted by name
	Colour  string        // "#rrggbb" in small letters, empty for the default
	Picture crdt.Hash     // SHA-256 of the picture, zero if there is none
}

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (p Place) Check() error {
	_, err := colourBytes(p.Colour)
	return errors.Join(err, rules.CheckRange("sort position", p.Sort, -maxSort, maxSort))
}

// ParsePlace reads a register value.
func ParsePlace(raw []byte) (Place, error) {
	f := rules.Parse(raw)
	p := Place{Group: f.Object("g"), Sort: f.Int("s"), Colour: colour(f, "c")}
	if b := f.Binary("p"); b != nil && len(b) != len(p.Picture) {
		f.Fail(fmt.Errorf("%w: a picture hash of %d bytes", ErrInvalid, len(b)))
	} else {
		copy(p.Picture[:], b)
	}
	return document.Checked(f, "place", p)
}

// Edit writes the value over the register value shown (nil if there is none) and keeps fields it does not know.
func (p Place) Edit(old []byte) ([]byte, error) {
	colour, err := colourBytes(p.Colour)
	if err != nil {
		return nil, err
	}
	return rules.Edit(old, func(rec *crdt.Record) {
		rec.SetObject("g", p.Group)
		rec.SetInt("s", p.Sort)
		rec.SetBinary("c", colour)
		if p.Picture == (crdt.Hash{}) {
			rec.SetBinary("p", nil)
		} else {
			rec.SetBinary("p", p.Picture[:])
		}
	})
}

// GroupPlace is the register "place" of a group.
type GroupPlace struct {
	Parent crdt.ObjectID // zero: a group of the first level. Two tills can make a circle; whoever walks up counts steps.
	Sort   int64         // position among the groups of the parent
	Colour string        // "#rrggbb" in small letters, empty for the default
}

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (p GroupPlace) Check() error { return Place{Sort: p.Sort, Colour: p.Colour}.Check() }

// ParseGroupPlace reads a register value.
func ParseGroupPlace(raw []byte) (GroupPlace, error) {
	f := rules.Parse(raw)
	p := GroupPlace{Parent: f.Object("g"), Sort: f.Int("s"), Colour: colour(f, "c")}
	return document.Checked(f, "place of a group", p)
}

// Edit writes the value over the register value shown (nil if there is none) and keeps fields it does not know.
func (p GroupPlace) Edit(old []byte) ([]byte, error) {
	colour, err := colourBytes(p.Colour)
	if err != nil {
		return nil, err
	}
	return rules.Edit(old, func(rec *crdt.Record) {
		rec.SetObject("g", p.Parent)
		rec.SetInt("s", p.Sort)
		rec.SetBinary("c", colour)
	})
}

func colour(f *document.Fields, key string) string {
	b := f.Binary(key)
	if b == nil {
		return ""
	}
	if len(b) != 3 {
		f.Fail(fmt.Errorf("%w: a colour of %d bytes", ErrInvalid, len(b)))
		return ""
	}
	return "#" + hex.EncodeToString(b)
}

// colourBytes returns red, green and blue, nil for the default.
func colourBytes(s string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	b, err := hex.DecodeString(s[1:])
	if err != nil || len(b) != 3 || "#"+hex.EncodeToString(b) != s {
		return nil, fmt.Errorf("%w: colour %.20q is not written like #1a2b3c", ErrInvalid, s)
	}
	return b, nil
}
