package simulation

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/lineage"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// till is the program of the shops that come with the package: it keeps its identity as a till does, believes in the real
// roster, numbers its sales, and changes things at random.
type till struct {
	s      *branch
	m      *Machine
	base   string // number prefix of its admission
	store  *store.Guard
	roster *shop.Roster
	kept   *shop.Roster       // the last one, for the next life
	read   map[crdt.Hash]bool // the commits it was made of
	series series
	copied bool  // it runs on a copy of another till's data
	manual bool  // it is not started again by itself
	stuck  error // why it must not be started again, nil if it may
	doubts []lineage.Doubt

	cloud    bool   // it is no till; see cloud.go
	reseat   bool   // of a cloud: the next start takes a new seat
	lastBoot uint32 // of a cloud: the number of its last start
}

// Open is a method of Program.
func (t *till) Open(l *Life) (Opened, error) {
	t.store, t.roster = nil, nil
	if t.cloud {
		return t.openCloud(l)
	}
	r, err := l.OpenRows()
	if err != nil && !errors.Is(err, rows.ErrCorrupt) {
		return Opened{}, err
	}
	f, err := t.find(l, r, err)
	if err != nil {
		return Opened{}, errors.Join(err, f.close())
	}
	o, err := t.open(f)
	if err != nil {
		return Opened{}, errors.Join(err, f.close())
	}
	return o, nil
}

// open begins a start on what was found, under a new lineage if there is any doubt.
func (t *till) open(f *found) (Opened, error) {
	boot, err := t.begin(f)
	if err != nil {
		return Opened{}, err
	}
	replica := f.Store.Identity.Replica
	if t.store, err = store.NewGuard(background, f.store, t.m.File(fileRecord), replica, boot); err != nil {
		return Opened{}, err
	}
	claim, ok := t.roster.Lineage(replica)
	if !ok {
		return Opened{}, fmt.Errorf("no lineage claims %v", replica)
	}
	if err := t.WriteBinding(lineage.Binding{
		Machine: f.Machine, Place: f.Place, Replica: replica, Prefix: claim.Prefix, Boot: boot,
	}); err != nil {
		return Opened{}, err
	}
	if err := t.series.load(t.store, claim.Prefix); err != nil {
		return Opened{}, err
	}
	configure, err := t.configure(replica)
	return Opened{
		Shop: t.s.id, Replica: replica, Boot: boot, Store: t.store, Roster: pushers{t.roster},
		Heads:   lineage.Heads(t.store.Heads(), t.store.Contexts(), replica),
		Allowed: t.allowed, Settle: t.store.Settle, Configure: configure,
	}, err
}

// begin takes the number of the start, under the lineage of the store or a new one.
func (t *till) begin(f *found) (boot uint32, err error) {
	t.doubts = lineage.Judge(f.Evidence)
	if t.m.w.opt.Plant == PlantSameReplica {
		t.doubts = nil
	}
	if t.roster, err = t.buildRoster(f.store); err != nil {
		return 0, err
	}
	if len(t.doubts) == 0 {
		high := max(f.Record.Record.Boot, f.Binding.Binding.Boot)
		return f.store.NextBoot(background, max(t.m.Wall().Unix(), crdt.BootEpoch+1+int64(high)))
	}
	t.m.w.oracle.members = true
	t.m.w.Trace("%s is in doubt: %s", t.m.name, kindsOf(t.doubts))
	if !lineage.Renewable(t.doubts) {
		t.stuck = fmt.Errorf("%w: %s", lineage.ErrDoubt, kindsOf(t.doubts))
		return 0, t.stuck
	}
	boot, err = t.renew(f)
	if err == nil {
		t.m.w.Count("renewed")
	}
	return boot, err
}

// kindsOf names doubts. Their details may name any of several scopes, and a run has to be the same each time.
func kindsOf(doubts []lineage.Doubt) string {
	var out []string
	for _, d := range doubts {
		out = append(out, string(d.Kind))
	}
	return strings.Join(out, ", ")
}

// configure says what else the core is to know.
func (t *till) configure(replica crdt.ReplicaID) (func(*replication.Config), error) {
	damaged, err := t.store.Damaged(background)
	if err != nil {
		return nil, err
	}
	agreed, err := t.store.Agreed(background, replica)
	return func(c *replication.Config) {
		c.AuditEvery, c.Damaged, c.Agreed, c.Active, c.Ended = t.s.auditEvery, damaged, agreed, t.active, t.ended
		c.Clouds = t.clouds
	}, err
}

// active returns the tills that take part, and the clouds.
func (t *till) active() (out []crdt.TillID) {
	for _, other := range t.roster.Tills() {
		if other.State == shop.Active {
			out = append(out, other.ID)
		}
	}
	for _, cloud := range t.clouds() {
		out = append(out, cloud.ID)
	}
	return out
}

