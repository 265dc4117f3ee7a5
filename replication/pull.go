package replication

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// pull is a question for commits and what has come of the answer.
type pull struct {
	id       uint64
	scope    crdt.Scope
	want     crdt.Context
	forHave  bool
	frames   map[uint64]bool // which frames of the answer came
	waiting  int             // commits offered to the committer and not durable yet
	end      *wire.End
	after    uint64 // requests offered to the committer before the end came
	claiming bool
	giveUp   time.Time
}

func (l *link) sortedPulls() []*pull {
	return slices.SortedFunc(maps.Values(l.pulls), func(a, b *pull) int { return cmp.Compare(a.id, b.id) })
}

func (l *link) dropPull(id uint64) { delete(l.pulls, id) }

// inFlight removes from want what some link is fetching already.
func (c *Core) inFlight(scope crdt.Scope, want crdt.Context) crdt.Context {
	for _, l := range c.links {
		for _, p := range l.pulls {
			if p.scope == scope && len(want) > 0 {
				want = want.Minus(p.want)
			}
		}
	}
	return want
}

// pull asks a peer for what it advertises and nobody is fetching yet.
func (c *Core) pull(now time.Time, l *link, scope crdt.Scope) {
	advert := l.advert[scope]
	if !l.ready || len(advert) == 0 || c.failed || c.doubt || c.pausing(scope) {
		return
	}
	if at, pausing := l.again[scope]; pausing && now.Before(at) {
		return
	}
	if c.whole[scope] && c.pulling(scope) {
		return
	}
	if want := c.inFlight(scope, advert.Minus(c.contexts[scope])); len(want) > 0 {
		c.sendPull(now, l, scope, want, false)
	}
}

// pulling reports whether an answer that may claim something is on its way.
func (c *Core) pulling(scope crdt.Scope) bool {
	for _, l := range c.links {
		for _, p := range l.pulls {
			if p.scope == scope && !p.forHave {
				return true
			}
		}
	}
	return false
}

// pullMissing asks a peer for what it named in a Have and was not pushed meanwhile.
func (c *Core) pullMissing(now time.Time, l *link, scope crdt.Scope, missing crdt.Context) {
	if !l.ready || c.failed || c.doubt || c.pausing(scope) {
		return
	}
	if want := c.inFlight(scope, missing.Minus(c.contexts[scope])); len(want) > 0 {
		c.sendPull(now, l, scope, want, true)
	}
}

func (c *Core) sendPull(now time.Time, l *link, scope crdt.Scope, want crdt.Context, forHave bool) {
	l.pullID++
	want = widened(want, maxContext)
	l.pulls[l.pullID] = &pull{
		id: l.pullID, scope: scope, want: want, forHave: forHave,
		frames: make(map[uint64]bool), giveUp: now.Add(pullPatience),
	}
	l.out = append(l.out, &wire.Pull{ID: l.pullID, Scope: scope, Want: want.Clone(), ForHave: forHave})
}

func (c *Core) onCommits(now time.Time, l *link, m *wire.Commits, read Prepared) error {
	p := l.pulls[m.Pull]
	if p != nil && p.frames[m.Index] {
		return nil
	}
	for i, commit := range read.commits {
		if c.pausing(commit.Scope) {
			c.stats.Paused++
			continue
		}
		c.noteOwnCommit(l, commit)
		r := request{op: Op{Commit: commit}, size: 2*len(m.List[i]) + 400, link: l.id, till: l.till}
		if p != nil {
			p.waiting++
			r.pull = p.id
		}
		c.offer(r)
	}
	if read.err != nil {
		return read.err
	}
	if p != nil {
		p.frames[m.Index] = true
		p.giveUp = now.Add(pullPatience)
	}
	return nil
}

func (c *Core) onPush(now time.Time, l *link, m *wire.Push, read Prepared) error {
	for i, commit := range read.commits {
		if !c.cfg.Roster.MayPush(l.till, commit) {
			// It may be the first of a new lineage whose introduction is still being written here: compare soon.
			c.stats.PushesRefused++
			l.helloAt = minTime(l.helloAt, now.Add(haveGather))
			continue
		}
		c.heldBy(l.till, commit.Scope).Add(commit.Dot.Replica, commit.Interval())
		if c.pausing(commit.Scope) {
			c.stats.Paused++
			continue
		}
		c.noteOwnCommit(l, commit)
		c.offer(request{op: Op{Commit: commit}, size: 2*len(m.List[i]) + 400, link: l.id, till: l.till, urgent: m.Urgent})
	}
	return read.err
}

