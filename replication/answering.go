package replication

import (
	"fmt"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// answering is the comparison of a scope that another till asked for.
type answering struct {
	scope crdt.Scope
	id    uint64
	began time.Time
	due   time.Time

	reading bool // the rows are being read
	leaves  []int
	entries []wire.AuditEntry
	more    bool

	repaired, sent, bytes int
	lossy                 bool
}

// onCompare answers whether the sums of a scope are equal. A later question takes the place of an earlier one.
func (c *Core) onCompare(now time.Time, l *link, scope crdt.Scope, m *wire.AuditBody, size int) error {
	a := &answering{scope: scope, id: m.ID, began: now, bytes: size}
	if old := l.answering; old != nil && old.scope == scope {
		a.began, a.repaired, a.sent, a.bytes = old.began, old.repaired, old.sent, old.bytes+size
	}
	if old := l.answering; !c.auditing() || c.pausing(scope) || old != nil && old.reading {
		if l.refused++; l.refused > maxServes {
			return fmt.Errorf("%w: more than %d questions at once", ErrProtocol, maxServes)
		}
		c.verdict(now, l, a, wire.AuditLater)
		return nil
	} else if old != nil {
		c.dropJobs(func(j job) bool { return j.from == old })
	}
	l.answering, a.reading = a, true
	since := now.Add(-c.cfg.AuditEvery / 6)
	if m.Again {
		since = now.Add(-auditAgain)
	}
	c.readRows(now, scope, since, func(now time.Time, err error) {
		a.reading = false
		if l.answering != a {
			return
		}
		if err != nil {
			c.verdict(now, l, a, wire.AuditLater)
			return
		}
		a.lossy = c.reading(scope).lossy
		c.answerRead(l, a, AuditRead{What: ReadSums, Scope: scope}, func(now time.Time, f AuditFound) {
			switch {
			case f.Context != m.Context:
				c.verdict(now, l, a, wire.AuditApart)
			case f.Commits == m.Total:
				c.agree(now, l, scope, f.Context)
				c.answered(now, l, a)
				c.verdict(now, l, a, wire.AuditEqual)
			default:
				c.putRight(now, scope)
				c.sendAudit(now, l, scope, &a.bytes, &a.due, &wire.AuditBody{
					Step: wire.AuditSums, ID: a.id, Context: f.Context, Sums: f.Sums,
				})
			}
		})
	})
	return nil
}

func (c *Core) verdict(now time.Time, l *link, a *answering, code wire.AuditCode) {
	c.sendAudit(now, l, a.scope, &a.bytes, &a.due, &wire.AuditBody{Step: wire.AuditVerdict, ID: a.id, Code: code})
	if code == wire.AuditEqual && l.answering == a {
		l.answering = nil
	}
}

// answered records that the other till found this one equal; it need not be asked soon.
func (c *Core) answered(now time.Time, l *link, a *answering) {
	l.auditAt = now.Add(c.cfg.AuditEvery + c.cfg.Jitter(c.cfg.AuditEvery/4))
	r := AuditResult{Scope: a.scope, Till: l.till, At: now, Took: now.Sub(a.began), Outcome: AuditEqual,
		Differed: max(a.repaired, a.sent), Repaired: a.repaired, Sent: a.sent, Bytes: a.bytes}
	if r.Differed > 0 {
		r.Outcome, r.Cause = AuditRepaired, causeOf(l, a.lossy, a.repaired, a.sent)
	}
	c.audited(r, l)
}

func (c *Core) answerRead(l *link, a *answering, read AuditRead, then func(now time.Time, f AuditFound)) {
	c.jobFrom(l, a, read, func(now time.Time, f AuditFound, err error) {
		switch {
		case l.answering != a:
		case err != nil:
			c.reading(a.scope).done = false // it was let go
			c.verdict(now, l, a, wire.AuditLater)
		default:
			then(now, f)
		}
	})
}

// onQuestion goes on with what the other side, which asked, sends.
func (c *Core) onQuestion(now time.Time, l *link, a *answering, m *wire.AuditBody, commits []*crdt.Commit) {
	a.due = now.Add(auditPatience)
	switch m.Step {
	case wire.AuditParts:
		c.onParts(l, a, m)
	case wire.AuditOffer:
		c.mendWith(now, l, a.scope, commits, &a.repaired)
		if m.Last {
			a.sent += len(m.Wants)
			c.sendCommits(now, l, &giving{
				scope: a.scope, step: wire.AuditGive, id: a.id, dots: m.Wants, bytes: &a.bytes, due: &a.due,
				open: func() bool { return l.answering == a },
			})
		}
	}
}

// onParts finds the leaves that differ and lists what is in them here.
func (c *Core) onParts(l *link, a *answering, m *wire.AuditBody) {
	numbers := make([]int, len(m.Parts))
	for i, p := range m.Parts {
		numbers[i] = p.Bucket
	}
	c.answerRead(l, a, AuditRead{What: ReadParts, Scope: a.scope, Numbers: numbers}, func(now time.Time, f AuditFound) {
		if f.Context != m.Context {
			c.verdict(now, l, a, wire.AuditApart)
			return
		}
		a.leaves, a.entries, a.more = nil, nil, false
		for i, p := range f.Parts {
			for j, sum := range p.Sums {
				if sum != m.Parts[i].Sums[j] {
					a.leaves = append(a.leaves, p.Bucket*wire.AuditLeaves+j)
				}
			}
		}
		c.listEntries(now, l, a, m.Context, nil)
	})
}

// listEntries gathers what the leaves hold. If that is too much, half of the leaves have to wait for the next round.
func (c *Core) listEntries(_ time.Time, l *link, a *answering, context [16]byte, at []byte) {
	c.answerRead(l, a, AuditRead{What: ReadEntries, Scope: a.scope, Numbers: a.leaves, At: at}, func(now time.Time, f AuditFound) {
		a.entries = append(a.entries, f.Entries...)
		for len(a.entries) > wire.MaxAuditEntries && len(a.leaves) > 1 {
			a.leaves, a.more = a.leaves[:len(a.leaves)/2], true
			a.entries = slices.DeleteFunc(a.entries, func(e wire.AuditEntry) bool {
				_, in := slices.BinarySearch(a.leaves, AuditLeaf(e.Dot))
				return !in
			})
		}
		a.entries = a.entries[:min(len(a.entries), wire.MaxAuditEntries)]
		if !f.Done {
			c.listEntries(now, l, a, context, f.At)
			return
		}
		c.sendAudit(now, l, a.scope, &a.bytes, &a.due, &wire.AuditBody{
			Step: wire.AuditEntries, ID: a.id, Context: context, Leaves: a.leaves, Entries: a.entries, More: a.more,
		})
		a.leaves, a.entries = nil, nil
	})
}

// difference is what two tills found out about their commits.
type difference struct {
	send, wants []crdt.Dot
	differed    int
	forked      int // commits of which each till holds another one, and knows it
}

// compareEntries compares what is held live here, beside which forks, with what another till holds live. Which side is
// wrong is not known, so what is not the same goes both ways, and each takes only what it lacks.
func compareEntries(mine, forks, theirs []wire.AuditEntry) (d difference) {
	type fork struct {
		dot crdt.Dot
		tag [16]byte
	}
	known := make(map[fork]bool, len(forks))
	for _, f := range forks {
		known[fork{f.Dot, f.Tag}] = true
	}
	here := make(map[crdt.Dot]wire.AuditEntry, len(mine))
	for _, e := range mine {
		here[e.Dot] = e
	}
	for _, e := range theirs {
		m, both := here[e.Dot]
		delete(here, e.Dot)
		switch {
		case both && m.Tag == e.Tag && m.Sum == e.Sum:
			continue
		case both && m.Tag != e.Tag && known[fork{e.Dot, e.Tag}]:
			d.forked++
			continue
		case both:
			d.send = append(d.send, e.Dot)
		}
		d.differed++
		if len(d.wants) < wire.MaxAuditEntries {
			d.wants = append(d.wants, e.Dot)
		}
	}
	for dot := range here {
		d.differed++
		d.send = append(d.send, dot)
	}
	slices.SortFunc(d.send, crdt.Dot.Compare)
	return d
}

// giving is commits on their way to the other till of an audit.
type giving struct {
	scope crdt.Scope
	step  wire.AuditStep
	id    uint64
	dots  []crdt.Dot // to be sent yet
	wants []crdt.Dot // asked for with the last of them
	bytes *int
	due   *time.Time
	open  func() bool // the audit goes on
}

// sendCommits sends what is left, a part at a time: the next one is read when the one before has left.
func (c *Core) sendCommits(now time.Time, l *link, g *giving) {
	n := min(len(g.dots), 256)
	send := func(now time.Time, commits [][]byte) {
		g.dots = g.dots[n:]
		m := &wire.AuditBody{Step: g.step, ID: g.id, Commits: commits, Last: len(g.dots) == 0}
		if m.Last {
			m.Wants = g.wants
		}
		c.sendAudit(now, l, g.scope, g.bytes, g.due, m)
		if !m.Last {
			c.sendCommits(now, l, g)
		}
	}
	if n == 0 {
		send(now, nil)
		return
	}
	c.job(l, AuditRead{What: ReadCommits, Scope: g.scope, Dots: g.dots[:n]}, func(now time.Time, f AuditFound, err error) {
		if !g.open() {
			return
		}
		if err == nil && !f.Done {
			n = f.Read
		}
		send(now, f.Raw)
	})
}

// mendWith applies commits that another till sent in an audit; what is not missing here changes nothing.
func (c *Core) mendWith(now time.Time, l *link, scope crdt.Scope, commits []*crdt.Commit, count *int) {
	if r := c.reading(scope); !r.busy && len(commits) > 0 {
		r.done = false // what they put back is to be seen in the rows
	}
	for _, commit := range commits {
		if commit.Scope != scope || c.pausing(scope) {
			continue
		}
		c.noteOwnCommit(l, commit)
		c.heldBy(l.till, scope).Add(commit.Dot.Replica, commit.Interval())
		c.offer(request{op: Op{Commit: commit, Repair: true}, size: 2*len(commit.Bytes()) + 400, link: l.id, till: l.till, mended: count})
	}
}
