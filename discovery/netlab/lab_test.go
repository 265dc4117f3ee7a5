//go:build netns

package netlab_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/ipv4"

	"github.com/tillmesh/tillmesh/discovery/netlab"
)

// TestMain lets the test program play the programs on the hosts: the lab runs it again with a role.
func TestMain(m *testing.M) {
	switch os.Getenv("NETLAB_ROLE") {
	case "":
		os.Exit(m.Run())
	case "reach":
		os.Exit(exitCode(reach(os.Getenv("NETLAB_TO"))))
	case "send":
		os.Exit(exitCode(send()))
	case "receive":
		os.Exit(exitCode(receive()))
	}
}

var group = &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}

func exitCode(err error) int {
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// reach connects to a port where nothing listens: only a machine that is there refuses.
func reach(to string) error {
	c, err := net.DialTimeout("tcp", net.JoinHostPort(to, "9"), 700*time.Millisecond)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil
	}
	if err == nil {
		err = errors.Join(errors.New("something listens on port 9"), c.Close())
	}
	return err
}

func send() error {
	conn, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return err
	}
	nic, err := net.InterfaceByName("eth0")
	if err != nil {
		return err
	}
	if err := ipv4.NewPacketConn(conn).SetMulticastInterface(nic); err != nil {
		return err
	}
	_, err = conn.WriteTo([]byte("hello"), group)
	return errors.Join(err, conn.Close())
}

func receive() error {
	nic, err := net.InterfaceByName("eth0")
	if err != nil {
		return err
	}
	conn, err := net.ListenMulticastUDP("udp4", nic, group)
	if err != nil {
		return err
	}
	fmt.Println("joined")
	_, _, err = conn.ReadFrom(make([]byte, 100))
	fmt.Println("received")
	return errors.Join(err, conn.Close())
}

// connects reports whether from reaches to by unicast.
func connects(t *testing.T, from, to *netlab.Host) bool {
	t.Helper()
	p := from.StartWith([]string{"NETLAB_ROLE=reach", "NETLAB_TO=" + to.Addr().String()}, os.Args[0])
	return p.Wait(10*time.Second) == nil
}

// hears reports whether a datagram to the multicast group, sent by from, arrives at to.
func hears(t *testing.T, to, from *netlab.Host) bool {
	t.Helper()
	receiver := to.StartWith([]string{"NETLAB_ROLE=receive"}, os.Args[0])
	defer receiver.Kill()
	netlab.Eventually(t, 5*time.Second, func() bool { return receiver.Output() != "" }, "the receiver joins")
	sender := from.StartWith([]string{"NETLAB_ROLE=send"}, os.Args[0])
	require.NoError(t, sender.Wait(5*time.Second), "the sender")
	deadline := time.After(700 * time.Millisecond)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(receiver.Output(), "received") {
		select {
		case <-tick.C:
		case <-deadline:
			return false
		}
	}
	return true
}

func TestCables(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t)
	a, b, c := lab.Host("a"), lab.Host("b"), lab.Host("c")
	reach := func(h *netlab.Host) func() bool { return func() bool { return connects(t, a, h) } }
	netlab.Eventually(t, 5*time.Second, reach(b), "a reaches b")

	b.CablePull()
	require.False(t, connects(t, a, b), "a pulled cable")
	require.True(t, connects(t, a, c), "the others go on")
	b.CablePlug()
	netlab.Eventually(t, 5*time.Second, reach(b), "a reaches b again")

	b.ChangeAddress(netip.MustParseAddr("10.77.0.99"))
	require.Equal(t, "10.77.0.99", b.Addr().String())
	netlab.Eventually(t, 5*time.Second, reach(b), "a reaches the new address")

	index := func() string {
		out, err := b.Run("cat", "/sys/class/net/eth0/ifindex")
		require.NoError(t, err)
		return out
	}
	before := index()
	b.RemoveNIC()
	require.False(t, connects(t, a, b), "an adapter taken out")
	b.RecreateNIC()
	netlab.Eventually(t, 5*time.Second, reach(b), "a reaches b with a new adapter")
	require.NotEqual(t, before, index())

	lab.SwitchDown()
	require.False(t, connects(t, a, c))
	lab.SwitchUp()
	netlab.Eventually(t, 5*time.Second, reach(c), "the switch is back")
	lab.Freeze()
	require.False(t, connects(t, a, c))
	lab.Thaw()
	netlab.Eventually(t, 5*time.Second, reach(c), "the switch forwards again")
}

func TestMulticast(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t)
	a, b, c := lab.Host("a"), lab.Host("b"), lab.Host("c")
	require.True(t, hears(t, b, a))

	lab.BlockMulticast(b)
	require.False(t, hears(t, b, a), "b receives nothing")
	require.False(t, hears(t, a, b), "b sends nothing")
	require.True(t, hears(t, c, a), "the others go on")
	require.True(t, connects(t, a, b), "unicast goes on")

	b.RemoveNIC()
	b.RecreateNIC()
	require.False(t, hears(t, b, a), "a new adapter is blocked as well")

	lab.AllowMulticast()
	require.True(t, hears(t, b, a))
}

func TestProcess(t *testing.T) {
	t.Parallel()
	h := netlab.New(t).Host("a")
	p := h.StartWith([]string{"GREETING=hello"}, "sh", "-c", "echo $GREETING; exec sleep 60")
	netlab.Eventually(t, 5*time.Second, func() bool { return p.Output() == "hello\n" }, "the process speaks")
	p.Kill()
	require.ErrorContains(t, p.Wait(time.Second), "killed")

	p = h.Start("sh", "-c", "exit 3")
	require.EqualError(t, p.Wait(5*time.Second), fmt.Sprintf("exit status %d", 3))
}
