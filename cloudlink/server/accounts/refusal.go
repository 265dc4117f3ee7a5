package accounts

import (
	"fmt"
	"time"
)

// Refusal is why something is not done: the request was understood, and nothing was changed.
type Refusal struct {
	Code  string // stable: one of the Code constants
	Text  string // what happened, to which thing
	Next  string // what to do next, may be empty
	Wait  time.Duration
	Since time.Time // CodeRevoked: when; else zero
	Rules []Rule    // CodePassword: all rules
}

// Error returns the text.
func (r *Refusal) Error() string { return r.Text }

// Hint returns what to do next.
func (r *Refusal) Hint() string { return r.Next }

// Codes of refusals. They are part of the API: append, never change.
const (
	CodeName         = "account-name" // not in the form of a mail address
	CodeNameTaken    = "account-name-taken"
	CodePassword     = "password-rules"    // a new password that does not keep the rules
	CodeSignIn       = "sign-in"           // name or password wrong
	CodeAttempts     = "too-many-attempts" // Wait says how long
	CodeBusy         = "busy"              // too many passwords are being checked
	CodeUnauthorized = "unauthorized"      // token unknown, ended or revoked
	CodeRight        = "right-missing"
	CodeLabel        = "text"      // a name or reason that is empty or too long
	CodeTooMany      = "too-many"  // codes or keys
	CodeUnknown      = "not-found" // nothing under this ID in this account
	CodeNoShop       = "unknown-shop"
	CodeNoDevice     = "unknown-device"
	CodeCoupling     = "coupling-code" // unknown, used up or too old
	CodeOtherTill    = "code-of-another-till"
	CodeProof        = "coupling-proof" // signature, nonce or roster do not fit
	CodeWrongAccount = "wrong-account"  // the shop is coupled with another account
	CodeNotCoupled   = "shop-not-coupled"
	CodeRevoked      = "device-revoked"
)

func refuse(code, next, format string, args ...any) *Refusal {
	return &Refusal{Code: code, Text: fmt.Sprintf(format, args...), Next: next}
}
