package shop

import (
	"errors"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// What a rule for printing may say.
const (
	DefaultPrintSeconds = 10
	MaxPrintSeconds     = 3600
	MaxPrintCopies      = 50
)

// PrintRule is the register "print" of the settings: a receipt is printed only when it is on so many tills.
type PrintRule struct {
	Copies  int64 // tills that hold it durably, the one that closed it included; 0: the rule is off
	Seconds int64 // after which a person may let it be printed all the same
}

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (p PrintRule) Check() error {
	return errors.Join(rules.CheckRange("number of tills a receipt has to be on", p.Copies, 0, MaxPrintCopies),
		rules.CheckRange("time until it may be printed all the same in seconds", p.Seconds, 1, MaxPrintSeconds))
}

// ParsePrintRule reads a register value.
func ParsePrintRule(raw []byte) (PrintRule, error) {
	f := rules.Parse(raw)
	p := PrintRule{Copies: f.Int("n"), Seconds: f.Int("s")}
	if p.Seconds == 0 {
		p.Seconds = DefaultPrintSeconds
	}
	return document.Checked(f, "print", p)
}

// Edit writes the value over the register value shown (nil if there is none) and keeps fields it does not know.
func (p PrintRule) Edit(old []byte) ([]byte, error) {
	return rules.Edit(old, func(rec *crdt.Record) {
		rec.SetInt("n", p.Copies)
		if p.Seconds == DefaultPrintSeconds {
			rec.SetInt("s", 0)
		} else {
			rec.SetInt("s", p.Seconds)
		}
	})
}
