package simulation

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/store/memory"
)

// Why a life ended.
var (
	ErrStopped  = errors.New("the program was told to stop")
	ErrKilled   = errors.New("the program was killed")
	ErrPowerCut = errors.New("the power went")
	ErrRefused  = errors.New("the program did not start")
)

// Machine is a box in the shop: a data disk, a state disk (what a till keeps outside of its data directory), a clock,
// and a program that runs on it or does not.
type Machine struct {
	w       *World
	n       int
	name    string
	id      string // as an operating system has it
	node    uint64 // what tells the data disk from a copy of it
	key     ed25519.PrivateKey
	till    crdt.TillID
	data    *memory.Disk
	state   *memory.Disk
	clock   Clock
	program Program
	life    *Life
	lives   int
	gone    bool
	lies    bool // its data disk does
	tear    bool // the next write is torn
	hanging bool // its last life ended before the record beside the store was settled
	check   *checks
	rested  map[crdt.Scope]crdt.Context // what its store elsewhere held when the last life ended, see Opened.Elsewhere
}

// AddMachine adds a machine that is off, with empty disks, a device key of its own and a right clock. The program lives
// on it whenever it is on.
func (w *World) AddMachine(name string, p Program) *Machine {
	seed := make([]byte, ed25519.SeedSize)
	for i := 0; i < len(seed); i += 8 {
		binary.BigEndian.PutUint64(seed[i:], w.rand.Uint64())
	}
	return w.add(name, ed25519.NewKeyFromSeed(seed), memory.NewDisk(), p)
}

// AddKeyed is AddMachine with a device key that is given.
func (w *World) AddKeyed(name string, key ed25519.PrivateKey, p Program) *Machine {
	return w.add(name, key, memory.NewDisk(), p)
}

// AddCopy adds a machine that is off, with the device key of another one and a copy of what is durable on a disk, which
// may be that machine's data disk or a backup of it. Its state disk is empty: a copied directory comes without.
func (w *World) AddCopy(name string, of *Machine, data *memory.Disk, p Program) *Machine {
	w.Count("copy")
	m := w.add(name, of.key, data.Clone(), p)
	m.check.copied(of.check)
	return m
}

func (w *World) add(name string, key ed25519.PrivateKey, data *memory.Disk, p Program) *Machine {
	public, _ := key.Public().(ed25519.PublicKey) // it always is one
	m := &Machine{
		w: w, n: len(w.machines), name: name, key: key, till: crdt.TillIDOf(public), data: data, state: memory.NewDisk(), program: p,
		clock: Clock{w: w, since: w.now, shown: w.now}, check: newChecks(),
	}
	m.newID()
	m.node = w.rand.Uint64()
	w.machines = append(w.machines, m)
	return m
}

func (m *Machine) newID() { m.id = fmt.Sprintf("%016x", m.w.rand.Uint64()) }

// Name returns what traces call the machine.
func (m *Machine) Name() string { return m.name }

// World returns the world of the machine.
func (m *Machine) World() *World { return m.w }

// ID returns what the operating system knows the machine by.
func (m *Machine) ID() string { return m.id }

// Key returns the device key.
func (m *Machine) Key() ed25519.PrivateKey { return m.key }

// Till returns the ID that belongs to the key.
func (m *Machine) Till() crdt.TillID { return m.till }

// Data returns the disk with the rows of the store and the small files beside it.
func (m *Machine) Data() *memory.Disk { return m.data }

// State returns the disk with what a till keeps about the machine outside of its data directory.
func (m *Machine) State() *memory.Disk { return m.state }

// Clock returns the wall clock, to set it.
func (m *Machine) Clock() *Clock { return &m.clock }

// Wall returns what the wall clock shows.
func (m *Machine) Wall() time.Time { return m.clock.Now() }

// Life returns the present life of the program, nil while it does not run.
func (m *Machine) Life() *Life { return m.life }

// Running reports whether the program runs.
func (m *Machine) Running() bool { return m.life != nil }

// Lives returns how often the program was started.
func (m *Machine) Lives() int { return m.lives }

// Start starts the program unless it runs already, or the machine is gone. A program that refuses to run is told so by
// Stopped.
func (m *Machine) Start() {
	if m.life != nil || m.gone || m.w.err != nil {
		return
	}
	m.lives++
	l := newLife(m)
	m.w.Trace("%s starts", m.name)
	m.w.Note('u', m.n, nil)
	m.w.opt.Plant.beforeStart(m)
	m.badStart()
	opened, err := m.program.Open(l)
	if err != nil {
		m.refused(l, err)
		return
	}
	l.begin(opened)
}

