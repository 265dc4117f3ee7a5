package tse

import (
	"context"
	"errors"
	"time"
)

// Errors of a [Device]. Every error of a device wraps one of them; one that wraps neither counts as ErrUnavailable.
var (
	// ErrUnavailable means that the device did not answer, or cannot work now. What was asked may have been done. Go on
	// without it and mark the receipt; the same call may succeed later.
	ErrUnavailable = errors.New("the security device is not available")
	// ErrRequest means that the device refuses what it is asked. Asking again changes nothing.
	ErrRequest = errors.New("the security device refuses the request")
)

// Device is a technical security device. Several tills may share one, each under its own client ID, the serial number
// of the till. All methods may be called from any goroutine, and give up when their context ends.
type Device interface {
	// Start begins a transaction of a client.
	Start(ctx context.Context, client string) (Started, error)
	// Finish ends a transaction that the client started, and signs what happened in it. A transaction whose answer was
	// lost is not finished again: the device refuses it with ErrRequest.
	Finish(ctx context.Context, client string, transaction uint64, process Process) (Finished, error)
	// Info says which device it is.
	Info(ctx context.Context) (Info, error)
}

// Started is the answer to the start of a transaction.
type Started struct {
	Transaction uint64 // consecutive per device, from 1
	LogTime     string // in TimeLayout
	Counter     uint64 // the signature counter, consecutive per device; other events of the device count too
	Serial      string // of the device, as in Info
}

// Finished is the answer to the end of a transaction.
type Finished struct {
	LogTime   string // in TimeLayout
	Counter   uint64 // as in Started
	Signature string // Prüfwert, base64
	Algorithm string // such as Algorithm
}

// Info says which device answers.
type Info struct {
	Serial      string // hexadecimal SHA-256 of the bytes of PublicKey, 64 lower-case digits
	Algorithm   string // of its signatures
	TimeFormat  string // of its own log: unixTime, utcTime, utcTimeWithSeconds, generalizedTime, generalizedTimeWithMilliseconds
	PublicKey   string // base64, as the device delivers it
	Certificate string // base64 of the DER form
	Encoding    string // of process data: UTF-8 or ASCII
	Notice      string // must be printed on each receipt; empty for a certified device
}

// Outage is what a receipt says in clear when the device was not available.
const Outage = "TSE ausgefallen"

// TimeLayout is how log times are written: UTC with milliseconds.
const TimeLayout = "2006-01-02T15:04:05.000Z"

// TimeText writes a log time.
func TimeText(t time.Time) string { return t.UTC().Format(TimeLayout) }

// Types of process (TSE_TA_VORGANGSART).
const (
	KassenbelegV1    = "Kassenbeleg-V1"   // a receipt
	BestellungV1     = "Bestellung-V1"    // an order: lines that are paid later
	SonstigerVorgang = "SonstigerVorgang" // anything else
)

// MaxData is how many bytes of process data one transaction holds.
const MaxData = 6 << 10

// Process says what happened in a transaction.
type Process struct {
	Type string // one of the types of process
	Data string // UTF-8, at most MaxData bytes
}
