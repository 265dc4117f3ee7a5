package node

import (
	"context"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/crdt"
)

// heardTime is how long the cloud may take to hear it.
const heardTime = 5 * time.Second

// tellHeard tells a cloud that is linked when this till last heard the others of the shop, at once and again and again, until ctx is done: the cloud
// hears only who calls it, and names a till that nobody heard for long.
func (t *Till) tellHeard(ctx context.Context, cloud crdt.TillID) {
	pause := time.Second // the link is still being made
	for t.env.wait(ctx, pause, nil) {
		asking, cancel := context.WithTimeout(ctx, heardTime)
		_, err := t.replicator.Ask(asking, cloud, cloudlink.HeardTopic, cloudlink.EncodeHeard(t.heardOthers()))
		cancel()
		if pause = cloudlink.HeardEvery; err != nil && ctx.Err() == nil { // a cloud of an older program does not know it
			t.log.Debug("the cloud was not told which tills are heard", "error", err)
			pause = cloudlink.HeardEvery / 4
		}
	}
}

// heardOthers says how long ago each other active till was heard; one that never was is left out.
func (t *Till) heardOthers() (list []cloudlink.Heard) {
	now := t.clock.Now()
	for _, till := range t.roster.activeTills() {
		if till == t.id.Till {
			continue
		}
		if at, ok := t.lastHeard(till); ok {
			list = append(list, cloudlink.Heard{Till: till, Ago: max(0, now.Sub(at))})
		}
	}
	return list
}
