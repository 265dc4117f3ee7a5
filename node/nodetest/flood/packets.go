package flood

import (
	"context"
	"encoding/base32"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/miekg/dns"
	"golang.org/x/net/ipv4"
)

// packetsTo returns an attack that sends packets to each of the addresses in turn. make returns the n-th packet.
func packetsTo(name string, to []netip.AddrPort, make func(n int) []byte) attack {
	return attack{name, func(ctx context.Context, done *atomic.Uint64) error {
		conn, err := net.ListenUDP("udp", nil)
		if err != nil {
			return err
		}
		defer conn.Close()
		return paced(ctx, packetRate, func(n int) error {
			if _, err := conn.WriteToUDPAddrPort(make(n), to[n%len(to)]); err == nil {
				done.Add(1)
			}
			return nil // a full queue of this machine is no reason to stop
		})
	}}
}

// bytesOf returns random bytes.
func bytesOf(random *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

func (c Config) random(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(c.Seed, stream)) }

// label is what every packet of the shop's gossip begins with.
func (c Config) label() []byte { return append([]byte{244, byte(len(c.Shop))}, c.Shop...) }

func (c Config) gossipAttacks() []attack {
	some := c.random(1)
	noise, labelled, huge := bytesOf(some, 1200), append(c.label(), append([]byte{1}, bytesOf(some, 1200)...)...), bytesOf(some, 60_000)
	list := []attack{
		packetsTo("gossip packets: noise", c.Gossip, func(n int) []byte { return noise[n%600 : 600+n%600] }),
		packetsTo("gossip packets: forged", c.Gossip, func(n int) []byte { return labelled[:100+n%1000] }),
		packetsTo("gossip packets: huge", c.Gossip, func(int) []byte { return huge }),
		callsTo("gossip calls: silent", c.Gossip, silent),
		callsTo("gossip calls: endless", c.Gossip, endless(append(c.label(), 10, 1, 0x40, 0, 0))), // 20 MiB are announced
		callsTo("gossip calls: noise", c.Gossip, say(noise)),
	}
	if len(c.Recorded) > 0 {
		list = append(list, packetsTo("gossip packets: replayed", c.Gossip, func(n int) []byte { return c.Recorded[n%len(c.Recorded)] }))
	}
	return list
}

var group = &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}

func (c Config) multicastAttacks() []attack {
	some := c.random(2)
	noise := bytesOf(some, 1400)
	return []attack{
		c.multicast("multicast: noise", func(n int) []byte { return noise[:1+n%len(noise)] }),
		c.multicast("multicast: forged tills", func(n int) []byte { return pack(c.forged(some, 1)) }),
		c.multicast("multicast: many forged tills", func(n int) []byte { return pack(c.forged(some, 30)) }),
	}
}

func (c Config) multicast(name string, make func(n int) []byte) attack {
	return attack{name, func(ctx context.Context, done *atomic.Uint64) error {
		nic, err := net.InterfaceByName(c.Iface)
		if err != nil {
			return err
		}
		conn, err := net.ListenUDP("udp4", nil)
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := ipv4.NewPacketConn(conn).SetMulticastInterface(nic); err != nil {
			return err
		}
		return paced(ctx, packetRate/3, func(n int) error {
			if _, err := conn.WriteTo(make(n), group); err == nil {
				done.Add(1)
			}
			return nil
		})
	}}
}

func pack(m *dns.Msg) []byte {
	b, err := m.Pack()
	if err != nil {
		return nil // too large for one message
	}
	return b
}

// forged announces tills of the shop: some that exist, at addresses where they are not, and many that do not.
func (c Config) forged(random *rand.Rand, tills int) *dns.Msg {
	const service = "_tillmesh._tcp.local."
	m := new(dns.Msg)
	m.Response = true
	for range tills {
		id := base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding).EncodeToString(bytesOf(random, 32))
		if len(c.Tills) > 0 && random.IntN(4) == 0 {
			id = c.Tills[random.IntN(len(c.Tills))]
		}
		name := fmt.Sprintf("forged-%d.%s", random.Uint32(), service)
		host := fmt.Sprintf("forged-%d.local.", random.Uint32())
		head := func(name string, kind uint16) dns.RR_Header {
			return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: 3200}
		}
		m.Answer = slices.Concat(m.Answer, []dns.RR{
			&dns.PTR{Hdr: head(service, dns.TypePTR), Ptr: name},
			&dns.SRV{Hdr: head(name, dns.TypeSRV), Port: 8481, Target: host},
			&dns.TXT{Hdr: head(name, dns.TypeTXT), Txt: []string{"v=1", "t=" + id, "s=" + c.Shop, "p=8481"}},
			&dns.A{Hdr: head(host, dns.TypeA), A: net.IPv4(10, 77, 0, byte(100+random.IntN(150)))},
		})
	}
	return m
}
