// Package catalog holds the master data a shop sells from: articles, their groups and the tax rates.
//
// A document is a set of registers; each holds fields that belong together, so that two half edits never mix. Every
// register has a value type here with three things: a Parse function that reads foreign bytes and checks them, Check,
// which says what is wrong with a value, and Edit, which writes the value over the one shown and keeps the fields that
// a newer program put there. DOCUMENTS.md lists registers, fields and limits.
//
// Reading: [ViewArticle], [ViewGroup] and [ViewTax] compute what to show from a merged object, and which registers wait
// for a decision. Writing: [EditArticle], [EditGroup] and [EditTax] return pieces for the registers that change, and
// only those. Nothing is ever removed: an article that is no longer sold is archived, a future price that was a mistake
// is withdrawn.
//
// Prices and tax rates have one register per start date. The latest start that is not after the business day counts;
// dates are compared as text, so no time zone and no daylight saving can move one.
//
// The package is pure: it knows no clock, no store and no other document. What it has in common with other packages of
// documents is in package document.
package catalog

import (
	"errors"

	"github.com/tillmesh/tillmesh/crdt/document"
)

// Schema is the version of the rules in this package, for the head of commits and the lowest reader of a record.
const Schema uint32 = 1

// The document types of the catalog scope. They are part of the format: append, never reuse.
const (
	TypeArticle = "article"
	TypeGroup   = "group"
	TypeTax     = "tax"
)

// Types lists the document types of this package.
var Types = []string{TypeArticle, TypeGroup, TypeTax}

// Registers. Those that end in a slash are followed by a start date, as in "price/2026-01-01".
const (
	RegisterNames   = "names"
	RegisterCodes   = "codes"
	RegisterPlace   = "place"
	RegisterPrice   = "price/"
	RegisterDeposit = "deposit"
	RegisterLife    = "life"
	RegisterRate    = "rate/"
)

// Limits of one value.
const (
	MaxNameRunes = 200                // an article's, group's or tax rate's name
	MaxUnitRunes = 20                 // a unit, such as "kg"
	MaxLanguages = 50                 // names in different languages
	MaxBarcodes  = 100                // barcodes of one article
	MaxCode      = 48                 // characters of a barcode or PLU
	MaxPrice     = 10_000_000_000_000 // minor units, either way
	MaxRate      = 10_000             // basis points
	MaxFiscalKey = 999_999            // UST_SCHLUESSEL
	MaxTaxSet    = 40                 // runes of a named tax set
	maxSort      = 1 << 31            // sort positions, either way
)

// Errors of this package. All are wrapped with what is wrong and where.
var (
	// ErrInvalid means that a value is against the rules; the caller has to send another one.
	ErrInvalid = errors.New("not allowed")
	// ErrNoPrice means that an article has no price on a day, so it cannot be sold.
	ErrNoPrice = errors.New("article has no price on this day; give it one to sell it")
	// ErrNoRate means that a tax has no rate on a day.
	ErrNoRate = errors.New("tax has no rate on this day; give it one to use it")
)

// rules is how the values here are read, checked and written.
var rules = document.Rules{Schema: Schema, Invalid: ErrInvalid}
