package simulation

import (
	"context"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/lineage"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/memory"
	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// renew seals the lineage of the store and begins a new one.
func (t *till) renew(f *found) (boot uint32, err error) {
	ms := t.m.Wall().UnixMilli()
	now, err := lineage.Renew(background, f.rows, t, lineage.Renewal{
		Evidence: f.Evidence, Doubts: t.doubts, Key: t.m.key, Replica: t.s.w.replicaID(), Base: t.base, Roster: t.roster,
		Stamp: crdt.Stamp{MS: ms}, WallMS: ms, Open: opening,
	})
	if err != nil {
		return 0, err
	}
	if f.store, err = store.Open(background, f.rows); err != nil {
		return 0, err
	}
	if f.Store.Identity, err = f.store.Identity(background); err != nil {
		return 0, err
	}
	t.roster, err = t.buildRoster(f.store)
	return now.Boot, err
}

// opening is the document that opens a new series: it names where the one before it ended.
func opening(now lineage.Renewed) ([]replication.Local, error) {
	return []replication.Local{{
		Scope: crdt.Sales, Schema: 1, Stamp: crdt.Stamp{MS: now.Lineage.MS}, WallMS: now.Lineage.MS,
		Pieces: []crdt.Piece{{
			Kind: crdt.KindItem, Type: typeOpening, Object: crdt.DeriveObjectID(typeOpening, []byte(now.Lineage.Prefix)),
			Raw: fmt.Appendf(nil, "%s after %s %d", now.Lineage.Prefix, now.LastPrefix, now.LastNumber),
		}},
	}}, nil
}

// sayAgain says again what the sealed lineages of the till wrote and nobody is known to hold.
func (t *till) sayAgain(l *Life) {
	pending, err := lineage.Pending(background, t.store)
	if err != nil {
		l.w.Fail("%s does not know what to say again: %v", t.m.name, err)
	}
	if !pending {
		return
	}
	l.w.Count("said again")
	l.Go(func(wait Wait) {
		r := lineage.Reemission{
			Replica: l.opened.Replica, Store: t.store, Submit: l.submit(wait),
			Exclusive: func(_ context.Context, _ []crdt.Key, do func() error) error { return do() },
			Held:      func(scope crdt.Scope, d crdt.Dot) bool { return len(l.Holders(scope, d)) > 0 },
		}
		report, err := r.Run(background)
		l.w.Trace("%s said again: %+v %v", t.m.name, report, err)
	})
}

// submit makes a Submit as an engine has it for code that waits.
func (l *Life) submit(wait Wait) func(replication.Local) (func(context.Context) (*crdt.Commit, error), error) {
	return func(local replication.Local) (func(context.Context) (*crdt.Commit, error), error) {
		var result *replication.Result
		var goOn func()
		l.Propose(local, func(r replication.Result) {
			if result = &r; goOn != nil {
				goOn()
			}
		})
		return func(context.Context) (*crdt.Commit, error) {
			if result == nil {
				if err := wait(func(then func()) { goOn = then }); err != nil {
					return nil, err
				}
			}
			return result.Commit, result.Err
		}, nil
	}
}

// doubted keeps a doubt that came up while the till ran for its next start.
func (t *till) doubted(l *Life, doubt *replication.DoubtError) {
	note := lineage.Reported(l.opened.Replica, lineage.New(map[replication.DoubtKind]lineage.Kind{
		replication.DoubtUnknownOwn: lineage.UnknownOwn, replication.DoubtForkedOwn: lineage.ForkedOwn,
	}[doubt.Kind], "%s", doubt.Text))
	if doubt.Kind == replication.DoubtCopy || doubt.Kind == replication.DoubtTwice {
		verdict := t.judge(l, doubt)
		t.m.w.Trace("%s met another machine with its key: %+v", t.m.name, verdict)
		note = lineage.Reported(l.opened.Replica, lineage.New(lineage.CopyRuns, "%s", doubt.Text))
		switch {
		case verdict.Yields:
			t.m.w.Count("yielded")
			note, t.stuck = lineage.Yielded(verdict.Reason), errors.New(verdict.Reason) // a person has to act
		case !verdict.Renews:
			return
		}
	}
	if err := t.note(note); err != nil {
		// The other tills will raise the doubt again.
		t.m.w.Trace("%s cannot keep its doubt: %v", t.m.name, err)
	}
}

// judge decides which of two machines goes on.
func (t *till) judge(l *Life, doubt *replication.DoubtError) lineage.Verdict {
	own := lineage.ClaimantOf(t.roster, l.opened.Replica, l.opened.Boot, wire.NonceHash(l.nonce))
	for _, s := range doubt.Speakers {
		// A lineage that is not known yet cannot be compared; they meet again.
		if _, known := t.roster.Lineage(s.Replica); known && s.Nonce != own.Nonce {
			return lineage.Yields(own, lineage.ClaimantOf(t.roster, s.Replica, s.Boot, s.Nonce))
		}
	}
	return lineage.Verdict{}
}

// note writes a note into the store of a till that is down.
func (t *till) note(n replication.Note) error {
	r, err := t.m.data.Open()
	if err != nil {
		return err
	}
	st, err := store.Open(background, r)
	if err == nil {
		_, err = st.Apply(background, []replication.Op{{Notes: []replication.Note{n}}})
	}
	return errors.Join(err, r.Close())
}

// salvage moves a damaged store aside and puts what can be read of it into a new one.
func (t *till) salvage(l *Life, f *found) error {
	if err := f.close(); err != nil {
		return err
	}
	var ops []replication.Op
	t.m.data.Rows(func(row rows.Row) bool {
		if row.Key[0] == 'c' {
			if c, err := crdt.DecodeCommit(row.Value); err == nil {
				ops = append(ops, replication.Op{Commit: c})
			}
		}
		return true
	})
	aside := memory.NewDisk()
	r, err := aside.Open()
	if err != nil {
		return err
	}
	if f.store, err = store.Open(background, r); err == nil {
		_, err = f.store.Apply(background, ops)
	}
	if err := errors.Join(err, r.Close()); err != nil {
		return err
	}
	l.w.Count("salvaged")
	t.m.data.Replace(aside)
	if f.rows, err = l.OpenRows(); err != nil {
		return err
	}
	f.store, err = store.Open(background, f.rows)
	return err
}
