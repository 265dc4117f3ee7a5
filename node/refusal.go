package node

import (
	"fmt"
	"time"
)

// Refusal is why a till does not do what it was asked: the request was understood, and nothing was changed.
type Refusal struct {
	Code string // stable: one of the Code constants
	Text string // what happened, to which thing
	Next string // what to do next, may be empty
	Due  int64  // CodeNotPaid: what is still to be paid, minor units
	Ref  string // CodeTabClosed: the receipt's number; CodeHeld, CodeHeldPayment: the holder
	// Since is when the holder began to work there, zero if that is not known; User is who. Of CodeHeld.
	Since time.Time
	User  string
}

// Error returns the text.
func (r *Refusal) Error() string { return r.Text }

// Hint returns what to do next.
func (r *Refusal) Hint() string { return r.Next }

// Codes of refusals. They are part of the API: append, never change.
const (
	CodeUnknownArticle = "unknown-article"
	CodeArchived       = "article-archived"
	CodeNoPrice        = "no-price"
	CodeNoTab          = "unknown-tab"
	CodeTabClosed      = "tab-closed"
	CodeNoLine         = "unknown-line"
	CodeQuantity       = "quantity" // zero, too large, or with decimals where there are none
	CodeAmount         = "amount"   // zero, negative or too large
	CodeOverflow       = "overflow" // a sum becomes too large
	CodeTooManyLines   = "too-many-lines"
	CodeText           = "text"     // a text that is too long or no text
	CodeExists         = "exists"   // an ID that was used for something else
	CodeDiscount       = "discount" // larger than what it reduces
	CodeHeld           = "held-by"  // another till works on the tab
	CodeNotPaid        = "not-paid"
	CodeOverpaid       = "overpaid"
	CodeEmpty          = "nothing-to-close"
	CodePayment        = "payment-type"
	CodeCurrency       = "currency"
	CodeUpdateNeeded   = "update-needed" // a document of a newer program
)

func refuse(code, next, format string, args ...any) *Refusal {
	return &Refusal{Code: code, Text: fmt.Sprintf(format, args...), Next: next}
}
