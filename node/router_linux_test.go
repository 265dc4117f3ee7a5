package node

import (
	"encoding/binary"
	"testing"

	"net/netip"

	"github.com/stretchr/testify/require"
)

const routes4 = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	0101A8C0	0003	0	0	100	00000000	0	0	0
wlan0	00000000	FE02A8C0	0003	0	0	50	00000000	0	0	0
eth1	00000000	00000000	0001	0	0	10	00000000	0	0	0
eth2	00000000	0103A8C0	0002	0	0	1	00000000	0	0	0
eth0	0001A8C0	00000000	0001	0	0	100	00FFFFFF	0	0	0
eth3	00000000	xyz
`

const routes6 = `00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00450003     eth0
fd000000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
`

func TestTheRouterOfTheDefaultRoute(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 { // the kernel writes addresses in its own byte order
		require.Equal(t, netip.MustParseAddr("192.168.2.254"), defaultRoute4(routes4, ""), "the lowest metric of those with a gateway")
		require.Equal(t, netip.MustParseAddr("192.168.1.1"), defaultRoute4(routes4, "eth0"))
	}
	for _, none := range []string{"eth1", "eth2", "eth3", "eth9"} {
		require.False(t, defaultRoute4(routes4, none).IsValid(), none)
	}
	require.False(t, defaultRoute4("", "").IsValid())
	require.Equal(t, netip.MustParseAddr("fe80::1%eth0"), defaultRoute6(routes6, ""))
	require.False(t, defaultRoute6(routes6, "lo").IsValid())
	require.False(t, defaultRoute6("x y\n", "").IsValid())
}

func TestANeighbourThatAnswered(t *testing.T) {
	const table = `IP address       HW type     Flags       HW address            Mask     Device
192.168.1.1      0x1         0x2         aa:bb:cc:dd:ee:ff     *        eth0
192.168.1.9      0x1         0x0         00:00:00:00:00:00     *        eth0
`
	require.True(t, neighbourIn(table, netip.MustParseAddr("192.168.1.1")))
	require.False(t, neighbourIn(table, netip.MustParseAddr("192.168.1.9")))
	require.False(t, neighbourIn(table, netip.MustParseAddr("192.168.1.10")))
}
