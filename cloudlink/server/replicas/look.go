package replicas

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
	"github.com/tillmesh/tillmesh/crdt"
)

const (
	// revokedEvery is how often a server looks whether tills were cut off at the cloud, of all shops that are open with a few questions.
	revokedEvery = 5 * time.Second
	// lookEvery is how often a shop looks at its tills without a reason.
	lookEvery = time.Minute
)

// looks says when a shop has to look at its tills in the database: sessions are many and rarely change.
type looks struct {
	due     atomic.Bool  // there is a reason
	revoked atomic.Int64 // tills that were cut off, as it saw them last
	last    time.Time    // only attend's
}

// lookSoon has a shop look at its tills.
func (p *Replica) lookSoon() {
	p.looks.due.Store(true)
	signal(p.wake)
}

// mustLook reports whether it is time. Whoever looks says how it ended by looked.
func (l *looks) mustLook(now time.Time) bool {
	return l.due.Swap(false) || l.revoked.Load() > 0 || l.last.IsZero() || now.Sub(l.last) >= lookEvery
}

func (l *looks) looked(now time.Time, devices []accounts.Device, err error) {
	if l.last = now; err != nil {
		l.due.Store(true)
		return
	}
	n := int64(0)
	for _, d := range devices {
		if revoked(d) {
			n++
		}
	}
	l.revoked.Store(n)
}

// lookForRevoked has those shops look at their tills of which another one was cut off.
func (r *Replicas) lookForRevoked(ctx context.Context) {
	now := r.cfg.Now()
	if now.Sub(r.looked) < revokedEvery {
		return
	}
	r.looked = now
	open := make(map[crdt.ShopID]*Replica)
	var ids []crdt.ShopID
	for id, p := range r.places() {
		p.mu.Lock()
		if p.replica != nil {
			open[id], ids = p.replica, append(ids, id)
		}
		p.mu.Unlock()
	}
	counts, err := r.cfg.Accounts.Revocations(ctx, ids)
	if err != nil {
		if ctx.Err() == nil {
			r.cfg.Log.Warn("whether tills were cut off is not known; it is asked again", "error", err)
		}
		return
	}
	for id, p := range open {
		if int64(counts[id]) != p.looks.revoked.Load() {
			p.lookSoon()
		}
	}
}
