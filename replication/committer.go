package replication

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

// Local is a change made at this till.
type Local struct {
	Scope  crdt.Scope
	Pieces []crdt.Piece
	Schema uint32
	Stamp  crdt.Stamp
	WallMS int64
	Notes  []Note // written in the same transaction
	Urgent bool   // peers are asked to say at once when they hold it (payment, close)

	// Chain names a row of changes that build on each other, such as the numbers of a series; empty for none. When one of
	// them fails, all that were proposed after it fail with it, until one comes with Restart.
	Chain   string
	Restart bool
}

// Result answers a Propose.
type Result struct {
	Ticket uint64
	Commit *crdt.Commit // nil for notes alone
	Err    error
}

// Taken is a commit that became durable and changed something, with what it did.
type Taken struct {
	Commit  *crdt.Commit
	Outcome Outcome
	Own     bool
	From    crdt.TillID // who sent it, zero for own
}

// committer folds what waits into one transaction. It numbers own commits in the order they are taken, so numbers of a
// start are gap-free, and a batch that failed gives its numbers back.
type committer struct {
	heads   map[crdt.Scope]Head
	queue   []request
	running []request
	before  map[crdt.Scope]Head // heads before the running batch
	refused []Result            // own changes that could not be sealed
	broken  map[string]error    // chains of which a change failed
	ticket  uint64
	offered uint64 // requests so far
	done    uint64 // all requests up to this one were answered
	later   []deferred
	bytes   int // waiting and running
	doubt   bool
	failed  bool
}

// deferred is what happens when all requests up to one were answered.
type deferred struct {
	mark uint64
	then func(now time.Time)
}

type request struct {
	seq    uint64 // its place among all requests
	op     Op
	local  *Local
	ticket uint64
	size   int
	link   LinkID
	till   crdt.TillID
	pull   uint64
	urgent bool
	mended *int // counts what a repair put back
}

func (r *request) repaired() {
	if r.mended != nil {
		*r.mended++
	}
}

func (q *committer) init(heads map[crdt.Scope]Head) {
	q.heads, q.broken = heads, make(map[string]error)
	if q.heads == nil {
		q.heads = make(map[crdt.Scope]Head)
	}
}

// Propose queues an own change and returns the ticket under which Done answers it.
func (c *Core) Propose(l Local) uint64 {
	c.ticket++
	r := request{local: &l, ticket: c.ticket, size: 256, urgent: l.Urgent, op: Op{Notes: l.Notes}}
	for i := range l.Pieces {
		r.size += 2*len(l.Pieces[i].Raw) + 400
	}
	for _, n := range l.Notes {
		r.size += len(n.Value) + 64
	}
	c.offer(r)
	return c.ticket
}

func (c *Core) offer(r request) {
	c.offered++
	r.seq = c.offered
	c.queue = append(c.queue, r)
	c.bytes += r.size
}

// whenDone calls then when everything offered so far was answered.
func (c *Core) whenDone(then func(now time.Time)) {
	c.later = append(c.later, deferred{c.offered, then})
}

// countDone works out what was answered; no batch is running.
func (c *Core) countDone() {
	c.done = c.offered
	if len(c.queue) > 0 {
		c.done = c.queue[0].seq - 1
	}
}

// goOn calls what waited until everything before it was answered.
func (c *Core) goOn(now time.Time) {
	for len(c.later) > 0 && c.later[0].mark <= c.done {
		d := c.later[0]
		c.later = c.later[1:]
		d.then(now)
	}
}

// Waiting returns about how many bytes wait to be written or are being written.
func (c *Core) Waiting() int { return c.bytes }

// Take returns the next batch, about maxBytes large, and nil if nothing waits or a batch is still running. The caller
// applies it to the store and calls Done.
func (c *Core) Take(maxBytes int) []Op {
	if len(c.running) > 0 || len(c.queue) == 0 && len(c.refused) == 0 {
		return nil
	}
	c.before = make(map[crdt.Scope]Head)
	var ops []Op
	n, size, sold := 0, 0, false
	for n < len(c.queue) && (n == 0 || size+c.queue[n].size <= maxBytes) {
		r := c.queue[n]
		n++
		size += r.size
		if r.local != nil {
			if err := c.own(&r); err != nil {
				c.refused = append(c.refused, Result{Ticket: r.ticket, Err: err})
				c.bytes -= r.size
				continue
			}
			sold = sold || r.op.Own
		}
		c.running = append(c.running, r)
		ops = append(ops, r.op)
	}
	c.queue = append(c.queue[:0:0], c.queue[n:]...)
	if len(c.running) == 0 {
		c.countDone() // all refused
		return nil
	}
	if sold {
		if notes := c.agreedNotes(); len(notes) > 0 {
			c.running = append(c.running, request{op: Op{Notes: notes}})
			ops = append(ops, Op{Notes: notes})
		}
	}
	return ops
}

