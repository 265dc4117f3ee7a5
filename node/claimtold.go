package node

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

// The question of a claim is [tab, user, force]. Its answer is empty if the tab is let go and nobody works there; else
// [granted, a card payment runs, user, ms since somebody works there, ms since the last change there].

// claimAnswer is what a till says when another one wants a tab.
type claimAnswer struct {
	unreachable bool // it said nothing
	granted     bool
	payment     bool // a card payment runs there
	worked      bool // somebody works there; the rest is about that
	user        string
	since, idle time.Duration // ago
	text        string        // instead of the rest, of another program
}

func (a claimAnswer) reason() string {
	text := fmt.Sprintf("since %d s, last change there %d s ago", int(a.since.Seconds()), int(a.idle.Seconds()))
	if a.user != "" {
		text = a.user + ", " + text
	}
	return text
}

// askedForClaim answers another till that wants a tab.
func (t *Till) askedForClaim(_ context.Context, _ crdt.TillID, body []byte) ([]byte, bool) {
	tab, _, force, err := decodeClaim(body)
	if err != nil {
		return []byte(err.Error()), false
	}
	v, _, ok := t.book.Tab(tab)
	if !ok {
		return nil, true
	}
	a := claimAnswer{payment: slices.Contains(runningPayments(v), t.id.Till)}
	if v.Holder.Till == t.id.Till {
		a.idle, a.worked = t.worked(v.ID)
		a.user, a.since = v.Holder.User, a.idle
		if user, since, here := t.presence.here(v.ID, t.env.Steady()); here {
			a.user, a.since = user, t.env.Steady()-since
		}
	}
	a.granted = !a.payment && (!a.worked || force)
	if a.granted && !a.worked {
		return nil, true
	}
	return a.encode(), true
}

// worked returns how long ago somebody last worked on a tab here, and whether that is not long ago.
func (t *Till) worked(tab crdt.ObjectID) (idle time.Duration, recently bool) {
	at, ok := t.work.Load(tab)
	since, isTime := at.(time.Duration)
	if !ok || !isTime {
		return 0, false
	}
	idle = t.env.Steady() - since
	return idle, idle < claimIdle
}

func (a claimAnswer) encode() []byte {
	b := codec.AppendBool(codec.AppendBool(codec.AppendArray(nil, 6), a.granted), a.payment)
	b = codec.AppendString(codec.AppendBool(b, a.worked), a.user)
	b = codec.AppendUint(b, uint64(max(0, a.since.Milliseconds())))
	return codec.AppendUint(b, uint64(max(0, a.idle.Milliseconds())))
}

// maxAgo bounds a time in an answer.
const maxAgo = 10 * 365 * 24 * time.Hour

// decodeClaimAnswer reads the answer of another till. What it does not understand is a text that says no.
func decodeClaimAnswer(body []byte) claimAnswer {
	if len(body) == 0 {
		return claimAnswer{granted: true}
	}
	no := claimAnswer{text: clipReason(body)}
	if codec.Check(body) != nil {
		return no
	}
	r := codec.NewReader(body)
	more := r.ArrayOf(6)
	a := claimAnswer{granted: r.Bool(), payment: r.Bool(), worked: r.Bool(), user: r.String()}
	since, idle := r.Uint(), r.Uint()
	r.Skip(more)
	limit := uint64(maxAgo.Milliseconds())
	if r.Done() != nil || since > limit || idle > limit || len(a.user) > 1000 {
		return no
	}
	a.since, a.idle = time.Duration(since)*time.Millisecond, time.Duration(idle)*time.Millisecond
	return a
}

func clipReason(b []byte) string { return fmt.Sprintf("%.200s", b) }

func encodeClaim(tab crdt.ObjectID, user string, force bool) []byte {
	b := codec.AppendBytes(codec.AppendArray(nil, 3), tab[:])
	return codec.AppendBool(codec.AppendString(b, user), force)
}

func decodeClaim(body []byte) (tab crdt.ObjectID, user string, force bool, err error) {
	if err := codec.Check(body); err != nil {
		return tab, "", false, err
	}
	r := codec.NewReader(body)
	more := r.ArrayOf(3)
	r.Fixed(tab[:])
	user, force = r.String(), r.Bool()
	r.Skip(more)
	return tab, user, force, r.Done()
}
