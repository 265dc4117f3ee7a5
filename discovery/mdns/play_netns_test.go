//go:build netns

package mdns

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/grandcat/zeroconf"
	"github.com/miekg/dns"
	"golang.org/x/net/ipv4"

	"github.com/tillmesh/tillmesh/discovery"
)

// play lets the test program play a host on the LAN: the tests run it again with a role.
func play() bool {
	var err error
	switch os.Getenv("MDNS_ROLE") {
	case "till":
		err = playTill()
	case "flood":
		err = playFlood()
	case "guest":
		playGuest()
	default:
		return false
	}
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	return true
}

// playTill announces a till and prints what it finds, one line each: "found NUMBER ADDRESS...", or once a second
// "state PEERS CANDIDATES DROPPED ERRORS ANNOUNCING". It runs until it is killed.
func playTill() error {
	number, err := strconv.Atoi(os.Getenv("MDNS_TILL"))
	if err != nil {
		return err
	}
	port, err := strconv.ParseUint(os.Getenv("MDNS_PORT"), 10, 16)
	if err != nil {
		return err
	}
	me := self(number)
	me.Port = uint16(port)
	f, table := New(Options{}), discovery.NewTable(me)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	announcing := make(chan error, 1)
	go func() { announcing <- f.Announce(ctx, me) }()
	found := f.Watch(ctx)
	second := time.NewTicker(time.Second)
	for {
		select {
		case c := <-found:
			table.Add(c, time.Now())
			for n := range 10 {
				if c.Till == till(n) {
					fmt.Println("found", n, c.Addrs)
				}
			}
		case <-second.C:
			s := f.Stats()
			fmt.Println("state", len(table.Peers(nil)), s.Candidates, s.Dropped, s.Errors, s.Announcing)
		case err := <-announcing:
			return err
		}
	}
}

// playGuest prints the shops it finds within two seconds.
func playGuest() {
	for _, s := range discovery.Shops(context.Background(), New(Options{}), 2*time.Second) {
		fmt.Println("shop", s.ID, len(s.Tills))
	}
}

// playFlood sends made-up tills and broken packets as fast as it can, 20,000 altogether.
func playFlood() error {
	nic, err := net.InterfaceByName("eth0")
	if err != nil {
		return err
	}
	conn, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return err
	}
	out := ipv4.NewPacketConn(conn)
	if err := out.SetMulticastInterface(nic); err != nil {
		return err
	}
	group := &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}
	seed := uint64(time.Now().UnixNano())
	fmt.Println("seed", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	for i := range 10_000 {
		good, err := forged(i).Pack()
		if err != nil {
			return err
		}
		bad := slices.Clone(good)
		for range 8 {
			bad[random.IntN(len(bad))] = byte(random.IntN(256))
		}
		for _, packet := range [][]byte{good, bad[:random.IntN(len(bad))]} {
			if _, err := conn.WriteTo(packet, group); err != nil {
				return err
			}
		}
	}
	fmt.Println("done")
	return out.Close()
}

// forged is an announcement of a till that does not exist.
func forged(i int) *dns.Msg {
	s := self(1000 + i)
	s.Shop = shopID(9)
	record := zeroconf.NewServiceRecord(instance(s.Till), service, domain)
	header := func(name string, kind uint16) dns.RR_Header {
		return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: 3200}
	}
	name := record.ServiceInstanceName()
	m := &dns.Msg{Answer: []dns.RR{
		&dns.PTR{Hdr: header(record.ServiceName(), dns.TypePTR), Ptr: name},
		&dns.SRV{Hdr: header(name, dns.TypeSRV), Port: s.Port, Target: "forged.local."},
		&dns.TXT{Hdr: header(name, dns.TypeTXT), Txt: text(s)},
		&dns.A{Hdr: header("forged.local.", dns.TypeA), A: net.IPv4(10, 77, 0, 200)},
	}}
	m.Response = true
	return m
}
