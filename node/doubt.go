package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/lineage"
	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// HaltCopy is the halt of a till that sells no more because another machine goes on as it.
const HaltCopy = "copy-runs"

// CodeCopy refuses what a till does that hands its receipts over before it halts for that reason.
const CodeCopy = HaltCopy

const copyNext = "look for a copy of this till's data, such as a restored backup on another machine"

const yieldNext = `make this machine a till of its own: run "till join --replaces" with an empty data directory; ` +
	"if this is the machine that should go on, switch the other one off and do the same"

// doubted makes a halt of a doubt that came up while the till ran: what is to be done is written down, and the till is
// opened again at once. Other errors stay. The engine has ended, so nobody else writes.
func (m *Machine) doubted(err error) error {
	if _, halt := errors.AsType[*Halt](err); halt || err == nil {
		return err
	}
	if d, ok := errors.AsType[*replication.DoubtError](err); ok {
		return m.doubtHalt(d, err)
	}
	if errors.Is(err, rows.ErrCorrupt) {
		return m.damagedHalt(err)
	}
	return err
}

func (m *Machine) doubtHalt(d *replication.DoubtError, err error) error {
	text, notes := m.Doubted(d, m.nonce)
	h := &Halt{Kind: HaltDoubt, Text: text, Next: "it goes on by itself in a moment", At: m.o.Now(), Err: err, Mend: again}
	if len(notes) == 0 {
		return h
	}
	// The context of the run is over; what is written now decides how the next one begins.
	if _, err := m.store.Apply(context.Background(), []replication.Op{{Notes: notes}}); err != nil {
		return errors.Join(h, fmt.Errorf("write down why the till is in doubt: %w", err))
	}
	return h
}

// Doubted returns what people are told about a doubt that came up while the till ran with this nonce, and what is to be
// written into its store so that the next start knows what to do.
func (t *Till) Doubted(d *replication.DoubtError, nonce [16]byte) (text string, notes []replication.Note) {
	found := lineage.FromCore(d.Kind, d.Text)
	if d.Kind == replication.DoubtUnknownOwn || d.Kind == replication.DoubtForkedOwn {
		return found.Text, []replication.Note{lineage.Reported(t.id.Replica, found)}
	}
	v := t.verdict(d.Speakers, nonce)
	if v.Renews {
		notes = append(notes, lineage.Reported(t.id.Replica, found))
	}
	switch {
	case v.Yields:
		notes = append(notes, lineage.Yielded(v.Reason))
	case v.Copy && !v.Renews: // else the new number series is an alarm itself
		t.alarms.mu.Lock()
		notes = append(notes, t.alarms.add(kept{ID: t.env.objectID().String(), Kind: AlarmCopy, Text: v.Reason,
			Next: copyNext, Detail: d.Text, MS: t.clock.MS()})...)
		t.alarms.mu.Unlock()
	}
	return v.Reason, notes
}

// verdict decides which of two machines goes on.
func (t *Till) verdict(speakers []replication.Speaker, nonce [16]byte) lineage.Verdict {
	me := wire.NonceHash(nonce)
	own := t.roster.claimant(replication.Speaker{Replica: t.id.Replica, Boot: t.boot, Nonce: me})
	for _, s := range speakers {
		if s.Nonce != me {
			return lineage.Yields(own, t.roster.claimant(s))
		}
	}
	return lineage.Yields(own, own)
}

// unmoved reports whether this program goes on as it is though another one runs with its key: the other one is the copy and
// writes under a lineage of its own, or this one is the copy, knows it, and only hands over what it has.
func (t *Till) unmoved(self, other replication.Speaker) bool {
	v := lineage.Yields(t.roster.claimant(self), t.roster.claimant(other))
	return v.Copy && !v.Renews && (!v.Yields || t.handing != "")
}

func (r *roster) claimant(s replication.Speaker) lineage.Claimant {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return lineage.ClaimantOf(r.r, s.Replica, s.Boot, s.Nonce)
}

// again opens the till again at once.
func again(ctx context.Context) error { return ctx.Err() }

// damagedHalt has the whole store looked at by the next start, which makes it anew if it is damaged.
func (m *Machine) damagedHalt(err error) error {
	h := &Halt{Kind: HaltDoubt, At: m.o.Now(), Err: err, Mend: again,
		Text: "the data of this till turned out damaged while it ran", Next: "it is looked at and made anew, by itself"}
	return errors.Join(h, m.suspect(err))
}

