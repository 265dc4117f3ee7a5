package lineage

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// Outside is what is kept beside and outside of the store. Both writes are durable when they return nil.
type Outside interface {
	// WriteRecord replaces the high-water record, or makes one where there is none or only a damaged one.
	WriteRecord(store.Record) error
	WriteBinding(Binding) error
}

// Renewal says for what a new lineage is begun.
type Renewal struct {
	Evidence Evidence // what was judged
	Doubts   []Doubt  // what [Judge] said of it

	Key     ed25519.PrivateKey // the device key
	Replica crdt.ReplicaID     // the new one: 16 fresh random bytes
	Base    string             // number prefix of the till's admission, such as "K2"
	Roster  *shop.Roster       // of what the store holds; may know nothing of this till if the store was lost
	Known   []string           // number prefixes of this till seen elsewhere, such as on its own receipts
	Stamp   crdt.Stamp         // of what is written now
	WallMS  int64              // uncorrected, Unix milliseconds

	// From says for each scope up to which number of the sealed lineage some other till confirmed to hold everything, which is
	// then not said again; nil: what the store has written down of it. If a dot may have two meanings, nothing was confirmed.
	From map[crdt.Scope]crdt.Seq

	// Open returns what is written with the lineage, in the same transaction, such as the document that opens the new series
	// and the note of the series. Chain, Restart and Urgent are not looked at. nil: nothing.
	Open func(Renewed) ([]replication.Local, error)
}

// Renewed is a new lineage.
type Renewed struct {
	Lineage    shop.Lineage
	Boot       uint32     // of this start: the caller takes no other
	LastPrefix string     // number prefix of the sealed lineage, empty if unknown
	LastNumber uint64     // its last known number, 0 if there is none
	LastHash   *crdt.Hash // hash of that document, nil if it is not known
	Alarm      Alarm
}

// Renew gives a store a new replica ID, before the first write of a start. It seals what the store was, and makes one
// transaction of the new identity, the number of this start, the signed lineage, what Open returns, the alarm, and how much is to
// be said again (see [Again]). Then it writes the record and the binding. r must be open and nobody may write it; a
// store.Store opened on it before knows nothing of the change and must be opened again.
//
// A crash or an error anywhere leaves a till that is still in doubt at its next start, or the new lineage whole. Errors wrap
// [ErrDoubt] if a new lineage cannot help.
func Renew(ctx context.Context, r rows.Store, out Outside, n Renewal) (Renewed, error) {
	if !Renewable(n.Doubts) {
		return Renewed{}, Err(n.Doubts)
	}
	if err := n.check(); err != nil {
		return Renewed{}, fmt.Errorf("begin a new lineage: %w", err)
	}
	d := &draft{Store: r}
	st, err := store.Open(ctx, d)
	if err != nil {
		return Renewed{}, fmt.Errorf("begin a new lineage: %w", err)
	}
	now, ops, err := n.plan(ctx, st)
	if err == nil {
		err = n.write(ctx, st, d, out, &now, ops)
	}
	if err != nil {
		return Renewed{}, fmt.Errorf("begin a new lineage: %w", err)
	}
	return now, nil
}

func (n *Renewal) check() error {
	if len(n.Key) != ed25519.PrivateKeySize || n.till() != n.Evidence.Till {
		return fmt.Errorf("%w: the device key is not that of till %s", ErrDoubt, n.Evidence.Till.Short())
	}
	if n.Replica.IsZero() || n.Replica == n.predecessor() || n.Replica == n.Evidence.Binding.Binding.Replica {
		return errors.New("a new lineage needs a new replica ID")
	}
	return nil
}

func (n *Renewal) till() crdt.TillID { return crdt.TillIDOf(n.Key.Public().(ed25519.PublicKey)) }

// predecessor is the lineage of the store, or, if that is lost, the one that what is kept elsewhere names.
func (n *Renewal) predecessor() crdt.ReplicaID {
	e := &n.Evidence
	switch {
	case !e.Store.Identity.Replica.IsZero():
		return e.Store.Identity.Replica
	case e.Record.Condition == Fine && !e.Record.Record.Replica.IsZero():
		return e.Record.Record.Replica
	case e.Binding.Condition == Fine:
		return e.Binding.Binding.Replica
	}
	return crdt.ReplicaID{}
}

