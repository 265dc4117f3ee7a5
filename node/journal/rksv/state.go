package rksv

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// File keeps the state of a signer across restarts: some kilobytes, always written as a whole.
type File interface {
	// Load returns what was saved last, nil if nothing ever was.
	Load() ([]byte, error)
	// Save replaces what was saved. It returns when the new state is durable; after a crash either the old or the new
	// one is there whole.
	Save(state []byte) error
}

// ErrState means that the state of a signer cannot be used. Going on without it would break chain and counter.
var ErrState = errors.New("the state of the signature chain cannot be used")

const (
	stateVersion = 1
	maxRecent    = 64
)

// State is where the chain of a cash box stands. The zero value is that of none.
type State struct {
	Version      int      `json:"version"`
	CashBox      string   `json:"cash_box"`
	CounterBytes int      `json:"counter_bytes"`
	Counter      int64    `json:"counter"` // turnover in cents
	Outage       bool     `json:"outage"`  // unsigned receipts wait for a signed Nullbeleg
	Final        bool     `json:"final"`   // a final receipt was made, nothing follows
	Recent       []string `json:"recent"`  // the last receipts in JWS form, at most 64, the last one last
}

// Last returns the last receipt, and false if there is none.
func (s State) Last() (JWS, bool) {
	if len(s.Recent) == 0 {
		return JWS{}, false
	}
	j, err := ParseJWS(s.Recent[len(s.Recent)-1])
	return j, err == nil
}

// Bytes returns the form that a [File] keeps.
func (s State) Bytes() ([]byte, error) { return json.Marshal(s) }

// ParseState reads the form that a [File] keeps. It returns [ErrState].
func ParseState(b []byte) (State, error) {
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(b, &version); err != nil {
		return State{}, fmt.Errorf("%w: %w: make it again from the log", ErrState, err)
	}
	if version.Version != stateVersion {
		return State{}, fmt.Errorf("%w: it is of format %d, this program reads %d: update it", ErrState, version.Version, stateVersion)
	}
	var s State
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&s)
	if err == nil {
		err = s.check()
	}
	if err != nil {
		return State{}, fmt.Errorf("%w: %w: make it again from the log", ErrState, err)
	}
	return s, nil
}

func (s State) check() error {
	if s.CounterBytes < MinCounterBytes || s.CounterBytes > MaxCounterBytes || len(s.Recent) > maxRecent {
		return fmt.Errorf("%w: a counter of %d bytes, %d receipts", ErrFormat, s.CounterBytes, len(s.Recent))
	}
	for _, text := range s.Recent {
		j, err := ParseJWS(text)
		if err != nil {
			return err
		}
		if j.Payload.CashBox != s.CashBox {
			return fmt.Errorf("%w: receipt %s is of cash box %s", ErrFormat, j.Payload.Number, j.Payload.CashBox)
		}
	}
	return checkElement("cash box", s.CashBox)
}

// push returns the receipts with one more, in a list of its own.
func push(recent []string, text string) []string {
	if len(recent) >= maxRecent {
		recent = recent[len(recent)-maxRecent+1:]
	}
	return append(slices.Clone(recent), text)
}
