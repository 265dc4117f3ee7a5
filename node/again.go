package node

import (
	"context"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/replication/lineage"
)

const (
	// againLook is how often a till looks whether it may say again what a sealed lineage wrote, and goes on after a failure.
	againLook = time.Second
)

// sayAgain says again, under the lineage that writes now, what sealed lineages of this till wrote and nobody else is known
// to hold. It begins after the first comparison with another till, because then it is known what they hold.
func (m *Machine) sayAgain(ctx context.Context) {
	for compared := false; ; {
		left, err := lineage.Pending(ctx, m.store)
		if err == nil && !left {
			m.again.Store(false)
			return
		}
		m.again.Store(true)
		if compared = compared || m.Compared(); compared && err == nil {
			var report lineage.AgainReport
			if report, err = m.SayAgain(ctx); err == nil {
				m.log.Info("what the sealed number series wrote was said again", "changes", report.Commits, "items", report.Items,
					"registers", report.Registers, "left", report.Left)
				continue
			}
		}
		if err != nil && ctx.Err() == nil {
			m.log.Warn("what a sealed lineage wrote was not said again yet", "error", err)
		}
		if !m.env.wait(ctx, againLook, nil) {
			return
		}
	}
}

// Compared reports whether this till and another one told each other what they hold, and nothing is being fetched.
func (t *Till) Compared() bool {
	for _, l := range t.replicator.State().Links {
		if l.Ready && !l.Pulling {
			return true
		}
	}
	return false
}

// SayAgain says again what is left; see [lineage.Reemission]. Nobody may call it twice at the same time.
func (t *Till) SayAgain(ctx context.Context) (lineage.AgainReport, error) {
	r := lineage.Reemission{
		Replica: t.id.Replica, Store: t.store, Submit: t.replicator.Submit, Exclusive: t.exclusive,
		Held: func(scope crdt.Scope, d crdt.Dot) bool { return len(t.replicator.Holders(scope, d)) > 0 },
	}
	return r.Run(ctx)
}

// exclusive runs do while nobody on this till edits master data or works on the tabs or lines of the keys.
func (t *Till) exclusive(ctx context.Context, keys []crdt.Key, do func() error) error {
	release, err := t.cards.hold(ctx)
	if err != nil {
		return err
	}
	defer release()
	t.masterData.Lock()
	defer t.masterData.Unlock()
	// Whoever adds lines has the tab before the lines, so tabs come first here, too.
	locked := make(map[crdt.ObjectID]bool)
	for _, tabs := range []bool{true, false} {
		for _, k := range keys {
			if k.Scope.Kind == crdt.KindSales && (k.Type == receipt.TypeTab) == tabs && !locked[k.Object] {
				locked[k.Object] = true
				defer t.tabs.own(k.Object)()
			}
		}
	}
	return do()
}
