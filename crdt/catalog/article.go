package catalog

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// Article is what a till shows of an article.
type Article struct {
	Names     Names
	Codes     Codes
	Place     Place
	Prices    []DatedPrice // by start date, ascending, withdrawn ones included
	Deposit   Deposit
	Life      Life
	Conflicts []Conflict
}

// DatedPrice is a price with the business day it starts on.
type DatedPrice struct {
	From string // YYYY-MM-DD
	Price
	Err error // why this program cannot read it, nil if it can
}

// ViewArticle computes what to show of a merged article. Fields that nobody wrote have their defaults. If a register
// cannot be read the error names it and the article holds all others; [crdt.ErrUpdateNeeded] in it means that the till
// is too old for this article.
func ViewArticle(obj *crdt.Object) (Article, error) {
	var errs []error
	a := Article{
		Names:     document.Collect(obj, RegisterNames, ParseNames, &errs),
		Codes:     document.Collect(obj, RegisterCodes, ParseCodes, &errs),
		Place:     document.Collect(obj, RegisterPlace, ParsePlace, &errs),
		Deposit:   document.Collect(obj, RegisterDeposit, ParseDeposit, &errs),
		Life:      document.Collect(obj, RegisterLife, ParseLife, &errs),
		Conflicts: document.Conflicts(obj, readArticle),
	}
	for i := range obj.Registers {
		name := obj.Registers[i].Name
		day, dated := startOf(name, RegisterPrice)
		if !dated || len(obj.Registers[i].Siblings) == 0 {
			continue
		}
		p, err := ParsePrice(obj.Registers[i].Siblings[0].Raw)
		if err != nil {
			err = fmt.Errorf("register %q: %w", name, err)
			errs = append(errs, err)
		}
		a.Prices = append(a.Prices, DatedPrice{day, p, err})
	}
	if len(errs) > 0 {
		return a, fmt.Errorf("article: %w", errors.Join(errs...))
	}
	return a, nil
}

func readArticle(register string, raw []byte) (any, error) {
	switch register {
	case RegisterNames:
		return document.Typed(ParseNames(raw))
	case RegisterCodes:
		return document.Typed(ParseCodes(raw))
	case RegisterPlace:
		return document.Typed(ParsePlace(raw))
	case RegisterDeposit:
		return document.Typed(ParseDeposit(raw))
	case RegisterLife:
		return document.Typed(ParseLife(raw))
	}
	if _, dated := startOf(register, RegisterPrice); dated {
		return document.Typed(ParsePrice(raw))
	}
	return nil, nil
}

// PriceOn returns the price on a business day (YYYY-MM-DD): the one with the latest start that is not after it. It
// returns [ErrNoPrice] if there is none, and never an older one for one it cannot read. Whether the article is archived
// is the caller's question.
func (a Article) PriceOn(businessDay string) (Price, error) {
	if err := CheckDay(businessDay); err != nil {
		return Price{}, err
	}
	i := latest(len(a.Prices), businessDay, func(i int) (string, bool) { return a.Prices[i].From, !a.Prices[i].Withdrawn })
	if i < 0 {
		return Price{}, fmt.Errorf("%w: %q on %s", ErrNoPrice, a.Names.In(DefaultLanguage), businessDay)
	}
	return a.Prices[i].Price, a.Prices[i].Err
}

// ArticleEdit says what is to be as given; nil fields stay as they are.
type ArticleEdit struct {
	Names   *Names
	Codes   *Codes
	Place   *Place
	Prices  map[string]Price // by start date, YYYY-MM-DD; other start dates stay
	Deposit *Deposit
	Life    *Life
	Resolve []string // registers to write even if the value is the one shown, which decides a conflict for it
}

// EditArticle returns the register writes that make an article so, none if it is so already. obj is the merged article,
// nil or empty for a new one. The clocks of the pieces say that the edit saw all of obj. A price that could be sold
// wrong, a name too long and the like come back as [ErrInvalid].
func EditArticle(id crdt.ObjectID, obj *crdt.Object, e ArticleEdit) ([]crdt.Piece, error) {
	w := rules.Writer(TypeArticle, id, obj, e.Resolve...)
	putNames(w, TypeArticle, e.Names)
	if e.Codes != nil {
		w.Put(RegisterCodes, *e.Codes)
	}
	if e.Place != nil {
		w.Put(RegisterPlace, *e.Place)
	}
	for _, day := range slices.Sorted(maps.Keys(e.Prices)) {
		if err := CheckDay(day); err != nil {
			w.Fail(fmt.Errorf("start date of a price: %w", err))
			continue
		}
		w.PutDated(RegisterPrice+day, e.Prices[day])
	}
	if e.Deposit != nil {
		if e.Deposit.Article == id && !id.IsZero() {
			w.Fail(fmt.Errorf("%w: an article cannot be its own deposit", ErrInvalid))
		}
		w.Put(RegisterDeposit, *e.Deposit)
	}
	if e.Life != nil {
		w.Put(RegisterLife, *e.Life)
	}
	return w.Done()
}
