package terminal

import (
	"context"
	"errors"

	"github.com/tillmesh/tillmesh/crdt"
)

// Kind is what a terminal is asked for.
type Kind string

// The kinds.
const (
	Authorise Kind = "authorise" // take money
	Refund    Kind = "refund"    // give money back, to whatever card is held out
	Reverse   Kind = "reverse"   // undo a transaction as a whole: the same card gets its money back
)

// Request is what a terminal is asked for. It is the same each time it is about the same payment.
type Request struct {
	Payment  crdt.ObjectID // the till's own ID
	Kind     Kind
	Amount   int64         // minor units, above zero for all kinds
	Currency string        // ISO 4217
	Of       crdt.ObjectID // Reverse: the payment to undo
	Trace    string        // Reverse: what the terminal called it
	Mark     string        // as Terminal.Mark said before the request was sent for the first time
}

// State is what became of a request.
type State string

// The states. All but Pending are final.
const (
	Captured State = "captured" // the money moved
	Declined State = "declined" // it did not, and never will
	Absent   State = "absent"   // the terminal never got the request, and refuses it should it still come
	Pending  State = "pending"  // not decided yet
)

// Outcome is what a terminal says about a request.
type Outcome struct {
	State    State
	Trace    string   // the terminal's number of the transaction; empty unless captured
	Card     string   // such as "girocard ****1234"; may be empty
	Approval string   // the number by which the bank agreed (AID); may be empty
	Text     string   // why, for a person: "declined by the bank"; may be empty
	Merchant []string // lines of the receipt that the merchant keeps; may be empty
	Customer []string // lines of the customer's receipt; may be empty
}

// Terminal is a payment terminal. The errors of all methods mean that it is not known what the terminal did.
type Terminal interface {
	// Name tells this device from all others and does not change: its terminal ID.
	Name() string
	// Mark says where the terminal stands before a request is sent to it. It may be empty.
	Mark(ctx context.Context) (string, error)
	// Ask asks for money and waits for the outcome, which is Captured or Declined.
	Ask(ctx context.Context, r Request) (Outcome, error)
	// Query says what became of a request that was, or may have been, sent.
	Query(ctx context.Context, r Request) (Outcome, error)
	// Cancel asks the terminal to stop waiting for a card. Whether it did is the outcome of Ask.
	Cancel(ctx context.Context, payment crdt.ObjectID) error
}

// ErrNoAnswer means that the terminal cannot be reached or did not answer in time.
var ErrNoAnswer = errors.New("the card terminal does not answer")