// badStart makes one of the first writes of a start fail.
func (m *Machine) badStart() {
	fault := memory.None
	if m.w.Percent(m.w.Conditions.BadWrite) {
		m.w.Count("bad start")
		faults := []memory.Fault{memory.Full, memory.BeforeWrite, memory.AfterWrite, memory.AfterSync}
		fault = faults[m.w.rand.IntN(len(faults))]
	}
	disks := []func(memory.Fault){m.data.FailNext, m.data.FailNextFile, m.state.FailNextFile}
	for _, fail := range disks {
		fail(memory.None)
	}
	if fault != memory.None {
		disks[m.w.rand.IntN(len(disks))](fault)
	}
}

func (m *Machine) refused(l *Life, err error) {
	m.w.Trace("%s does not start: %v", m.name, err)
	if m.w.rand.IntN(2) == 0 {
		m.data.Kill()
	} else {
		m.data.Crash()
		m.state.Crash()
		m.w.oracle.crashed(m)
	}
	m.program.Stopped(l, fmt.Errorf("%w: %w", ErrRefused, err))
}

// StartIn starts the program after a while.
func (m *Machine) StartIn(in time.Duration) { m.w.At(in, m.Start) }

// Stop tells the program to end: its links close, what waits is written, its store is closed.
func (m *Machine) Stop() {
	if m.life != nil {
		m.w.Trace("%s is told to stop", m.name)
		m.life.stop()
	}
}

// Kill ends the program between two steps, as kill -9 does: what was written stays, synced or not.
func (m *Machine) Kill() {
	if m.life != nil {
		m.w.Count("kill")
		m.life.end(ErrKilled)
	}
}

// PowerCut ends the program between two steps and loses what was not synced.
func (m *Machine) PowerCut() {
	if m.life != nil {
		m.w.Count("power cut")
		m.life.end(ErrPowerCut)
	}
}

// Destroy ends the machine for ever, with all that is on it.
func (m *Machine) Destroy() {
	m.PowerCut()
	m.w.Count("destroyed")
	m.w.Trace("%s is destroyed", m.name)
	m.gone = true
	m.w.oracle.lost(m, "it was destroyed")
	m.data, m.state = memory.NewDisk(), memory.NewDisk()
}

// Gone reports whether the machine was destroyed.
func (m *Machine) Gone() bool { return m.gone }

// Insert puts another data disk into a machine that is off, such as a backup of the one it had; what only the present one
// holds is lost.
func (m *Machine) Insert(data *memory.Disk) {
	if m.life != nil {
		m.w.Fail("a disk is changed while %s runs", m.name)
		return
	}
	m.w.Count("restored")
	m.w.Trace("%s gets another data disk", m.name)
	m.data, m.node = data, m.w.rand.Uint64()
	m.w.oracle.lost(m, "an older disk was put in")
}

// Replaced says that the store elsewhere of a machine that is off holds this from now on, such as after a restored backup; what
// only the one before held is lost.
func (m *Machine) Replaced(contexts map[crdt.Scope]crdt.Context) {
	if m.life != nil {
		m.w.Fail("the store of %s is replaced while it runs", m.name)
		return
	}
	m.w.Count("restored elsewhere")
	m.w.Trace("%s gets another store", m.name)
	m.rested = contexts
	m.w.oracle.lost(m, "an older store was put in place")
}

// Rehouse puts the data disk of a machine that is off into another box: other machine ID, empty state disk.
func (m *Machine) Rehouse() {
	if m.life != nil {
		m.w.Fail("%s gets another box while it runs", m.name)
		return
	}
	m.w.Count("rehoused")
	m.w.Trace("the data disk of %s goes into another box", m.name)
	m.newID()
	m.state = memory.NewDisk()
}

// File is a small file on the data disk of a machine; it is a store.RecordFile.
type File struct {
	m    *Machine
	name string
}

// File returns a file of the data disk, whether it exists or not.
func (m *Machine) File(name string) *File { return &File{m, name} }

// Write puts the content in place; it is durable when Write returns nil.
func (f *File) Write(content []byte) error { return f.m.data.WriteFile(f.name, content) }

// Read returns the content, and whether there is such a file.
func (f *File) Read() (content []byte, found bool) { return f.m.data.ReadFile(f.name) }
