package shop

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
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
	var country error
	if !capitals(b.Country, 2) {
		country = fmt.Errorf("%w: country %.20q is not a code such as DE", ErrInvalid, b.Country)
	}
	return errors.Join(country,
		checkText("name of the business", b.Name, MaxNameRunes), checkText("street", b.Street, MaxNameRunes),
		checkText("postcode", b.Postcode, MaxCodeRunes), checkText("town", b.Town, MaxNameRunes),
		checkText("tax number", b.TaxNumber, MaxCodeRunes), checkText("VAT ID", b.VATID, MaxCodeRunes))
}

// ParseBusiness reads a register value.
func ParseBusiness(raw []byte) (Business, error) {
	f := parse(raw)
	b := Business{
		Name: f.text("n"), Street: f.text("s"), Postcode: f.text("p"), Town: f.text("t"), Country: f.text("c"),
		TaxNumber: f.text("x"), VATID: f.text("v"),
	}
	if b.Country == "" {
		b.Country = DefaultCountry
	}
	if f.err == nil {
		f.err = b.Check()
	}
	if f.err != nil {
		return Business{}, fmt.Errorf("business: %w", f.err)
	}
	return b, nil
}

// Edit writes the value over the register value shown (nil if there is none) and keeps fields it does not know.
func (b Business) Edit(old []byte) ([]byte, error) {
	return edit(old, func(rec *crdt.Record) {
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
func (m Money) Check() error {
	if !capitals(m.Currency, 3) {
		return fmt.Errorf("%w: currency %.20q is not a code such as EUR", ErrInvalid, m.Currency)
	}
	return nil
}

// ParseMoney reads a register value.
func ParseMoney(raw []byte) (Money, error) {
	f := parse(raw)
	m := Money{f.text("c")}
	if m.Currency == "" {
		m.Currency = DefaultCurrency
	}
	if f.err == nil {
		f.err = m.Check()
	}
	if f.err != nil {
		return Money{}, fmt.Errorf("money: %w", f.err)
	}
	return m, nil
}

// Edit writes the value over the register value shown (nil if there is none) and keeps fields it does not know.
func (m Money) Edit(old []byte) ([]byte, error) {
	return edit(old, func(rec *crdt.Record) { rec.SetString("c", unless(m.Currency, DefaultCurrency)) })
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
	return errors.Join(zone, checkRange("end of the business day in minutes", d.CutOff, 0, 24*60-1))
}

// BusinessDay returns the business day (YYYY-MM-DD) of a moment, which the caller gives in the shop's time zone. What
// counts is what the clock on the wall shows, so a day with a change to or from summer time is a day like any other.
func (d Day) BusinessDay(local time.Time) string {
	if int64(local.Hour()*60+local.Minute()) < d.CutOff {
		year, month, day := local.Date()
		return time.Date(year, month, day-1, 12, 0, 0, 0, time.UTC).Format(time.DateOnly)
	}
	return local.Format(time.DateOnly)
}

// ParseDay reads a register value.
func ParseDay(raw []byte) (Day, error) {
	f := parse(raw)
	d := Day{Zone: f.text("z"), CutOff: f.int("c")}
	if d.Zone == "" {
		d.Zone = DefaultZone
	}
	if f.rec.Raw("c") == nil {
		d.CutOff = DefaultCutOff
	}
	if f.err == nil {
		f.err = d.Check()
	}
	if f.err != nil {
		return Day{}, fmt.Errorf("day: %w", f.err)
	}
	return d, nil
}

// Edit writes the value over the register value shown (nil if there is none) and keeps fields it does not know.
func (d Day) Edit(old []byte) ([]byte, error) {
	return edit(old, func(rec *crdt.Record) {
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
func (s Shop) Check() error { return checkText("name of the shop", s.Name, MaxNameRunes) }

// ParseShop reads a register value.
func ParseShop(raw []byte) (Shop, error) {
	f := parse(raw)
	s := Shop{f.text("n")}
	if f.err == nil {
		f.err = s.Check()
	}
	if f.err != nil {
		return Shop{}, fmt.Errorf("shop: %w", f.err)
	}
	return s, nil
}

// Edit writes the value over the register value shown (nil if there is none) and keeps fields it does not know.
func (s Shop) Edit(old []byte) ([]byte, error) {
	return edit(old, func(rec *crdt.Record) { rec.SetString("n", s.Name) })
}

// Settings is what a till shows of the settings of the shop.
type Settings struct {
	Business  Business
	Money     Money
	Day       Day
	Shop      Shop
	Conflicts []Conflict
}

// ViewSettings computes the settings from their merged object, with defaults for what nobody wrote. If a register cannot
// be read the error names it and the settings hold all others, with the default in its place.
func ViewSettings(obj *crdt.Object) (Settings, error) {
	var errs []error
	s := Settings{
		Business:  shown(obj, RegisterBusiness, ParseBusiness, &errs),
		Money:     shown(obj, RegisterMoney, ParseMoney, &errs),
		Day:       shown(obj, RegisterDay, ParseDay, &errs),
		Shop:      shown(obj, RegisterShop, ParseShop, &errs),
		Conflicts: conflicts(obj, readSettings),
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
	if len(errs) > 0 {
		return s, fmt.Errorf("settings: %w", errors.Join(errs...))
	}
	return s, nil
}

func readSettings(register string, raw []byte) (any, error) {
	switch register {
	case RegisterBusiness:
		return typed(ParseBusiness(raw))
	case RegisterMoney:
		return typed(ParseMoney(raw))
	case RegisterDay:
		return typed(ParseDay(raw))
	case RegisterShop:
		return typed(ParseShop(raw))
	}
	return nil, nil
}

// SettingsEdit says what is to be as given; nil fields stay as they are.
type SettingsEdit struct {
	Business *Business
	Money    *Money
	Day      *Day
	Shop     *Shop
	Resolve  []string // registers to write even if the value is the one shown, which decides a conflict for it
}

// EditSettings returns the register writes that make the settings so, none if they are so already. obj is the merged
// object, nil or empty if nobody wrote one. A value against the rules comes back as [ErrInvalid].
func EditSettings(obj *crdt.Object, e SettingsEdit) ([]crdt.Piece, error) {
	w := newWriter(TypeSettings, SettingsObject(), obj, e.Resolve)
	if e.Business != nil {
		w.put(RegisterBusiness, *e.Business)
	}
	if e.Money != nil {
		w.put(RegisterMoney, *e.Money)
	}
	if e.Day != nil {
		w.put(RegisterDay, *e.Day)
	}
	if e.Shop != nil {
		w.put(RegisterShop, *e.Shop)
	}
	return w.done()
}

// capitals reports whether s is n letters A to Z.
func capitals(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// unless returns s, or nothing if it is the default.
func unless(s, byDefault string) string {
	if s == byDefault {
		return ""
	}
	return s
}
