package replication

import (
	"fmt"
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
	taken   uint64 // of them in batches
	done    uint64 // of them in batches that are done
	bytes   int    // waiting and running
	doubt   bool
	failed  bool
}

type request struct {
	op     Op
	local  *Local
	ticket uint64
	size   int
	link   LinkID
	till   crdt.TillID
	pull   uint64
	urgent bool
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
	c.queue = append(c.queue, r)
	c.offered++
	c.bytes += r.size
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
	n, size := 0, 0
	for n < len(c.queue) && (n == 0 || size+c.queue[n].size <= maxBytes) {
		r := c.queue[n]
		n++
		size += r.size
		if r.local != nil && len(r.local.Pieces) > 0 {
			commit, err := c.sealNext(r.local)
			if err != nil {
				c.refused = append(c.refused, Result{Ticket: r.ticket, Err: err})
				c.bytes -= r.size
				continue
			}
			r.op.Commit, r.op.Own = commit, true
		}
		c.running = append(c.running, r)
		ops = append(ops, r.op)
	}
	c.queue = append(c.queue[:0:0], c.queue[n:]...)
	c.taken += uint64(n)
	if len(c.running) == 0 {
		c.done = c.taken // all refused
	}
	return ops
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
	if c.doubt {
		return nil, ErrDoubt
	}
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
		Stamp: l.Stamp, WallMS: l.WallMS, Schema: l.Schema, Pieces: l.Pieces,
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
	c.running, c.done = nil, c.taken
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
			results = append(results, Result{Ticket: r.ticket, Commit: r.op.Commit})
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
			c.stats.Forks++
			c.event(Event{Kind: EventNotice, Link: r.link, Till: r.till, Text: fmt.Sprintf(
				"two different commits exist as %v of %v; both are kept", commit.Dot, commit.Scope)})
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
	if r.urgent {
		c.haveAt = now
	} else if c.haveAt.IsZero() {
		c.haveAt = now.Add(haveGather)
	}
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
