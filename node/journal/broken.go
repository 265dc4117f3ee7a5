package journal

import (
	"context"

	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/journal/rksv"
	"github.com/tillmesh/tillmesh/node/journal/tse"
)

// Broken returns a device of a kind that could not be opened: it confirms nothing, and says why.
func Broken(kind, client string, why error) Device {
	b := broken{DeviceInfo{Kind: kind, Client: client, Outage: tse.Outage}, why}
	if kind == KindRKSV {
		b.info.Outage = rksv.OutageText
	}
	return b
}

type broken struct {
	info DeviceInfo
	why  error
}

func (b broken) Info() DeviceInfo { return b.info }

func (b broken) Identify(context.Context) error { return b.why }

func (b broken) Order(_ context.Context, lines []OrderLine) (receipt.Object, int, error) {
	return nil, len(lines), nil
}

func (b broken) Prepare(context.Context, *receipt.Document) (receipt.Object, error) {
	return nil, b.why
}

func (b broken) Seal(_ context.Context, d *receipt.Document, c Chain) (receipt.Object, Chain, error) {
	return d.Security, c, nil
}

func (b broken) Confirm(context.Context, string) (receipt.Object, error) { return nil, b.why }

func (b broken) Probe(context.Context) error { return b.why }

func (b broken) Failed(cause error) receipt.Object {
	return unsigned(receipt.Object{{Name: "failure", Value: receipt.String(clipCause(cause))}, {Name: "kind", Value: receipt.String(b.info.Kind)}}, b.info.Outage)
}
