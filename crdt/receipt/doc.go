// Package receipt holds what a sale is made of, from the first line of an open tab to the signed document in the archive.
//
// # Open sales
//
// A tab, its lines, voids, discounts and payments are documents of the sales scope, written by any till of the shop at
// any time. Lines, voids and payments are items: written once, never changed. What may change is in registers: what a
// tab is called, where a line is, what became of a payment. [View] computes what to show of a tab from its merged parts
// and from nothing else, so every till that holds the same parts shows the same.
//
// # Closing
//
// [BuildClose] turns such a view into the receipt: a canonical document (RFC 8785) with number, previous hash and
// signature, in an item that supersedes the tab and everything the document lists. A closed receipt is never edited.
// A series that continues another one begins with an [Opening]. A [ZReport] says what a range of numbers came to.
// [VerifyChain] proves a series of documents with nothing but their bytes and public keys.
//
// # Arithmetic
//
// Money is in minor units, quantities in thousandths, rates in basis points, all integers. [ComputeTotals] is the only
// place where amounts are computed; views and documents both use it.
//
// DOCUMENTS.md lists document types, registers, fields and limits. The package is pure: it knows no clock, no
// randomness, no store and no other document. What it has in common with other packages of documents is in package
// document.
package receipt

import (
	"errors"

	"github.com/tillmesh/tillmesh/crdt/document"
)

// Schema is the version of the rules in this package, for the head of commits and the lowest reader of a record.
const Schema uint32 = 1

// The document types of the sales scope. They are part of the format: append, never reuse.
const (
	TypeTab        = "tab"
	TypeLine       = "line"
	TypeVoid       = "void"
	TypeDiscount   = "discount"
	TypePayment    = "payment"
	TypeReceipt    = "receipt"
	TypeOpening    = "opening"
	TypeRelease    = "release"
	TypeOrder      = "order"
	TypeRefund     = "refund"
	TypeResolution = "resolution"
	TypeClosing    = "closing"
)

// Types lists the document types of this package.
var Types = []string{TypeTab, TypeLine, TypeVoid, TypeDiscount, TypePayment, TypeReceipt, TypeOpening, TypeRelease, TypeOrder, TypeRefund,
	TypeResolution, TypeClosing}

// Registers.
const (
	RegisterHead     = "head" // of a tab, like the four below
	RegisterNote     = "note"
	RegisterCustomer = "customer"
	RegisterMerge    = "merge"
	RegisterClaim    = "claim"
	RegisterLocation = "loc"      // of a line
	RegisterValue    = "value"    // of a discount
	RegisterProgress = "progress" // of a payment, written by the till that takes it, or by hand
)

// ErrInvalid means that a value is against the rules; the caller has to send another one. It is wrapped with what is
// wrong and where.
var ErrInvalid = errors.New("not allowed")

// rules is how the values here are read, checked and written.
var rules = document.Rules{Schema: Schema, Invalid: ErrInvalid}
