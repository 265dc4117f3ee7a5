//go:build netns

package netlab

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	family    = "tillmesh-" // all namespaces are named family PID - LAB - HOST
	nic       = "eth0"      // on every host
	bridge    = "br0"       // in the switch
	blackHole = "sink"      // in the switch: what is redirected there is gone
	subnet    = "10.77.0."  // hosts get .1, .2, ... with 24 bits
	subnet6   = "fd77::"    // and ::1, ::2, ... with 64 bits if they have only IPv6
)

var labs atomic.Int32

// Lab is a LAN: one switch and its hosts.
type Lab struct {
	t      testing.TB
	prefix string // of all names of namespaces
	sw     string // the namespace of the switch
	hosts  []*Host
}

// New makes a switch without hosts. It skips the test if it is not run by root.
func New(t testing.TB) *Lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	removeStale(t)
	prefix := fmt.Sprintf("%s%d-%d-", family, os.Getpid(), labs.Add(1))
	l := &Lab{t: t, prefix: prefix, sw: prefix + "switch"}
	l.addNamespace(l.sw)
	l.ip("-n", l.sw, "link", "add", bridge, "type", "bridge", "forward_delay", "0", "stp_state", "0")
	l.ip("-n", l.sw, "link", "set", bridge, "up")
	l.ip("-n", l.sw, "link", "add", blackHole, "type", "bridge")
	l.ip("-n", l.sw, "link", "set", blackHole, "up")
	return l
}

// Host adds a host with the next free address, plugged in and up. name is for the namespace: short, [a-z0-9].
func (l *Lab) Host(name string) *Host {
	l.t.Helper()
	n := len(l.hosts) + 1
	h := &Host{
		lab:       l,
		namespace: l.prefix + name,
		port:      "p" + strconv.Itoa(n),
		mac:       fmt.Sprintf("02:00:00:00:00:%02x", n),
		addr:      netip.MustParsePrefix(subnet + strconv.Itoa(n) + "/24"),
	}
	return l.plugIn(h)
}

func (l *Lab) plugIn(h *Host) *Host {
	l.t.Helper()
	l.addNamespace(h.namespace)
	l.ip("-n", h.namespace, "link", "set", "lo", "up")
	l.hosts = append(l.hosts, h)
	h.RecreateNIC()
	return h
}

// HostV6 adds a host that has no IPv4 address on its adapter, but a unique local IPv6 address, or only the link-local one
// that every adapter gives itself.
func (l *Lab) HostV6(name string, linkLocalOnly bool) *Host {
	l.t.Helper()
	n := len(l.hosts) + 1
	h := &Host{lab: l, namespace: l.prefix + name, port: "p" + strconv.Itoa(n), mac: fmt.Sprintf("02:00:00:00:00:%02x", n)}
	if !linkLocalOnly {
		h.addr = netip.MustParsePrefix(subnet6 + strconv.Itoa(n) + "/64")
	}
	return l.plugIn(h)
}

// Isolate keeps the given hosts from hearing each other; all others hear them, and they hear all others. It is what an
// access point does between its clients, multicast included.
func (l *Lab) Isolate(hosts ...*Host) {
	l.t.Helper()
	for _, h := range hosts {
		l.run("bridge", "-n", l.sw, "link", "set", "dev", h.port, "isolated", "on")
	}
}

// SwitchDown takes the power from the switch: the given hosts, or all if none is given, lose their link.
func (l *Lab) SwitchDown(hosts ...*Host) {
	l.t.Helper()
	for _, h := range l.orAll(hosts) {
		h.CablePull()
	}
}

// SwitchUp gives the power back to the given hosts, or to all if none is given.
func (l *Lab) SwitchUp(hosts ...*Host) {
	l.t.Helper()
	for _, h := range l.orAll(hosts) {
		h.CablePlug()
	}
}

// Freeze makes the switch forward nothing while all links stay up, as a switch that hangs does. Thaw ends it.
func (l *Lab) Freeze() {
	l.t.Helper()
	l.ip("-n", l.sw, "link", "set", bridge, "down")
}

// Thaw lets the switch forward again.
func (l *Lab) Thaw() {
	l.t.Helper()
	l.ip("-n", l.sw, "link", "set", bridge, "up")
}

// BlockMulticast drops IPv4 multicast and IPv6 multicast DNS from and to the given hosts, or all if none is given, as
// access points with client isolation do. Broadcast, and so ARP, still works.
func (l *Lab) BlockMulticast(hosts ...*Host) {
	l.t.Helper()
	for _, h := range l.orAll(hosts) {
		if !h.deaf {
			h.deaf = true
			h.dropMulticast()
		}
	}
}

// AllowMulticast undoes BlockMulticast for the given hosts, or all if none is given.
func (l *Lab) AllowMulticast(hosts ...*Host) {
	l.t.Helper()
	for _, h := range l.orAll(hosts) {
		if h.deaf && h.present {
			l.run("tc", "-n", l.sw, "qdisc", "del", "dev", h.port, "clsact")
		}
		h.deaf = false
	}
}

func (l *Lab) orAll(hosts []*Host) []*Host {
	if len(hosts) == 0 {
		return l.hosts
	}
	return hosts
}

// removeStale removes the namespaces of test programs that do not run any more: one that was killed, or that ran into
// its time limit, could not do so itself.
func removeStale(t testing.TB) {
	t.Helper()
	list, err := filepath.Glob("/run/netns/" + family + "*")
	require.NoError(t, err)
	for _, path := range list {
		name := filepath.Base(path)
		pid, _, _ := strings.Cut(strings.TrimPrefix(name, family), "-")
		if _, err := strconv.Atoi(pid); err != nil {
			continue // not one of ours
		}
		if _, err := os.Stat("/proc/" + pid); !os.IsNotExist(err) {
			continue
		}
		if out, err := exec.Command("ip", "netns", "del", name).CombinedOutput(); err != nil {
			t.Logf("remove stale namespace %s: %v: %s", name, err, out) // another test may have been faster
		}
	}
}

// addNamespace makes a namespace and sees to its end.
func (l *Lab) addNamespace(name string) {
	l.t.Helper()
	l.ip("netns", "add", name)
	l.t.Cleanup(func() {
		if out, err := exec.Command("ip", "netns", "del", name).CombinedOutput(); err != nil {
			l.t.Errorf("remove namespace %s: %v: %s", name, err, out)
		}
	})
}

func (l *Lab) ip(args ...string) {
	l.t.Helper()
	l.run("ip", args...)
}

func (l *Lab) run(name string, args ...string) {
	l.t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	require.NoError(l.t, err, "%s %s: %s", name, strings.Join(args, " "), out)
}

// Eventually waits until condition holds and fails the test after the given time. The condition runs on the
// goroutine of the caller.
func Eventually(t testing.TB, within time.Duration, condition func() bool, what string, args ...any) {
	t.Helper()
	deadline := time.After(within)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within %v: "+what, append([]any{within}, args...)...)
		}
	}
}