// plan works out the new lineage and what is written with it. Nothing is written.
func (n *Renewal) plan(ctx context.Context, st *store.Store) (Renewed, []replication.Op, error) {
	numbers, err := seriesNotes(ctx, st)
	if err != nil {
		return Renewed{}, nil, err
	}
	now := Renewed{}
	prefix, err := n.prefix(numbers)
	if err != nil {
		return Renewed{}, nil, err
	}
	now.Lineage = shop.Lineage{Till: n.till(), Replica: n.Replica, Predecessor: n.predecessor(), Last: n.last(st), Prefix: prefix, MS: n.Stamp.MS}
	n.lastNumber(&now, numbers)
	now.Alarm = Alarm{Replica: n.Replica, Predecessor: now.Lineage.Predecessor, Prefix: prefix, LastPrefix: now.LastPrefix,
		LastNumber: now.LastNumber, MS: n.Stamp.MS, Doubts: n.Doubts}

	// The draft remembers the number of the start; it becomes durable with all the rest.
	if now.Boot, err = st.NextBoot(ctx, max(n.WallMS/1000, int64(n.boot(now.Lineage.Last))+crdt.BootEpoch+1)); err != nil {
		return Renewed{}, nil, err
	}
	todo, err := n.again(ctx, st, now.Lineage.Predecessor)
	if err != nil {
		return Renewed{}, nil, err
	}
	ops, err := n.ops(now, todo)
	return now, ops, err
}

// ops returns the first commits of the lineage, sealed, with the notes.
func (n *Renewal) ops(now Renewed, again todo) ([]replication.Op, error) {
	first, err := now.Lineage.Sign(n.Evidence.Shop, n.Key)
	if err != nil {
		return nil, err
	}
	notes := []replication.Note{now.Alarm.Note()}
	if len(again.Scopes) > 0 {
		notes = append(notes, again.note())
	}
	locals := []replication.Local{{Scope: crdt.Shop, Pieces: []crdt.Piece{first}, Schema: shop.Schema, Stamp: n.Stamp, WallMS: n.WallMS, Notes: notes}}
	if n.Open != nil {
		more, err := n.Open(now)
		if err != nil {
			return nil, err
		}
		locals = append(locals, more...)
	}
	heads := make(map[crdt.Scope]replication.Head)
	ops := make([]replication.Op, 0, len(locals))
	for _, l := range locals {
		op := replication.Op{Notes: l.Notes}
		if len(l.Pieces) > 0 {
			head := heads[l.Scope]
			op.Own, op.Commit = true, &crdt.Commit{Scope: l.Scope, Dot: crdt.Dot{Replica: n.Replica, Seq: max(head.Seq+1, crdt.NewSeq(now.Boot, 1))},
				Pred: head.Seq, Prev: head.Hash, Stamp: l.Stamp, WallMS: l.WallMS, Schema: l.Schema, Pieces: l.Pieces}
			if err := op.Commit.Seal(); err != nil {
				return nil, err
			}
			heads[l.Scope] = replication.Head{Seq: op.Commit.Dot.Seq, Hash: op.Commit.Hash()}
		}
		ops = append(ops, op)
	}
	return ops, nil
}

// write makes the plan durable. The binding goes first: it makes a start after a cut know that this lineage was begun.
func (n *Renewal) write(ctx context.Context, st *store.Store, d *draft, out Outside, now *Renewed, ops []replication.Op) error {
	e := &n.Evidence
	bound := Binding{Machine: e.Machine, Place: e.Place, Replica: n.Replica, Prefix: now.Lineage.Prefix, Boot: now.Boot, Begun: true}
	id := store.Identity{Shop: e.Shop, Till: e.Till, Replica: n.Replica}
	if err := st.SetIdentity(ctx, id); err != nil {
		return err
	}
	if _, err := st.Apply(ctx, ops); err != nil {
		return err
	}
	if err := out.WriteBinding(bound); err != nil {
		return err
	}
	if err := d.Store.Commit(ctx, d.batch); err != nil {
		return err
	}
	rec := store.Record{Replica: n.Replica, Boot: now.Boot, Confirmed: store.Marks{Scopes: make(map[crdt.Scope]crdt.Seq), Series: make(map[string]uint64)}}
	for _, op := range ops {
		if op.Commit != nil {
			rec.Confirmed.Scopes[op.Commit.Scope] = op.Commit.Dot.Seq
		}
	}
	if err := out.WriteRecord(rec); err != nil {
		return err
	}
	bound.Begun = false
	return out.WriteBinding(bound)
}
