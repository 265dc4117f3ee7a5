package replication

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// Timers of audits beside Config.AuditEvery.
const (
	auditPatience = 2 * time.Minute // give up on a till that does not answer
	auditWait     = time.Minute     // wait so long for contexts to become equal
	auditRetry    = 2 * time.Second // before asking again while they are not
	auditAgain    = time.Minute     // a reading of rows is fresh for so long if somebody wants it fresh
	auditRounds   = 8               // comparisons of one scope with one till
	maxForks      = 1024            // that are remembered in order to tell each once
)

// AuditOutcome is what an audit came to.
type AuditOutcome uint8

// The outcomes.
const (
	AuditEqual    AuditOutcome = iota + 1 // nothing differs
	AuditRepaired                         // something differed; now nothing does
	AuditForked                           // nothing differs but commits of which each till holds another one
	AuditDiffers                          // something still differs
	AuditApart                            // the tills did not hold the same long enough to be compared
	AuditNoAnswer                         // the other till did not answer
	AuditFailed                           // the rows could not be read
)

// String returns a stable name.
func (o AuditOutcome) String() string {
	names := [...]string{"", "equal", "repaired", "forked", "differs", "apart", "no answer", "failed"}
	if int(o) < len(names) && o > 0 {
		return names[o]
	}
	return fmt.Sprintf("outcome %d", uint8(o))
}

// AuditResult is the last audit of a scope with one till, or of this till's rows alone.
type AuditResult struct {
	Scope    crdt.Scope
	Till     crdt.TillID // zero: the rows of this till against the digest kept with them
	At       time.Time   // when it ended
	Took     time.Duration
	Outcome  AuditOutcome
	Differed int    // commits that were not the same on both sides
	Repaired int    // commits of which something was put back here
	Sent     int    // commits sent to the other till, which may have lacked them
	Bytes    int    // bodies sent and received
	Cause    string // one sentence for people, empty if nothing differed
}

type auditKey struct {
	till  crdt.TillID
	scope crdt.Scope
}

// auditor is the part of a core that audits. It wants rows read one piece at a time: NextAudit, AuditDone.
type auditor struct {
	jobs     []job
	open     bool // a read is being performed
	readings map[crdt.Scope]*reading
	damaged  map[crdt.Scope]bool // rows were found missing, and no till has confirmed since that nothing is
	results  map[auditKey]AuditResult
	forks    map[Fork]bool // that were told
	localAt  time.Time     // when to read the own rows
	id       uint64        // of comparisons asked for
	demands  uint64
}

// job is a read and what follows from it.
type job struct {
	read AuditRead
	link *link // read only when nothing else has to be sent there; nil: at any time
	from any   // what wants it, if it can be given up
	then func(now time.Time, f AuditFound, err error)
}

func (a *auditor) init(damaged []crdt.Scope) {
	a.readings = make(map[crdt.Scope]*reading)
	a.results = make(map[auditKey]AuditResult)
	a.damaged = make(map[crdt.Scope]bool)
	a.forks = make(map[Fork]bool)
	for _, scope := range damaged {
		a.damaged[scope] = true
	}
}

func (a *auditor) forget(till crdt.TillID) {
	for key := range a.results {
		if key.till == till {
			delete(a.results, key)
		}
	}
}

// DamagePrefix is how the keys of damage notes begin. The note of a scope is there from when rows of it were found
// missing until another till has confirmed that nothing is; a new start gets those scopes as Config.Damaged.
const DamagePrefix = "damaged/"

// DamageNote returns the key of the damage note of a scope.
func DamageNote(scope crdt.Scope) string { return DamagePrefix + string(scope.AppendKey(nil)) }

func (c *Core) auditing() bool { return c.cfg.AuditEvery > 0 && !c.failed }

// NextAudit returns the next read that audits wait for. The driver performs it with an Auditor, beside everything else,
// and calls AuditDone; until then there is no other.
func (c *Core) NextAudit() (AuditRead, bool) {
	if i := c.nextJob(); i >= 0 {
		c.audit.open = true
		j := c.audit.jobs[i]
		c.audit.jobs = append([]job{j}, slices.Delete(c.audit.jobs, i, i+1)...)
		return j.read, true
	}
	return AuditRead{}, false
}

// HasAudit reports whether NextAudit would return something.
func (c *Core) HasAudit() bool { return c.nextJob() >= 0 }

func (c *Core) nextJob() int {
	if c.audit.open {
		return -1
	}
	return slices.IndexFunc(c.audit.jobs, func(j job) bool { return j.link == nil || len(j.link.out) == 0 })
}

// AuditDone goes on with what the read that NextAudit returned found.
func (c *Core) AuditDone(now time.Time, f AuditFound, err error) {
	if !c.audit.open {
		return
	}
	j := c.audit.jobs[0]
	c.audit.jobs = slices.Delete(c.audit.jobs, 0, 1)
	c.audit.open = false
	j.then(now, f, err)
}

func (c *Core) job(l *link, read AuditRead, then func(now time.Time, f AuditFound, err error)) {
	c.jobFrom(l, nil, read, then)
}

func (c *Core) jobFrom(l *link, from any, read AuditRead, then func(now time.Time, f AuditFound, err error)) {
	c.audit.jobs = append(c.audit.jobs, job{read, l, from, then})
}

// dropJobs gives up reads that wait; the one that is being performed finds nobody when it ends.
func (c *Core) dropJobs(which func(j job) bool) {
	first := 0
	if c.audit.open {
		first = 1
	}
	c.audit.jobs = slices.Concat(c.audit.jobs[:first], slices.DeleteFunc(c.audit.jobs[first:], which))
}

// Audit reads the rows of every scope again and compares them with every till that is linked. It returns a number;
// EventAudited carries it when all of that has ended, and Audits has what it came to.
func (c *Core) Audit(now time.Time) uint64 {
	c.audit.demands++
	id, left := c.audit.demands, 1
	end := func() {
		if left--; left == 0 {
			c.event(Event{Kind: EventAudited, ID: id})
		}
	}
	if c.auditing() {
		for _, scope := range c.Scopes() {
			left++
			c.readRows(now, scope, now, func(time.Time, error) { end() })
			for _, l := range c.sorted() {
				if l.ready {
					left++
					c.wantAsk(now, l, scope, now, end)
				}
			}
		}
	}
	end()
	return id
}

// Audits returns the last result of every scope with every till, sorted by till and scope.
func (c *Core) Audits() []AuditResult {
	out := make([]AuditResult, 0, len(c.audit.results))
	for _, r := range c.audit.results {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b AuditResult) int {
		return cmp.Or(a.Till.Compare(b.Till), a.Scope.Compare(b.Scope))
	})
	return out
}

// Damaged returns the scopes of which rows were found missing and no till has confirmed since that nothing is.
func (c *Core) Damaged() []crdt.Scope { return sortedScopes(c.audit.damaged) }

func (c *Core) auditDeadline() (at time.Time) {
	if !c.auditing() {
		return at
	}
	if c.audit.localAt.IsZero() {
		return time.Time{}.Add(1) // due at once
	}
	at = c.audit.localAt
	earlier := func(t time.Time) {
		if !t.IsZero() && t.Before(at) {
			at = t
		}
	}
	for _, r := range c.audit.readings {
		earlier(r.letGo)
	}
	for _, l := range c.links {
		if l.ready {
			earlier(l.auditAt)
		}
		if l.asking != nil {
			earlier(l.asking.due)
		}
		if l.answering != nil {
			earlier(l.answering.due)
		}
	}
	return at
}

func (c *Core) tickAudits(now time.Time) {
	if !c.auditing() {
		return
	}
	every := c.cfg.AuditEvery
	if c.audit.localAt.IsZero() {
		c.audit.localAt = now.Add(every/12 + c.cfg.Jitter(every/12))
	}
	if !now.Before(c.audit.localAt) {
		c.audit.localAt = now.Add(every + c.cfg.Jitter(every/4))
		for _, scope := range c.Scopes() {
			c.readRows(now, scope, now.Add(-every/6), func(time.Time, error) {})
		}
	}
	for _, scope := range sortedScopes(c.audit.readings) {
		if r := c.audit.readings[scope]; !r.letGo.IsZero() && !now.Before(r.letGo) {
			r.letGo, r.done = time.Time{}, false
			c.job(nil, AuditRead{What: LetGo, Scope: scope}, func(time.Time, AuditFound, error) {})
		}
	}
	for _, l := range c.sorted() {
		c.tickAsking(now, l)
	}
}