func (c *Core) onEnd(now time.Time, l *link, m *wire.End) {
	p := l.pulls[m.Pull]
	if p == nil || p.end != nil {
		return
	}
	p.end, p.after = m, c.offered
	p.giveUp = now.Add(pullPatience)
	c.finishPulls(now, l)
}

// progress notes that something a link brought is durable.
func (c *Core) progress(now time.Time, r *request) {
	l := c.links[r.link]
	if l == nil {
		return
	}
	if r.op.Commit != nil {
		held, commit := c.heldBy(l.till, r.op.Commit.Scope), r.op.Commit
		if !held.CoversRun(commit.Dot.Replica, commit.Interval()) { // nearly always it was advertised
			held.Add(commit.Dot.Replica, commit.Interval())
		}
	}
	p := l.pulls[r.pull]
	if p == nil {
		return
	}
	p.giveUp = now.Add(pullPatience)
	if r.op.Claim != nil {
		c.stats.Claims++
		delete(c.whole, p.scope)
		delete(l.drops, p.scope)
		delete(l.pulls, p.id)
		c.settled(now, p.scope)
		return
	}
	p.waiting--
}

// finishPulls ends the pulls of a link when everything that came before their end is durable: what the answer brought,
// and what was pushed meanwhile, which the claim needs too.
func (c *Core) finishPulls(now time.Time, l *link) {
	for _, p := range l.sortedPulls() {
		if p.end == nil || p.waiting > 0 || p.claiming || c.done < p.after {
			continue
		}
		if claim := c.claim(l, p); claim != nil {
			p.claiming = true
			c.offer(request{op: Op{Claim: &Claim{Scope: p.scope, Context: claim}}, size: 256, link: l.id, till: l.till, pull: p.id})
			continue
		}
		delete(l.pulls, p.id)
		if p.forHave {
			c.settled(now, p.scope)
			continue
		}
		if len(p.want.Minus(c.contexts[p.scope])) == 0 {
			delete(l.drops, p.scope)
		} else {
			// Two answers that each need what the other one claims would be dropped for ever: from now on one at a time,
			// about all that is missing.
			c.whole[p.scope] = true
			c.stats.ClaimsDropped++
			pause := l.pause(p.scope)
			l.again[p.scope] = now.Add(pause + c.cfg.Jitter(pause))
			l.helloAt = minTime(l.helloAt, now.Add(time.Second))
		}
		c.settled(now, p.scope)
	}
}

// pause returns how long to wait before asking again after a claim was dropped: longer if that goes on, since a peer
// that lost rows lets nobody claim until it is whole again.
func (l *link) pause(scope crdt.Scope) time.Duration {
	l.drops[scope]++
	return claimPause << min(max(0, l.drops[scope]-4), 7)
}

// claim returns the commits that the end of a pull lets this till add to its context without bytes; nil if there are
// none, or if the rules forbid it (design §3.2): the answer must be complete, every frame of it must have come, and all
// else that the peer advertised by then must be held. What is only on its way is not held.
func (c *Core) claim(l *link, p *pull) crdt.Context {
	end := p.end
	if p.forHave || !end.Complete || uint64(len(p.frames)) != end.Frames {
		return nil
	}
	advert := l.advert[p.scope]
	if advert == nil || advert.Hash() != end.Hash {
		return nil
	}
	covers := end.Covers.And(p.want)
	mine := c.contexts[p.scope]
	if !mine.Covers(advert.Minus(covers)) {
		return nil
	}
	if missing := covers.Minus(mine); len(missing) > 0 {
		return missing
	}
	return nil
}

// settled goes on after a pull ended: ask for what else is missing, and compare states when nothing is.
func (c *Core) settled(now time.Time, scope crdt.Scope) {
	for _, other := range c.sorted() {
		c.pull(now, other, scope)
	}
	for _, other := range c.sorted() {
		if other.ready && len(other.pulls) == 0 && c.contexts[scope].Covers(other.advert[scope]) {
			c.compare(now, other)
		}
	}
}

// compare finds out whether a peer holds the same now that this till has caught up with it: it may have said so before,
// and it is told unless it was.
func (c *Core) compare(now time.Time, l *link) {
	state := c.StateHash()
	if l.hello.State == state {
		c.equal(now, l)
	}
	if l.told != state {
		c.sayHello(now, l)
	}
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
