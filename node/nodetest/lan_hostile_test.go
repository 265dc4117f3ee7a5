//go:build netns

package nodetest_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/tillmesh/tillmesh/discovery/netlab"
	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/nodetest"
	"github.com/tillmesh/tillmesh/node/nodetest/flood"
)

const (
	floodTime = 14 * time.Second
	quietTime = floodTime // a till that sells grows and shrinks, so both times are the same and the peaks are compared
	// floodMemory is how much larger a till may get under a flood.
	floodMemory = 32 << 20
	// recorded is how many packets of gossip are replayed.
	recordedPackets = 10
)

// TestLANHostile: machines without the shop's key flood every open port of every till. All sales succeed, memory stays
// bounded, nothing foreign is stored, and what was refused is counted.
func TestLANHostile(t *testing.T) {
	switch os.Getenv("NODETEST_ROLE") {
	case "flood":
		ran, err := flood.FromEnvironment(t.Context(), os.Stdout)
		require.NoError(t, err)
		require.True(t, ran)
		return
	case "record":
		record(t)
		return
	}
	l := newLAN(t)
	l.open(t, 3)
	status, err := l.shop.Tills[0].API().Status(t.Context())
	require.NoError(t, err)

	recorded := l.record(t)
	peaks := watchMemory(t, l.shop.Tills)
	quiet := l.sellMeanwhile(t, quietTime)
	before := peaks()

	attack := flood.Config{Iface: "eth0", Shop: status.Shop.ID, Recorded: recorded, For: floodTime, Seed: 1}
	for i, till := range l.shop.Tills {
		attack.Tills = append(attack.Tills, till.ID())
		attack.Links = append(attack.Links, netip.AddrPortFrom(l.hosts[i].Addr(), 8481))
		attack.Gossip = append(attack.Gossip, netip.AddrPortFrom(l.hosts[i].Addr(), 8482))
	}
	// One machine holds what it gets, another one tries whatever passes.
	loud := attack
	loud.Without = []string{"silent", "half", "slow", "multicast", "packets"}
	counted := make([]map[string]int64, len(l.shop.Tills))
	for i, till := range l.shop.Tills {
		counted[i] = counters(t, till)
	}
	evil := []*netlab.Host{l.lab.Host("evil1"), l.lab.Host("evil2")}
	attackers := []*netlab.Process{startFlood(t, evil[0], attack), startFlood(t, evil[1], loud)}
	peaks = watchMemory(t, l.shop.Tills)
	worked := make([]time.Duration, len(before))
	for i, till := range l.shop.Tills {
		worked[i] = processorTime(t, till)
	}
	loaded := l.sellMeanwhile(t, floodTime-time.Second)
	most := peaks()
	for i, till := range l.shop.Tills {
		requireCounted(t, till, counted[i])
		requireNamed(t, till, evil...)
	}
	for _, p := range attackers {
		require.NoError(t, p.Wait(floodTime+20*time.Second), p.Output())
		report, err := flood.ReadReport(p.Output())
		require.NoError(t, err)
		for name, n := range report {
			require.Positive(t, n, name)
		}
		t.Logf("attacks made: %v", report)
	}
	t.Logf("sale, quiet: %v; under flood: %v", quiet, loaded)
	for i, till := range l.shop.Tills {
		t.Logf("%s: at most %d MiB before, %d MiB under the flood, in which it worked for %v of %v", till.Name,
			before[i]>>20, most[i]>>20, processorTime(t, till)-worked[i], floodTime)
		require.LessOrEqual(t, most[i]-before[i], int64(floodMemory), "memory of %s", till.Name)
	}

	l.one(t)
	for _, till := range l.shop.Tills {
		view, err := till.API().Mesh(t.Context())
		require.NoError(t, err)
		t.Logf("%s refused: %v", till.Name, view.Counters)
		require.Len(t, view.Tills, len(l.shop.Tills), "nobody was let in")
		articles, err := till.API().AllArticles(t.Context(), client.List{})
		require.NoError(t, err)
		require.Len(t, articles, 1)
		receipts, err := till.API().AllReceipts(t.Context(), client.List{})
		require.NoError(t, err)
		require.Len(t, receipts, l.sold)
		requireNumbers(t, receipts)
	}
	// A till that was away finds the others, although its table is full of made-up ones.
	l.shop.Tills[2].Kill()
	l.sell(l.shop.Tills[0])
	l.shop.Tills[2].Start()
	l.one(t)
}

func counters(t *testing.T, till *nodetest.Till) map[string]int64 {
	t.Helper()
	view, err := till.API().Mesh(t.Context())
	require.NoError(t, err)
	return view.Counters
}

// requireCounted checks that every kind of attack on links and gossip was counted since.
func requireCounted(t *testing.T, till *nodetest.Till, before map[string]int64) {
	t.Helper()
	now := counters(t, till)
	for _, counter := range []string{
		"refused_unknown_key", "refused_other_shop", "refused_wrong_protocol", "refused_noise", "refused_handshake", "refused_busy",
		"gossip_refused_foreign", "gossip_refused_too_large", "gossip_refused_wrong_key", "gossip_refused_replayed", "gossip_refused_broken",
	} {
		require.Greater(t, now[counter], before[counter], "%s at %s", counter, till.Name)
	}
}

