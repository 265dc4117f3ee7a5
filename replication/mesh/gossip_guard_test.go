package mesh

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"io"
	"log"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/stretchr/testify/require"
)

func testGuard(t *testing.T) *gossipGuard {
	t.Helper()
	g := newGossipGuard(testShop.String(), &strangers{})
	require.NoError(t, g.setKeys([][]byte{testKey}))
	return g
}

// sealGossip encrypts as memberlist does.
func sealGossip(t *testing.T, key, additional, text []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	require.NoError(t, err)
	aead, err := cipher.NewGCM(block)
	require.NoError(t, err)
	nonce := make([]byte, gossipNonceSize)
	_, err = rand.Read(nonce)
	require.NoError(t, err)
	return aead.Seal(append([]byte{gossipCipher}, nonce...), nonce, text, additional)
}

func (g *gossipGuard) testPacket(t *testing.T, key []byte, text string) []byte {
	t.Helper()
	return append(bytes.Clone(g.label), sealGossip(t, key, g.shop, []byte(text))...)
}

func (g *gossipGuard) testStream(t *testing.T, key []byte, text []byte) []byte {
	t.Helper()
	head := binary.BigEndian.AppendUint32([]byte{gossipEncrypted}, uint32(len(text)+1+gossipNonceSize+16))
	body := sealGossip(t, key, append(bytes.Clone(head), g.shop...), text)
	return append(append(bytes.Clone(g.label), head...), body...)
}

func TestTheGuardLetsThroughOnlyWhatTheShopSaid(t *testing.T) {
	g := testGuard(t)
	good := g.testPacket(t, testKey, "hello")
	require.NoError(t, g.packet(good, nil))
	require.ErrorIs(t, g.packet(good, nil), errGossipReplayed)
	require.ErrorIs(t, g.packet(nil, nil), errGossipForeign)
	require.ErrorIs(t, g.packet([]byte("junk"), nil), errGossipForeign)
	require.ErrorIs(t, g.packet(make([]byte, maxGossipPacket+1), nil), errGossipLarge)
	require.ErrorIs(t, g.packet(g.label, nil), errGossipKey)
	require.ErrorIs(t, g.packet(g.testPacket(t, freshKey, "hello"), nil), errGossipKey)
	bent := g.testPacket(t, testKey, "hello")
	bent[len(bent)-1] ^= 1
	require.ErrorIs(t, g.packet(bent, nil), errGossipKey)

	require.NoError(t, g.setKeys([][]byte{freshKey, testKey}))
	require.NoError(t, g.packet(g.testPacket(t, testKey, "both are understood"), nil))
	require.NoError(t, g.setKeys([][]byte{freshKey}))
	require.ErrorIs(t, g.packet(g.testPacket(t, testKey, "a revoked till"), nil), errGossipKey)
}

func TestRememberedNoncesAreBounded(t *testing.T) {
	g := testGuard(t)
	nonce := func(n int) (x [gossipNonceSize]byte) {
		binary.BigEndian.PutUint64(x[:], uint64(n))
		return x
	}
	for n := range 5 * gossipNonces {
		require.True(t, g.first(nonce(n)))
		require.False(t, g.first(nonce(max(0, n-gossipNonces+1))), "one that came lately")
	}
	require.LessOrEqual(t, len(g.mu.young)+len(g.mu.old), 2*gossipNonces)
}

// startTransport runs a transport at an address of loopback.
func startTransport(t *testing.T, g *gossipGuard, bind string) *gossipTransport {
	t.Helper()
	n, err := listenGossip(netip.MustParseAddrPort(bind), g, log.Default())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Shutdown()) })
	return n
}

func (t *gossipTransport) at(ip string) string {
	return netip.AddrPortFrom(netip.MustParseAddr(ip), t.port).String()
}

func TestPacketsReachTheMembershipOnBothVersionsOfIP(t *testing.T) {
	g := testGuard(t)
	n := startTransport(t, g, "[::]:0")
	for _, ip := range []string{"127.0.0.1", "::1"} {
		if l, err := net.Listen("tcp", net.JoinHostPort(ip, "0")); err != nil {
			t.Logf("%s is not there: %v", ip, err)
			continue
		} else {
			require.NoError(t, l.Close())
		}
		conn, err := net.Dial("udp", n.at(ip))
		require.NoError(t, err)
		for _, junk := range [][]byte{[]byte("junk"), make([]byte, 8<<10), g.testPacket(t, freshKey, "a foreign key")} {
			_, err = conn.Write(junk)
			require.NoError(t, err)
		}
		want := g.testPacket(t, testKey, "from "+ip)
		_, err = conn.Write(want)
		require.NoError(t, err)
		var got *memberlist.Packet
		select {
		case got = <-n.PacketCh():
		case <-time.After(patience):
			require.Fail(t, "nothing arrived")
		}
		require.Equal(t, want, got.Buf)
		require.Equal(t, conn.LocalAddr().String(), got.From.String(), "as others write it, not mapped into IPv6")

		// And back.
		_, err = n.WriteTo([]byte("answer"), got.From.String())
		require.NoError(t, err)
		answer := make([]byte, 100)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
		size, err := conn.Read(answer)
		require.NoError(t, err)
		require.Equal(t, "answer", string(answer[:size]))
		require.NoError(t, conn.Close())
	}
	r := g.refusals()
	require.Positive(t, r.Foreign)
	require.Positive(t, r.TooLarge)
	require.Positive(t, r.WrongKey)
	require.Equal(t, errGossipKey.Error(), g.strangers.all()[0].Reason)
}

