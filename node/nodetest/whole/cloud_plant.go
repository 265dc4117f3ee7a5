package whole

import (
	"context"
	"errors"
	"reflect"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/lease"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/simulation"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// The mistakes of a cloud.
const (
	PlantLeaves Plant = "leaves" // a commit is acknowledged before its leaves are in the archive
	PlantTwice  Plant = "twice"  // what comes again is appended again
	PlantTerms  Plant = "terms"  // a till that is refused the lease is given the term of another one
	PlantStale  Plant = "stale"  // a till that does not hold the lease moves the cursor
)

// granted returns the answer to a question for the lease.
func (p Plant) granted(a lease.Answer, from crdt.TillID) lease.Answer {
	if p == PlantTerms && a.Reason == lease.Held {
		a.Granted, a.Holder = true, from
	}
	return a
}

// move lets a question move the cursor that must not.
func (p Plant) move(r *replica, q lease.Question, a lease.Answer, state lease.State, from crdt.TillID) {
	if p != PlantStale || a.Granted || r.sim == nil || !r.sim.Up() {
		return
	}
	state.Cursor = lease.Cursor{Term: q.Term, Till: from, AtMS: a.NowMS}
	r.sim.Propose(replication.Local{Notes: []replication.Note{{Key: leaseNote, Value: state.Encode()}}}, func(replication.Result) {})
}

// guarded is the store of a replica with what goes wrong at the database, and mistakes.
type guarded struct {
	simulation.Store
	server *server
}

var errDatabase = errors.New("the database of the cloud has no room")

// Apply is a method of replication.Store.
func (g guarded) Apply(ctx context.Context, ops []replication.Op) (replication.Applied, error) {
	c := g.server.cloud
	if c.full {
		return replication.Applied{}, errors.Join(errDatabase, rows.ErrFull)
	}
	if c.shop.plant == PlantLeaves {
		return g.late(ctx, ops)
	}
	applied, err := g.Store.Apply(ctx, ops)
	if err == nil && c.shop.plant == PlantTwice && c.rand.IntN(10) == 0 {
		entries := c.entries(ops)
		for i := range entries {
			entries[i].Leaf.Day = "2000-01-01" // or it would be known to be the same
		}
		c.append(entries)
	}
	return applied, err
}

// late applies without leaves and appends them after a while.
func (g guarded) late(ctx context.Context, ops []replication.Op) (replication.Applied, error) {
	c := g.server.cloud
	bare, _ := reflect.ValueOf(g.Store).FieldByName("Store").Interface().(*store.Store) // beneath the one that archives
	applied, err := bare.Apply(ctx, ops)
	if err == nil {
		c.shop.W.At(time.Second, func() { c.append(c.entries(ops)) })
	}
	return applied, err
}

func (c *Cloud) entries(ops []replication.Op) (out []archive.Entry) {
	for i := range ops {
		if ops[i].Commit != nil {
			out = append(out, archive.Entries(c.shopID(), ops[i].Commit)...)
		}
	}
	return out
}

func (c *Cloud) append(entries []archive.Entry) {
	err := c.exec(func(ctx context.Context, tx *database.Tx) error {
		_, err := c.logs.Append(ctx, tx, c.account, entries, c.now())
		return err
	})
	if err != nil {
		c.shop.W.Fail("the archive: %v", err)
	}
}
