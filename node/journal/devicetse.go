package journal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/journal/tse"
)

// TSE is the [Device] of a German till: it signs before a number is taken, many beside each other.
type TSE struct {
	device tse.Device
	client string

	mu   sync.Mutex
	info *tse.Info // nil: it did not answer yet
}

// NewTSE returns the device as a till uses it that is registered there under a client ID, its own serial number.
func NewTSE(device tse.Device, client string) *TSE { return &TSE{device: device, client: client} }

// Info implements [Device].
func (t *TSE) Info() DeviceInfo {
	out := DeviceInfo{Kind: KindTSE, Client: t.client, Outage: tse.Outage, Orders: true, Description: "Technische Sicherheitseinrichtung (TSE)"}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.info != nil {
		out.Serial, out.Notice, out.PublicKey = t.info.Serial, t.info.Notice, t.info.PublicKey
	}
	return out
}

// Identify implements [Device].
func (t *TSE) Identify(ctx context.Context) error {
	_, err := t.ask(ctx)
	return err
}

// Prepare implements [Device]: a Kassenbeleg, or for a document about the till itself a SonstigerVorgang.
func (t *TSE) Prepare(ctx context.Context, d *receipt.Document) (receipt.Object, error) {
	p, err := processOf(d)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return t.transact(ctx, p)
}

// processOf returns what the device is told of a document.
func processOf(d *receipt.Document) (tse.Process, error) {
	switch d.Kind {
	case receipt.KindReceipt, receipt.KindAborted:
		return tse.Kassenbeleg(d)
	case receipt.KindControl:
		if d.Control != nil {
			return tse.Other("Kontrolle: " + d.Control.What)
		}
	case receipt.KindVoid:
		return tse.Other("Nummer ohne Beleg")
	}
	return tse.Process{}, fmt.Errorf("%w: a document of kind %.20q", tse.ErrRequest, d.Kind)
}

// Seal implements [Device]: it returns what the device said, if it was about this document.
func (t *TSE) Seal(_ context.Context, d *receipt.Document, c Chain) (receipt.Object, Chain, error) {
	if d.Security == nil || Unsigned(d.Security) {
		return d.Security, c, nil
	}
	p, err := processOf(d)
	if err != nil {
		return nil, c, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if said, err := tse.ParseRecord(d.Security); err != nil || said.Process != p {
		return nil, c, ErrChanged
	}
	return d.Security, c, nil
}

// Order implements [Device].
func (t *TSE) Order(ctx context.Context, lines []OrderLine) (receipt.Object, int, error) {
	list := make([]tse.OrderLine, len(lines))
	for i, l := range lines {
		// The device wants one line of text.
		list[i] = tse.OrderLine{Quantity: l.Quantity, Text: strings.Join(strings.FieldsFunc(l.Text, func(r rune) bool { return r < ' ' }), " "), UnitPrice: l.UnitPrice}
	}
	p, covered, err := tse.Bestellung(list)
	if err != nil {
		return nil, len(lines), fmt.Errorf("%w: %w", ErrRefused, err)
	}
	o, err := t.transact(ctx, p)
	return o, covered, err
}

// Confirm implements [Device].
func (t *TSE) Confirm(ctx context.Context, text string) (receipt.Object, error) {
	p, err := tse.Other(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return t.transact(ctx, p)
}

// Failed implements [Device].
func (t *TSE) Failed(cause error) receipt.Object {
	return unsigned(tse.Failed(t.client, tse.Process{}, nil, cause).Object(), tse.Outage)
}

// Probe implements [Device]: what it signs says in the log of the device that it works again.
func (t *TSE) Probe(ctx context.Context) error {
	t.mu.Lock()
	t.info = nil // another device may stand in its place
	t.mu.Unlock()
	_, err := t.Confirm(ctx, "Funktionsprüfung nach Ausfall")
	return err
}

// transact starts and finishes a transaction. If that fails, what is known of it is in the error.
func (t *TSE) transact(ctx context.Context, p tse.Process) (receipt.Object, error) {
	because := func(started *tse.Started, err error) error {
		return &partly{err, unsigned(tse.Failed(t.client, p, started, err).Object(), tse.Outage)}
	}
	info, err := t.ask(ctx)
	if err != nil {
		return nil, because(nil, err)
	}
	started, err := t.device.Start(ctx, t.client)
	if err != nil {
		return nil, because(nil, err)
	}
	finished, err := t.device.Finish(ctx, t.client, started.Transaction, p)
	if err != nil {
		return nil, because(&started, err)
	}
	return tse.NewRecord(info, t.client, p, started, finished).Object(), nil
}

// ask returns which device it is. It is asked once, and anew after an outage.
func (t *TSE) ask(ctx context.Context) (tse.Info, error) {
	t.mu.Lock()
	known := t.info
	t.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	info, err := t.device.Info(ctx)
	if err == nil {
		t.mu.Lock()
		t.info = &info
		t.mu.Unlock()
	}
	return info, err
}

// partly is the error of a transaction that was begun: what it says of itself goes into the document.
type partly struct {
	error
	said receipt.Object
}

// Unwrap returns why it was not finished.
func (p *partly) Unwrap() error { return p.error }

// failed returns what a document says that was not confirmed because of err.
func failed(d Device, err error) receipt.Object {
	if p, ok := errors.AsType[*partly](err); ok {
		return p.said
	}
	return d.Failed(err)
}
