package node

import (
	"crypto/ed25519"
	"sync"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/replication"
)

// roster is who belongs to the shop, for all goroutines of the till.
type roster struct {
	mu sync.RWMutex
	r  *shop.Roster
	// now are the clouds that are coupled, found again whenever an entry came.
	now []replication.Cloud
}

func (r *roster) add(c *crdt.Commit) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.r.AddCommit(c)
	if c.Scope == crdt.Shop {
		r.note()
	}
	return err
}

func (r *roster) active(till crdt.TillID) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.r.Active(till)
}

// MayLink reports whether this till takes part in links with another one: an active one of the shop, or a retired one,
// which may still hand over what it holds.
func (t *Till) MayLink(till crdt.TillID) bool { return t.roster.mayLink(till) }

// MayPush is for replication: a till pushes only commits of its own lineages, a cloud those of its own seats.
func (r *roster) MayPush(till crdt.TillID, c *crdt.Commit) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.r.MayPushCommit(till, c)
}

// activeTills returns the tills that were neither retired nor revoked. A cloud is none.
func (r *roster) activeTills() (out []crdt.TillID) {
	for _, till := range r.tills() {
		if till.State == shop.Active {
			out = append(out, till.ID)
		}
	}
	return out
}

func (r *roster) tills() []shop.Till {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.r.Tills()
}

func (r *roster) till(id crdt.TillID) (shop.Till, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.r.Till(id)
}

// tillOf returns who writes under a replica: a till, or a cloud; the zero ID if nobody claims it.
func (r *roster) tillOf(replica crdt.ReplicaID) crdt.TillID {
	r.mu.RLock()
	defer r.mu.RUnlock()
	id, ok := r.r.TillOf(replica)
	if !ok {
		id, _ = r.r.CloudOf(replica)
	}
	return id
}

func (r *roster) publicKey(id crdt.TillID) (ed25519.PublicKey, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.r.PublicKey(id)
}

func (r *roster) nextPrefix(replica crdt.ReplicaID) (string, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.r.NextPrefix(replica)
}

// name returns what people call a till, its number prefix if nobody named it, its short ID if it is not known; a cloud is called by
// its account.
func (r *roster) name(id crdt.TillID) string {
	t, ok := r.till(id)
	switch {
	case !ok:
		if c, cloud := r.cloud(id); cloud {
			return cloudName(c)
		}
		return id.Short()
	case t.Name != "":
		return t.Name
	}
	return t.Prefix
}

func (r *roster) problems() []shop.Problem {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.r.Problems()
}
