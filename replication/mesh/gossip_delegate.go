package mesh

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/hashicorp/memberlist"
	"github.com/tillmesh/tillmesh/crdt"
)

// delegate is what memberlist calls. None of its methods blocks or calls back; several run under memberlist's locks.
type delegate struct {
	g    *Gossip
	from int // the membership that calls, see members
}

var (
	_ memberlist.Delegate         = delegate{}
	_ memberlist.EventDelegate    = delegate{}
	_ memberlist.AliveDelegate    = delegate{}
	_ memberlist.MergeDelegate    = delegate{}
	_ memberlist.ConflictDelegate = delegate{}
)

var errNotAllowed = errors.New("not a till of this shop's roster")

func (d delegate) NodeMeta(int) []byte { return encodeMeta(d.g.cfg.Boot, d.g.cfg.LinkPort) }

// Nothing but membership travels by gossip: no messages, no broadcasts, no state.
func (d delegate) NotifyMsg([]byte)                {}
func (d delegate) GetBroadcasts(int, int) [][]byte { return nil }
func (d delegate) LocalState(bool) []byte          { return nil }
func (d delegate) MergeRemoteState([]byte, bool)   {}

func (d delegate) NotifyJoin(n *memberlist.Node)   { d.seen(n) }
func (d delegate) NotifyUpdate(n *memberlist.Node) { d.seen(n) }

func (d delegate) seen(n *memberlist.Node) {
	m, err := memberOf(n, d.g.cfg.Now())
	if err != nil { // NotifyAlive has refused it before
		d.g.cfg.Log.Warn("gossip brought a member that cannot be read", "error", err)
		return
	}
	if m.Till != d.g.cfg.Till {
		d.g.settle(m.Till, m.Addr)
		d.g.members.put(d.from, m)
	}
}

func (d delegate) NotifyLeave(n *memberlist.Node) {
	if till, err := crdt.ParseTillID(n.Name); err == nil && till != d.g.cfg.Till {
		d.g.members.remove(d.from, till)
	}
}

// NotifyAlive guards against a wrong configuration, not against an enemy: who holds the key may say what it likes.
func (d delegate) NotifyAlive(n *memberlist.Node) error {
	m, err := memberOf(n, d.g.cfg.Now())
	if err != nil {
		return err
	}
	if m.Till != d.g.cfg.Till && d.g.cfg.Allowed != nil && !d.g.cfg.Allowed(m.Till) {
		return fmt.Errorf("%w: %s", errNotAllowed, m.Till.Short())
	}
	return nil
}

// NotifyMerge refuses a whole foreign membership by its names. Tills outside the roster are left to NotifyAlive: one
// revoked till in another's memory must not keep the others apart.
func (d delegate) NotifyMerge(peers []*memberlist.Node) error {
	for _, n := range peers {
		if _, err := crdt.ParseTillID(n.Name); err != nil {
			return fmt.Errorf("foreign membership: %w", err)
		}
	}
	return nil
}

// NotifyConflict means that two addresses claim one till. In passing it is a till that changed its address; when it
// stays, two machines run with the same device key.
func (d delegate) NotifyConflict(existing, other *memberlist.Node) {
	d.g.conflicts.Add(1)
	d.g.log.note("two addresses claim one till", existing.Name, "till", existing.Name,
		"known", existing.Address(), "claimed", other.Address())
	m, err := memberOf(other, d.g.cfg.Now())
	if err != nil {
		return
	}
	if known, ok := netip.AddrFromSlice(existing.Addr); ok {
		d.g.conflict(m.Till, netip.AddrPortFrom(known.Unmap(), existing.Port), m.Addr)
	}
	if m.Till != d.g.cfg.Till {
		d.g.claim(m.Till, m.Addr)
	}
}
