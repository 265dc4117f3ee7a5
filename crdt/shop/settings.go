package shop

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// What holds until somebody writes the settings. Defaults are computed when reading and never written.
const (
	DefaultCountry  = "DE"
	DefaultCurrency = "EUR"
	DefaultZone     = "Europe/Berlin"
	DefaultCutOff   = 240 // minutes after midnight
)

// SettingsObject is the object ID of the settings: every shop has them once.
func SettingsObject() crdt.ObjectID { return crdt.DeriveObjectID(TypeSettings) }

// Business is the register "business" of the settings: who sells, as receipts have to say.
type Business struct {
	Name      string
	Street    string
	Postcode  string
	Town      string
	Country   string // ISO 3166 alpha-2, such as "DE"
	TaxNumber string
	VATID     string
}

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (b Business) Check() error {
	return errors.Join(rules.CheckCapitals("country", b.Country, "DE"),
		rules.CheckText("name of the business", b.Name, MaxNameRunes), rules.CheckText("street", b.Street, MaxNameRunes),
		rules.CheckText("postcode", b.Postcode, MaxCodeRunes), rules.CheckText("town", b.Town, MaxNameRunes),
		rules.CheckText("tax number", b.TaxNumber, MaxCodeRunes), rules.CheckText("VAT ID", b.VATID, MaxCodeRunes))
}

// ParseBusiness reads a register value.
func ParseBusiness(raw []byte) (Business, error) {
	f := rules.Parse(raw)
	b := Business{
		Name: f.Text("n"), Street: f.Text("s"), Postcode: f.Text("p"), Town: f.Text("t"), Country: f.Text("c"),
		TaxNumber: f.Text("x"), VATID: f.Text("v"),
	}
	if b.Country == "" {
		b.Country = DefaultCountry
	}
	return document.Checked(f, "business", b)
}

// Edit writes the value over the register value shown (nil if there is none) and keeps fields it does not know.
func (b Business) Edit(old []byte) ([]byte, error) {
	return rules.Edit(old, func(rec *crdt.Record) {
		rec.SetString("n", b.Name)
		rec.SetString("s", b.Street)
		rec.SetString("p", b.Postcode)
		rec.SetString("t", b.Town)
		rec.SetString("c", unless(b.Country, DefaultCountry))
		rec.SetString("x", b.TaxNumber)
		rec.SetString("v", b.VATID)
	})
}

// Money is the register "money" of the settings.
type Money struct {
	Currency string // ISO 4217, such as "EUR"
}

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (m Money) Check() error { return rules.CheckCapitals("currency", m.Currency, "EUR") }

// ParseMoney reads a register value.
func ParseMoney(raw []byte) (Money, error) {
	f := rules.Parse(raw)
	m := Money{f.Text("c")}
	if m.Currency == "" {
		m.Currency = DefaultCurrency
	}
	return document.Checked(f, "money", m)
}

// Edit writes the value over the register value shown (nil if there is none) and keeps fields it does not know.
func (m Money) Edit(old []byte) ([]byte, error) {
	return rules.Edit(old, func(rec *crdt.Record) { rec.SetString("c", unless(m.Currency, DefaultCurrency)) })
}

// Day is the register "day" of the settings: when a business day ends.
type Day struct {
	Zone   string // IANA time zone, such as "Europe/Berlin"; whether it exists is for the program that loads it to say
	CutOff int64  // minutes after midnight until which the day before goes on, 0 to 1439
}

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (d Day) Check() error {
	var zone error
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/"
	if d.Zone == "" || len(d.Zone) > 64 || strings.Trim(d.Zone, letters) != "" || strings.HasPrefix(d.Zone, "/") {
		zone = fmt.Errorf("%w: time zone %.70q is not a name such as Europe/Berlin", ErrInvalid, d.Zone)
	}
	return errors.Join(zone, rules.CheckRange("end of the business day in minutes", d.CutOff, 0, 24*60-1))
}

// BusinessDay returns the business day (YYYY-MM-DD) of a moment, which the caller gives in the shop's time zone.
func (d Day) BusinessDay(local time.Time) string {
	year, month, day := local.Date()
	if local.Before(d.begins(year, month, day, local.Location())) {
		day--
	}
	return time.Date(year, month, day, 12, 0, 0, 0, time.UTC).Format(time.DateOnly)
}

// Begins returns the moment at which a business day (YYYY-MM-DD) begins in a time zone: when the clock on the wall first
// shows the end of the day before. So a day with a change to or from summer time is a day like any other, no day comes
// back when the clock is set back, and a time that the clock leaves out is the moment at which it does.
func (d Day) Begins(day string, zone *time.Location) (time.Time, error) {
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return at, fmt.Errorf("%w: business day %.20q is not YYYY-MM-DD", ErrInvalid, day)
	}
	return d.begins(at.Year(), at.Month(), at.Day(), zone), nil
}

