//go:build bench

package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/tillmesh/tillmesh/node/nodetest"
)

// idleFigure counts what five real tills and five bare members of memberlist say while nothing happens.
func idleFigure(t *testing.T, table *report) {
	const work, goal = "idle wire traffic of 5 tills: memberlist and links, payload per till", "<= 200 B/s per till"
	tap, err := openTap()
	if errors.Is(err, unix.EPERM) {
		table.add(figure{work, "-", "not measured: counting packets needs root", goal, false})
		return
	}
	require.NoError(t, err)
	defer tap.close()
	tills := sized(5, 2)
	real := nodetest.Open(t, tills)
	bare := bareMembers(t, tills)

	settling, measuring := time.Duration(sized(20, 1))*time.Second, time.Duration(sized(60, 3))*time.Second
	<-time.After(settling)
	tap.reset()
	<-time.After(measuring)
	count := tap.read()
	var links, gossip, packets, floor int64
	for _, till := range real.Tills {
		at := till.Link()
		links += count[netip.AddrPortFrom(at.Addr(), at.Port())].payload
		g := count[netip.AddrPortFrom(at.Addr(), at.Port()+1)]
		gossip += g.payload
		packets += g.whole + count[at].whole
	}
	for _, at := range bare {
		floor += count[at].payload
	}
	perTill := func(n int64) float64 { return float64(n) / measuring.Seconds() / float64(tills) }
	ours := perTill(links + gossip)
	table.add(figure{work, fmt.Sprintf("%.0f B/s (memberlist alone, same key)", perTill(floor)),
		fmt.Sprintf("%.0f B/s (links %.0f, memberlist %.0f; %.0f with IP headers)", ours, perTill(links), perTill(gossip), perTill(packets)),
		goal, ours <= 200})
}

// bareMembers starts members on loopback that know each other, and returns where they are.
func bareMembers(t *testing.T, count int) (at []netip.AddrPort) {
	t.Helper()
	var first string
	for n := range count {
		cfg := memberlist.DefaultLANConfig()
		cfg.Name = fmt.Sprintf("member %d", n)
		cfg.BindAddr, cfg.BindPort = fmt.Sprintf("127.0.77.%d", n+1), 7946
		cfg.SecretKey = make([]byte, 32)
		cfg.LogOutput = io.Discard
		m, err := memberlist.Create(cfg)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, m.Shutdown()) })
		addr, err := netip.ParseAddrPort(m.LocalNode().Address())
		require.NoError(t, err)
		at = append(at, addr)
		if n == 0 {
			first = addr.String()
			continue
		}
		_, err = m.Join([]string{first})
		require.NoError(t, err)
	}
	return at
}

// volume is what was sent between two ends, of which one is the key: the contents of TCP and UDP, and whole IP packets.
type volume struct{ payload, whole int64 }

// tap counts the packets of the loopback device, by the end with the lower port number: on a till's own ports that is
// the till that was called, and between two members both ports are such.
type tap struct {
	fd    int
	done  sync.WaitGroup
	mu    sync.Mutex
	ended bool
	count map[netip.AddrPort]volume
}

func openTap() (*tap, error) {
	network := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_IP))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, int(network))
	if err != nil {
		return nil, err
	}
	t := &tap{fd: fd, count: make(map[netip.AddrPort]volume)}
	lo, err := net.InterfaceByName("lo")
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: network, Ifindex: lo.Index})
	}
	if err == nil {
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 100_000})
	}
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	t.done.Go(t.listen)
	return t, nil
}

func (t *tap) listen() {
	packet := make([]byte, 128) // the headers
	for {
		n, from, err := unix.Recvfrom(t.fd, packet, 0)
		t.mu.Lock()
		if t.ended {
			t.mu.Unlock()
			return
		}
		// The device shows every packet twice, leaving and arriving.
		if link, ok := from.(*unix.SockaddrLinklayer); err == nil && ok && link.Pkttype == unix.PACKET_HOST {
			t.add(packet[:n])
		}
		t.mu.Unlock()
	}
}

// add counts one IPv4 packet of which the beginning is given.
func (t *tap) add(p []byte) {
	if len(p) < 20 || p[0]>>4 != 4 {
		return
	}
	head, whole := int(p[0]&15)*4, int64(binary.BigEndian.Uint16(p[2:]))
	if len(p) < head+20 && (p[9] != unix.IPPROTO_UDP || len(p) < head+8) {
		return
	}
	payload := whole - int64(head)
	switch p[9] {
	case unix.IPPROTO_UDP:
		payload -= 8
	case unix.IPPROTO_TCP:
		payload -= int64(p[head+12]>>4) * 4
	default:
		return
	}
	source := netip.AddrPortFrom(netip.AddrFrom4([4]byte(p[12:])), binary.BigEndian.Uint16(p[head:]))
	target := netip.AddrPortFrom(netip.AddrFrom4([4]byte(p[16:])), binary.BigEndian.Uint16(p[head+2:]))
	key := target
	if source.Port() < target.Port() {
		key = source
	}
	v := t.count[key]
	t.count[key] = volume{v.payload + payload, v.whole + whole}
}

func (t *tap) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.count)
}

func (t *tap) read() map[netip.AddrPort]volume {
	t.mu.Lock()
	defer t.mu.Unlock()
	count := t.count
	t.count = make(map[netip.AddrPort]volume)
	return count
}

func (t *tap) close() {
	t.mu.Lock()
	t.ended = true
	t.mu.Unlock()
	t.done.Wait()
	_ = unix.Close(t.fd) // nothing is written to it
}
