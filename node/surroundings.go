package node

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/discovery"
	"github.com/tillmesh/tillmesh/node/disk"
	"github.com/tillmesh/tillmesh/node/health"
	"github.com/tillmesh/tillmesh/replication/mesh"
)

const (
	// dialTime is how long an address may take to answer a doctor.
	dialTime = time.Second
	// otherShopFor is how long another shop counts as being on the same network after it was heard.
	otherShopFor = 2 * time.Minute
	// otherShopsKept bounds how many are remembered: anybody can make up shops.
	otherShopsKept = 64
)

// otherShops are those heard on the same network.
type otherShops struct {
	mu   sync.Mutex
	seen map[crdt.ShopID]time.Time
}

func (o *otherShops) hear(id crdt.ShopID, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, known := o.seen[id]; known || len(o.seen) < otherShopsKept {
		if o.seen == nil {
			o.seen = make(map[crdt.ShopID]time.Time)
		}
		o.seen[id] = now
	}
}

func (o *otherShops) count(now time.Time) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, at := range o.seen {
		if now.Sub(at) >= otherShopFor {
			delete(o.seen, id)
		}
	}
	return len(o.seen)
}

// attendDoctor gives the doctor what only a machine knows.
func (m *Machine) attendDoctor() {
	d := m.doctor
	d.network, d.own, d.dial = m.surroundings, m.probeAddrs, m.dialAndLook
	d.router = m.tryRouter
	d.answerer.Dial, d.config = m.dialForDoctor, m.o.settings(m.id)
	d.answerer.Near = func(a netip.Addr) bool {
		return slices.ContainsFunc(m.localPrefixes(), func(p netip.Prefix) bool { return p.Contains(a) })
	}
}

// surroundings adds the adapters and strangers of this machine to the facts.
func (m *Machine) surroundings(f *health.Facts) {
	list, err := discovery.SystemInterfaces()
	if err != nil {
		m.log.Warn("network interfaces cannot be listed", "error", err)
	}
	f.Interfaces, f.Adapter = health.Interfaces(list), m.o.Iface
	f.Listens = []health.Listen{{What: "links", Port: m.LinkAddr().Port()}}
	f.OtherShops = m.others.count(f.At)
	strangers := append(m.links.Strangers(), m.gossip.Strangers()...)
	slices.SortFunc(strangers, func(a, b mesh.Stranger) int { return int(min(b.Refused, 1<<30)) - int(min(a.Refused, 1<<30)) })
	for _, s := range strangers {
		if f.At.Sub(s.Last) < time.Minute && !slices.Contains(f.FloodFrom, s.Addr) {
			f.FloodFrom = append(f.FloodFrom, s.Addr)
		}
	}
}

// dialForDoctor opens and closes a connection to each address.
func (m *Machine) dialForDoctor(ctx context.Context, addrs []netip.AddrPort) []health.Try {
	return health.Tries(m.env.Now(), discovery.Probe(ctx, addrs, new(net.Dialer).DialContext, discovery.ProbeOptions{Timeout: dialTime}))
}

// probeAddrs are the addresses at which others shall try to reach this till.
func (m *Machine) probeAddrs() []netip.AddrPort {
	if m.o.Advertise != "" {
		if a, err := netip.ParseAddrPort(m.o.Advertise); err == nil {
			return []netip.AddrPort{a}
		}
	}
	at := m.LinkAddr()
	if !at.Addr().IsUnspecified() {
		return []netip.AddrPort{netip.AddrPortFrom(at.Addr().Unmap(), at.Port())}
	}
	var out []netip.AddrPort
	for _, p := range m.localPrefixes() {
		if a := p.Addr(); !a.IsLoopback() && !a.IsLinkLocalUnicast() {
			out = append(out, netip.AddrPortFrom(a, at.Port()))
		}
	}
	return out
}

// noteLink notes for the doctor that a link stands; the function it returns notes its end.
func (m *Machine) noteLink(l *mesh.Link) (ended func(error)) {
	note := func(what, text string) {
		till, _ := m.roster.till(l.Peer())
		m.doctor.linkEvent(health.LinkEvent{At: m.env.Now(), Till: or(till.Prefix, l.Peer().Short()), What: what, Addr: l.RemoteAddr().String(), Text: text})
	}
	note("up", "")
	m.linkedAgain(l.Peer())
	return func(err error) {
		text := ""
		if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, net.ErrClosed) {
			text = err.Error()
		}
		note("down", text)
	}
}

// inUse reports whether an address could not be taken because another program has it.
func inUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

// WriteBundle writes what support needs as a ZIP file: no names that people gave, no receipts, no keys.
func (t *Till) WriteBundle(w io.Writer) error {
	now := t.env.Now()
	facts := t.facts(now)
	d := t.doctor
	d.mu.Lock()
	b := health.Bundle{
		Made: now, Facts: facts, Findings: slices.Clone(d.last.Findings), Past: d.history.Past(), Events: slices.Clone(d.events), Config: d.config,
		Device: health.Device{
			Program: t.version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), MemoryBytes: memoryUsed(),
			Boot: t.boot, Started: t.began,
		},
		Secrets: []string{t.token, t.id.ShopKey, hex.EncodeToString(t.key.Seed())},
	}
	d.mu.Unlock()
	for _, k := range t.GossipKeys().All() {
		b.Secrets = append(b.Secrets, hex.EncodeToString(k.Secret[:]))
	}
	return health.WriteBundle(w, b)
}

// memoryUsed returns how many bytes this program takes of the machine.
func memoryUsed() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// settings are those of the machine's program that support may ask for.
func (o Options) settings(id Identity) map[string]string {
	out := map[string]string{
		"listen": o.Listen, "advertise": o.Advertise, "iface": o.Iface, "peers": strings.Join(o.Peers, " "), "mode": id.Mode, "no-mdns": "no",
	}
	l := o.Limits
	if l == (disk.Limits{}) {
		l = disk.DefaultLimits()
	}
	for name, bytes := range map[string]uint64{"disk-warn": l.Warn, "disk-no-new-tabs": l.NoNewTabs, "disk-close": l.Close, "disk-ballast": l.Ballast} {
		out[name] = fmt.Sprintf("%d MB", bytes>>20)
	}
	if o.NoMDNS {
		out["no-mdns"] = "yes"
	}
	return out
}