func (d Day) begins(year int, month time.Month, day int, zone *time.Location) time.Time {
	at := time.Date(year, month, day, 0, 0, 0, 0, zone)
	if at.Day() != day { // in some zones the clock leaves out midnight
		_, change := at.ZoneBounds()
		at = change.In(zone)
	}
	minutes := func(t time.Time) int64 { return int64(t.Hour()*60 + t.Minute()) }
	if minutes(at) < d.CutOff {
		begin := at.Add(time.Duration(d.CutOff-minutes(at)) * time.Minute)
		_, change := at.ZoneBounds()
		if change.IsZero() || begin.Before(change) {
			return begin
		}
		change = change.In(zone) // the clock is set within that time
		return change.Add(time.Duration(max(d.CutOff-minutes(change), 0)) * time.Minute)
	}
	return at
}

// ParseDay reads a register value.
func ParseDay(raw []byte) (Day, error) {
	f := rules.Parse(raw)
	d := Day{Zone: f.Text("z"), CutOff: f.Int("c")}
	if d.Zone == "" {
		d.Zone = DefaultZone
	}
	if f.Raw("c") == nil {
		d.CutOff = DefaultCutOff
	}
	return document.Checked(f, "day", d)
}

// Edit writes the value over the register value shown (nil if there is none) and keeps fields it does not know.
func (d Day) Edit(old []byte) ([]byte, error) {
	return rules.Edit(old, func(rec *crdt.Record) {
		rec.SetString("z", unless(d.Zone, DefaultZone))
		if d.CutOff == DefaultCutOff {
			rec.SetRaw("c", nil)
		} else {
			rec.SetRaw("c", codec.AppendInt(nil, d.CutOff))
		}
	})
}

// Shop is the register "shop" of the settings.
type Shop struct {
	Name string // shown on screens and when tills find each other
}

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (s Shop) Check() error { return rules.CheckText("name of the shop", s.Name, MaxNameRunes) }

// ParseShop reads a register value.
func ParseShop(raw []byte) (Shop, error) {
	f := rules.Parse(raw)
	s := Shop{f.Text("n")}
	return document.Checked(f, "shop", s)
}

// Edit writes the value over the register value shown (nil if there is none) and keeps fields it does not know.
func (s Shop) Edit(old []byte) ([]byte, error) {
	return rules.Edit(old, func(rec *crdt.Record) { rec.SetString("n", s.Name) })
}

// Settings is what a till shows of the settings of the shop.
type Settings struct {
	Business  Business
	Money     Money
	Day       Day
	Shop      Shop
	Print     PrintRule
	Conflicts []Conflict
}

// ViewSettings computes the settings from their merged object, with defaults for what nobody wrote. If a register cannot
// be read the error names it and the settings hold all others, with the default in its place.
func ViewSettings(obj *crdt.Object) (Settings, error) {
	var errs []error
	s := Settings{
		Business:  document.Collect(obj, RegisterBusiness, ParseBusiness, &errs),
		Money:     document.Collect(obj, RegisterMoney, ParseMoney, &errs),
		Day:       document.Collect(obj, RegisterDay, ParseDay, &errs),
		Shop:      document.Collect(obj, RegisterShop, ParseShop, &errs),
		Print:     document.Collect(obj, RegisterPrint, ParsePrintRule, &errs),
		Conflicts: document.Conflicts(obj, readSettings),
	}
	if s.Business.Country == "" {
		s.Business.Country = DefaultCountry
	}
	if s.Money.Currency == "" {
		s.Money.Currency = DefaultCurrency
	}
	if s.Day.Zone == "" {
		s.Day = Day{DefaultZone, DefaultCutOff}
	}
	if s.Print.Seconds == 0 {
		s.Print = PrintRule{Seconds: DefaultPrintSeconds}
	}
	if len(errs) > 0 {
		return s, fmt.Errorf("settings: %w", errors.Join(errs...))
	}
	return s, nil
}

func readSettings(register string, raw []byte) (any, error) {
	switch register {
	case RegisterBusiness:
		return document.Typed(ParseBusiness(raw))
	case RegisterMoney:
		return document.Typed(ParseMoney(raw))
	case RegisterDay:
		return document.Typed(ParseDay(raw))
	case RegisterShop:
		return document.Typed(ParseShop(raw))
	case RegisterPrint:
		return document.Typed(ParsePrintRule(raw))
	}
	return nil, nil
}

// SettingsEdit says what is to be as given; nil fields stay as they are.
type SettingsEdit struct {
	Business *Business
	Money    *Money
	Day      *Day
	Shop     *Shop
	Print    *PrintRule
	Resolve  []string // registers to write even if the value is the one shown, which decides a conflict for it
}

// EditSettings returns the register writes that make the settings so, none if they are so already. obj is the merged
// object, nil or empty if nobody wrote one. A value against the rules comes back as [ErrInvalid].
func EditSettings(obj *crdt.Object, e SettingsEdit) ([]crdt.Piece, error) {
	w := rules.Writer(TypeSettings, SettingsObject(), obj, e.Resolve...)
	if e.Business != nil {
		w.Put(RegisterBusiness, *e.Business)
	}
	if e.Money != nil {
		w.Put(RegisterMoney, *e.Money)
	}
	if e.Day != nil {
		w.Put(RegisterDay, *e.Day)
	}
	if e.Shop != nil {
		w.Put(RegisterShop, *e.Shop)
	}
	if e.Print != nil {
		w.Put(RegisterPrint, *e.Print)
	}
	return w.Done()
}

// unless returns s, or nothing if it is the default.
func unless(s, byDefault string) string {
	if s == byDefault {
		return ""
	}
	return s
}
