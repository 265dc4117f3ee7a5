// Package memory is the storage port in memory, for tests and for the deterministic simulator.
//
// A Disk is what outlives a process: it holds the rows, and one Store at a time is
// opened on it. It can lose what was not synced, fail a commit at a chosen point, and
// crash. It starts no goroutine and uses neither clock nor chance: the same calls give
// the same answers.
package memory

import (
	"fmt"
	"sync"

	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// The largest batch, as Badger has it with the options of a till, so that a simulation splits where a till does.
const (
	maxBytes = 1_250_000
	maxRows  = 10_000
)

// Fault is where a commit fails.
type Fault int

const (
	// None: it does not fail.
	None Fault = iota
	// Full: rows.ErrFull, nothing was written and the store goes on.
	Full
	// BeforeWrite: rows.ErrFailed, and nothing was written.
	BeforeWrite
	// AfterWrite: rows.ErrFailed; the batch was written but not synced: a Crash loses it, a Close keeps it.
	AfterWrite
	// AfterSync: rows.ErrFailed although the batch is durable: the answer was lost.
	AfterSync
)

// Disk keeps rows beyond the life of a Store. All methods may be called at once.
type Disk struct {
	mu      sync.Mutex
	synced  *table // what a crash leaves
	written *table // what the process sees
	noSync  bool
	fault   Fault
	open    *Store
	commits int
}

// NewDisk returns an empty disk.
func NewDisk() *Disk {
	empty := &table{}
	return &Disk{synced: empty, written: empty}
}

// New returns a store on a disk of its own.
func New() *Store {
	store := &Store{disk: NewDisk()}
	store.disk.open = store
	return store
}

// Open opens the disk, or returns rows.ErrInUse while another store is open on it.
func (d *Disk) Open() (*Store, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open != nil {
		return nil, fmt.Errorf("%w: a store is open on this disk: close it first", rows.ErrInUse)
	}
	d.open = &Store{disk: d}
	return d.open, nil
}

// Crash is the sudden end of the process and its machine: the open store, if any, returns rows.ErrClosed from
// then on, what was not synced is gone, a fault that waits is forgotten. The disk can be opened again.
func (d *Disk) Crash() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.written = d.synced
	d.fault = None
	if d.open != nil {
		d.open.closed = true
		d.open = nil
	}
}

// FailNext makes the next commit fail at a point; None takes that back.
func (d *Disk) FailNext(f Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = f
}

// Lie makes commits return before they are durable, as a disk does that breaks its promise: Crash loses all since the last
// Sync or clean Close. With false commits are durable again, and with the next one all before it.
func (d *Disk) Lie(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.noSync = on
}

// Sync makes everything durable that was committed while the disk lied.
func (d *Disk) Sync() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.synced = d.written
}

// Commits returns how many commits were written since the disk was made.
func (d *Disk) Commits() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.commits
}

// Clone returns an independent disk with what is durable here: a backup, or a copied machine.
func (d *Disk) Clone() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &Disk{synced: d.synced, written: d.synced}
}

// commit runs with the lock held.
func (d *Disk) commitLocked(batch []rows.Write) error {
	fault := d.fault
	d.fault = None
	switch fault {
	case Full:
		return fmt.Errorf("%w: make room and try again", rows.ErrFull)
	case BeforeWrite:
		return fmt.Errorf("%w: the write failed", rows.ErrFailed)
	}
	d.written = d.written.apply(batch)
	d.commits++
	if fault == AfterWrite {
		return fmt.Errorf("%w: the sync failed", rows.ErrFailed)
	}
	if !d.noSync {
		d.synced = d.written
	}
	if fault == AfterSync {
		return fmt.Errorf("%w: the answer was lost", rows.ErrFailed)
	}
	return nil
}
