//go:build netns

package nodetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/tillmesh/tillmesh/discovery/netlab"
)

// The addresses of the ends of a [SlowLine].
const (
	SlowNear = "10.99.0.1"
	SlowFar  = "10.99.0.2"
)

// Quality is how bad a line is, in each direction. The zero value carries everything at once.
type Quality struct {
	Delay time.Duration // of each packet
	Loss  float64       // share of the packets that are lost
	Rate  int           // bytes a second; 0: any number
	Off   bool          // nothing gets through, and nobody is told
}

// SlowLine carries packets between two hosts, over a network device at each: what TCP does about delay and loss is real.
type SlowLine struct {
	ends [2]*os.File
	work sync.WaitGroup

	mu      sync.Mutex
	rand    *rand.Rand
	quality Quality
	sent    [2]int64 // bytes that came through, by the end they came from
}

// queueTime is how much a slow line holds before it drops packets.
const queueTime = 2 * time.Second

// NewSlowLine makes a line between two hosts. It ends with the test.
func NewSlowLine(t testing.TB, near, far *netlab.Host) *SlowLine {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("the slow line is drawn by seed %d", seed)
	l := &SlowLine{rand: rand.New(rand.NewPCG(seed, 0))}
	for i, h := range []*netlab.Host{near, far} {
		var err error
		l.ends[i], err = tunIn(h.Namespace(), "slow")
		require.NoError(t, err)
		here, there := SlowNear, SlowFar
		if i == 1 {
			here, there = there, here
		}
		for _, command := range [][]string{
			{"ip", "addr", "add", here, "peer", there, "dev", "slow"}, {"ip", "link", "set", "slow", "mtu", "1400", "up"},
		} {
			out, err := h.Run(command...)
			require.NoError(t, err, out)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	for i := range l.ends {
		l.work.Go(func() { l.carry(ctx, i) })
	}
	t.Cleanup(func() {
		stop()
		for _, f := range l.ends {
			require.NoError(t, f.Close())
		}
		l.work.Wait()
	})
	return l
}

// tunIn makes a network device of packets in a namespace.
func tunIn(namespace, name string) (f *os.File, err error) {
	err = within(namespace, func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			return fmt.Errorf("open /dev/net/tun: %w", err)
		}
		request, err := unix.NewIfreq(name)
		if err == nil {
			request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
			err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("make the device %s: %w", name, err), unix.Close(fd))
		}
		f = os.NewFile(uintptr(fd), name)
		return nil
	})
	return f, err
}

// Become has it be so from now on.
func (l *SlowLine) Become(q Quality) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.quality = q
}

// Carried returns how many bytes of packets came through from the near end and from the far one.
func (l *SlowLine) Carried() (near, far int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent[0], l.sent[1]
}

// packet is one on its way.
type packet struct {
	content []byte
	due     time.Time
}

// carry takes packets from one end, and hands them to the other when it is time.
func (l *SlowLine) carry(ctx context.Context, from int) {
	way := make(chan packet, 4096)
	var out sync.WaitGroup
	out.Go(func() {
		for p := range way {
			select {
			case <-ctx.Done():
				continue
			case <-time.After(time.Until(p.due)):
			}
			if _, err := l.ends[1-from].Write(p.content); err == nil {
				l.mu.Lock()
				l.sent[from] += int64(len(p.content))
				l.mu.Unlock()
			}
		}
	})
	defer out.Wait()
	defer close(way)
	buffer := make([]byte, 1<<16)
	var free time.Time // when the line has sent what it holds
	for {
		n, err := l.ends[from].Read(buffer)
		if err != nil {
			return
		}
		l.mu.Lock()
		q, lost := l.quality, l.rand.Float64()
		l.mu.Unlock()
		now := time.Now()
		if free.Before(now) {
			free = now
		}
		if q.Off || lost < q.Loss || q.Rate > 0 && free.Sub(now) > queueTime {
			continue
		}
		if q.Rate > 0 {
			free = free.Add(time.Duration(n) * time.Second / time.Duration(q.Rate))
		}
		select {
		case way <- packet{append([]byte(nil), buffer[:n]...), free.Add(q.Delay)}:
		default: // too many at once
		}
	}
}
