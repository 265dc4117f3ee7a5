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

// history is how many earlier durable states a Disk remembers for Rewind.
const history = 16

// Disk keeps rows and small files beyond the life of a Store. All methods may be called at once.
type Disk struct {
	mu       sync.Mutex
	synced   *table   // what a crash leaves
	written  *table   // what the process sees
	earlier  []*table // what was durable before, the latest last
	files    files
	noSync   bool
	full     bool
	readOnly bool
	corrupt  bool
	fault    Fault
	open     *Store
	commits  int
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
	if d.corrupt {
		return nil, fmt.Errorf("%w: a checksum does not hold", rows.ErrCorrupt)
	}
	if d.readOnly {
		return nil, fmt.Errorf("%w: the disk is read-only: make it writable", rows.ErrFailed)
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
	d.files.crash()
	d.dropLocked()
}

// Kill is the sudden end of the process alone: like Crash, but what was written stays, and is durable once the next
// commit is.
func (d *Disk) Kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dropLocked()
}

func (d *Disk) dropLocked() {
	d.fault, d.files.fault = None, None
	if d.open != nil {
		d.open.closed = true
		d.open = nil
	}
}

// Fill makes every commit fail with rows.ErrFull until it is called with false. Files that exist already can be written.
func (d *Disk) Fill(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.full = on
}

// Protect makes every commit and every write of a file fail with rows.ErrFailed, and Open too, until it is called with
// false: a file system that went read-only.
func (d *Disk) Protect(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.readOnly = on
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
	d.syncLocked()
}

// Durable reports whether a Crash now would lose nothing that was committed.
func (d *Disk) Durable() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.synced == d.written
}

// Rewind takes the disk back to what was durable n commits ago (at most 16), as an engine does that loses the end of its
// log without an error. Files stay. It reports whether it could; no store may be open.
func (d *Disk) Rewind(n int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open != nil || n < 1 || n > len(d.earlier) {
		return false
	}
	at := len(d.earlier) - n
	d.synced = d.earlier[at]
	d.written, d.earlier = d.synced, d.earlier[:at]
	return true
}

// Corrupt makes Open fail with rows.ErrCorrupt until Replace, as an engine does that finds its files damaged.
func (d *Disk) Corrupt(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.corrupt = on
}

// Replace puts what is durable on another disk in the place of all rows, durably and in one step, as a rename does; files
// stay. No store may be open.
func (d *Disk) Replace(with *Disk) {
	rows := with.Clone().synced
	d.mu.Lock()
	defer d.mu.Unlock()
	d.synced, d.written, d.earlier, d.corrupt = rows, rows, nil, false
}

// ForgetHistory makes Rewind go back no further than to now.
func (d *Disk) ForgetHistory() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.earlier = nil
}

// Damage changes rows behind the back of the store, at rest and durably: a value that is gone, a bit that flipped.
func (d *Disk) Damage(batch []rows.Write) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.synced = d.synced.apply(batch)
	d.written = d.written.apply(batch)
}

// Rows calls yield with every durable row in the order of keys until it returns false. The rows must not be changed.
func (d *Disk) Rows(yield func(rows.Row) bool) {
	d.mu.Lock()
	synced := d.synced
	d.mu.Unlock()
	synced.from(nil, yield)
}

func (d *Disk) syncLocked() {
	if d.synced == d.written {
		return
	}
	if len(d.earlier) == history {
		copy(d.earlier, d.earlier[1:])
		d.earlier = d.earlier[:history-1]
	}
	d.earlier = append(d.earlier, d.synced)
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
	return &Disk{synced: d.synced, written: d.synced, files: d.files.clone()}
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
	switch {
	case d.readOnly:
		return fmt.Errorf("%w: the disk is read-only", rows.ErrFailed)
	case d.full:
		return fmt.Errorf("%w: make room and try again", rows.ErrFull)
	}
	d.written = d.written.apply(batch)
	d.commits++
	if fault == AfterWrite {
		return fmt.Errorf("%w: the sync failed", rows.ErrFailed)
	}
	if !d.noSync {
		d.syncLocked()
	}
	if fault == AfterSync {
		return fmt.Errorf("%w: the answer was lost", rows.ErrFailed)
	}
	return nil
}
