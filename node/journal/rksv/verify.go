package rksv

import (
	"crypto/sha256"
	"errors"
	"io"
	"slices"
)

// Summary is what a verified log holds.
type Summary struct {
	CashBox       string
	Receipts      int // all of the following, and those that cannot be read
	Unsigned      int // made in an outage
	Nulls         int // receipts that come to nothing
	Cancellations int
	Trainings     int
	First, Last   string // dates
	Problems      int
}

// Verifier judges the receipts of one cash box, one after another. It is not safe for concurrent use.
type Verifier struct {
	keys    Keys
	summary Summary
	started bool // the start receipt was seen
	before  string
	open    *bool // whether the system is an open one; nil: not known yet
	date    string
	outage  bool
	final   bool
	counter int64
	known   bool // counter is the sum so far
	length  int  // of the counter in bytes; 0: not known yet
	recent  []string
	numbers map[[16]byte]struct{}

	problems []Problem // of the receipt at hand
	number   string
}

// NewVerifier returns a verifier of a log that begins with the start receipt.
func NewVerifier(keys Keys) *Verifier {
	return &Verifier{keys: keys, known: true, numbers: make(map[[16]byte]struct{})}
}

// ResumeVerifier returns a verifier of a log that goes on where a state stands. Numbers used before the receipts of that
// state are not known to it.
func ResumeVerifier(keys Keys, s State) *Verifier {
	v := NewVerifier(keys)
	last, ok := s.Last()
	if !ok {
		return v
	}
	open := !last.Payload.Closed()
	v.started, v.before, v.open, v.date = true, last.Text, &open, last.Payload.Date
	v.outage, v.final, v.counter, v.length = s.Outage, s.Final, s.Counter, s.CounterBytes
	v.recent, v.summary.CashBox = s.Recent, s.CashBox
	for _, text := range s.Recent {
		if j, err := ParseJWS(text); err == nil {
			v.numbers[numberKey(j.Payload.Number)] = struct{}{}
		}
	}
	return v
}

// Verify judges a whole log. Every problem is reported as it is found; the error is that of reading, see [Reader.Next].
func Verify(log *Reader, keys Keys, report func(Problem)) (*Verifier, error) {
	v := NewVerifier(keys)
	for {
		entry, err := log.Next()
		if errors.Is(err, io.EOF) {
			return v, nil
		}
		if err != nil {
			return v, err
		}
		for _, p := range v.Add(entry) {
			report(p)
		}
	}
}

// Summary returns what was verified so far.
func (v *Verifier) Summary() Summary { return v.summary }

// State returns where the chain stands, for a [File] whose state was lost, and false if there were problems or no
// receipts: a chain is not continued on sand. Whether the last receipt is a final one does not show; who knows sets it.
func (v *Verifier) State() (State, bool) {
	if v.summary.Problems > 0 || len(v.recent) == 0 || !v.known {
		return State{}, false
	}
	return State{
		Version: stateVersion, CashBox: v.summary.CashBox, CounterBytes: v.length, Counter: v.counter, Outage: v.outage, Final: v.final,
		Recent: slices.Clone(v.recent),
	}, true
}

// Add judges the next receipt and returns which rules it breaks, none if all is well. A [Entry.Certificate] that is there
// must be that of the known key; it is never trusted by itself.
func (v *Verifier) Add(e Entry) []Problem {
	v.problems, v.number = nil, ""
	j, err := ParseJWS(e.JWS)
	if err != nil {
		v.number = j.Payload.Number
		v.add(RuleFormat, "It cannot be read: "+err.Error()+".")
		v.known = false
	} else {
		v.number = j.Payload.Number
		v.judge(j, e.Certificate)
	}
	v.started, v.before = true, e.JWS
	v.recent = push(v.recent, e.JWS)
	v.summary.Receipts++
	v.summary.Problems += len(v.problems)
	return v.problems
}

func (v *Verifier) add(rule Rule, text string) {
	v.problems = append(v.problems, Problem{rule, v.summary.Receipts, v.number, text})
}

func numberKey(number string) [16]byte {
	sum := sha256.Sum256([]byte(number))
	return [16]byte(sum[:16])
}
