package mdns

import (
	"net"
	"strings"
	"testing"

	"github.com/grandcat/zeroconf"
	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/discovery"
)

// FuzzAnswer reads any answer of the network: refused, or a till with a few addresses that can be dialled. Fields are
// separated by line breaks, addresses are 4 or 16 bytes each.
func FuzzAnswer(f *testing.F) {
	good := answer(1, "192.168.1.7")
	f.Add(strings.Join(good.Text, "\n"), []byte(good.AddrIPv4[0].To4()), []byte{})
	f.Add("v=1\nt=x\ns=\np=70000", []byte{1, 2, 3}, []byte{0xfe, 0x80, 15: 1})
	f.Add("v=2", []byte{}, []byte{})
	on := []discovery.Interface{nic("eth0", 1, "192.168.1.1/24"), nic("eth1", 2, "192.168.2.1/24")}
	f.Fuzz(func(t *testing.T, text string, v4, v6 []byte) {
		e := &zeroconf.ServiceEntry{AddrIPv4: addressesOf(v4, net.IPv4len), AddrIPv6: addressesOf(v6, net.IPv6len)}
		e.Text = strings.Split(text, "\n")
		c, err := candidate(e, on, false)
		if err != nil {
			return
		}
		require.False(t, c.Till.IsZero() && c.Shop.IsZero() && len(c.Addrs) == 0)
		require.LessOrEqual(t, len(c.Addrs), discovery.MaxAddresses)
		for _, a := range c.Addrs {
			require.True(t, a.IsValid() && a.Port() != 0)
			require.False(t, a.Addr().IsMulticast() || a.Addr().IsUnspecified() || a.Addr().IsLoopback(), "%v", a)
			require.True(t, !a.Addr().IsLinkLocalUnicast() || a.Addr().Is4() || a.Addr().Zone() != "", "%v", a)
		}
	})
}

// addressesOf cuts bytes into addresses; the last one may be too short.
func addressesOf(b []byte, size int) (out []net.IP) {
	for len(b) > 0 {
		n := min(size, len(b))
		out, b = append(out, net.IP(b[:n])), b[n:]
	}
	return out
}
