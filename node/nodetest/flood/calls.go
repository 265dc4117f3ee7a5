package flood

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// holdTime is how long a connection is held open if the till lets it.
const holdTime = 5 * time.Second

// callsTo returns an attack that connects to each of the addresses in turn and does something there.
func callsTo(name string, to []netip.AddrPort, do func(net.Conn)) attack {
	return attack{name, func(ctx context.Context, done *atomic.Uint64) error {
		var calls sync.WaitGroup
		defer calls.Wait()
		open := make(chan struct{}, callsOpen)
		return paced(ctx, callRate, func(n int) error {
			select {
			case open <- struct{}{}:
			case <-ctx.Done():
				return nil
			}
			calls.Go(func() {
				defer func() { <-open }()
				conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", to[n%len(to)].String())
				if err != nil {
					return
				}
				done.Add(1)
				stop := context.AfterFunc(ctx, func() { conn.Close() })
				defer stop()
				defer conn.Close()
				if conn.SetDeadline(time.Now().Add(holdTime)) == nil {
					do(conn)
				}
			})
			return nil
		})
	}}
}

// untilClosed waits until the till closes the connection.
func untilClosed(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

func silent(conn net.Conn) { untilClosed(conn) }

// say sends something and waits.
func say(b []byte) func(net.Conn) {
	return func(conn net.Conn) {
		if _, err := conn.Write(b); err == nil {
			untilClosed(conn)
		}
	}
}

// endless sends a beginning, and then more than anybody should take.
func endless(begin []byte) func(net.Conn) {
	more := make([]byte, 64<<10)
	return func(conn net.Conn) {
		_, err := conn.Write(begin)
		for range 20 << 20 / len(more) {
			if err != nil {
				return
			}
			_, err = conn.Write(more)
		}
	}
}

// slowly sends the beginning of a handshake byte by byte.
func slowly(conn net.Conn) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for _, b := range []byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0} {
		if _, err := conn.Write([]byte{b}); err != nil {
			return
		}
		<-tick.C
	}
}

// handshake makes TLS with a key that the shop does not know, and then says something.
func (c Config) handshake(server, protocol string, then []byte) func(net.Conn) {
	key := ed25519.NewKeyFromSeed(bytesOf(c.random(3), ed25519.SeedSize))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "till"}}
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	if err != nil {
		return say([]byte(err.Error())) // cannot be with a good key; then it is noise
	}
	config := &tls.Config{
		MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, ServerName: server, NextProtos: []string{protocol},
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
	}
	return func(conn net.Conn) {
		secure := tls.Client(conn, config)
		if secure.Handshake() != nil {
			return
		}
		say(then)(secure)
	}
}

func (c Config) linkAttacks() []attack {
	hello := []byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3} // the beginning of a handshake whose rest never comes
	frame := append([]byte{0xff, 0xff, 0xff, 0xff}, bytesOf(c.random(4), 32<<10)...)
	return []attack{
		callsTo("link calls: come and go", c.Links, func(net.Conn) {}),
		callsTo("link calls: silent", c.Links, silent),
		callsTo("link calls: half a handshake", c.Links, say(hello)),
		callsTo("link calls: slow handshake", c.Links, slowly),
		callsTo("link calls: endless handshake", c.Links, endless([]byte{0x16, 3, 1, 0x40, 0, 1, 0, 0xff, 0xff})),
		callsTo("link calls: noise", c.Links, say([]byte("GET / HTTP/1.1\r\nHost: till\r\n\r\n"))),
		callsTo("link calls: foreign key", c.Links, c.handshake(c.Shop+".till", "tillmesh-link/1", append([]byte("R"), frame...))),
		callsTo("link calls: another shop", c.Links, c.handshake("aaaaaaaaaaaaaaaaaaaaaaaaaa.till", "tillmesh-link/1", frame)),
		callsTo("link calls: unknown protocol", c.Links, c.handshake(c.Shop+".till", "h2", frame)),
		callsTo("pairing calls: endless", c.Links, c.handshake("", "tillmesh-pair/1", frame)),
	}
}