// ended returns replicas under which nobody writes any more.
func (t *till) ended() []crdt.ReplicaID { return t.roster.Ended() }

// allowed reports whether a till may be linked: a retired one still hands over what it holds. With clouds one till links.
func (t *till) allowed(id crdt.TillID) bool {
	if t.cloud {
		return t.allowedCloud(id)
	}
	if t.roster.Coupled(id) {
		up := t.s.uplink()
		return up != nil && up.m.till == t.m.till
	}
	state := t.roster.State(id)
	return state == shop.Active || state == shop.Retired
}

// pushers is a roster for the core.
type pushers struct{ r *shop.Roster }

// MayPush is a method of replication.Roster.
func (p pushers) MayPush(till crdt.TillID, c *crdt.Commit) bool { return p.r.MayPushCommit(till, c) }

// buildRoster reads the roster from the store. A roster is what its items make it, whatever their order, so the one of
// the life before serves if all of its commits are still there: checking signatures is most of the work of a start.
func (t *till) buildRoster(st *store.Store) (*shop.Roster, error) {
	var list []*crdt.Commit
	missing := len(t.read)
	err := eachCommit(st, crdt.Shop, func(c *crdt.Commit) error {
		list = append(list, c)
		if t.read[c.Hash()] {
			missing--
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if missing > 0 || t.kept == nil {
		t.kept, t.read = shop.NewRoster(t.s.id), make(map[crdt.Hash]bool)
	}
	for _, c := range list {
		if err := t.learn(t.kept, c); err != nil {
			return nil, err
		}
	}
	return t.kept, nil
}

func (t *till) learn(r *shop.Roster, c *crdt.Commit) error {
	t.read[c.Hash()] = true
	return r.AddCommit(c)
}

// eachCommit calls f with every live commit of a scope.
func eachCommit(st *store.Store, scope crdt.Scope, f func(*crdt.Commit) error) error {
	want := st.Contexts()[scope]
	for at := (replication.Cursor{}); !at.Done; {
		list, next, err := st.Live(background, scope, want, at, 1<<20)
		if err != nil {
			return err
		}
		at = next
		for _, raw := range list {
			c, err := crdt.DecodeCommit(raw)
			if err != nil {
				return err
			}
			if err := f(c); err != nil {
				return err
			}
		}
	}
	return nil
}

// Started is a method of Program.
func (t *till) Started(l *Life) {
	if !t.cloud {
		t.sayAgain(l)
	}
}

// Asked is a method of Program.
func (t *till) Asked(_ *Life, _ crdt.TillID, topic string, body []byte, answer func([]byte, bool)) {
	answer(append([]byte(topic+" "), body...), true)
}

// Noticed is a method of Noticer.
func (t *till) Noticed(_ *Life, ev replication.Event) {
	switch ev.Kind {
	case replication.EventFork:
		t.m.w.Count("fork")
	case replication.EventCopy:
		t.m.w.Count("copy that gives way")
	case replication.EventTwice:
		t.m.w.Count("key that speaks twice")
	case replication.EventAudit:
		t.m.w.Count("audit: " + ev.Audit.Outcome.String())
	}
}

// Applied is a method of Program.
func (t *till) Applied(l *Life, taken []replication.Taken) {
	for i := range taken {
		c := taken[i].Commit
		if c.Scope == crdt.Shop {
			t.heard(l, c)
		}
		t.checkLines(l, c)
	}
}

// heard takes what a commit says about the members of the shop.
func (t *till) heard(l *Life, c *crdt.Commit) {
	if err := t.learn(t.roster, c); err != nil {
		t.m.w.Fail("%s cannot read the roster: %v", t.m.name, err)
	}
	for i := range c.Pieces {
		switch p := &c.Pieces[i]; p.Type {
		case shop.TypeRevocation:
			if d, err := shop.ParseDeparture(true, p.Raw); err == nil {
				l.core.Forget(d.Till)
			}
		case shop.TypeLineage: // what it held before, it may have lost
			if claim, err := shop.ParseLineage(p.Raw); err == nil {
				l.core.Forget(claim.Till)
			}
		}
	}
	for _, o := range t.s.tills { // another till may be the one that links with clouds now
		if o.cloud && o != t {
			t.m.w.reach(o.m)
		}
	}
}

// Stopped is a method of Program.
func (t *till) Stopped(l *Life, why error) {
	if doubt := (*replication.DoubtError)(nil); errors.As(why, &doubt) {
		if t.cloud {
			t.reseat = true
		} else {
			t.doubted(l, doubt)
		}
	}
	if !t.manual && t.stuck == nil && !t.m.gone {
		t.m.StartIn(t.m.w.Under(5 * time.Second))
	}
}
