package mesh

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/tillmesh/tillmesh/crdt"
)

// Member is a till that gossip believes to be alive.
type Member struct {
	Till crdt.TillID
	// Addr is where it takes gossip.
	Addr netip.AddrPort
	// LinkPort is the TCP port of its links, at the same address.
	LinkPort uint16
	// Boot is its boot number; it changes with every start.
	Boot uint32
	// Since is when this start of it was seen first.
	Since time.Time
}

// LinkAddr returns where the till takes links.
func (m Member) LinkAddr() netip.AddrPort { return netip.AddrPortFrom(m.Addr.Addr(), m.LinkPort) }

// What every till says about itself: version, boot number, link port. A later version may append.
const (
	metaVersion = 1
	metaSize    = 1 + 4 + 2
)

var errMeta = errors.New("not the description of a till")

func encodeMeta(boot uint32, linkPort uint16) []byte {
	b := make([]byte, 0, metaSize)
	b = append(b, metaVersion)
	b = binary.BigEndian.AppendUint32(b, boot)
	return binary.BigEndian.AppendUint16(b, linkPort)
}

func decodeMeta(b []byte) (boot uint32, linkPort uint16, err error) {
	if len(b) < metaSize || b[0] < metaVersion {
		return 0, 0, fmt.Errorf("%w: %d bytes", errMeta, len(b))
	}
	return binary.BigEndian.Uint32(b[1:]), binary.BigEndian.Uint16(b[5:]), nil
}

// memberOf copies what we need of a node; memberlist changes its nodes under the eyes of whoever keeps them.
func memberOf(n *memberlist.Node, now time.Time) (Member, error) {
	till, err := crdt.ParseTillID(n.Name)
	if err != nil {
		return Member{}, fmt.Errorf("member name: %w", err)
	}
	boot, port, err := decodeMeta(n.Meta)
	if err != nil {
		return Member{}, fmt.Errorf("member %s: %w", till.Short(), err)
	}
	ip, ok := netip.AddrFromSlice(n.Addr)
	if !ok {
		return Member{}, fmt.Errorf("member %s: %d bytes are no address", till.Short(), len(n.Addr))
	}
	return Member{
		Till: till, Addr: netip.AddrPortFrom(ip.Unmap(), n.Port), LinkPort: port, Boot: boot, Since: now,
	}, nil
}

// members is the table of the tills alive, apart from our own. Events name the membership they come from, since a
// membership that ended may still have some to tell.
type members struct {
	changed chan struct{} // one slot
	mu      sync.Mutex
	current int
	table   map[crdt.TillID]Member
}

// begin empties the table for a new membership and returns its number.
func (m *members) begin() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.table)
	m.current++
	m.signal()
	return m.current
}

func (m *members) put(from int, n Member) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if from != m.current {
		return
	}
	if old, ok := m.table[n.Till]; ok && old.Boot == n.Boot {
		n.Since = old.Since
	}
	m.table[n.Till] = n
	m.signal()
}

func (m *members) remove(from int, till crdt.TillID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if from != m.current {
		return
	}
	delete(m.table, till)
	m.signal()
}

func (m *members) signal() {
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

func (m *members) all() []Member {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]Member, 0, len(m.table))
	for _, n := range m.table {
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b Member) int { return a.Till.Compare(b.Till) })
	return all
}
