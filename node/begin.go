package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/lineage"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// Origin is what a till stands on at a start, before anything is written: its rows, what is kept beside and outside of
// them, and who it is.
type Origin struct {
	Identity Identity // Replica may be that of an earlier lineage: the rows know better
	Key      ed25519.PrivateKey
	Version  string // of the program
	Rows     rows.Store
	// Evidence says what was found beside and outside of the rows, and of the rows only what they cannot say themselves: that
	// they are damaged or missing, and then whose they were.
	Evidence lineage.Evidence
	Outside  Outside
	Known    []string // number prefixes of this till seen elsewhere
	Environment
}

// Outside is where the record and the binding are written. All writes are durable when they return nil.
type Outside interface {
	lineage.Outside
	store.RecordFile
}

// Begun is a start that may write.
type Begun struct {
	Identity Identity // with the replica it writes as
	Prefix   string   // of its numbers
	Boot     uint32
	Store    *store.Guard
	Heads    map[crdt.Scope]replication.Head // of this lineage
	Doubts   []lineage.Doubt                 // for which it is a new one; none: it goes on
	Renewed  *lineage.Renewed                // nil: it goes on
}

// ErrNoProof means that neither the store nor the proof beside it says that this till belongs to the shop.
var ErrNoProof = errors.New("what proves that this till belongs to its shop is lost")

// Begin judges whether the till may go on writing as the lineage it was, begins a new one if not, and begins the start:
// the number of the start, the record and the binding are durable when it returns.
func (o Origin) Begin(ctx context.Context) (Begun, error) {
	out := Begun{Identity: o.Identity}
	st, err := store.Open(ctx, o.Rows)
	if err != nil {
		return out, err
	}
	if err := o.look(ctx, st); err != nil {
		return out, err
	}
	out.Doubts = lineage.Judge(o.Evidence)
	roster, err := readRoster(ctx, st, o.Identity.Shop)
	if err != nil {
		return out, err
	}
	if len(out.Doubts) > 0 {
		if out.Renewed, err = o.renew(ctx, st, roster, out.Doubts); err != nil {
			return out, err
		}
		out.Boot, out.Identity.Replica, out.Prefix = out.Renewed.Boot, out.Renewed.Lineage.Replica, out.Renewed.Lineage.Prefix
		if st, err = store.Open(ctx, o.Rows); err != nil {
			return out, err
		}
	} else {
		e := &o.Evidence
		out.Identity.Replica, out.Prefix = e.Store.Identity.Replica, o.Identity.Prefix
		if l, ok := roster.Lineage(out.Identity.Replica); ok {
			out.Prefix = l.Prefix
		}
		last := max(e.Record.Record.Boot, e.Binding.Binding.Boot)
		if out.Boot, err = st.NextBoot(ctx, max(o.Now().Unix(), int64(last)+crdt.BootEpoch+1)); err != nil {
			return out, err
		}
	}
	if out.Store, err = store.NewGuard(ctx, st, o.Outside, out.Identity.Replica, out.Boot); err != nil {
		return out, err
	}
	err = o.Outside.WriteBinding(lineage.Binding{Machine: o.Evidence.Machine, Place: o.Evidence.Place, Replica: out.Identity.Replica,
		Prefix: out.Prefix, Boot: out.Boot})
	out.Heads = lineage.Heads(st.Heads(), st.Contexts(), out.Identity.Replica)
	return out, err
}

// look fills in what the rows say.
func (o *Origin) look(ctx context.Context, st *store.Store) error {
	e := &o.Evidence
	e.Shop, e.Till = o.Identity.Shop, o.Identity.Till
	id, err := st.Identity(ctx)
	switch {
	case errors.Is(err, store.ErrNoIdentity):
		if e.Store.Condition == lineage.Fine {
			e.Store.Condition, e.Store.Detail = lineage.Missing, "it holds nothing of a till"
		}
	case err != nil:
		return err
	default:
		e.Store.Identity = id
		boot, err := lineage.LastBoot(ctx, o.Rows)
		if err != nil {
			return err
		}
		e.Store.Boot = max(e.Store.Boot, boot)
		if e.Store.Chain = lineage.CheckChain(ctx, st, id.Replica); e.Store.Chain != nil && !errors.Is(e.Store.Chain, lineage.ErrDoubt) {
			return e.Store.Chain
		}
		if e.Reported, err = lineage.ReadReported(ctx, st, id.Replica); err != nil {
			return err
		}
	}
	if e.Record.Condition == lineage.Fine {
		e.Record.Ahead = st.Check(ctx, e.Record.Record, e.Record.Record.Replica)
		if e.Record.Ahead != nil && !errors.Is(e.Record.Ahead, store.ErrDoubt) {
			return e.Record.Ahead
		}
	}
	return nil
}

// renew begins a new lineage with the document that opens its series.
func (o *Origin) renew(ctx context.Context, st *store.Store, roster *shop.Roster, doubts []lineage.Doubt) (*lineage.Renewed, error) {
	if !lineage.Renewable(doubts) {
		return nil, hint(lineage.Err(doubts), "nothing was changed; name the data directory that belongs to this till with --data")
	}
	if roster.State(o.Identity.Till) == shop.Unknown {
		return nil, ErrNoProof
	}
	settings, err := readSettings(ctx, st)
	if err != nil {
		return nil, err
	}
	kept, err := st.Notes(ctx, clockNote)
	if err != nil {
		return nil, fmt.Errorf("what is known of the clock: %w", err)
	}
	keeper, _ := newTimekeeper(o.Environment.orReal(), kept[0]) // unread: as if nothing were known
	offset, trusted := keeper.judge()
	now := o.Now().Add(offset)
	n := lineage.Renewal{
		Evidence: o.Evidence, Doubts: doubts, Key: o.Key, Base: o.Identity.Prefix, Roster: roster, Known: o.Known,
		Stamp: crdt.Stamp{Trusted: trusted, MS: now.UnixMilli()}, WallMS: o.Now().UnixMilli(),
	}
	o.draw(n.Replica[:])
	n.Open = func(r lineage.Renewed) ([]replication.Local, error) {
		return o.opening(r, settings, roster, now, trusted)
	}
	renewed, err := lineage.Renew(ctx, o.Rows, o.Outside, n)
	return &renewed, err
}

func readSettings(ctx context.Context, st *store.Store) (shop.Settings, error) {
	obj, err := st.Object(ctx, settingsKey)
	if err != nil {
		return shop.Settings{}, err
	}
	return shop.ViewSettings(obj)
}

// readRoster returns who belongs to the shop, as far as the rows say.
func readRoster(ctx context.Context, st *store.Store, id crdt.ShopID) (*shop.Roster, error) {
	roster := shop.NewRoster(id)
	err := eachLive(ctx, st, crdt.Shop, func(c *crdt.Commit) {
		// An entry that does not count is named by the roster's problems.
		_ = roster.AddCommit(c)
	})
	if err != nil {
		return nil, fmt.Errorf("read roster: %w", err)
	}
	return roster, nil
}

// eachLive calls f with the live commits of a scope.
func eachLive(ctx context.Context, st *store.Store, scope crdt.Scope, f func(*crdt.Commit)) error {
	want := st.Contexts()[scope]
	for at := (replication.Cursor{}); !at.Done; {
		list, next, err := st.Live(ctx, scope, want, at, 1<<20)
		if err != nil {
			return err
		}
		at = next
		for _, raw := range list {
			c, err := crdt.DecodeCommit(raw)
			if err != nil {
				return err
			}
			f(c)
		}
	}
	return nil
}
