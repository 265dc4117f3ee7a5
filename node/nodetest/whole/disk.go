package whole

import (
	"errors"

	"github.com/tillmesh/tillmesh/node/disk"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// space is the disk of a till as its keeper sees it.
type space struct{ till *Till }

// Free is a method of disk.Disk.
func (s space) Free() (uint64, error) {
	s.till.shop.see()
	return s.till.Free, nil
}

// Probe is a method of disk.Disk.
func (s space) Probe() error {
	s.till.shop.see()
	if s.till.Free == 0 {
		return rows.ErrFull
	}
	return nil
}

// Ballast is a method of disk.Disk.
func (space) Ballast() (uint64, error) { return 0, nil }

// GrowBallast is a method of disk.Disk.
func (space) GrowBallast(uint64) error { return nil }

// DropBallast is a method of disk.Disk.
func (space) DropBallast() error { return nil }

var errNoRoom = errors.New("the disk has too little room")

// watchDisk begins to watch the disk for a life, which ends when there is too little room, and does not begin.
func (t *Till) watchDisk(l *life) (*disk.Keeper, error) {
	limits := disk.DefaultLimits()
	limits.Ballast = 0
	k, err := disk.NewKeeper(disk.Config{Disk: space{t}, Limits: limits, Now: t.wall, Changed: func(r disk.Report) {
		if r.Close {
			l.post("no room", func() { l.sim.End(errNoRoom) })
		}
	}})
	if err == nil && !k.MayReopen() {
		err = errNoRoom
	}
	return k, err
}