// verify reads every table of a large store while the till runs.
func (m *Machine) verify(ctx context.Context) {
	if !m.verifyLater {
		return
	}
	if err := m.rows.Verify(ctx); err != nil && ctx.Err() == nil {
		m.log.Error("the store was verified", "error", err)
		if errors.Is(err, rows.ErrCorrupt) {
			m.stop(m.damagedHalt(err))
		}
	}
}

const (
	// handoverNote counts how often this till tried to hand its receipts over since another machine goes on as it; handedOver
	// means that nothing is left.
	handoverNote  = "lineage/handover"
	handedOver    = "done"
	handoverTries = 5
	// handoverTime is how long one try takes at most, and handoverLook how often it looks whether all is handed over.
	handoverTime = 5 * time.Minute
	handoverLook = 200 * time.Millisecond
)

// MayGoOn halts a till for good of which another machine goes on, once its receipts are handed over: the error is a [*Halt]
// then. Until then it runs and sells nothing: handing is the sentence that says why, for [Parts].
func (b Begun) MayGoOn(ctx context.Context, now time.Time) (handing string, err error) {
	reason, yielded, err := lineage.ReadYielded(ctx, b.Store)
	if err != nil || !yielded {
		return "", err
	}
	halt := &Halt{Kind: HaltCopy, Text: reason, Next: yieldNext, At: now}
	got, err := b.Store.Notes(ctx, handoverNote)
	if err != nil {
		return "", err
	}
	tries := len(got[0])
	if string(got[0]) == handedOver || tries >= handoverTries {
		return "", halt
	}
	left, err := unhanded(ctx, b)
	if err != nil {
		return "", err
	}
	note := handoverTried(got[0], left)
	if _, err := b.Store.Apply(ctx, []replication.Op{{Notes: []replication.Note{note}}}); err != nil {
		return "", err
	}
	if !left {
		return "", halt
	}
	return reason, nil
}

// handoverTried is the note of one more try; left: there is something to hand over.
func handoverTried(before []byte, left bool) replication.Note {
	value := append(append([]byte{}, before...), '.')
	if !left {
		value = []byte(handedOver)
	}
	return replication.Note{Key: handoverNote, Value: value}
}

// unhanded reports whether this lineage wrote anything but what every new lineage does that no other till confirmed to hold.
func unhanded(ctx context.Context, b Begun) (bool, error) {
	left, err := b.Store.Unconfirmed(ctx, b.Identity.Replica)
	if err != nil {
		return false, err
	}
	for scope, want := range left {
		if scope.Kind == crdt.KindShop {
			continue
		}
		for at := (replication.Cursor{}); !at.Done; {
			var list [][]byte
			if list, at, err = b.Store.Live(ctx, scope, want, at, 256<<10); err != nil {
				return false, err
			}
			for _, raw := range list {
				c, err := crdt.DecodeCommit(raw)
				if err != nil {
					return false, err
				}
				if len(c.Pieces) != 1 || c.Pieces[0].Type != receipt.TypeOpening {
					return true, nil
				}
			}
		}
	}
	return false, nil
}

// handOver waits until the other tills hold what this one wrote, and halts it then.
func (m *Machine) handOver(ctx context.Context) {
	if m.handing == "" {
		return
	}
	late, cancel := context.WithTimeout(ctx, handoverTime)
	defer cancel()
	for m.env.wait(late, handoverLook, nil) {
		done, err := m.HandedOver(ctx)
		if err != nil {
			m.log.Warn("that the receipts are handed over was not saved", "error", err)
		}
		if done {
			m.log.Info("all receipts are handed over")
			break
		}
	}
	if ctx.Err() == nil {
		m.stop(m.Yielded())
	}
}

// HandedOver reports whether the other tills hold all that this one wrote, and writes it down then.
func (t *Till) HandedOver(ctx context.Context) (bool, error) {
	for scope := range t.store.Contexts() {
		if len(t.replicator.Unheld(scope)[t.id.Replica]) > 0 {
			return false, nil
		}
	}
	err := t.keepNotes(ctx, handoverTried(nil, false))
	return err == nil, err
}

// Yielded is the halt of a till that only ran to hand over what it had; nil if it sells.
func (t *Till) Yielded() *Halt {
	if t.handing == "" {
		return nil
	}
	return &Halt{Kind: HaltCopy, Text: t.handing, Next: yieldNext, At: t.env.Now(), Mend: again}
}

// endedLineages returns replicas under which nobody writes any more: sealed ones, those of tills that left, and those of clouds that
// took another seat or are not coupled.
func (r *roster) endedLineages() []crdt.ReplicaID {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.r.Ended()
}
