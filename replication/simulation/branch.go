package simulation

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/lineage"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/memory"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// branch is the shop that comes with the package.
type branch struct {
	w       *World
	id      crdt.ShopID
	tills   []*till
	items   []emitted // items written so far, to be written again elsewhere
	lines   []crdt.ObjectID
	backups map[string]*memory.Disk
	settled time.Duration // from the end of the faults to equality

	auditEvery time.Duration // how often tills audit; zero: never
}

// emitted is an item that was written and may be written again by another till.
type emitted struct {
	scope crdt.Scope
	piece crdt.Piece
}

func newBranch(w *World) *branch { return &branch{w: w, backups: make(map[string]*memory.Disk)} }

// add adds a till without a store.
func (s *branch) add(name string) *till {
	t := &till{s: s}
	t.m = s.w.AddMachine(name, t)
	s.tills = append(s.tills, t)
	return t
}

// named returns the till that runs on a machine.
func (s *branch) named(name string) (*till, error) {
	for _, t := range s.tills {
		if t.m.name == name {
			return t, nil
		}
	}
	return nil, fmt.Errorf("there is no till %s", name)
}

// found makes the shop: the first till founds it and admits the others, which have joined when the world begins.
func (s *branch) found(names []string) error {
	for _, name := range names {
		s.add(name)
	}
	first := s.tills[0]
	var nonce [shop.NonceSize]byte
	copy(nonce[:], first.m.till[:])
	now := s.w.now.UnixMilli()
	admission, id := shop.Found(first.public(), nonce, names[0], now)
	s.id = id
	pieces, err := signed(admission.Sign(id, first.m.key))
	if err != nil {
		return err
	}
	for i, t := range s.tills[1:] {
		piece, err := shop.Admission{
			PublicKey: t.public(), Name: t.m.name, Prefix: fmt.Sprintf("K%d", i+2), By: first.m.till, MS: now,
		}.Sign(id, first.m.key)
		if err != nil {
			return err
		}
		pieces = append(pieces, piece)
	}
	// All begin with all of it, as after a quiet first day.
	commits := make([]*crdt.Commit, len(s.tills))
	for i, t := range s.tills {
		prefix := admission.Prefix
		if i > 0 {
			prefix, pieces = fmt.Sprintf("K%d", i+1), nil
		}
		if commits[i], err = t.firstCommit(prefix, pieces); err != nil {
			return err
		}
	}
	for i, t := range s.tills {
		if err := t.fill(commits, commits[i]); err != nil {
			return err
		}
	}
	return nil
}

func signed(p crdt.Piece, err error) ([]crdt.Piece, error) { return []crdt.Piece{p}, err }

func (t *till) public() ed25519.PublicKey {
	public, _ := t.m.key.Public().(ed25519.PublicKey) // it always is one
	return public
}

// firstCommit is what a till begins with: its lineage, and whatever else is given.
func (t *till) firstCommit(prefix string, pieces []crdt.Piece) (*crdt.Commit, error) {
	replica, ms := t.s.w.replicaID(), t.m.Wall().UnixMilli()
	claim, err := shop.Lineage{Till: t.m.till, Replica: replica, Prefix: prefix, MS: ms}.Sign(t.s.id, t.m.key)
	if err != nil {
		return nil, err
	}
	own := &crdt.Commit{
		Scope: crdt.Shop, Dot: crdt.Dot{Replica: replica, Seq: crdt.NewSeq(crdt.NextBoot(0, t.m.Wall().Unix()), 1)},
		Stamp: crdt.Stamp{Trusted: true, MS: ms}, WallMS: ms, Schema: shop.Schema, Pieces: append(pieces, claim),
	}
	t.base = prefix
	return own, own.Seal()
}

