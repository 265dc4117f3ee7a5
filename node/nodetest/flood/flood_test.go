package flood

import (
	"context"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEveryAttackIsMadeAndEnds(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	taken := make(chan struct{})
	go func() {
		defer close(taken)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	at := netip.MustParseAddrPort(listener.Addr().String())
	udp := netip.MustParseAddrPort(packets.LocalAddr().String())
	c := Config{
		Links: []netip.AddrPort{at}, Gossip: []netip.AddrPort{at}, Shop: strings.Repeat("a", 26), Recorded: [][]byte{{1}},
		For: 300 * time.Millisecond, Seed: 1,
	}
	begin := time.Now()
	var report Report
	for all := false; !all && c.For < 10*time.Second; c.For *= 2 { // a machine that has much to do does not begin all at once
		report, err = Run(context.Background(), c)
		require.NoError(t, err)
		all = !slices.Contains(slices.Collect(maps.Values(report)), 0)
	}
	require.Less(t, time.Since(begin), 30*time.Second)
	require.Len(t, report, 17)
	for name, n := range report {
		require.Positive(t, n, name)
		require.LessOrEqual(t, n, uint64(packetRate*(1+c.For.Seconds())), name)
	}
	c.For = 300 * time.Millisecond
	c.Links, c.Gossip = nil, []netip.AddrPort{udp}
	_, err = Run(context.Background(), c)
	require.NoError(t, err)
	buffer := make([]byte, 64<<10)
	require.NoError(t, packets.SetReadDeadline(time.Now().Add(10*time.Second)))
	_, _, err = packets.ReadFrom(buffer)
	require.NoError(t, err)
	require.NoError(t, packets.Close())
	require.NoError(t, listener.Close())
	<-taken

	c.Without = []string{"gossip calls", "huge"}
	report, err = Run(context.Background(), c)
	require.NoError(t, err)
	require.Len(t, report, 3)

	c.For = time.Hour
	_, err = Run(context.Background(), c)
	require.ErrorContains(t, err, "at most")
	ran, err := FromEnvironment(context.Background(), nil)
	require.NoError(t, err)
	require.False(t, ran)
}

func TestTheReportComesBackFromTheProcess(t *testing.T) {
	c := Config{For: time.Millisecond, Shop: "a"}
	variable, err := c.Variable()
	require.NoError(t, err)
	name, value, _ := strings.Cut(variable, "=")
	t.Setenv(name, value)
	var out strings.Builder
	ran, err := FromEnvironment(context.Background(), &out)
	require.NoError(t, err)
	require.True(t, ran)
	report, err := ReadReport("noise\n" + out.String())
	require.NoError(t, err)
	require.Empty(t, report)
	_, err = ReadReport("noise")
	require.ErrorContains(t, err, "no report")
	t.Setenv(Environment, "{")
	_, err = FromEnvironment(context.Background(), &out)
	require.Error(t, err)
}

func TestForgedTillsAreProperMessages(t *testing.T) {
	c := Config{Shop: strings.Repeat("a", 26), Tills: []string{strings.Repeat("b", 52)}, Seed: 1}
	random := c.random(2)
	seen := ""
	for range 20 {
		b := pack(c.forged(random, 30))
		require.NotEmpty(t, b)
		seen += c.forged(random, 30).String()
	}
	require.Contains(t, seen, c.Tills[0])
	require.Contains(t, seen, c.Shop)
}
