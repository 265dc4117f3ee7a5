package whole

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing/synctest"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/server/serverclient"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/replication/engine"
)

// uplink is the way of one life of a till to the cloud: the till's own, over the simulated network.
type uplink struct {
	*node.Uplink
	life   *life
	linked []crdt.TillID // as it was told last
	calls  []*call       // that are under way or stand
}

// heartbeat is how often time passes for what waits in an uplink or a cloud, and links are looked at.
const heartbeat = 100 * time.Millisecond

// forward gives a life its way to the cloud, if the shop has one.
func (t *Till) forward(l *life) {
	s := t.shop
	if s.Cloud == nil || l.uplink != nil {
		return
	}
	u := &uplink{life: l}
	l.uplink = u
	chance := rand.New(rand.NewPCG(s.W.Seed(), uint64(l.sim.Number())<<32|uint64(slices.Index(s.Tills, t))))
	u.Uplink = node.NewUplink(l.node, node.UplinkParts{
		Dial: u.dial, Probe: u.probe, Serve: u.serve, Lacks: l.Lacks,
		Jitter: func(n time.Duration) time.Duration { return time.Duration(chance.Int64N(max(1, int64(n)))) },
	})
	l.node.ConnectCloud(line{u})
	s.always(l, func(ctx context.Context) { _ = u.Run(ctx) }) // it ends with the life
	u.beat()
}

// beat tells the uplink when links changed, and lets its time pass.
func (u *uplink) beat() {
	l := u.life
	l.sim.After(heartbeat, func() {
		var ready []crdt.TillID
		for _, link := range l.sim.Core().Links() {
			if link.Ready {
				ready = append(ready, link.Till)
			}
		}
		if !slices.Equal(ready, u.linked) {
			u.linked = ready
			u.LinksChanged()
			synctest.Wait()
		}
		l.shop.soon()
		u.beat()
	})
}

// asked answers a question of a peer.
func (l *life) asked(ctx context.Context, from crdt.TillID, topic string, body []byte) ([]byte, bool) {
	if l.uplink == nil {
		return l.node.Asked(ctx, from, topic, body)
	}
	return l.uplink.Asked(ctx, from, topic, body)
}

// dial calls the cloud, as cloudlink.Dialer does.
func (u *uplink) dial(ctx context.Context, to cloudlink.Coupling) (*cloudlink.Connection, error) {
	c := &call{life: u.life, to: to, answer: make(chan answered, 1), ends: [2]chan error{make(chan error, 1), make(chan error, 1)}}
	u.life.post("call of the cloud", func() {
		u.calls = append(u.calls, c)
		u.life.shop.Cloud.called(c)
	})
	select {
	case a := <-c.answer:
		return a.connection, a.err
	case <-ctx.Done():
		u.life.post("call of the cloud that is given up", func() { c.hangUp(tillSide, "the till gives the call up") })
		return nil, cloudlink.FailureOf(ctx.Err())
	}
}

// probe looks whether the cloud is there.
func (u *uplink) probe(ctx context.Context, _ cloudlink.Coupling) error {
	found := make(chan error, 1)
	u.life.post("look at the cloud", func() { u.life.shop.Cloud.probed(u.life, found) })
	select {
	case err := <-found:
		return err
	case <-ctx.Done():
		return cloudlink.FailureOf(ctx.Err())
	}
}

// serve waits for the end of a connection.
func (u *uplink) serve(ctx context.Context, conn engine.Conn) error {
	c, ok := conn.ReadWriteCloser.(*call)
	if !ok {
		return errors.New("this is no simulated connection")
	}
	return c.serve(ctx, tillSide, u.life)
}

// hangUp ends all calls, because the life does.
func (u *uplink) hangUp() {
	if u == nil {
		return
	}
	for _, c := range u.calls {
		c.hangUp(tillSide, "the till is down")
	}
}

// line is what a till shows of its way to the cloud.
type line struct{ *uplink }

var errNoHTTP = errors.New("nobody simulates the API of a cloud")

// Client is a method of node.Line.
func (line) Client(string) (*serverclient.Client, error) { return nil, errNoHTTP }

// Look is a method of node.Line.
func (line) Look(context.Context, string) node.CloudLook { return node.CloudLook{} }
