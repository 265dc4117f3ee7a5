package node_test

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/disk"
)

const mb = 1 << 20

// tank is a disk that holds what the test says.
type tank struct {
	mu   sync.Mutex
	free uint64
	bad  error
}

func (d *tank) set(free uint64, bad error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.free, d.bad = free, bad
}

func (d *tank) Free() (uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.free, nil
}

func (d *tank) Probe() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bad
}

func (d *tank) Ballast() (uint64, error) { return 0, nil }
func (d *tank) GrowBallast(uint64) error { return nil }
func (d *tank) DropBallast() error       { return nil }

var smallTank = disk.Limits{Warn: 300 * mb, NoNewTabs: 200 * mb, Close: 100 * mb}

func openOn(t *testing.T, d *tank, data string) (*node.Machine, error) {
	t.Helper()
	return node.Open(t.Context(), node.Options{Data: data, Listen: "127.0.0.1:0", NoMDNS: true, Version: "test", Log: logTo(t), Disk: d, Limits: smallTank})
}

// TestNoRoom walks through the levels of a disk: no new tab, no sale, the store closed, and open again.
func TestNoRoom(t *testing.T) {
	d := &tank{free: 1000 * mb}
	data := found(t)
	m, err := openOn(t, d, data)
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- m.Run(context.Background()) }()
	till := &running{Machine: m, data: data}
	stock(t, till)
	tab, err := till.OpenTab(t.Context(), node.NewTab{Name: "Bar"})
	require.NoError(t, err)
	line := []node.NewLine{{Article: coffeeID, Quantity: 1000}}

	d.set(150*mb, nil)
	require.Eventually(t, func() bool {
		s, err := m.Status(t.Context())
		require.NoError(t, err)
		return s.Disk.Level == disk.NoNewTabs
	}, patience, 10*time.Millisecond)
	_, err = m.OpenTab(t.Context(), node.NewTab{Name: "Hof"})
	require.Equal(t, node.CodeDiskFull, code(t, err))
	_, _, err = m.AddLines(t.Context(), tab.ID, line)
	require.NoError(t, err, "open ones may be finished")

	d.set(100*mb+mb/2, nil) // enough to stay open, not enough to promise that a receipt can be written
	_, err = m.CloseTab(t.Context(), tab.ID, "", []node.NewPayment{{Type: "Bar", Amount: 340}})
	require.Equal(t, node.CodeDiskFull, code(t, err))
	require.Contains(t, err.Error(), "nothing was booked")
	_, err = m.Pay(t.Context(), tab.ID, node.NewPayment{Type: "ECKarte", Amount: 340})
	require.Equal(t, node.CodeDiskFull, code(t, err))
	v, err := m.Tab(t.Context(), tab.ID)
	require.NoError(t, err)
	require.Empty(t, v.Payments)

	d.set(10*mb, nil)
	halt, ok := errors.AsType[*node.Halt](<-ended)
	require.True(t, ok)
	require.Equal(t, node.HaltDiskFull, halt.Kind)
	require.Equal(t, m.Token(), halt.Token)
	text, next := halt.Now()
	require.Contains(t, text, "does not sell until there is room")
	require.NotEmpty(t, next)

	_, err = openOn(t, d, data)
	again, ok := errors.AsType[*node.Halt](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, halt.Till, again.Till)
	waiting, enough := context.WithCancel(t.Context())
	mended := make(chan error, 1)
	go func() { mended <- again.Mend(waiting) }()
	enough()
	require.ErrorIs(t, <-mended, context.Canceled)

	d.set(1000*mb, nil)
	require.NoError(t, halt.Mend(t.Context()))
	m, err = openOn(t, d, data)
	require.NoError(t, err)
	running, stop := context.WithCancel(t.Context())
	go func() { ended <- m.Run(running) }()
	r, err := m.CloseTab(t.Context(), tab.ID, "", []node.NewPayment{{Type: "Bar", Amount: 340}})
	require.NoError(t, err)
	require.Equal(t, "K1-000001", r.Number)
	stop()
	require.NoError(t, <-ended)
}

// TestAReadOnlyDiskIsNamed: a disk that takes no writes is no full one.
func TestAReadOnlyDiskIsNamed(t *testing.T) {
	d := &tank{free: 1000 * mb, bad: syscall.EROFS}
	_, err := openOn(t, d, found(t))
	halt, ok := errors.AsType[*node.Halt](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, node.HaltDiskReadOnly, halt.Kind)
	d.set(1000*mb, nil)
	require.NoError(t, halt.Mend(t.Context()))
}
