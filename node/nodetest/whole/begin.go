package whole

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/lineage"
	"github.com/tillmesh/tillmesh/replication/mesh"
	"github.com/tillmesh/tillmesh/replication/simulation"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// Files of a till: on the data disk, and on the state disk.
const (
	fileRecord  = "highwater"
	fileKeys    = "gossipkeys"
	fileBinding = "binding"
)

// start writes the first rows of a new till and starts it.
func (t *Till) start(n node.Newcomer) {
	t.newcomer = n
	r, err := t.M.Data().Open()
	if err != nil {
		t.shop.W.Fail("%s: %v", t.Name, err)
		return
	}
	rec, err := n.Fill(context.Background(), r, t.M.Wall())
	err = errors.Join(err, r.Close(), t.M.File(fileRecord).Write(rec.Encode()))
	if err == nil {
		err = outside{t}.WriteBinding(lineage.Binding{Machine: t.machine(), Place: t.place(), Replica: n.Identity.Replica,
			Prefix: n.Identity.Prefix, Boot: rec.Boot})
	}
	if err == nil && !n.Keys.IsZero() {
		err = t.M.File(fileKeys).Write(n.Keys.Encode())
	}
	if err != nil {
		t.shop.W.Fail("%s: %v", t.Name, err)
		return
	}
	t.M.Start()
}

// outside is what a till keeps beside its rows and on the state disk.
type outside struct{ till *Till }

// Write is a method of store.RecordFile.
func (o outside) Write(payload []byte) error { return o.till.M.File(fileRecord).Write(payload) }

// WriteRecord is a method of lineage.Outside.
func (o outside) WriteRecord(rec store.Record) error { return o.Write(rec.Encode()) }

// WriteBinding is a method of lineage.Outside.
func (o outside) WriteBinding(b lineage.Binding) error {
	raw, err := b.Encode()
	if err != nil {
		return err
	}
	return o.till.M.State().WriteFile(fileBinding, raw)
}

func (t *Till) machine() lineage.Machine { return lineage.MachineOf([]byte(t.M.ID())) }

// place is where the data disk is mounted: the same path everywhere, on another disk if it is a copy.
func (t *Till) place() lineage.Place {
	return lineage.Place{Path: "/data", Node: binary.BigEndian.AppendUint64(nil, t.disks)}
}

// evidence is what a start finds beside and outside of the rows.
func (t *Till) evidence() (e lineage.Evidence) {
	e.Machine, e.Place = t.machine(), t.place()
	if raw, found := t.M.File(fileRecord).Read(); !found {
		e.Record.Condition = lineage.Missing
	} else if rec, err := store.DecodeRecord(raw); err != nil {
		e.Record = lineage.RecordFound{Condition: lineage.Damaged, Detail: err.Error()}
	} else {
		e.Record.Record = rec
	}
	if raw, found := t.M.State().ReadFile(fileBinding); !found {
		e.Binding.Condition = lineage.Missing
	} else if b, err := lineage.DecodeBinding(raw); err != nil {
		e.Binding = lineage.BindingFound{Condition: lineage.Damaged, Detail: err.Error()}
	} else {
		e.Binding.Binding = b
	}
	return e
}

// Open is a method of simulation.Program: it starts the till as node.Open does.
func (t *Till) Open(sim *simulation.Life) (simulation.Opened, error) {
	r, err := sim.OpenRows()
	if err != nil {
		return simulation.Opened{}, err
	}
	opened, err := t.open(sim, r)
	if err != nil {
		return opened, errors.Join(err, r.Close())
	}
	return opened, nil
}

func (t *Till) open(sim *simulation.Life, r rows.Store) (o simulation.Opened, err error) {
	ctx := context.Background()
	l := &life{mailbox: new(mailbox), shop: t.shop, till: t, sim: sim}
	l.ctx, l.cancel = context.WithCancel(ctx)
	if l.disk, err = t.watchDisk(l); err != nil {
		return o, err
	}
	env := t.environment(sim.Number())
	begun, err := node.Origin{Identity: t.newcomer.Identity, Key: t.newcomer.Key, Version: version, Rows: r, Evidence: t.evidence(),
		Outside: outside{t}, Environment: env}.Begin(ctx)
	if err != nil {
		return o, err
	}
	for _, d := range begun.Doubts {
		t.doubts = append(t.doubts, d.Kind)
		t.shop.W.Count("doubt: " + string(d.Kind))
		t.shop.W.Trace("%s goes on as %s: %s", t.Name, begun.Prefix, d.Text)
	}
	handing, err := begun.MayGoOn(ctx, env.Now())
	if err != nil {
		return o, err
	}
	keys, err := t.readKeys()
	if err != nil {
		return o, err
	}
	l.guard = begun.Store
	l.node, err = node.Assemble(ctx, node.Parts{
		Identity: begun.Identity, Key: t.newcomer.Key, Boot: begun.Boot, Version: version, Store: begun.Store, Environment: env,
		Disk: l.disk, GossipKeys: keys, KeepKeys: t.keepKeys, Founder: t.newcomer.Founder, Handing: handing, Terminal: t.terminal(), Signers: t.signers(),
	})
	if err != nil {
		return o, err
	}
	l.node.Connect(l, network{l})
	cfg, err := l.node.CoreConfig(ctx, begun, [16]byte{})
	if err != nil {
		return o, err
	}
	t.life, t.refused, t.handing = l, nil, handing
	return simulation.Opened{
		Shop: begun.Identity.Shop, Replica: begun.Identity.Replica, Boot: begun.Boot, Store: l.node.Witness(), Heads: begun.Heads,
		Roster: l.node.Roster(), Allowed: t.allowed(l), Settle: begun.Store.Settle,
		Configure: func(c *replication.Config) {
			cfg.Nonce, cfg.Jitter = c.Nonce, c.Jitter
			*c = cfg
		},
	}, nil
}

// allowed returns with whom a life of the till links: with tills of the shop, and with clouds, which it calls.
func (t *Till) allowed(l *life) func(crdt.TillID) bool {
	tills := t.shop.plant.mayLink(l.node.MayLink)
	return func(id crdt.TillID) bool { return tills(id) || l.node.MayUplink(id) }
}

const version = "simulation"

// doubted writes down what a doubt that ended a life means for the next one.
func (t *Till) doubted(l *life, d *replication.DoubtError) error {
	text, notes := l.node.Doubted(d, l.sim.Nonce())
	t.shop.W.Trace("%s is in doubt: %s", t.Name, text)
	if len(notes) == 0 {
		return nil
	}
	r, err := t.M.Data().Open()
	if err != nil {
		return fmt.Errorf("write down a doubt: %w", err)
	}
	st, err := store.Open(context.Background(), r)
	if err == nil {
		_, err = st.Apply(context.Background(), []replication.Op{{Notes: notes}})
	}
	return errors.Join(err, r.Close())
}

// keepKeys makes the keys of the group durable; a goroutine calls it.
func (t *Till) keepKeys(set mesh.GossipKeys) error {
	t.shop.see()
	if t.shop.plant == PlantKeys {
		for _, o := range t.shop.Tills {
			_ = o.M.File(fileKeys).Write(set.Encode()) // as far as it can
		}
	}
	return t.M.File(fileKeys).Write(set.Encode())
}

// readKeys returns the keys of the group; the zero value if they did not change yet.
func (t *Till) readKeys() (mesh.GossipKeys, error) {
	b, found := t.M.File(fileKeys).Read()
	if !found {
		return mesh.GossipKeys{}, nil
	}
	return mesh.DecodeGossipKeys(b)
}
