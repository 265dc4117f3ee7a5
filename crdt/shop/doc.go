// Package shop holds the documents that say who belongs to a shop: the roster of its tills, the lineages of their
// stores, and the settings of the shop. They are the only documents that replication knows.
//
// # Who belongs to a shop
//
// The founding till makes the shop: the shop's ID is a hash of its public key, so there is exactly one founder and
// nobody can become it later. Every other till is in by an [Admission] that a till which is in signed for it. A till
// leaves by a [Departure]: retired, or revoked for ever. Each store of a till writes under a replica ID of its own,
// which the till claims with a signed [Lineage]. If no till is left, who holds the founder's [Recovery] key admits a new
// one. All of these are items: written once, never changed.
//
// A [Roster] is the set of these items and nothing else, so it is the same on every till that holds the same items,
// whatever the order they came in. An admission stays valid when the till that signed it is revoked later: what an
// active till did is history.
//
// # Numbers
//
// Receipts are numbered per till in a series with a prefix that is unique in the shop without anybody being asked; see
// [Roster.NextPrefix] and [Roster.NextSeries].
//
// The package is pure: it knows no clock, no randomness, no store and no other document. What it has in common with other
// packages of documents is in package document.
package shop

import (
	"errors"

	"github.com/tillmesh/tillmesh/crdt/document"
)

// Schema is the version of the rules in this package, for the head of commits and the lowest reader of a record.
const Schema uint32 = 1

// The document types of the shop scope. They are part of the format: append, never reuse.
const (
	TypeAdmission  = "admission"
	TypeRetirement = "retirement"
	TypeRevocation = "revocation"
	TypeLineage    = "lineage"
	TypeTill       = "till"
	TypeSettings   = "settings"
	TypeRecovery   = "recovery"
	TypeTakeover   = "takeover"
	TypeCoupling   = "coupling"
	TypeUncoupling = "uncoupling"
	TypeSeat       = "seat"
)

// Types lists the document types of this package.
var Types = []string{TypeAdmission, TypeRetirement, TypeRevocation, TypeLineage, TypeTill, TypeSettings, TypeRecovery, TypeTakeover,
	TypeCoupling, TypeUncoupling, TypeSeat}

// Registers.
const (
	RegisterName     = "name"     // of a till
	RegisterMode     = "mode"     // of a till, written by that till only
	RegisterBusiness = "business" // of the settings, like all below
	RegisterMoney    = "money"
	RegisterDay      = "day"
	RegisterShop     = "shop"
	RegisterPrint    = "print"
)

// Limits of one value.
const (
	MaxNameRunes = 200 // names, streets, towns
	MaxCodeRunes = 40  // postcodes, tax numbers, VAT IDs
	MaxReason    = 200 // runes of the reason of a departure
	MaxPrefix    = 40  // bytes of a number prefix
	MaxAccount   = 320 // runes of the name of an account
	MaxURL       = 300 // bytes of the base URL of a cloud
	MaxNumber    = 9999
	maxScopes    = 1000 // scopes a lineage names
)

// Errors of this package. All are wrapped with what is wrong and where.
var (
	// ErrInvalid means that a value is against the rules.
	ErrInvalid = errors.New("not allowed")
	// ErrSignature means that an item was not signed by the till it says, or for another shop.
	ErrSignature = errors.New("signature does not hold")
	// ErrNotActive means that a till is not in the roster, or no longer.
	ErrNotActive = errors.New("not an active till of this shop")
)

// rules is how the values here are read, checked and written.
var rules = document.Rules{Schema: Schema, Invalid: ErrInvalid}