// own makes the op of an own change.
func (c *Core) own(r *request) error {
	if c.doubt {
		return ErrDoubt
	}
	if len(r.local.Pieces) == 0 {
		return nil
	}
	commit, err := c.sealNext(r.local)
	if err != nil {
		return err
	}
	r.op.Commit, r.op.Own, r.op.Seen = commit, true, c.seen(r.local)
	return nil
}

// seen returns the own number in the clock that the author of each piece had read.
func (c *Core) seen(l *Local) (seen []crdt.Seq) {
	for i := range l.Pieces {
		p := &l.Pieces[i]
		if p.Kind != crdt.KindRegister {
			continue
		}
		if seen == nil {
			seen = make([]crdt.Seq, len(l.Pieces))
		}
		seen[i] = p.Clock.Get(c.cfg.Replica)
	}
	return seen
}

// Refused returns answers to changes that could not become a commit.
func (c *Core) Refused() []Result {
	r := c.refused
	c.refused = nil
	return r
}

// sealNext seals an own change unless its chain is broken; if it cannot be sealed it breaks the chain.
func (c *Core) sealNext(l *Local) (*crdt.Commit, error) {
	if l.Chain == "" {
		return c.seal(l)
	}
	if l.Restart {
		delete(c.broken, l.Chain)
	}
	if err := c.broken[l.Chain]; err != nil {
		return nil, fmt.Errorf("the change before this one was not saved: %w", err)
	}
	commit, err := c.seal(l)
	if err != nil {
		c.broken[l.Chain] = err
	}
	return commit, err
}

// seal numbers an own change and encodes it.
func (c *Core) seal(l *Local) (*crdt.Commit, error) {
	head := c.heads[l.Scope]
	seq := head.Seq + 1
	if head.Seq.Boot() != c.cfg.Boot {
		seq = crdt.NewSeq(c.cfg.Boot, 1)
	}
	if seq <= head.Seq {
		return nil, fmt.Errorf("%w: start %d is not after commit %v", ErrDoubt, c.cfg.Boot, head.Seq)
	}
	commit := &crdt.Commit{
		Scope: l.Scope, Dot: crdt.Dot{Replica: c.cfg.Replica, Seq: seq}, Pred: head.Seq, Prev: head.Hash,
		Stamp: l.Stamp, WallMS: l.WallMS, Schema: l.Schema,
		Pieces: slices.Clone(l.Pieces), // sealing puts the number into clocks; it may be sealed again under another
	}
	if err := commit.Seal(); err != nil {
		return nil, err
	}
	if _, saved := c.before[l.Scope]; !saved {
		c.before[l.Scope] = head
	}
	c.heads[l.Scope] = Head{Seq: seq, Hash: commit.Hash()}
	return commit, nil
}

// Done reports what became of the batch that Take returned. It pushes what is now durable to the peers and returns the
// answers to own changes and the commits that changed something, in their order.
//
// With an error nothing counts. If the error says that the outcome is unknown (unknown), the core writes nothing more.
func (c *Core) Done(now time.Time, applied Applied, err error, unknown bool) (results []Result, taken []Taken) {
	running := c.running
	c.running = nil
	defer c.goOn(now)
	if refused := (*Refused)(nil); err != nil && !unknown && errors.As(err, &refused) && refused.Index < len(running) {
		return c.without(running, refused), nil
	}
	c.countDone()
	for i := range running {
		c.bytes -= running[i].size
	}
	if err != nil {
		results = c.fail(now, running, err, unknown)
		for _, l := range c.sorted() {
			c.finishPulls(now, l)
		}
		c.finishServes()
		return results, nil
	}
	for _, scope := range sortedScopes(applied.Grown) {
		if c.contexts[scope] == nil {
			c.contexts[scope] = make(crdt.Context)
		}
		c.contexts[scope].AddAll(applied.Grown[scope])
	}
	for scope, d := range applied.Digests {
		c.digests[scope] = d
	}
	if len(applied.Grown) > 0 {
		c.changed = now
	}
	for i := range running {
		r, out := &running[i], applied.Outcomes[i]
		if r.local != nil {
			result := Result{Ticket: r.ticket, Commit: r.op.Commit}
			if r.op.Own && out.Fork { // its number was taken by somebody else: it is kept beside, and counts nowhere
				result = Result{Ticket: r.ticket, Err: fmt.Errorf("%w: another change exists as %v", ErrDoubt, r.op.Commit.Dot)}
			}
			results = append(results, result)
		}
		if r.link != 0 {
			c.progress(now, r)
		}
		commit := r.op.Commit
		if commit == nil {
			continue
		}
		switch {
		case r.op.Own:
			c.stats.CommitsOwn++
		case out.New:
			c.stats.CommitsForeign++
		default:
			c.stats.CommitsKnown++
		}
		if out.Fork {
			c.forked(now, r, &out)
		}
		if out.Repaired {
			c.stats.Repairs++
			r.repaired()
		}
		for _, k := range out.Ignored {
			c.event(Event{Kind: EventNotice, Link: r.link, Till: r.till, Text: fmt.Sprintf(
				"commit %v supersedes %s %v of %v, which supersedes others itself; that is ignored", commit.Dot, k.Type, k.Object, k.Scope)})
		}
		for _, k := range out.Alarms {
			c.event(Event{Kind: EventNotice, Link: r.link, Till: r.till, Text: fmt.Sprintf(
				"%s %v of %v exists with different contents; both are kept", k.Type, k.Object, k.Scope)})
		}
		if !out.New {
			continue
		}
		taken = append(taken, Taken{Commit: commit, Outcome: out, Own: r.op.Own, From: r.till})
		c.spread(now, r, commit)
	}
	for _, l := range c.sorted() {
		l.answerUrgent()
		c.finishPulls(now, l)
	}
	c.finishServes()
	return results, taken
}