func TestAFloodOfPacketsIsDroppedAndCounted(t *testing.T) {
	g := testGuard(t)
	n := startTransport(t, g, "127.0.0.1:0")
	conn, err := net.Dial("udp", n.at("127.0.0.1"))
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	soon(t, func() bool { // nobody takes what arrives
		_, err := conn.Write(g.testPacket(t, testKey, "proper"))
		return err == nil && g.refusals().Overrun > 0
	}, "packets beyond the backlog are dropped")
	require.Len(t, n.packets, gossipBacklog)
}

func TestStreams(t *testing.T) {
	g := testGuard(t)
	n := startTransport(t, g, "127.0.0.1:0")
	say := func(b []byte) net.Conn {
		conn, err := net.Dial("tcp", n.at("127.0.0.1"))
		require.NoError(t, err)
		_, err = conn.Write(b)
		require.NoError(t, err)
		return conn
	}
	refused := func(b []byte, counter func(GossipRefusals) uint64) {
		t.Helper()
		before := counter(g.refusals())
		conn := say(b)
		_ = conn.(*net.TCPConn).CloseWrite() // it may have been closed by then
		soon(t, func() bool { return counter(g.refusals()) == before+1 }, "counted")
		require.NoError(t, conn.Close())
	}
	good := g.testStream(t, testKey, []byte("my members"))
	foreign := func(r GossipRefusals) uint64 { return r.Foreign }
	wrong := func(r GossipRefusals) uint64 { return r.WrongKey }
	refused([]byte("GET / HTTP/1.1\r\nHost: a machine with a long name, so that the label is read\r\n\r\n"), foreign)
	refused(g.testStream(t, freshKey, []byte("my members")), wrong)
	refused(append(bytes.Clone(g.label), 1, 2, 3, 4, 5), wrong)
	refused(good[:len(good)-1], func(r GossipRefusals) uint64 { return r.Broken })
	huge := append(bytes.Clone(g.label), gossipEncrypted, 1, 0, 0, 0)
	refused(huge, func(r GossipRefusals) uint64 { return r.TooLarge })

	conn := say(good)
	proven := <-n.StreamCh()
	got, err := io.ReadAll(proven)
	require.NoError(t, err, "nothing is read beyond what was proven")
	require.Equal(t, good, got)
	_, err = proven.Write([]byte("answer"))
	require.NoError(t, err)
	require.NoError(t, proven.Close())
	back, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, "answer", string(back))
	require.NoError(t, conn.Close())
	refused(good, func(r GossipRefusals) uint64 { return r.Replayed })
}

func TestSilentStreamsAreBoundedAndEnd(t *testing.T) {
	g := testGuard(t)
	n := startTransport(t, g, "127.0.0.1:0")
	begin := time.Now()
	var silent []net.Conn
	for range gossipStreamsPerSource + 3 {
		conn, err := net.Dial("tcp", n.at("127.0.0.1"))
		require.NoError(t, err)
		silent = append(silent, conn)
	}
	soon(t, func() bool { return g.refusals().Busy == 3 }, "more than a few from one address are closed at once")
	soon(t, func() bool { return g.refusals().Broken == gossipStreamsPerSource }, "the rest is closed in time")
	require.Less(t, time.Since(begin), gossipTimeout+3*time.Second)
	for _, c := range silent {
		require.NoError(t, c.Close())
	}
	conn, err := net.Dial("tcp", n.at("127.0.0.1"))
	require.NoError(t, err)
	_, err = conn.Write(g.testStream(t, testKey, []byte("x")))
	require.NoError(t, err)
	proven := <-n.StreamCh()
	require.NoError(t, proven.Close())
	require.NoError(t, conn.Close())
}

func TestWhoAnswersACallMayNotFillTheMemory(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	n := startTransport(t, testGuard(t), "127.0.0.1:0")
	conn, err := n.DialTimeout(listener.Addr().String(), time.Second)
	require.NoError(t, err)
	far, err := listener.Accept()
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(far, io.LimitReader(zeros{}, 1<<20))
		ended <- err
	}()
	got, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Len(t, got, maxGossipStream)
	require.NoError(t, conn.Close())
	<-ended // with an error or, if the buffers took it all, without
	require.NoError(t, far.Close())
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }
