package simulation

import (
	"errors"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/lineage"
	"github.com/tillmesh/tillmesh/replication/store"
)

// A cloud is a machine like a till, with the same store and core. It begins with nothing but its key and a seat, and it links with one
// till, the uplink, alone: what it holds and agrees on reaches the others, and theirs reaches it, through that one.

// couple couples a new cloud with the shop.
func (t *till) couple(name string) error {
	c := t.s.add(name)
	c.cloud, c.reseat, c.stuck = true, true, errors.New("it was not coupled")
	if !t.mayAct() {
		return nil // nobody is there to say so
	}
	replica := t.s.w.replicaID()
	bond := shop.Coupling{PublicKey: c.public(), URL: "https://cloud.example", Account: name, By: t.m.till,
		ID: [shop.CouplingSize]byte(replica[:]), MS: t.m.Wall().UnixMilli()}
	piece, err := bond.Sign(t.s.id, t.m.key)
	if err != nil {
		return err
	}
	t.m.w.Count("coupled")
	t.m.w.oracle.members = true
	t.give(piece, func() {
		c.stuck = nil
		c.m.Start()
	})
	return nil
}

// uncouple ends every coupling of a cloud that the till knows.
func (t *till) uncouple(name string) error {
	c, err := t.s.named(name)
	if err != nil || !t.mayAct() {
		return err
	}
	about, _ := t.roster.Cloud(c.m.till)
	for _, bond := range about.Couplings {
		if !bond.Holds() {
			continue
		}
		piece, err := shop.Uncoupling{Coupling: bond.ObjectID(), By: t.m.till, MS: t.m.Wall().UnixMilli()}.Sign(t.s.id, t.m.key)
		if err != nil {
			return err
		}
		t.m.w.Count("uncoupled")
		t.give(piece, func() {})
	}
	return nil
}

// uplink returns the till that links with clouds: the first that runs, or could.
func (s *branch) uplink() *till {
	for _, t := range s.tills {
		if !t.cloud && !t.m.gone && t.stuck == nil && !t.manual && t.roster != nil && t.roster.Active(t.m.till) {
			return t
		}
	}
	return nil
}

// allowedCloud reports whether a cloud and the till with this ID may be linked, as the cloud sees it. Of a till that it does not know
// yet it is given the credentials.
func (t *till) allowedCloud(id crdt.TillID) bool {
	up := t.s.uplink()
	if up == nil || up.m.till != id || t.roster == nil {
		return false
	}
	if t.roster.State(id) == shop.Unknown {
		for _, p := range up.roster.Credentials(id) {
			if err := t.roster.AddItem(p.Type, p.Object, p.Raw); err != nil {
				t.m.w.Fail("%s cannot read the credentials of %s: %v", t.m.name, up.m.name, err)
			}
		}
	}
	state := t.roster.State(id)
	return state == shop.Active || state == shop.Retired
}

// openCloud begins a start of a cloud, under a new seat if its store may not be the one that wrote the last.
func (t *till) openCloud(l *Life) (o Opened, err error) {
	r, err := l.OpenRows()
	if err != nil {
		return o, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	st, err := store.Open(background, r)
	if err != nil {
		return o, err
	}
	if t.roster, err = t.buildRoster(st); err != nil {
		return o, err
	}
	id, err := st.Identity(background)
	if err != nil && !errors.Is(err, store.ErrNoIdentity) {
		return o, err
	}
	boot, err := st.NextBoot(background, max(t.m.Wall().Unix(), int64(t.lastBoot)+crdt.BootEpoch+1))
	if err != nil {
		return o, err
	}
	if t.reseat || id.Replica.IsZero() {
		if id.Replica, err = t.takeSeat(st, id.Replica, boot); err != nil {
			return o, err
		}
	}
	t.lastBoot = boot
	if t.store, err = store.NewGuard(background, st, t.m.File(fileRecord), id.Replica, boot); err != nil {
		return o, err
	}
	configure, err := t.configure(id.Replica)
	return Opened{
		Shop: t.s.id, Replica: id.Replica, Boot: boot, Store: t.store, Roster: pushers{t.roster},
		Heads:   lineage.Heads(t.store.Heads(), t.store.Contexts(), id.Replica),
		Allowed: t.allowed, Settle: t.store.Settle, Configure: configure,
	}, err
}

// takeSeat begins a new seat: who the store is, and the commit that brings the seat, before anything else is written.
func (t *till) takeSeat(st *store.Store, before crdt.ReplicaID, boot uint32) (crdt.ReplicaID, error) {
	replica, ms := t.s.w.replicaID(), t.m.Wall().UnixMilli()
	seat, err := shop.Seat{Cloud: t.m.till, Replica: replica, Predecessor: before, MS: ms}.Sign(t.s.id, t.m.key)
	if err != nil {
		return replica, err
	}
	own := &crdt.Commit{
		Scope: crdt.Shop, Dot: crdt.Dot{Replica: replica, Seq: crdt.NewSeq(boot, 1)}, Stamp: crdt.Stamp{MS: ms}, WallMS: ms,
		Schema: shop.Schema, Pieces: []crdt.Piece{seat},
	}
	if err := own.Seal(); err != nil {
		return replica, err
	}
	if _, err := st.Apply(background, []replication.Op{{Commit: own, Own: true}}); err != nil {
		return replica, err
	}
	if err := st.SetIdentity(background, store.Identity{Shop: t.s.id, Till: t.m.till, Replica: replica}); err != nil {
		return replica, err
	}
	if !before.IsZero() {
		t.m.w.Count("new seat")
	}
	t.reseat = false
	// Another number for what follows: the seat has the first of this start.
	t.roster, err = t.buildRoster(st)
	return replica, err
}

// clouds returns the clouds that are coupled.
func (t *till) clouds() (out []replication.Cloud) {
	for _, c := range t.roster.Clouds() {
		if seat, _ := c.Current(); c.Coupled {
			out = append(out, replication.Cloud{ID: c.ID, Replica: seat.Replica})
		}
	}
	return out
}

// checkClouds checks, for tills that are at rest with a cloud, that each of them knows what the cloud holds, although only one is linked
// with it.
func (s *branch) checkClouds(members []*Machine) {
	for _, c := range s.tills {
		if !c.cloud || !slices.Contains(members, c.m) || !slices.ContainsFunc(s.tills, func(t *till) bool { return !t.cloud && slices.Contains(members, t.m) }) {
			continue
		}
		for _, t := range s.tills {
			if t.cloud || t.m.life == nil || !slices.Contains(members, t.m) {
				continue
			}
			s.w.oracle.all(func(r *record) bool {
				held := c.m.life.opened.Store.Contexts()[r.commit.Scope].Has(r.commit.Dot)
				if held && !slices.Contains(t.m.life.Holders(r.commit.Scope, r.commit.Dot), c.m.till) {
					s.w.Fail("%s does not know that %s holds %v of %v", t.m.name, c.m.name, r.commit.Dot, r.commit.Scope)
				}
				return s.w.err == nil
			})
		}
	}
}
