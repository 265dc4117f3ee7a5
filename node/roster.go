package node

import (
	"crypto/ed25519"
	"sync"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

// roster is who belongs to the shop, for all goroutines of the till.
type roster struct {
	mu sync.RWMutex
	r  *shop.Roster
}

func (r *roster) add(c *crdt.Commit) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.r.AddCommit(c)
}

func (r *roster) active(till crdt.TillID) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.r.Active(till)
}

// MayPush is for replication: a till pushes only commits of its own lineages.
func (r *roster) MayPush(till crdt.TillID, c *crdt.Commit) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.r.MayPushCommit(till, c)
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

func (r *roster) tillOf(replica crdt.ReplicaID) crdt.TillID {
	r.mu.RLock()
	defer r.mu.RUnlock()
	id, _ := r.r.TillOf(replica)
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

// name returns what people call a till, its number prefix if nobody named it, its short ID if it is not known.
func (r *roster) name(id crdt.TillID) string {
	t, ok := r.till(id)
	switch {
	case !ok:
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
