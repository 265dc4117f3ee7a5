// Package handover holds what is written when work on an open tab passes from one hand to another: who took a tab over from
// whom, and to which tab a payment was moved after its own was closed.
//
// A [Takeover] is an item of the sales scope that stays when the tab is closed: claims replace each other, and this is their
// record for people. The tab of a payment is the register "loc" of the payment, like that of a line; without it a payment
// is on the tab that its item names.
//
//	type       kind      field of the record
//	handover   item      t tab · d till, u user who took it · f till, g user it was taken from · e epoch of the claim ·
//	                     h how · p whether a card payment ran · m time
//	payment    register  "loc": t tab
//
// The package is pure: it knows no clock, no store and no other document.
package handover

import (
	"errors"

	"github.com/tillmesh/tillmesh/crdt/document"
)

// Schema is the version of the rules in this package, for the lowest reader of a record.
const Schema uint32 = 1

// Names of types and registers. They are part of the format.
const (
	TypeTakeover     = "handover"
	TypePayment      = "payment" // of package receipt
	RegisterLocation = "loc"     // of a payment
)

// Types lists the document types that this package writes. A payment is written by package receipt too, in other registers.
var Types = []string{TypeTakeover, TypePayment}

// ErrInvalid means that a value is against the rules. It is wrapped with what is wrong and where.
var ErrInvalid = errors.New("not allowed")

var rules = document.Rules{Schema: Schema, Invalid: ErrInvalid}

// maxText is how many runes a name may have.
const maxText = 200