// requireNamed checks that the doctor of a till says that there is a flood, and from which machines.
func requireNamed(t *testing.T, till *nodetest.Till, from ...*netlab.Host) {
	t.Helper()
	nodetest.Eventually(t, 20*time.Second, till.Name+" names the flood", func() error {
		found, err := till.API().Examine(t.Context(), "")
		if err != nil {
			return err
		}
		for _, f := range found.Findings {
			if f.Code == "flood" && !slices.ContainsFunc(from, func(h *netlab.Host) bool { return !strings.Contains(f.Title, h.Addr().String()) }) {
				return nil
			}
		}
		return fmt.Errorf("it says %+v", found.Findings)
	})
}

// latencies are how long sales took.
type latencies []time.Duration

func (l latencies) String() string {
	slices.Sort(l)
	at := func(percent int) time.Duration {
		return l[min(len(l)-1, len(l)*percent/100)].Round(100 * time.Microsecond)
	}
	return fmt.Sprintf("%d sales, p50 %v, p99 %v", len(l), at(50), at(99))
}

// sellMeanwhile sells on all tills in turn until the time is over. Every sale must succeed.
func (l *lan) sellMeanwhile(t *testing.T, during time.Duration) (took latencies) {
	t.Helper()
	end := time.Now().Add(during)
	for n := 0; time.Now().Before(end); n++ {
		till := l.shop.Tills[n%len(l.shop.Tills)]
		begin := time.Now()
		l.sell(till)
		took = append(took, time.Since(begin))
	}
	return took
}

func startFlood(t *testing.T, from *netlab.Host, c flood.Config) *netlab.Process {
	t.Helper()
	variable, err := c.Variable()
	require.NoError(t, err)
	// It stands for another machine: what it needs to make the flood must not be missing to the tills.
	return from.StartWith([]string{"NODETEST_ROLE=flood", variable},
		"nice", "-n", "19", os.Args[0], "-test.run=^TestLANHostile$", "-test.v")
}

// residentBytes returns how much memory the process of a till holds.
func residentBytes(t *testing.T, till *nodetest.Till) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", till.Process().Pid()))
	require.NoError(t, err)
	_, rest, _ := bytes.Cut(b, []byte("VmRSS:"))
	text, _, _ := bytes.Cut(rest, []byte("kB"))
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	require.NoError(t, err)
	return n << 10
}

// processorTime returns how long the process of a till has worked.
func processorTime(t *testing.T, till *nodetest.Till) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", till.Process().Pid()))
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(b), ") ") // behind the name, which may hold anything
	fields := strings.Fields(rest)
	const user, system, tick = 11, 12, 10 * time.Millisecond
	var sum time.Duration
	for _, at := range []int{user, system} {
		n, err := strconv.ParseInt(fields[at], 10, 64)
		require.NoError(t, err)
		sum += time.Duration(n) * tick
	}
	return sum
}

// watchMemory watches the memory of tills until the returned function is called, which returns the most of each.
func watchMemory(t *testing.T, tills []*nodetest.Till) func() []int64 {
	most := make([]int64, len(tills))
	stop := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			for i, till := range tills {
				most[i] = max(most[i], residentBytes(t, till))
			}
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	})
	return func() []int64 {
		close(stop)
		watching.Wait()
		return most
	}
}

// record returns packets of gossip that a till received.
func (l *lan) record(t *testing.T) (packets [][]byte) {
	t.Helper()
	p := l.hosts[1].StartWith([]string{"NODETEST_ROLE=record"}, os.Args[0], "-test.run=^TestLANHostile$", "-test.v")
	require.NoError(t, p.Wait(2*time.Minute), p.Output())
	for line := range strings.Lines(p.Output()) {
		if text, ok := strings.CutPrefix(line, "packet "); ok {
			b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
			require.NoError(t, err)
			packets = append(packets, b)
		}
	}
	require.Len(t, packets, recordedPackets)
	return packets
}

// record prints what comes to the gossip port of this host, as a machine in between would hear it.
func record(t *testing.T) {
	const ipv4 = 0x0800
	var protocol [2]byte
	binary.BigEndian.PutUint16(protocol[:], ipv4)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM, int(binary.NativeEndian.Uint16(protocol[:])))
	require.NoError(t, err)
	defer func() { require.NoError(t, unix.Close(fd)) }()
	buffer := make([]byte, 64<<10)
	for heard := 0; heard < recordedPackets; {
		n, _, err := unix.Recvfrom(fd, buffer, 0)
		if err == unix.EINTR {
			continue
		}
		require.NoError(t, err)
		packet := buffer[:n]
		head := int(packet[0]&0xf) * 4
		if n < head+8 || packet[9] != unix.IPPROTO_UDP || binary.BigEndian.Uint16(packet[head+2:]) != 8482 {
			continue
		}
		fmt.Println("packet", base64.StdEncoding.EncodeToString(packet[head+8:]))
		heard++
	}
}
