package node

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/replication"
)

// presenceVersion is that of what is told: [1, [tab, user, ms since] ...], all who work at the till. The answer is empty.
const presenceVersion = 1

// PresenceChanged returns what wakes whoever calls TellPresence.
func (t *Till) PresenceChanged() <-chan struct{} { return t.presence.changed }

// TellPresence forgets who was silent, and tells the linked tills who works here as far as they do not know. It is to be called
// when PresenceChanged says so, and again after the time it returns.
func (t *Till) TellPresence(ctx context.Context) (again time.Duration) {
	now := t.env.Steady()
	own, others := t.presence.expire(now)
	t.tellPresent(t.id.Till, own...)
	for _, till := range slices.SortedFunc(maps.Keys(others), crdt.TillID.Compare) {
		slices.SortFunc(others[till], worker.compare)
		t.tellPresent(till, others[till]...)
	}
	var telling sync.WaitGroup
	for _, l := range t.presence.due(t.replicator.State().Links, now) {
		if t.roster.active(l.Till) {
			telling.Go(func() { t.tellPresence(ctx, l) })
		}
	}
	telling.Wait()
	return t.presence.next(now)
}

// due returns the links on which something is to be told.
func (p *presence) due(links []replication.LinkState, now time.Duration) []replication.LinkState {
	p.mu.Lock()
	defer p.mu.Unlock()
	live := make(map[replication.LinkID]toldPresence, len(links))
	var out []replication.LinkState
	for _, l := range links {
		was, ok := p.told[l.ID]
		if ok {
			live[l.ID] = was
		}
		fresh := !ok && len(p.own) > 0
		if l.Ready && (fresh || ok && was.version != p.version || ok && len(p.own) > 0 && now-was.at >= presenceAgain) {
			out = append(out, l)
		}
	}
	p.told = live
	return out
}

// next returns when something may have to be told or forgotten again.
func (p *presence) next(now time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	wait := presenceAgain
	for _, s := range p.own {
		wait = min(wait, s.until-now)
	}
	for _, h := range p.others {
		wait = min(wait, h.at+presenceSilence-now)
	}
	for _, told := range p.told {
		if len(p.own) > 0 {
			wait = min(wait, told.at+presenceAgain-now)
		}
	}
	return max(wait, 100*time.Millisecond)
}

func (t *Till) tellPresence(ctx context.Context, l replication.LinkState) {
	body, version, at := t.presence.say(t.env.Steady())
	asking, cancel := context.WithTimeout(ctx, presencePatience)
	defer cancel()
	if _, err := t.replicator.Ask(asking, l.Till, topicPresence, body); err != nil { // an older program does not know it
		t.log.Debug("who works here was not told", "till", l.Till.Short(), "error", err)
		if ctx.Err() != nil {
			return
		}
	}
	t.presence.mu.Lock()
	defer t.presence.mu.Unlock()
	t.presence.told[l.ID] = toldPresence{version, at}
}

// say returns what is told.
func (p *presence) say(now time.Duration) (body []byte, version uint64, at time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := slices.SortedFunc(maps.Keys(p.own), worker.compare)
	body = codec.AppendArray(codec.AppendUint(codec.AppendArray(nil, 2), presenceVersion), len(all))
	for _, w := range all {
		body = codec.AppendString(codec.AppendBytes(codec.AppendArray(body, 3), w.tab[:]), w.user)
		body = codec.AppendUint(body, uint64(max(0, (now-p.own[w].since).Milliseconds())))
	}
	return body, p.version, now
}

// readPresence reads what another till told; times are Steady here. The error wraps [codec.ErrMalformed].
func readPresence(body []byte, now time.Duration) (map[worker]time.Duration, error) {
	if err := codec.Check(body); err != nil {
		return nil, err
	}
	r := codec.NewReader(body)
	more := r.ArrayOf(2)
	if v := r.Uint(); r.Err() == nil && v != presenceVersion {
		r.Fail("version %d, this program knows %d", v, presenceVersion)
	}
	n := r.Array()
	if n > maxPresent {
		r.Fail("%d people at one till, at most %d", n, maxPresent)
	}
	out := make(map[worker]time.Duration)
	for ; n > 0 && r.Err() == nil; n-- {
		var w worker
		extra := r.ArrayOf(3)
		r.Fixed(w.tab[:])
		w.user = r.String()
		ago := r.Uint()
		r.Skip(extra)
		if len(w.user) > 1000 || ago > uint64(maxAgo.Milliseconds()) {
			r.Fail("somebody who cannot be")
		}
		out[w] = now - time.Duration(ago)*time.Millisecond
	}
	r.Skip(more)
	return out, r.Done()
}

// toldPresence takes what another till told.
func (t *Till) toldPresence(till crdt.TillID, body []byte) ([]byte, bool) {
	now := t.env.Steady()
	workers, err := readPresence(body, now)
	if err != nil {
		return []byte(err.Error()), false
	}
	t.tellPresent(till, t.presence.hear(till, workers, now)...)
	t.presence.poke() // to forget it in time
	return nil, true
}

// sharePresence tells the linked tills who works here until ctx is done.
func (m *Machine) sharePresence(ctx context.Context) {
	for {
		if !m.env.wait(ctx, m.TellPresence(ctx), m.PresenceChanged()) {
			return
		}
	}
}
