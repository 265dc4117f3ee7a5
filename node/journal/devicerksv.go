package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/journal/rksv"
)

// RKSV is the [Device] of an Austrian till: it signs inside the series, each number with the one before. It keeps no state:
// where the chain stands is stored with the last document, in the same commit, so no crash tears them apart.
type RKSV struct {
	config rksv.Config // without File
	public string
}

// NewRKSV returns the device of a cash box. public is the key that verifies it, for people; it may be empty. The error is
// that of [rksv.Open].
func NewRKSV(config rksv.Config, public string) (*RKSV, error) {
	config.File = new(lastState)
	if _, err := rksv.Open(config); err != nil {
		return nil, err
	}
	return &RKSV{config, public}, nil
}

// Info implements [Device].
func (r *RKSV) Info() DeviceInfo {
	return DeviceInfo{Kind: KindRKSV, Client: r.config.CashBox, Serial: r.config.Unit.Certificate(), Outage: rksv.OutageText, PublicKey: r.public,
		Check: r.config.Key.CheckValue(), Chained: true, Description: "Signaturerstellungseinheit (RKSV)"}
}

// Identify implements [Device]: the certificate is known.
func (r *RKSV) Identify(context.Context) error { return nil }

// Order implements [Device]: Austria has no orders.
func (r *RKSV) Order(_ context.Context, lines []OrderLine) (receipt.Object, int, error) {
	return nil, len(lines), nil
}

// Prepare implements [Device]: what is signed holds the number.
func (r *RKSV) Prepare(context.Context, *receipt.Document) (receipt.Object, error) { return nil, nil }

// Confirm implements [Device]: a closing is not signed.
func (r *RKSV) Confirm(context.Context, string) (receipt.Object, error) { return nil, nil }

// Failed implements [Device].
func (r *RKSV) Failed(cause error) receipt.Object {
	return unsigned(receipt.Object{{Name: "failure", Value: receipt.String(clipCause(cause))}, {Name: "kind", Value: receipt.String(KindRKSV)}}, rksv.OutageText)
}

// Probe implements [Device]: what it signs is no receipt.
func (r *RKSV) Probe(ctx context.Context) error {
	_, err := r.config.Unit.Sign(ctx, []byte("tillmesh probe"))
	return err
}

// Seal implements [Device]. An unsigned receipt is no error: chain and counter go on.
func (r *RKSV) Seal(ctx context.Context, d *receipt.Document, c Chain) (receipt.Object, Chain, error) {
	of, err := rksv.Of(d)
	if err != nil {
		return nil, c, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	state, err := r.state(c).Bytes()
	if err != nil {
		return nil, c, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	config := r.config
	config.File = &lastState{state}
	signer, err := rksv.Open(config)
	if err != nil {
		return nil, c, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	signed, _, err := signer.Next(ctx, of)
	switch {
	case errors.Is(err, rksv.ErrUnavailable):
		return nil, c, fmt.Errorf("%w: %w", ErrMustBeSigned, err)
	case err != nil:
		return nil, c, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	after := signer.State()
	next := Chain{Number: uint64(d.Number), Counter: after.Counter, Final: after.Final, Last: signed.JWS.Text, Month: c.Month}
	switch of.Kind {
	case rksv.Start, rksv.Month, rksv.Year:
		next.Month = d.Closed[:len("2026-01")]
	}
	o := signed.Object()
	if signed.JWS.Outage() {
		o = unsigned(o, rksv.OutageText)
	}
	return o, next, nil
}

// state returns the state that the signer goes on from.
func (r *RKSV) state(c Chain) rksv.State {
	s := rksv.State{Version: 1, CashBox: r.config.CashBox, CounterBytes: r.config.CounterBytes, Counter: c.Counter, Final: c.Final, Outage: c.Outage()}
	if s.CounterBytes == 0 {
		s.CounterBytes = rksv.DefaultCounterBytes
	}
	if c.Last != "" {
		s.Recent = []string{c.Last}
	}
	return s
}

// lastState is a file of a signer that is opened for one receipt: its state is stored with the document.
type lastState struct{ state []byte }

// Load implements [rksv.File].
func (l *lastState) Load() ([]byte, error) { return l.state, nil }

// Save implements [rksv.File].
func (l *lastState) Save(state []byte) error {
	l.state = slices.Clone(state)
	return nil
}
