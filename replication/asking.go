package replication

import (
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// maxMine bounds how many own commits one comparison looks at.
const maxMine = 2 * wire.MaxAuditEntries

// ask is the comparison of a scope that this till asked another one for.
type ask struct {
	scope crdt.Scope
	since time.Time // rows must have been read since
	ends  []func()

	id      uint64
	round   int
	began   time.Time
	until   time.Time // wait for equal contexts no longer
	due     time.Time // the answer is awaited until then, or it is asked again then
	waiting bool      // to ask again
	context [16]byte  // that was compared
	mine    []wire.AuditEntry
	forks   []wire.AuditEntry

	differed, repaired, sent, bytes int
	now, before                     int // commits that differed in this round and in the one before
	lossy                           bool
}

// answered reports whether a step is one that the other side sends.
func (a *ask) answered(s wire.AuditStep) bool {
	return s == wire.AuditVerdict || s == wire.AuditSums || s == wire.AuditEntries || s == wire.AuditGive
}

// wantAsk has a scope compared with the till of a link, after what is being compared there.
func (c *Core) wantAsk(now time.Time, l *link, scope crdt.Scope, since time.Time, end func()) {
	for _, a := range l.toAsk {
		if a.scope == scope {
			a.ends = append(a.ends, end)
			if a.since.Before(since) {
				a.since = since
			}
			return
		}
	}
	l.toAsk = append(l.toAsk, &ask{scope: scope, since: since, ends: []func(){end}})
	c.nextAsk(now, l)
}

func (c *Core) nextAsk(now time.Time, l *link) {
	if l.asking != nil || len(l.toAsk) == 0 || c.links[l.id] != l {
		return
	}
	a := l.toAsk[0]
	l.toAsk = l.toAsk[1:]
	l.asking = a
	a.began, a.until = now, now.Add(auditWait)
	c.compareScope(now, l, a)
}

// compareScope asks whether the sums are equal, with rows read as late as wanted.
func (c *Core) compareScope(now time.Time, l *link, a *ask) {
	c.audit.id++
	a.id, a.waiting, a.due = c.audit.id, false, time.Time{}
	if c.pausing(a.scope) {
		c.askAgain(now, l, a)
		return
	}
	c.readRows(now, a.scope, a.since, func(now time.Time, err error) {
		if l.asking != a {
			return
		}
		if err != nil {
			c.endAsk(now, l, a, AuditFailed, err.Error())
			return
		}
		a.lossy = a.lossy || c.reading(a.scope).lossy
		c.askSums(l, a, func(now time.Time, f AuditFound) {
			a.context = f.Context
			c.sendAudit(now, l, a.scope, &a.bytes, &a.due, &wire.AuditBody{
				Step: wire.AuditCompare, ID: a.id, Context: f.Context, Total: f.Commits, Again: a.round > 0,
			})
		})
	})
}

// askSums reads the sums of the scope that is being compared.
func (c *Core) askSums(l *link, a *ask, then func(now time.Time, f AuditFound)) {
	c.askRead(l, a, AuditRead{What: ReadSums, Scope: a.scope}, then)
}

func (c *Core) askRead(l *link, a *ask, read AuditRead, then func(now time.Time, f AuditFound)) {
	id := a.id
	c.job(l, read, func(now time.Time, f AuditFound, err error) {
		switch {
		case l.asking != a || a.id != id:
		case err != nil:
			c.reading(a.scope).done = false // it was let go
			c.askAgain(now, l, a)
		default:
			then(now, f)
		}
	})
}

// sendAudit sends a message of an audit and waits for the other side.
func (c *Core) sendAudit(now time.Time, l *link, scope crdt.Scope, bytes *int, due *time.Time, m *wire.AuditBody) {
	body := m.Append(nil)
	*bytes += len(body)
	*due = now.Add(auditPatience)
	l.out = append(l.out, &wire.Audit{Scope: scope, Body: body})
}

// askAgain asks again in a moment, if it is worth while.
func (c *Core) askAgain(now time.Time, l *link, a *ask) {
	if !now.Before(a.until) {
		c.endAsk(now, l, a, AuditApart, "the tills took changes all the time")
		return
	}
	a.waiting, a.due = true, now.Add(auditRetry+c.cfg.Jitter(auditRetry))
}

func (c *Core) tickAsking(now time.Time, l *link) {
	if l.ready && !l.auditAt.IsZero() && !now.Before(l.auditAt) {
		if l.auditAt = now.Add(auditWait + c.cfg.Jitter(auditWait)); c.sameAs(l.till) {
			l.auditAt = now.Add(c.cfg.AuditEvery + c.cfg.Jitter(c.cfg.AuditEvery/4))
			for _, scope := range c.Scopes() {
				c.wantAsk(now, l, scope, now.Add(-c.cfg.AuditEvery/6), func() {})
			}
		}
	}
	if a := l.asking; a != nil && !a.due.IsZero() && !now.Before(a.due) {
		if a.waiting {
			c.compareScope(now, l, a)
		} else {
			c.giveUp(now, l, "it does not answer")
		}
	}
	if a := l.answering; a != nil && !a.due.IsZero() && !now.Before(a.due) {
		l.answering = nil
	}
}

// onAnswer goes on with what the other side says.
func (c *Core) onAnswer(now time.Time, l *link, a *ask, m *wire.AuditBody, commits []*crdt.Commit) {
	a.due = now.Add(auditPatience)
	switch m.Step {
	case wire.AuditVerdict:
		if m.Code != wire.AuditEqual {
			c.askAgain(now, l, a)
			return
		}
		c.agree(now, l, a.scope, a.context)
		c.endAsk(now, l, a, AuditEqual, "")
	case wire.AuditSums:
		c.onSums(l, a, m)
	case wire.AuditEntries:
		c.onEntries(now, l, a, m)
	case wire.AuditGive:
		c.mendWith(now, l, a.scope, commits, &a.repaired)
		if m.Last {
			c.whenDone(func(now time.Time) { c.nextRound(now, l, a) })
			c.goOn(now)
		}
	}
}

// onSums finds the buckets that differ.
func (c *Core) onSums(l *link, a *ask, m *wire.AuditBody) {
	c.askSums(l, a, func(now time.Time, f AuditFound) {
		var numbers []int
		for i := range f.Sums {
			if f.Sums[i] != m.Sums[i] {
				numbers = append(numbers, i)
			}
		}
		if f.Context != m.Context || len(numbers) == 0 {
			c.askAgain(now, l, a)
			return
		}
		if a.round == 0 {
			c.putRight(now, a.scope)
		}
		c.askRead(l, a, AuditRead{What: ReadParts, Scope: a.scope, Numbers: numbers}, func(now time.Time, f AuditFound) {
			if f.Context != m.Context {
				c.askAgain(now, l, a)
				return
			}
			c.sendAudit(now, l, a.scope, &a.bytes, &a.due, &wire.AuditBody{
				Step: wire.AuditParts, ID: a.id, Context: f.Context, Parts: f.Parts,
			})
		})
	})
}

// onEntries compares commit by commit in the leaves that differ.
func (c *Core) onEntries(now time.Time, l *link, a *ask, m *wire.AuditBody) {
	a.mine, a.forks, a.due = nil, nil, time.Time{}
	read := AuditRead{What: ReadEntries, Scope: a.scope, Numbers: m.Leaves}
	var next func(now time.Time, f AuditFound)
	next = func(now time.Time, f AuditFound) {
		a.mine = append(a.mine, f.Entries...)
		a.forks = append(a.forks, f.Forks...)
		if !f.Done && len(a.mine) < maxMine {
			read.At = f.At
			c.askRead(l, a, read, next)
			return
		}
		d := compareEntries(a.mine, a.forks, m.Entries)
		a.mine, a.forks = nil, nil
		a.now, a.differed = d.differed, max(a.differed, d.differed)
		a.sent += len(d.send)
		c.sendCommits(now, l, &giving{
			scope: a.scope, step: wire.AuditOffer, id: a.id, dots: d.send, wants: d.wants, bytes: &a.bytes, due: &a.due,
			open: func() bool { return l.asking == a },
		})
		if d.differed == 0 && d.forked > 0 {
			c.endAsk(now, l, a, AuditForked, "two tills hold different changes under one number; both are kept")
		}
	}
	c.askRead(l, a, read, next)
}

// nextRound compares again, after rows were read again on both sides.
func (c *Core) nextRound(now time.Time, l *link, a *ask) {
	if l.asking != a {
		return
	}
	a.round++
	if a.round > auditRounds || a.round > 2 && a.now >= a.before {
		c.endAsk(now, l, a, AuditDiffers, "")
		return
	}
	a.before = a.now
	a.since, a.until = now, now.Add(auditWait)
	c.compareScope(now, l, a)
}

func (c *Core) endAsk(now time.Time, l *link, a *ask, outcome AuditOutcome, cause string) {
	l.asking = nil
	if outcome == AuditEqual && a.differed > 0 {
		outcome = AuditRepaired
	}
	if cause == "" && a.differed > 0 {
		cause = causeOf(l, a.lossy, a.repaired, a.sent)
	}
	c.stats.Audits++
	c.audited(AuditResult{
		Scope: a.scope, Till: l.till, At: now, Took: now.Sub(a.began), Outcome: outcome, Differed: a.differed,
		Repaired: a.repaired, Sent: a.sent, Bytes: a.bytes, Cause: cause,
	}, l)
	for _, end := range a.ends {
		end()
	}
	c.nextAsk(now, l)
}

// causeOf says which store lost something, as far as this till can know.
func causeOf(l *link, lossy bool, repaired, sent int) string {
	switch {
	case lossy:
		return "rows of this till's store were lost"
	case repaired > 0:
		return "this till's store lacked them although it is consistent: it is older than its context says"
	case sent > 0:
		return fmt.Sprintf("till %s may have lacked them", l.till.Short())
	}
	return ""
}

// leaveAudits gives up what a link was compared for.
func (c *Core) leaveAudits(now time.Time, l *link) {
	c.dropJobs(func(j job) bool { return j.link == l })
	l.answering = nil
	c.giveUp(now, l, "the link ended")
}

// giveUp ends everything that the other side of a link was asked.
func (c *Core) giveUp(now time.Time, l *link, why string) {
	asks := l.toAsk
	if l.asking != nil {
		asks = append([]*ask{l.asking}, asks...)
	}
	l.asking, l.toAsk = nil, nil
	for _, a := range asks {
		if a.began.IsZero() {
			a.began = now
		}
		c.audited(AuditResult{Scope: a.scope, Till: l.till, At: now, Took: now.Sub(a.began), Outcome: AuditNoAnswer,
			Differed: a.differed, Repaired: a.repaired, Sent: a.sent, Bytes: a.bytes, Cause: why}, l)
		for _, end := range a.ends {
			end()
		}
	}
}
