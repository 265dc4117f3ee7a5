//go:build netns

package netlab

import (
	"net/netip"
	"os/exec"
	"strings"
)

// Host is a machine on the LAN, with one network adapter named eth0.
type Host struct {
	lab       *Lab
	namespace string
	port      string // of the switch
	mac       string // the adapter keeps it when it is put in again, so that neighbours need not learn a new one
	addr      netip.Prefix
	present   bool // the adapter is in the host
	deaf      bool // multicast is blocked
}

// Addr returns the address of the host: IPv4 or, on one made by HostV6, unique local IPv6; invalid if it has neither.
func (h *Host) Addr() netip.Addr { return h.addr.Addr() }

// Namespace returns the name of the network namespace, for ip netns exec.
func (h *Host) Namespace() string { return h.namespace }

// Run runs a command on the host to its end and returns what it wrote to standard output and standard error.
func (h *Host) Run(command ...string) (string, error) {
	out, err := h.command(command).CombinedOutput()
	return string(out), err
}

func (h *Host) command(command []string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", h.namespace}, command...)...)
}

// CablePull pulls the cable out of the switch: the adapter stays up but has no link.
func (h *Host) CablePull() {
	h.lab.t.Helper()
	h.lab.ip("-n", h.lab.sw, "link", "set", h.port, "down")
}

// CablePlug plugs it in again.
func (h *Host) CablePlug() {
	h.lab.t.Helper()
	h.lab.ip("-n", h.lab.sw, "link", "set", h.port, "up")
}

// ChangeAddress gives the adapter another IPv4 address with the same subnet size and takes the old one away, as a new
// DHCP lease does. Connections from the old address hang.
func (h *Host) ChangeAddress(to netip.Addr) {
	h.lab.t.Helper()
	old := h.addr
	h.addr = netip.PrefixFrom(to, old.Bits())
	h.lab.ip("-n", h.namespace, "addr", "del", old.String(), "dev", nic)
	h.lab.ip("-n", h.namespace, "addr", "add", h.addr.String(), "dev", nic)
}

// RemoveNIC takes the adapter out of the host, as when a USB adapter is pulled.
func (h *Host) RemoveNIC() {
	h.lab.t.Helper()
	h.lab.ip("-n", h.lab.sw, "link", "del", h.port)
	h.present = false
}

// RecreateNIC puts an adapter with the same name and address, but another index, into the host and plugs it in.
func (h *Host) RecreateNIC() {
	h.lab.t.Helper()
	l := h.lab
	l.ip("-n", l.sw, "link", "add", h.port, "type", "veth", "peer", "name", nic, "address", h.mac, "netns", h.namespace)
	l.ip("-n", l.sw, "link", "set", h.port, "master", bridge, "up")
	if h.addr.IsValid() {
		// Nobody else has it, so nobody is asked: a new IPv6 address could not be used for seconds otherwise.
		l.ip(append([]string{"-n", h.namespace, "addr", "add", h.addr.String(), "dev", nic}, h.unasked()...)...)
	}
	l.ip("-n", h.namespace, "link", "set", nic, "up")
	h.present = true
	if h.deaf {
		h.dropMulticast()
	}
}

func (h *Host) unasked() []string {
	if h.addr.Addr().Is6() {
		return []string{"nodad"}
	}
	return nil
}

// SecondNIC gives the host another adapter, eth1, plugged into the switch of another lab, with this address. It stays to
// the end of the test.
func (h *Host) SecondNIC(other *Lab, addr netip.Prefix) {
	h.lab.t.Helper()
	port := "x" + h.port
	other.ip("-n", other.sw, "link", "add", port, "type", "veth", "peer", "name", secondNIC, "netns", h.namespace)
	other.ip("-n", other.sw, "link", "set", port, "master", bridge, "up")
	other.ip("-n", h.namespace, "addr", "add", addr.String(), "dev", secondNIC)
	other.ip("-n", h.namespace, "link", "set", secondNIC, "up")
}

// secondNIC is the name of what SecondNIC adds.
const secondNIC = "eth1"

// dropMulticast installs the rule at the port of the switch, where the programs on the host cannot see it. It drops by
// redirecting to a bridge without ports, because that is possible on kernels without the plain drop action.
func (h *Host) dropMulticast() {
	h.lab.t.Helper()
	at := []string{"-n", h.lab.sw}
	h.lab.run("tc", append(at, "qdisc", "add", "dev", h.port, "clsact")...)
	for _, direction := range []string{"ingress", "egress"} {
		for _, match := range []string{
			"protocol ip prio 1 u32 match ip dst 224.0.0.0/4",
			"protocol ipv6 prio 2 u32 match ip6 dst ff02::fb/128",
		} {
			args := append(at, "filter", "add", "dev", h.port, direction)
			args = append(args, strings.Fields(match)...)
			h.lab.run("tc", append(args, "action", "mirred", "egress", "redirect", "dev", blackHole)...)
		}
	}
}
