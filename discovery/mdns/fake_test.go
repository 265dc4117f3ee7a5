package mdns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/grandcat/zeroconf"
	"go.uber.org/goleak"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/discovery"
)

func TestMain(m *testing.M) {
	if play() {
		return
	}
	goleak.VerifyTestMain(m)
}

// fakeNetwork stands for multicast: it answers each browse with entries and notes what happens.
type fakeNetwork struct {
	mu      sync.Mutex
	entries []*zeroconf.ServiceEntry
	fail    error

	announced []announcement
	started   []time.Time // of each server
	stopped   []time.Time
	browsed   []time.Time // begin of each browse
	on        [][]string  // the interfaces of each browse
	most      int         // servers at the same time
}

func (n *fakeNetwork) announce(s announcement, _ []net.Interface) (func(), error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fail != nil {
		return nil, n.fail
	}
	n.announced = append(n.announced, s)
	n.started = append(n.started, time.Now())
	n.most = max(n.most, len(n.started)-len(n.stopped))
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.stopped = append(n.stopped, time.Now())
	}, nil
}

func (n *fakeNetwork) browse(ctx context.Context, on []net.Interface, each func(*zeroconf.ServiceEntry)) error {
	n.mu.Lock()
	n.browsed = append(n.browsed, time.Now())
	var names []string
	for _, i := range on {
		names = append(names, i.Name)
	}
	n.on = append(n.on, names)
	entries, fail := n.entries, n.fail
	n.mu.Unlock()
	if fail != nil {
		return fail
	}
	for _, e := range entries {
		if ctx.Err() != nil {
			return nil
		}
		each(e)
	}
	<-ctx.Done()
	return nil
}

// fakeInterfaces is a list of interfaces that changes while somebody looks at it.
type fakeInterfaces struct {
	mu   sync.Mutex
	list []discovery.Interface
	err  error
}

func (f *fakeInterfaces) set(err error, list ...discovery.Interface) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list, f.err = list, err
}

func (f *fakeInterfaces) get() ([]discovery.Interface, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.list, f.err
}

const upFlags = net.FlagUp | net.FlagRunning | net.FlagMulticast | net.FlagBroadcast

func nic(name string, index int, addrs ...string) discovery.Interface {
	i := discovery.Interface{Interface: net.Interface{Name: name, Index: index, Flags: upFlags}}
	for _, a := range addrs {
		i.Prefixes = append(i.Prefixes, netip.MustParsePrefix(a))
	}
	return i
}

var (
	eth0     = nic("eth0", 2, "192.168.1.5/24", "fe80::5/64")
	errBreak = errors.New("it broke")
)

func till(n int) crdt.TillID {
	return crdt.TillIDOf([]byte(strconv.Itoa(n)))
}

func shopID(n byte) crdt.ShopID { return crdt.ShopID{n} }

func self(n int) discovery.Self {
	return discovery.Self{Till: till(n), Shop: shopID(1), Port: 8481, Version: "0.1.0"}
}

// answer is what the library reports about a till.
func answer(n int, ips ...string) *zeroconf.ServiceEntry {
	s := self(n)
	e := zeroconf.NewServiceEntry(instance(s.Till), service, domain)
	e.Text, e.Port = text(s), int(s.Port)
	for _, ip := range ips {
		if a := net.ParseIP(ip); a.To4() != nil {
			e.AddrIPv4 = append(e.AddrIPv4, a)
		} else {
			e.AddrIPv6 = append(e.AddrIPv6, a)
		}
	}
	return e
}

func answers(n int) (out []*zeroconf.ServiceEntry) {
	for i := range n {
		out = append(out, answer(i+100, "192.168.1.9"))
	}
	return out
}

// middle makes the jitter zero.
func middle() float64 { return 0.5 }