// finishServes ends the answers that waited for a batch.
func (c *Core) finishServes() {
	for _, l := range c.sorted() {
		c.finishServe(l)
	}
}

// spread tells the peers about a commit that is durable now: own ones are pushed, others are told in a Have.
func (c *Core) spread(now time.Time, r *request, commit *crdt.Commit) {
	for _, l := range c.sorted() {
		pushed := false
		if r.op.Own && l.ready {
			pushed = l.queuePush(c, commit.Bytes(), r.urgent)
		}
		for _, s := range l.serves {
			if s.scope == commit.Scope && !pushed && r.link != l.id {
				s.taken = append(s.taken, commit.Dot)
			}
		}
	}
	if r.op.Own {
		return
	}
	if c.have[commit.Scope] == nil {
		c.have[commit.Scope] = make(crdt.Context)
	}
	c.have[commit.Scope].Add(commit.Dot.Replica, commit.Interval())
	// Who pushed it wants to know at once where it is; to tell all others at once, too, would cost the square of the tills.
	if l := c.links[r.link]; r.urgent && l != nil {
		l.addUrgent(commit)
	}
	if c.haveAt.IsZero() {
		c.haveAt = now.Add(haveGather)
	}
}

// without gives back the numbers of a batch that was not written because one of its changes was refused, and queues the
// others again before all else.
func (c *Core) without(running []request, refused *Refused) []Result {
	for scope, head := range c.before {
		c.heads[scope] = head
	}
	var results []Result
	kept := make([]request, 0, len(running)+len(c.queue))
	for i, r := range running {
		switch {
		case i == refused.Index && r.local != nil:
			c.bytes -= r.size
			results = append(results, Result{Ticket: r.ticket, Err: refused.Err})
			if r.local.Chain != "" {
				c.broken[r.local.Chain] = refused.Err
			}
		case r.seq == 0: // notes that were added to the batch
		default:
			if r.op.Own { // it is sealed again, under another number
				r.op.Commit, r.op.Own, r.op.Seen = nil, false, nil
			}
			kept = append(kept, r)
		}
	}
	c.queue = append(kept, c.queue...)
	c.countDone()
	return results
}

func (c *Core) fail(now time.Time, running []request, err error, unknown bool) (results []Result) {
	for scope, head := range c.before {
		c.heads[scope] = head
	}
	if unknown {
		c.failed = true
	}
	for i := range running {
		r := &running[i]
		if r.local != nil {
			results = append(results, Result{Ticket: r.ticket, Err: err})
			if r.local.Chain != "" {
				c.broken[r.local.Chain] = err
			}
		}
		if l := c.links[r.link]; l != nil {
			l.dropPull(r.pull)
			l.again[r.scope()] = now.Add(claimPause)
			l.helloAt = minTime(l.helloAt, now.Add(time.Second)) // a push that was not saved is in no advertisement
		}
	}
	return results
}

func (r *request) scope() crdt.Scope {
	switch {
	case r.op.Commit != nil:
		return r.op.Commit.Scope
	case r.op.Claim != nil:
		return r.op.Claim.Scope
	}
	return crdt.Scope{}
}

// Failed reports whether the store's last outcome is unknown: the till must be stopped and started again.
func (c *Core) Failed() bool { return c.failed }

// InDoubt reports whether own commits exist elsewhere that this store lacks: nothing may be written.
func (c *Core) InDoubt() bool { return c.doubt }
