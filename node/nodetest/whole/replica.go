package whole

import (
	"context"
	"errors"
	"testing/synctest"

	"github.com/tillmesh/tillmesh/cloudlink/server/replicas"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/engine"
	"github.com/tillmesh/tillmesh/replication/simulation"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// replica runs the core of the shop for a server of the cloud, as engine.Engine does for a real one: the world steps it. It is the
// engine of package replicas.
type replica struct {
	*life
	server *server
	core   replication.Config
	cfg    engine.Config
	begun  bool
	ended  chan error // one slot
}

// cloudStore is a store of the cloud as the world sees it: who opened it closes it, and its rows are looked at when all is at rest.
type cloudStore struct{ simulation.Store }

// Close is a method of simulation.Store.
func (cloudStore) Close() error { return nil }

// engine makes what runs a replica.
func (v *server) engine(core replication.Config, cfg engine.Config) replicas.Engine {
	r := &replica{life: &life{mailbox: v.life.mailbox, shop: v.cloud.shop}, server: v, core: core, cfg: cfg, ended: make(chan error, 1)}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Run is a method of replicas.Engine.
func (r *replica) Run(ctx context.Context) error {
	r.post("begin of a replica", r.begin)
	select {
	case err := <-r.ended:
		return err
	case <-ctx.Done():
	}
	r.post("end of a replica", func() {
		if r.sim != nil && r.sim.Up() {
			r.server.machine.Stop()
		}
	})
	return <-r.ended
}

// begin begins the life of the core, once.
func (r *replica) begin() {
	if r.begun {
		return
	}
	r.begun = true
	if r.server.life.over || r.server.machine.Running() {
		r.finish(simulation.ErrStopped)
		return
	}
	r.server.replica = r
	r.server.machine.Start()
}

// finish tells who waits that the core does not run any more.
func (r *replica) finish(why error) {
	r.end()
	if errors.Is(why, simulation.ErrStopped) {
		why = nil
	}
	r.shop.answer(func() { r.ended <- why })
}

// Serve is a method of replicas.Engine.
func (r *replica) Serve(ctx context.Context, conn engine.Conn) error {
	c, ok := conn.ReadWriteCloser.(*call)
	if !ok {
		return errors.New("this is no simulated connection")
	}
	return c.serve(ctx, cloudSide, r.life)
}

// Commit is a method of replicas.Engine.
func (r *replica) Commit(ctx context.Context, change replication.Local) (*crdt.Commit, error) {
	r.post("begin of a replica", r.begin)
	wait, err := r.Submit(change)
	if err != nil {
		return nil, err
	}
	return wait(ctx)
}

// Ask is a method of replicas.Engine.
func (r *replica) Ask(ctx context.Context, till crdt.TillID, topic string, body []byte) ([]byte, error) {
	r.post("begin of a replica", r.begin)
	return r.life.Ask(ctx, till, topic, body)
}

// Open is a method of simulation.Program: the server opened the store already.
func (v *server) Open(l *simulation.Life) (simulation.Opened, error) {
	r := v.replica
	st, ok := r.cfg.Store.(simulation.Store)
	if !ok {
		return simulation.Opened{}, errors.New("the store of a cloud is not one that can be looked at")
	}
	r.sim = l
	core := r.core
	return simulation.Opened{
		Shop: core.Shop, Replica: core.Replica, Boot: core.Boot, Store: cloudStore{guarded{st, v}}, Roster: core.Roster, Heads: core.Heads, Elsewhere: true,
		Unknown: func(err error) bool { return errors.Is(err, rows.ErrFenced) },
		Configure: func(c *replication.Config) {
			core.Nonce, core.Jitter = c.Nonce, c.Jitter
			core.Contexts, core.Digests = c.Contexts, c.Digests
			*c = core
		},
	}, nil
}

// Started is a method of simulation.Program.
func (*server) Started(*simulation.Life) {}

// Applied is a method of simulation.Program.
func (v *server) Applied(_ *simulation.Life, taken []replication.Taken) {
	v.replica.cfg.Applied(taken)
	v.cloud.archived(taken)
	v.cloud.dropped()
	synctest.Wait()
	v.cloud.shop.soon()
}

// Asked is a method of simulation.Program.
func (v *server) Asked(_ *simulation.Life, from crdt.TillID, topic string, body []byte, answer func([]byte, bool)) {
	r := v.replica
	var out []byte
	var ok bool
	v.inTurn(func(ctx context.Context) { out, ok = r.cfg.Asked(ctx, from, topic, body) }, func() {
		answer(v.cloud.heard(r, from, topic, body, out, ok), ok)
	})
}

// Stopped is a method of simulation.Program.
func (v *server) Stopped(_ *simulation.Life, why error) {
	if r := v.replica; r != nil {
		v.replica = nil
		r.finish(why)
	}
}
