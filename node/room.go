package node

import (
	"context"
	"errors"
	"io/fs"

	"github.com/tillmesh/tillmesh/node/disk"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// Codes of refusals for want of room on the disk. They are those of the halts that follow when it gets worse.
const (
	CodeDiskFull     = HaltDiskFull
	CodeDiskReadOnly = HaltDiskReadOnly
	CodeDiskFailing  = HaltDiskFailing
)

// saleRoom is how many bytes on the disk are kept for a payment or a receipt, from before money is taken until it is
// written: the largest document there can be, and what the store writes beside it.
const saleRoom = 1 << 20

// room says what the disk of a till allows. The zero value allows everything: the disk is not watched.
type room struct{ keeper *disk.Keeper }

// openTab returns why no tab may be opened.
func (r room) openTab() error {
	if r.keeper == nil {
		return nil
	}
	return noRoom(r.keeper.OpenTab())
}

// change returns why nothing may be changed at all.
func (r room) change() error {
	if r.keeper == nil {
		return nil
	}
	return noRoom(r.keeper.Finish())
}

// sale keeps room for a payment or a receipt until release is called, or says why there is none.
func (r room) sale() (release func(), err error) {
	if r.keeper == nil {
		return func() {}, nil
	}
	release, err = r.keeper.Reserve(saleRoom)
	return release, noRoom(err)
}

// failed takes the error of a write, nil too: one for want of room is known at once then.
func (r room) failed(err error) {
	if r.keeper != nil && errors.Is(err, rows.ErrFull) {
		r.keeper.WriteFailed(err)
	}
}

// report returns how the disk is doing, nil if it is not watched.
func (r room) report() *disk.Report {
	if r.keeper == nil {
		return nil
	}
	report := r.keeper.Report()
	return &report
}

// noRoom turns a refusal of the disk into one of the till.
func noRoom(err error) error {
	d, ok := errors.AsType[*disk.Refusal](err)
	if !ok {
		return err
	}
	return refuse(DiskCode(d.Report.Level), d.Hint(), "%s", d.Error())
}

// DiskCode returns the code for what a disk that is in this level keeps a till from.
func DiskCode(l disk.Level) string {
	switch l {
	case disk.ReadOnly:
		return CodeDiskReadOnly
	case disk.Failing:
		return CodeDiskFailing
	}
	return CodeDiskFull
}

// watchDisk begins to watch the disk before the store is opened: on a full disk the engine of the store dies, so it is
// not even opened then.
func (m *Machine) watchDisk() (err error) {
	m.disk, err = disk.NewKeeper(disk.Config{
		Disk: m.o.Disk, Limits: m.o.Limits, Changed: m.diskChanged,
		Problem: func(err error) {
			if !errors.Is(err, errors.ErrUnsupported) {
				m.o.Log.Warn("the disk could not be looked at as it should", "error", err)
			}
		},
	})
	if err != nil {
		return hint(err, "check --disk-warn, --disk-no-new-tabs and --disk-close")
	}
	if !m.disk.MayReopen() {
		return m.diskHalt(nil)
	}
	return nil
}

// diskChanged does what a level of the disk asks for.
func (m *Machine) diskChanged(r disk.Report) {
	if m.Till == nil {
		return // not yet open
	}
	m.log.Info("the disk changed", "level", r.Level, "room", r.Room, "close", r.Close)
	m.engine.Pause(!r.Level.TakeForeign(false))
	m.events.post(Event{What: "status"})
	if r.Close {
		m.stop(m.diskHalt(nil))
	}
}

// diskFailed looks whether an error that ends the till is one of its disk, and makes it a halt then.
func (m *Machine) diskFailed(err error) error {
	_, halt := errors.AsType[*Halt](err)
	switch {
	case err == nil, halt, m.disk == nil, errors.Is(err, store.ErrDoubt), errors.Is(err, fs.ErrNotExist):
		return err // a file that is missing is a doubt, not a fault of the disk
	case disk.Fault(err) == disk.Unknown && !errors.Is(err, rows.ErrFull):
		return err
	}
	m.disk.WriteFailed(err)
	return m.diskHalt(err)
}

// diskHalt is why the store is closed: it is opened again when there is room.
func (m *Machine) diskHalt(err error) *Halt {
	k, r := m.disk, m.disk.Report()
	return &Halt{
		Kind: DiskCode(r.Level), Text: r.Sentence(), Next: r.Next(), At: m.o.Now(), Err: err,
		Mend: func(ctx context.Context) error { k.Await(ctx); return ctx.Err() },
		Disk: k.Report,
	}
}
