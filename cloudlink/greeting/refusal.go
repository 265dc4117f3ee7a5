package greeting

import (
	"errors"
	"fmt"
	"time"
)

// Code says why the cloud refused. Codes are stable and only grow; a till treats one that it does not know like [Busy].
type Code string

// The codes.
const (
	NotCoupled    Code = "not-coupled"     // the shop is coupled with no account here
	WrongAccount  Code = "wrong-account"   // the shop is coupled with another account than the one the till was coupled by
	Revoked       Code = "revoked"         // the device was revoked, here or in the roster
	Retired       Code = "retired"         // the till was retired from its shop
	VersionTooOld Code = "version-too-old" // the till's program is too old for this cloud
	VersionTooNew Code = "version-too-new" // the cloud's program is too old for this till
	UnknownKey    Code = "unknown-key"     // the shop is known, the till is not in its roster as far as the cloud holds it
	BadProof      Code = "bad-proof"       // signature, host or time of the Proof are wrong
	Elsewhere     Code = "elsewhere"       // another server is about to serve the shop; call again
	Busy          Code = "busy"            // too many greetings at once; call again later
	Full          Code = "full"            // the cloud has no room to store more
	Maintenance   Code = "maintenance"     // the cloud is being worked on
)

// Lasting reports whether the reason stays until somebody does something, so that calling again soon is of no use.
func (c Code) Lasting() bool {
	switch c {
	case NotCoupled, WrongAccount, Revoked, Retired, VersionTooOld, VersionTooNew, UnknownKey, BadProof:
		return true
	case Elsewhere, Busy, Full, Maintenance:
	}
	return false
}

// Text returns one sentence for people.
func (c Code) Text() string {
	switch c {
	case NotCoupled:
		return "this shop is not coupled with an account at this cloud"
	case WrongAccount:
		return "this shop is coupled with another account at this cloud"
	case Revoked:
		return "this till's access to the cloud was revoked"
	case Retired:
		return "this till was retired from its shop"
	case VersionTooOld:
		return "the program of this till is too old for the cloud"
	case VersionTooNew:
		return "the program of this till is newer than the cloud understands"
	case UnknownKey:
		return "the cloud does not know this till as one of the shop"
	case BadProof:
		return "the cloud did not accept the proof of this till's identity"
	case Elsewhere:
		return "another server of the cloud takes over this shop"
	case Busy:
		return "the cloud has too much to do"
	case Full:
		return "the cloud has no room left"
	case Maintenance:
		return "the cloud is being worked on"
	}
	return "the cloud refused"
}

// Refusal is why the cloud does not go on.
type Refusal struct {
	Code    Code
	Text    string        // one sentence for people, at most 400 bytes; empty: [Code.Text]
	SinceMS int64         // since when that is so, by the cloud's clock, Unix milliseconds; 0: it does not say
	Retry   time.Duration // call again not before; 0: it does not say; whole milliseconds, at most 24 hours
	Signed  bool          // set by reading: the cloud's key signed it. One that is not signed is anybody's word.
}

// Error returns the sentence and the code.
func (r *Refusal) Error() string {
	text := r.Text
	if text == "" {
		text = r.Code.Text()
	}
	return fmt.Sprintf("%s (%s)", text, r.Code)
}

// Refuse returns a refusal with the sentence of its code.
func Refuse(code Code) *Refusal { return &Refusal{Code: code, Text: code.Text()} }

// Errors of the till's side that are no refusal.
var (
	// ErrOtherCloud: the server shows another key than the cloud that the shop is coupled with.
	ErrOtherCloud = errors.New("another cloud answers at this address than the shop was coupled with")
	// ErrNotCloud: the server does not prove to hold the key it shows.
	ErrNotCloud = errors.New("the server did not prove that it is the cloud")
	// ErrTooOld: the cloud understands no version that this program speaks, only later ones.
	ErrTooOld = errors.New("the program of this till is too old for the cloud")
	// ErrTooNew: the cloud understands only versions that this program no longer speaks.
	ErrTooNew = errors.New("the program of this till is newer than the cloud understands")
)