// forked reports two commits under one dot and has the scope audited: what else differs?
func (c *Core) forked(now time.Time, r *request, out *Outcome) {
	commit := r.op.Commit
	f := &Fork{Scope: commit.Scope, Dot: commit.Dot, Held: out.Held, Other: commit.Hash()}
	if c.audit.forks[*f] {
		return // it came before
	}
	if len(c.audit.forks) >= maxForks {
		clear(c.audit.forks)
	}
	c.audit.forks[*f] = true
	c.stats.Forks++
	c.event(Event{Kind: EventFork, Link: r.link, Till: r.till, Fork: f, Text: fmt.Sprintf(
		"two different commits exist as %v of %v, %x and %x; both are kept", f.Dot, f.Scope, f.Held[:8], f.Other[:8])})
	if commit.Dot.Replica == c.cfg.Replica {
		c.inDoubt(DoubtForkedOwn, c.links[r.link], nil, fmt.Sprintf(
			"another change than the one saved here exists as %v of %v: somebody else writes under this till's lineage", f.Dot, f.Scope))
	}
	for _, l := range c.sorted() {
		c.differs(now, l, commit.Scope)
	}
}

// differs has a scope compared with a till soon, because something differs although the contexts are equal.
func (c *Core) differs(now time.Time, l *link, scope crdt.Scope) {
	if now.Before(l.differAt[scope]) {
		return
	}
	l.differAt[scope] = now.Add(max(c.cfg.AuditEvery/12, auditAgain))
	if c.audit.results[auditKey{l.till, scope}].Outcome == AuditForked {
		l.differAt[scope] = now.Add(max(c.cfg.AuditEvery, auditAgain))
	}
	if c.auditing() && l.ready {
		c.wantAsk(now, l, scope, now.Add(-auditAgain), func() {})
		return
	}
	c.event(Event{Kind: EventNotice, Link: l.id, Till: l.till, Text: fmt.Sprintf(
		"%v differs from till %s although both took the same changes", scope, l.till.Short())})
}

// greetAudits says when the till of a new link is to be audited.
func (c *Core) greetAudits(now time.Time, l *link) {
	if !c.auditing() {
		return
	}
	l.auditAt = now.Add(c.cfg.AuditEvery/6 + c.cfg.Jitter(c.cfg.AuditEvery))
	if len(c.audit.damaged) > 0 {
		l.auditAt = now.Add(auditRetry)
	}
}

// audited records a result and tells the driver what it should know.
func (c *Core) audited(r AuditResult, l *link) {
	key := auditKey{r.Till, r.Scope}
	last := c.audit.results[key].Outcome
	c.audit.results[key] = r
	switch r.Outcome {
	case AuditEqual, AuditApart:
		return
	case AuditForked, AuditNoAnswer:
		if last == r.Outcome {
			return // it was told
		}
	}
	with := "its own rows"
	e := Event{Kind: EventAudit, Audit: &r}
	if l != nil {
		e.Link, e.Till = l.id, l.till
		with = "till " + l.till.Short()
	}
	e.Text = fmt.Sprintf("audit of %v against %s: %v, %d commits differed, %d were put back here, %d were sent", r.Scope, with,
		r.Outcome, r.Differed, r.Repaired, r.Sent)
	if r.Cause != "" {
		e.Text += ": " + r.Cause
	}
	c.event(e)
}

// onAudit takes a message of an audit.
func (c *Core) onAudit(now time.Time, l *link, scope crdt.Scope, size int, p Prepared) error {
	if p.err != nil {
		return p.err
	}
	m := p.audit
	if m == nil {
		return nil
	}
	if m.Step == wire.AuditCompare {
		return c.onCompare(now, l, scope, m, size)
	}
	if a := l.asking; a != nil && a.scope == scope && a.id == m.ID && a.answered(m.Step) {
		a.bytes += size
		c.onAnswer(now, l, a, m, p.commits)
		return nil
	}
	if a := l.answering; a != nil && a.scope == scope && a.id == m.ID {
		a.bytes += size
		c.onQuestion(now, l, a, m, p.commits)
	}
	return nil // late, or given up
}
