package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// CodeCase refuses a business case that does not go with the rest of a line. It is part of the API.
const CodeCase = "business-case"

// lowering are the business cases that make a receipt smaller, raising those that make it larger. The others go both ways.
var (
	lowering = map[string]bool{"PfandRueckzahlung": true, "Rabatt": true, "EinzweckgutscheinEinloesung": true,
		"MehrzweckgutscheinEinloesung": true, "Forderungsentstehung": true, "Anzahlungsaufloesung": true}
	raising = map[string]bool{"Aufschlag": true, "EinzweckgutscheinKauf": true, "MehrzweckgutscheinKauf": true,
		"Forderungsaufloesung": true, "Anzahlungseinstellung": true}
)

// businessCase returns the business case of a new line.
func (n *NewLine) businessCase() (string, receipt.CaseInfo, error) {
	name := or(n.Case, receipt.SaleCase)
	info, known := receipt.BusinessCase(name)
	switch {
	case !known:
		return name, info, refuse(CodeCase, "leave it out for a sale; GET /api lists the others", "%.40q is no business case", name)
	case info.CashOnly:
		return name, info, refuse(CodeCase, "move cash with POST /api/v1/cash/in, out, drop or float", "%s moves cash, and is no line of a tab", name)
	}
	return name, info, nil
}

// checkCase refuses a line whose business case has another direction than its amount.
func checkCase(l *receipt.Line) error {
	gross, err := l.UnitPrice.Mul(l.Quantity)
	switch {
	case err != nil:
		return refuseInvalid(err)
	case gross > 0 && lowering[l.Case]:
		return refuse(CodeCase, "send a price below zero", "%s makes a receipt smaller, and the line comes to %d", l.Case, gross)
	case gross < 0 && raising[l.Case]:
		return refuse(CodeCase, "to take it back, refund the receipt it is on", "%s makes a receipt larger, and the line comes to %d", l.Case, gross)
	}
	return nil
}

// lineTax returns the tax of a new line. What is no turnover is not taxable, and needs no tax rate of the shop; neither does an
// open item that says so.
func (t *Till) lineTax(ctx context.Context, n *NewLine, tax crdt.ObjectID, day string, info receipt.CaseInfo) (receipt.TaxRef, error) {
	notTaxable := receipt.TaxRef{Key: receipt.KeyNotTaxable}
	switch {
	case n.Open == nil && !info.Turnover:
		return notTaxable, nil
	case n.Open != nil && n.Open.TaxKey == receipt.KeyNotTaxable && tax.IsZero(), tax.IsZero() && !info.Turnover:
		return notTaxable, nil
	case n.Open != nil && n.Open.TaxKey != "":
		return receipt.TaxRef{}, refuse(CodeCase, "name a tax of the shop, or the key 5: not taxable", "only the key 5 needs no tax of the shop; this is %.20q", n.Open.TaxKey)
	}
	ref, err := t.rate(ctx, tax, day)
	if err == nil && !info.Turnover && ref.Rate != 0 {
		return ref, refuse(CodeCase, "leave the tax out", "%s is no turnover and has no tax", n.Case)
	}
	return ref, err
}

// rate returns what a tax is on a day.
func (t *Till) rate(ctx context.Context, id crdt.ObjectID, day string) (receipt.TaxRef, error) {
	tax, err := t.tax(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return receipt.TaxRef{}, refuse(CodeNoPrice, "name a tax that exists: GET /api/v1/taxes", "there is no tax %v", id)
	} else if err != nil {
		return receipt.TaxRef{}, err
	}
	rate, err := tax.RateOn(day)
	if errors.Is(err, catalog.ErrNoRate) {
		return receipt.TaxRef{}, refuse(CodeNoPrice, "give the tax a rate that begins today or earlier", "tax %q has no rate on %s", tax.Names.In(catalog.DefaultLanguage), day)
	} else if err != nil {
		return receipt.TaxRef{}, err
	}
	ref := receipt.TaxRef{ID: id, Rate: receipt.Rate(rate.BasisPoints)}
	if rate.FiscalKey != 0 {
		ref.Key = fmt.Sprint(rate.FiscalKey)
	}
	return ref, nil
}

// checkForeign refuses foreign cash that is none.
func checkForeign(n NewPayment, base string) error {
	f := n.Foreign
	switch {
	case f == nil:
	case n.Type != receipt.CashType:
		return refuse(CodePayment, "send it as cash (Bar)", "only cash is taken in another currency, not %.40q", n.Type)
	case f.Currency == base:
		return refuse(CodeCurrency, "leave foreign out", "%s is the currency of the shop", base)
	case f.Amount == 0 || f.Amount > 0 != (n.Amount > 0):
		return refuse(CodeAmount, "send both amounts above zero, or both below for money paid out", "%d %s for an amount of %d", f.Amount, f.Currency, n.Amount)
	}
	return nil
}
