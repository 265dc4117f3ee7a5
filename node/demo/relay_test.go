package demo

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const soon = 5 * time.Second

// echo is a stand-in for the till of a host: it gives back what comes, TCP and UDP.
type echo struct {
	host    host
	port    uint16
	packets *net.UDPConn
	sources chan netip.Addr // of TCP connections
}

// network starts relays for three hosts with an echo on each.
func network(t *testing.T) (*relays, []*echo) {
	t.Helper()
	hosts := []host{hostOf(1), hostOf(2), hostOf(3)}
	r, err := openRelays(hosts)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var tasks sync.WaitGroup
	t.Cleanup(tasks.Wait) // cleanups run backwards: the relays end, the listeners close, all are waited for
	tasks.Go(func() {
		if err := r.run(ctx); err != nil {
			t.Error(err)
		}
	})
	var echoes []*echo
	for _, h := range hosts {
		e := &echo{host: h, port: r.port, sources: make(chan netip.Addr, 16)}
		l, err := net.Listen("tcp", netip.AddrPortFrom(h.own, r.port).String())
		require.NoError(t, err)
		tasks.Go(func() { e.serve(l, &tasks) })
		e.packets, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(h.own, r.port+1)))
		require.NoError(t, err)
		t.Cleanup(func() {
			require.NoError(t, l.Close())
			require.NoError(t, e.packets.Close())
		})
		echoes = append(echoes, e)
	}
	t.Cleanup(cancel)
	return r, echoes
}

func (e *echo) serve(l net.Listener, tasks *sync.WaitGroup) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
			e.sources <- a.AddrPort().Addr()
		}
		tasks.Go(func() {
			_, _ = io.Copy(conn, conn)
			_ = conn.Close()
		})
	}
}

// dial connects from one host to the relay of another.
func (e *echo) dial(to *echo) (net.Conn, error) {
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(e.host.own, 0)), Timeout: soon}
	c, err := d.Dial("tcp", netip.AddrPortFrom(to.host.public, e.port).String())
	if err == nil {
		err = c.SetDeadline(time.Now().Add(soon))
	}
	return c, err
}

// works reports whether a fresh connection carries something there and back.
func (e *echo) works(t *testing.T, to *echo) bool {
	c, err := e.dial(to)
	if err != nil {
		return false // a reset may be faster than the end of the dial
	}
	defer func() { require.NoError(t, c.Close()) }()
	return ping(c) == nil
}

func ping(c net.Conn) error {
	if _, err := c.Write([]byte("ping")); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 4))
	return err
}

func TestRelaysCarryConnections(t *testing.T) {
	_, hosts := network(t)
	c, err := hosts[0].dial(hosts[1])
	require.NoError(t, err)
	require.NoError(t, ping(c))
	require.Equal(t, hosts[0].host.public, <-hosts[1].sources, "the caller shows the address it is known by")
	tcp, ok := c.(*net.TCPConn)
	require.True(t, ok)
	require.NoError(t, tcp.CloseWrite(), "one direction ends")
	_, err = c.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "the other one ends after it")
	require.NoError(t, c.Close())
}

func TestACutEndsWhatRunsAndRefusesWhatIsNew(t *testing.T) {
	r, hosts := network(t)
	c, err := hosts[0].dial(hosts[2])
	require.NoError(t, err)
	other, err := hosts[0].dial(hosts[1])
	require.NoError(t, err)
	require.NoError(t, ping(c))
	require.NoError(t, ping(other))

	r.isolate(2)
	_, err = c.Read(make([]byte, 1))
	require.Error(t, err)
	require.False(t, errors.Is(err, os.ErrDeadlineExceeded), "it ends at once")
	require.NoError(t, c.Close())
	require.False(t, hosts[0].works(t, hosts[2]))
	require.False(t, hosts[2].works(t, hosts[1]), "in both directions")
	require.NoError(t, ping(other), "others do not notice")
	require.True(t, hosts[1].works(t, hosts[0]))

	r.heal(2)
	require.True(t, hosts[0].works(t, hosts[2]))
	require.True(t, hosts[2].works(t, hosts[1]))
	require.NoError(t, other.Close())
}

func TestSendersFromElsewhereAreNotCutOff(t *testing.T) {
	r, hosts := network(t)
	r.isolate(0)
	c, err := net.Dial("tcp", netip.AddrPortFrom(hosts[0].host.public, r.port).String())
	require.NoError(t, err)
	require.NoError(t, c.SetDeadline(time.Now().Add(soon)))
	require.NoError(t, ping(c))
	require.NoError(t, c.Close())
}

func TestADeadTillLooksDead(t *testing.T) {
	r, hosts := network(t)
	// Nobody listens on the gossip port of these hosts.
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(hosts[0].host.own, 0))}
	c, err := d.Dial("tcp", netip.AddrPortFrom(hosts[1].host.public, r.port+1).String())
	if err == nil {
		require.NoError(t, c.SetDeadline(time.Now().Add(soon)))
		err = ping(c)
		require.NoError(t, c.Close())
	}
	require.Error(t, err)
	require.False(t, errors.Is(err, os.ErrDeadlineExceeded), "at once")
}

func TestRelaysCarryDatagrams(t *testing.T) {
	r, hosts := network(t)
	send := func(from, to *echo, text string) {
		_, err := from.packets.WriteToUDPAddrPort([]byte(text), netip.AddrPortFrom(to.host.public, r.port+1))
		require.NoError(t, err)
	}
	receive := func(at *echo) (string, netip.AddrPort) {
		b := make([]byte, 100)
		require.NoError(t, at.packets.SetReadDeadline(time.Now().Add(soon)))
		n, source, err := at.packets.ReadFromUDPAddrPort(b)
		require.NoError(t, err)
		return string(b[:n]), source
	}
	send(hosts[0], hosts[1], "one")
	text, source := receive(hosts[1])
	require.Equal(t, "one", text)
	require.Equal(t, netip.AddrPortFrom(hosts[0].host.public, r.port+1), source)

	_, err := hosts[1].packets.WriteToUDPAddrPort([]byte("answer"), source)
	require.NoError(t, err)
	text, source = receive(hosts[0])
	require.Equal(t, "answer", text)
	require.Equal(t, netip.AddrPortFrom(hosts[1].host.public, r.port+1), source)

	// A relay forwards in order: when the later one is there, the earlier one is lost.
	r.isolate(2)
	send(hosts[2], hosts[0], "lost")
	send(hosts[1], hosts[0], "later")
	text, _ = receive(hosts[0])
	require.Equal(t, "later", text)
	r.heal(2)
	send(hosts[2], hosts[0], "healed")
	text, _ = receive(hosts[0])
	require.Equal(t, "healed", text)
}

func TestTakenPortsAreAnErrorThatLeavesNothingBehind(t *testing.T) {
	hosts := []host{hostOf(1), hostOf(2)}
	r, err := openRelays(hosts)
	require.NoError(t, err)
	_, err = listenRelays(hosts, r.port)
	require.ErrorContains(t, err, "relay for till 1")
	require.NoError(t, r.close())
	again, err := listenRelays(hosts, r.port)
	require.NoError(t, err)
	require.NoError(t, again.close())
}
