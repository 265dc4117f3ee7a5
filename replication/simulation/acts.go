package simulation

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// off takes the power from a till, if it runs.
func (t *till) off() { t.m.PowerCut() }

// night switches off all tills that run, lets time pass, and starts them again.
func (s *branch) night(length time.Duration) {
	s.w.Count("closed for a while")
	var open []*till
	for _, t := range s.tills {
		if t.m.Running() {
			t.manual = true
			t.m.Stop()
			open = append(open, t)
		}
	}
	s.w.RunUntil(10*time.Minute, func() bool {
		return !slices.ContainsFunc(open, func(t *till) bool { return t.m.Running() })
	})
	s.w.Jump(length)
	for _, t := range open {
		t.manual = false
		t.m.StartIn(s.w.Under(2 * time.Second))
	}
}

// twice starts the program a second time on the data of a till that runs: it has to refuse and to change nothing.
func (t *till) twice() error {
	if t.m.life == nil {
		return nil
	}
	w := t.m.w
	w.Count("second process")
	before := t.m.data.Commits()
	other := &till{s: t.s, m: t.m, base: t.base, manual: true}
	if _, err := other.Open(newLife(t.m)); !errors.Is(err, rows.ErrInUse) {
		w.Fail("a second process on the data of %s was not refused: %v", t.m.name, err)
	}
	if t.m.data.Commits() != before {
		w.Fail("a second process wrote into the data of %s", t.m.name)
	}
	return nil
}

// copy starts a copy of a till's data, of now or of a backup, on another machine.
func (s *branch) copy(t *till, name, backup string) error {
	if t.m.gone && backup == "" {
		return nil
	}
	data := t.m.data
	if backup != "" {
		if data = s.backups[backup]; data == nil {
			return fmt.Errorf("there is no backup %s", backup)
		}
	}
	other := &till{s: s, base: t.base, copied: true}
	other.m = s.w.AddCopy(name, t.m, data, other)
	s.tills = append(s.tills, other)
	s.w.oracle.members = true
	other.m.Start()
	return nil
}

// restore puts a backup of its own in the place of a till's data disk.
func (s *branch) restore(t *till, name string) error {
	data := s.backups[name]
	if data == nil {
		return fmt.Errorf("there is no backup %s", name)
	}
	if t.m.gone {
		return nil
	}
	t.off()
	t.m.Insert(data.Clone())
	t.reseat = t.cloud // who restores a cloud says so
	return nil
}

// rewind makes the disk lose its last commits. The record beside the store notices unless only the last batch is gone
// and nothing was quiet since: that is not promised, see store.Guard.
func (t *till) rewind(n int) error {
	if t.m.gone || t.m.life != nil && t.m.life.unsettled || t.m.life == nil && t.m.hanging {
		t.m.w.Count("rewind spared")
		return nil
	}
	t.off()
	if t.m.data.Rewind(n) {
		t.m.w.Count("lost tail")
		t.m.w.oracle.lost(t.m, fmt.Sprintf("its log lost %d commits", n))
	}
	return nil
}

// departs retires or revokes a till.
func (s *branch) departs(by *till, name string, revoked bool) error {
	other, err := s.named(name)
	if err != nil {
		return err
	}
	return by.depart(other, revoked)
}

// damage spoils one row of the data disk while the till is off. A row that is gone nobody misses at first; a bit that
// flipped the engine notices by its checksum, and no longer opens.
func (t *till) damage(flip bool) error {
	w := t.m.w
	if t.m.gone {
		return nil
	}
	t.off()
	var some []rows.Row
	t.m.data.Rows(func(r rows.Row) bool {
		if t.repairable(r, flip) {
			some = append(some, r)
		}
		return true
	})
	if len(some) == 0 {
		w.Count("damage spared")
		return nil
	}
	row := some[w.rand.IntN(len(some))]
	w.Count(map[bool]string{true: "bit flip", false: "missing value"}[flip])
	w.Trace("row %q of %s is spoiled", row.Key[:1], t.m.name)
	t.m.Damage([]rows.Write{{Key: row.Key, Delete: true}})
	if flip {
		t.m.data.Corrupt(true)
	}
	return nil
}

// repairable reports whether the loss of a row can be made good. Without the roster a till knows no others.
func (t *till) repairable(r rows.Row, salvaged bool) bool {
	switch r.Key[0] {
	case 'c', 'd', 'k', 'l', 'o', 'x':
	default:
		return true // of this till alone; a start notices
	}
	scope, _, err := crdt.CutScopeKey(r.Key[1:])
	if err != nil || scope == crdt.Shop {
		return false
	}
	return salvaged || slices.ContainsFunc(t.m.w.machines, func(m *Machine) bool {
		return m != t.m && !m.gone && !m.check.damaged && m.durable(scope).Covers(t.m.durable(scope))
	})
}
