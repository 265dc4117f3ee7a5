package catalog

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// Rate is a register "rate/YYYY-MM-DD" of a tax: what holds from that business day on.
type Rate struct {
	BasisPoints int64  // 1900 is 19 %
	FiscalKey   int64  // UST_SCHLUESSEL of DSFinV-K, 0 if not known
	Set         string // Austria: the set amounts are reported in, such as "Normal" or "Ermaessigt-1"; may be empty
	Withdrawn   bool   // this start date was a mistake and does not count; all other fields are ignored
}

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (r Rate) Check() error {
	if r.Withdrawn {
		return nil
	}
	return errors.Join(
		rules.CheckRange("tax rate in basis points", r.BasisPoints, 0, MaxRate),
		rules.CheckRange("fiscal key", r.FiscalKey, 0, MaxFiscalKey),
		rules.CheckText("tax set", r.Set, MaxTaxSet))
}

// ParseRate reads a register value.
func ParseRate(raw []byte) (Rate, error) {
	f := rules.Parse(raw)
	r := Rate{BasisPoints: f.Int("r"), FiscalKey: f.Int("k"), Set: f.Text("s"), Withdrawn: f.Bool("x")}
	return document.Checked(f, "tax rate", r)
}

// Edit writes the value over the register value shown (nil if there is none) and keeps fields it does not know.
func (r Rate) Edit(old []byte) ([]byte, error) {
	return rules.Edit(old, func(rec *crdt.Record) {
		rec.SetInt("r", r.BasisPoints)
		rec.SetInt("k", r.FiscalKey)
		rec.SetString("s", r.Set)
		rec.SetBool("x", r.Withdrawn)
	})
}

// Tax is what a till shows of a tax, such as "MwSt normal", whose rate changes over the years.
type Tax struct {
	Names     Names
	Rates     []DatedRate // by start date, ascending, withdrawn ones included
	Life      Life
	Conflicts []Conflict
}

// DatedRate is a rate with the business day it starts on.
type DatedRate struct {
	From string // YYYY-MM-DD
	Rate
	Err error // why this program cannot read it, nil if it can
}

// ViewTax computes what to show of a merged tax. If a register cannot be read the error names it and the tax holds all
// others.
func ViewTax(obj *crdt.Object) (Tax, error) {
	var errs []error
	t := Tax{
		Names:     document.Collect(obj, RegisterNames, ParseNames, &errs),
		Life:      document.Collect(obj, RegisterLife, ParseLife, &errs),
		Conflicts: document.Conflicts(obj, readTax),
	}
	for i := range obj.Registers {
		name := obj.Registers[i].Name
		day, dated := startOf(name, RegisterRate)
		if !dated || len(obj.Registers[i].Siblings) == 0 {
			continue
		}
		r, err := ParseRate(obj.Registers[i].Siblings[0].Raw)
		if err != nil {
			err = fmt.Errorf("register %q: %w", name, err)
			errs = append(errs, err)
		}
		t.Rates = append(t.Rates, DatedRate{day, r, err})
	}
	if len(errs) > 0 {
		return t, fmt.Errorf("tax: %w", errors.Join(errs...))
	}
	return t, nil
}

func readTax(register string, raw []byte) (any, error) {
	switch register {
	case RegisterNames:
		return document.Typed(ParseNames(raw))
	case RegisterLife:
		return document.Typed(ParseLife(raw))
	}
	if _, dated := startOf(register, RegisterRate); dated {
		return document.Typed(ParseRate(raw))
	}
	return nil, nil
}

// RateOn returns the rate on a business day (YYYY-MM-DD): the one with the latest start that is not after it. It
// returns [ErrNoRate] if there is none, and never an older one for one it cannot read.
func (t Tax) RateOn(businessDay string) (Rate, error) {
	if err := CheckDay(businessDay); err != nil {
		return Rate{}, err
	}
	i := latest(len(t.Rates), businessDay, func(i int) (string, bool) { return t.Rates[i].From, !t.Rates[i].Withdrawn })
	if i < 0 {
		return Rate{}, fmt.Errorf("%w: %q on %s", ErrNoRate, t.Names.In(DefaultLanguage), businessDay)
	}
	return t.Rates[i].Rate, t.Rates[i].Err
}

// TaxEdit says what is to be as given; nil fields stay as they are.
type TaxEdit struct {
	Names   *Names
	Rates   map[string]Rate // by start date, YYYY-MM-DD; other start dates stay
	Life    *Life
	Resolve []string // registers to write even if the value is the one shown, which decides a conflict for it
}

// EditTax returns the register writes that make a tax so, none if it is so already. obj is the merged tax, nil or empty
// for a new one. A value against the rules comes back as [ErrInvalid].
func EditTax(id crdt.ObjectID, obj *crdt.Object, e TaxEdit) ([]crdt.Piece, error) {
	w := rules.Writer(TypeTax, id, obj, e.Resolve...)
	putNames(w, TypeTax, e.Names)
	for _, day := range slices.Sorted(maps.Keys(e.Rates)) {
		if err := CheckDay(day); err != nil {
			w.Fail(fmt.Errorf("start date of a rate: %w", err))
			continue
		}
		w.PutDated(RegisterRate+day, e.Rates[day])
	}
	if e.Life != nil {
		w.Put(RegisterLife, *e.Life)
	}
	return w.Done()
}
