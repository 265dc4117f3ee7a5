package node

import (
	"context"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/engine"
)

// ServeUplink speaks the protocol with a cloud, as an uplink does.
func (m *Machine) ServeUplink(ctx context.Context, conn engine.Conn) error {
	return m.engine.Serve(ctx, conn)
}

// FirstTransfer counts how far the first transfer to a cloud is, as an uplink of a till does that was just started: lacks is what the cloud is
// known to lack.
func (m *Machine) FirstTransfer(ctx context.Context, cloud crdt.TillID, lacks func() map[crdt.Scope]crdt.Context) (cloudlink.Progress, error) {
	p := newProgress(m.Till, func(crdt.TillID) map[crdt.Scope]crdt.Context { return lacks() })
	p.follow(cloud, false)
	err := p.count(ctx)
	out, _ := p.now()
	return out, err
}

// ProgressAfter counts when the cloud has everything, and tells the progress when it lacks something again and nothing was counted since.
func (m *Machine) ProgressAfter(ctx context.Context, cloud crdt.TillID, lacks map[crdt.Scope]crdt.Context) (cloudlink.Progress, error) {
	var now map[crdt.Scope]crdt.Context
	p := newProgress(m.Till, func(crdt.TillID) map[crdt.Scope]crdt.Context { return now })
	p.follow(cloud, true)
	err := p.count(ctx)
	now = lacks
	out, _ := p.now()
	return out, err
}

// Holds returns what the till holds.
func (m *Machine) Holds() map[crdt.Scope]crdt.Context { return m.store.Contexts() }
