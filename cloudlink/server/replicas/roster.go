package replicas

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/replication"
)

// loadRoster reads who belongs to the shop.
func (p *Replica) loadRoster(ctx context.Context) error {
	p.roster.r = shop.NewRoster(p.shop.ID)
	scope := p.store.Contexts()[crdt.Shop]
	for at := (replication.Cursor{}); !at.Done; {
		var list [][]byte
		var err error
		if list, at, err = p.store.Live(ctx, crdt.Shop, scope, at, 1<<20); err != nil {
			return fmt.Errorf("read the roster: %w", err)
		}
		for _, raw := range list {
			c, err := crdt.DecodeCommit(raw)
			if err != nil {
				return fmt.Errorf("read the roster: %w", err)
			}
			p.learn(c)
		}
	}
	return nil
}

// learn takes what a commit says about who belongs to the shop.
func (p *Replica) learn(c *crdt.Commit) {
	p.roster.Lock()
	defer p.roster.Unlock()
	if err := p.roster.r.AddCommit(c); err != nil {
		p.of.cfg.Log.Warn("an entry of a roster does not count", "shop", p.shop.ID, "error", err)
	}
}

// applied is called with what became durable.
func (p *Replica) applied(taken []replication.Taken) {
	for i := range taken {
		if c := taken[i].Commit; c.Scope == crdt.Shop {
			p.learn(c)
			p.lookSoon()
		}
	}
}

// MayPush is a method of replication.Roster.
func (p *Replica) MayPush(till crdt.TillID, c *crdt.Commit) bool {
	p.roster.RLock()
	defer p.roster.RUnlock()
	return p.roster.r.MayPushCommit(till, c)
}

// active returns who must agree before starts are joined: the active tills, and the clouds.
func (p *Replica) active() (out []crdt.TillID) {
	p.roster.RLock()
	defer p.roster.RUnlock()
	for _, till := range p.roster.r.Tills() {
		if till.State == shop.Active {
			out = append(out, till.ID)
		}
	}
	for _, c := range p.roster.r.Clouds() {
		if c.Coupled {
			out = append(out, c.ID)
		}
	}
	return out
}

// otherClouds returns the other clouds that are coupled.
func (p *Replica) otherClouds() (out []replication.Cloud) {
	p.roster.RLock()
	defer p.roster.RUnlock()
	for _, c := range p.roster.r.Clouds() {
		if c.Coupled && c.ID != p.of.cloud() {
			seat, _ := c.Current()
			out = append(out, replication.Cloud{ID: c.ID, Replica: seat.Replica})
		}
	}
	return out
}

// sealed returns replicas under which nobody writes any more.
func (p *Replica) sealed() []crdt.ReplicaID {
	p.roster.RLock()
	defer p.roster.RUnlock()
	return p.roster.r.Ended()
}

func (p *Replica) state(till crdt.TillID) shop.State {
	p.roster.RLock()
	defer p.roster.RUnlock()
	return p.roster.r.State(till)
}

// tills returns the active tills of the shop.
func (p *Replica) tills() (out []shop.Till) {
	p.roster.RLock()
	defer p.roster.RUnlock()
	for _, till := range p.roster.r.Tills() {
		if till.State == shop.Active {
			out = append(out, till)
		}
	}
	return out
}

// seated reports whether tills know under which replica this cloud writes.
func (p *Replica) seated() bool {
	p.roster.RLock()
	defer p.roster.RUnlock()
	c, known := p.roster.r.Cloud(p.of.cloud())
	return known && c.Coupled && slices.ContainsFunc(c.Seats, func(s shop.Seat) bool { return s.Replica == p.id })
}

// sit writes under which replica this cloud writes, once the shop's roster says that it is coupled. That is the first thing it ever
// writes there.
func (p *Replica) sit(ctx context.Context) error {
	if p.seated() {
		return nil
	}
	p.roster.RLock()
	c, known := p.roster.r.Cloud(p.of.cloud())
	p.roster.RUnlock()
	if !known || !c.Coupled {
		return nil
	}
	seat := shop.Seat{Cloud: c.ID, Replica: p.id, MS: p.of.cfg.Now().UnixMilli()}
	if before, ok := c.Current(); ok {
		seat.Predecessor = before.Replica
	}
	item, err := seat.Sign(p.shop.ID, p.of.cfg.DB.Installation().Key)
	if err != nil {
		return err
	}
	_, err = p.engine.Commit(ctx, p.change(crdt.Shop, shop.Schema, []crdt.Piece{item}))
	return err
}

// change makes an own change of pieces.
func (p *Replica) change(scope crdt.Scope, schema uint32, pieces []crdt.Piece) replication.Local {
	now := p.of.cfg.Now().UnixMilli()
	return replication.Local{Scope: scope, Schema: schema, Pieces: pieces, WallMS: now, Stamp: crdt.Stamp{Trusted: true, MS: now}}
}

// recheckEvery is how often it is looked whether the tills that are connected still may be.
const recheckEvery = 5 * time.Second

// attend does what follows from the roster, until ctx is done.
func (p *Replica) attend(ctx context.Context) {
	ticker := time.NewTicker(recheckEvery)
	defer ticker.Stop()
	for {
		if err := errors.Join(p.sit(ctx), p.recheck(ctx)); err != nil && ctx.Err() == nil {
			p.of.cfg.Log.Warn("what follows from the roster was not done; it is tried again", "shop", p.shop.ID, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-p.wake:
		}
	}
}
