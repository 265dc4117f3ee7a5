package shop

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// TillObject returns the object ID that holds the registers of a till.
func TillObject(till crdt.TillID) crdt.ObjectID { return crdt.DeriveObjectID(TypeTill, till[:]) }

// TillName is the register "name" of a till: what people call it.
type TillName struct{ Name string }

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (n TillName) Check() error {
	if strings.TrimSpace(n.Name) == "" {
		return fmt.Errorf("%w: a till needs a name", ErrInvalid)
	}
	return rules.CheckText("name of the till", n.Name, MaxNameRunes)
}

// ParseTillName reads a register value.
func ParseTillName(raw []byte) (TillName, error) {
	f := rules.Parse(raw)
	n := TillName{f.Text("n")}
	return document.Checked(f, "name of a till", n)
}

// Edit writes the value over the register value shown (nil if there is none) and keeps fields it does not know.
func (n TillName) Edit(old []byte) ([]byte, error) {
	return rules.Edit(old, func(rec *crdt.Record) { rec.SetString("n", n.Name) })
}

// Mode is the register "mode" of a till: what its screen reads and writes. Only the till itself writes it. Modes that
// a newer program adds are kept as they are.
type Mode string

// The modes (design §4).
const (
	ModeArchive    Mode = "archive"    // Kassenarchiv: own master data, own receipts
	ModeMasterData Mode = "masterdata" // mit Stammdatenabgleich: the shop's master data, own receipts
	ModeShared     Mode = "shared"     // mit Stammdaten- und Belegübergabe: start here, finish there
	ModeIndividual Mode = "individual" // Individuell
	DefaultMode         = ModeShared
)

// Known reports whether this program knows what the mode means.
func (m Mode) Known() bool {
	return m == ModeArchive || m == ModeMasterData || m == ModeShared || m == ModeIndividual
}

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (m Mode) Check() error {
	if m == "" || len(m) > 20 || strings.Trim(string(m), "abcdefghijklmnopqrstuvwxyz") != "" {
		return fmt.Errorf("%w: mode %.30q is not one of archive, masterdata, shared, individual", ErrInvalid, string(m))
	}
	return nil
}

// ParseMode reads a register value.
func ParseMode(raw []byte) (Mode, error) {
	f := rules.Parse(raw)
	m := Mode(f.Text("m"))
	if m == "" {
		m = DefaultMode
	}
	return document.Checked(f, "mode of a till", m)
}

// Edit writes the value over the register value shown (nil if there is none) and keeps fields it does not know.
func (m Mode) Edit(old []byte) ([]byte, error) {
	return rules.Edit(old, func(rec *crdt.Record) { rec.SetString("m", string(m)) })
}

// TillView is what the registers of a till say.
type TillView struct {
	Name      string // empty if nobody wrote it: then the name at admission holds
	Mode      Mode
	Conflicts []Conflict
}

// ViewTill computes what to show of a till's merged registers. If a register cannot be read the error names it and the
// view holds all others, with the default in its place.
func ViewTill(obj *crdt.Object) (TillView, error) {
	var errs []error
	v := TillView{
		Name:      document.Collect(obj, RegisterName, ParseTillName, &errs).Name,
		Mode:      document.Collect(obj, RegisterMode, ParseMode, &errs),
		Conflicts: document.Conflicts(obj, readTill),
	}
	if v.Mode == "" {
		v.Mode = DefaultMode
	}
	if len(errs) > 0 {
		return v, fmt.Errorf("till: %w", errors.Join(errs...))
	}
	return v, nil
}

func readTill(register string, raw []byte) (any, error) {
	switch register {
	case RegisterName:
		return document.Typed(ParseTillName(raw))
	case RegisterMode:
		return document.Typed(ParseMode(raw))
	}
	return nil, nil
}

// TillEdit says what is to be as given; nil fields stay as they are.
type TillEdit struct {
	Name    *string
	Mode    *Mode    // to be written by the till itself only
	Resolve []string // registers to write even if the value is the one shown, which decides a conflict for it
}

// EditTill returns the register writes that make a till so, none if it is so already. obj is its merged object, nil or
// empty if nobody wrote one. A value against the rules comes back as [ErrInvalid].
func EditTill(till crdt.TillID, obj *crdt.Object, e TillEdit) ([]crdt.Piece, error) {
	w := rules.Writer(TypeTill, TillObject(till), obj, e.Resolve...)
	if e.Name != nil {
		w.Put(RegisterName, TillName{*e.Name})
	}
	if e.Mode != nil {
		w.Put(RegisterMode, *e.Mode)
	}
	return w.Done()
}