// fill writes the disks of a till that joins: the commits, one of which is its own, and who it is.
func (t *till) fill(commits []*crdt.Commit, own *crdt.Commit) (err error) {
	r, err := t.m.data.Open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	st, err := store.Open(background, r)
	if err != nil {
		return err
	}
	replica, boot := own.Dot.Replica, own.Dot.Seq.Boot()
	if err := st.SetIdentity(background, store.Identity{Shop: t.s.id, Till: t.m.till, Replica: replica}); err != nil {
		return err
	}
	if _, err := st.NextBoot(background, int64(boot)+crdt.BootEpoch); err != nil {
		return err
	}
	ops := make([]replication.Op, 0, len(commits))
	for _, c := range commits {
		ops = append(ops, replication.Op{Commit: c, Own: c == own})
	}
	if _, err := st.Apply(background, ops); err != nil {
		return err
	}
	if err := t.m.data.WriteFile(fileRecord, store.Record{Replica: replica, Boot: boot}.Encode()); err != nil {
		return err
	}
	t.m.data.ForgetHistory()
	return t.WriteBinding(lineage.Binding{
		Machine: lineage.MachineOf([]byte(t.m.id)), Place: t.place(), Replica: replica, Prefix: t.base, Boot: boot,
	})
}

// give writes a signed item into the shop scope of a till that runs, and calls then once it is saved.
func (t *till) give(piece crdt.Piece, then func()) {
	now := t.m.Wall().UnixMilli()
	t.m.life.Propose(replication.Local{
		Scope: crdt.Shop, Schema: shop.Schema, WallMS: now, Stamp: crdt.Stamp{Trusted: true, MS: now}, Pieces: []crdt.Piece{piece}, Urgent: true,
	}, func(r replication.Result) {
		if r.Err != nil {
			t.m.w.Trace("%s could not write into the roster: %v", t.m.name, r.Err)
			return
		}
		then()
	})
}

// mayAct reports whether a till runs and may speak for the shop.
func (t *till) mayAct() bool { return t.m.life != nil && t.roster.Active(t.m.till) }

// admit takes a new till into the shop, in the place of another one if replaces is not nil. It joins and starts.
func (t *till) admit(name string, replaces *till) error {
	if !t.mayAct() {
		return nil // nobody is there to ask
	}
	prefix, err := t.roster.NextPrefix(t.m.life.opened.Replica)
	if err != nil {
		return err
	}
	fresh := t.s.add(name)
	a := shop.Admission{PublicKey: fresh.public(), Name: name, Prefix: prefix, By: t.m.till, MS: t.m.Wall().UnixMilli()}
	if replaces != nil {
		a.Replaces = replaces.m.till
	}
	piece, err := a.Sign(t.s.id, t.m.key)
	if err != nil {
		return err
	}
	t.m.w.Count("admitted")
	t.m.w.oracle.members = true
	fresh.stuck = errors.New("it was not admitted")
	t.give(piece, func() { t.m.life.After(t.m.w.Under(t.m.w.Conditions.Fsync), func() { t.join(fresh, prefix) }) })
	return nil
}

// join gives a new till what it needs to know of the shop and starts it.
func (t *till) join(fresh *till, prefix string) {
	var received []*crdt.Commit
	err := eachCommit(t.store.Store, crdt.Shop, func(c *crdt.Commit) error {
		received = append(received, c)
		return nil
	})
	var own *crdt.Commit
	if err == nil {
		own, err = fresh.firstCommit(prefix, nil)
	}
	if err == nil {
		err = fresh.fill(append(received, own), own)
	}
	switch {
	case errors.Is(err, rows.ErrFailed):
		return // the admitting till is about to start again; somebody has to begin anew
	case err != nil:
		t.m.w.Fail("%s cannot join: %v", fresh.m.name, err)
		return
	}
	fresh.stuck = nil
	fresh.m.Start()
}

// depart retires or revokes a till.
func (t *till) depart(other *till, revoked bool) error {
	if !t.mayAct() {
		return nil
	}
	piece, err := shop.Departure{Revoked: revoked, Till: other.m.till, By: t.m.till, MS: t.m.Wall().UnixMilli()}.Sign(t.s.id, t.m.key)
	if err != nil {
		return err
	}
	t.m.w.Count(map[bool]string{true: "revoked", false: "retired"}[revoked])
	t.m.w.oracle.members = true
	t.give(piece, func() {})
	return nil
}
