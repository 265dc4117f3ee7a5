package cloudlink

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/tillmesh/tillmesh/cloudlink/socket"
)

// ErrBase is wrapped by every error about the address of a cloud.
var ErrBase = errors.New("not an address of a cloud")

// ParseBase reads the address of a cloud as somebody writes it: https://host[:port][/path], or http:// if the host is this machine, since
// passwords and receipts travel under it. What is left out of the result is a slash at the end.
func ParseBase(s string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSuffix(strings.TrimSpace(s), "/"))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrBase, err)
	case u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "":
		return nil, fmt.Errorf("%w: %q; write it as https://cloud.example", ErrBase, s)
	case u.User != nil, u.RawQuery != "", u.Fragment != "", u.Opaque != "":
		return nil, fmt.Errorf("%w: %q has more than a host, a port and a path", ErrBase, u.Redacted())
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, fmt.Errorf("%w: %q is not encrypted; http:// is for a cloud on this machine only, write https://", ErrBase, s)
	case strings.Trim(strings.ToLower(u.Host), "abcdefghijklmnopqrstuvwxyz0123456789.-_:[]") != "":
		return nil, fmt.Errorf("%w: the host %q; write names of other alphabets in their xn-- form", ErrBase, u.Host)
	case len(u.Host) > 261:
		return nil, fmt.Errorf("%w: a host of %d bytes", ErrBase, len(u.Host))
	}
	u.Host = strings.ToLower(u.Host)
	return u, nil
}

// loopback reports whether a host is this machine, without asking anybody.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// uplinkURL is where the uplink of a cloud is.
func uplinkURL(base *url.URL) string { return base.JoinPath(socket.Path).String() }

// networked reports whether this machine has an address that is not only its own.
func networked() bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return true // we do not know better
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
			return true
		}
	}
	return false
}
