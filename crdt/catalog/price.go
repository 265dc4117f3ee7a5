package catalog

import (
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// Price is a register "price/YYYY-MM-DD" of an article: what one unit costs from that business day on.
type Price struct {
	Amount    int64         // minor units of the currency, gross; 0 and less are allowed (a gift, a returned deposit)
	Currency  string        // ISO 4217, such as "EUR"
	Tax       crdt.ObjectID // the tax, for eating in where that makes a difference
	TaxAway   crdt.ObjectID // the tax for taking away, zero if it is the same
	Unit      string        // such as "kg"; empty means pieces
	Decimals  bool          // quantities may have decimals
	Open      bool          // the price is typed at the till; Amount is what it starts with
	Withdrawn bool          // this start date was a mistake and does not count; all other fields are ignored
}

// TaxFor returns the tax for eating in or taking away.
func (p Price) TaxFor(away bool) crdt.ObjectID {
	if away && !p.TaxAway.IsZero() {
		return p.TaxAway
	}
	return p.Tax
}

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (p Price) Check() error {
	if p.Withdrawn {
		return nil
	}
	var tax error
	if p.Tax.IsZero() {
		tax = fmt.Errorf("%w: a price needs a tax", ErrInvalid)
	}
	return errors.Join(rules.CheckCapitals("currency", p.Currency, "EUR"), tax,
		rules.CheckRange("price", p.Amount, -MaxPrice, MaxPrice), rules.CheckText("unit", p.Unit, MaxUnitRunes))
}

// ParsePrice reads a register value.
func ParsePrice(raw []byte) (Price, error) {
	f := rules.Parse(raw)
	p := Price{
		Amount: f.Int("a"), Currency: f.Text("c"), Tax: f.Object("e"), TaxAway: f.Object("t"),
		Unit: f.Text("u"), Decimals: f.Bool("d"), Open: f.Bool("o"), Withdrawn: f.Bool("x"),
	}
	return document.Checked(f, "price", p)
}

// Edit writes the value over the register value shown (nil if there is none) and keeps fields it does not know.
func (p Price) Edit(old []byte) ([]byte, error) {
	if p.TaxAway == p.Tax {
		p.TaxAway = crdt.ObjectID{}
	}
	return rules.Edit(old, func(rec *crdt.Record) {
		rec.SetInt("a", p.Amount)
		rec.SetString("c", p.Currency)
		rec.SetObject("e", p.Tax)
		rec.SetObject("t", p.TaxAway)
		rec.SetString("u", p.Unit)
		rec.SetBool("d", p.Decimals)
		rec.SetBool("o", p.Open)
		rec.SetBool("x", p.Withdrawn)
	})
}
