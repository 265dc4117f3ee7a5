package replication

import (
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

// reading is the reading of all rows of a scope: the last one, or the one that runs.
type reading struct {
	began    time.Time
	done     bool // the store has sums
	busy     bool // rows are being read or put right
	lossy    bool // the sums of the last reading did not agree
	mended   bool // what is held was applied again since the last finding
	mendAt   time.Time
	mendSoon bool
	letGo    time.Time // when the sums may be forgotten
	repaired int       // by putting right, since it became busy
	waiters  []waiter
}

// waiter goes on when the rows were read since a time.
type waiter struct {
	since time.Time
	then  func(now time.Time, err error)
}

func (c *Core) reading(scope crdt.Scope) *reading {
	r := c.audit.readings[scope]
	if r == nil {
		r = new(reading)
		c.audit.readings[scope] = r
	}
	return r
}

// readRows goes on once all rows of a scope were read since a time.
func (c *Core) readRows(now time.Time, scope crdt.Scope, since time.Time, then func(now time.Time, err error)) {
	r := c.reading(scope)
	if !r.busy && r.done && !r.began.Before(since) {
		then(now, nil)
		return
	}
	r.waiters = append(r.waiters, waiter{since, then})
	if !r.busy {
		r.busy, r.repaired, r.mended = true, 0, false
		c.read(now, scope, r)
	}
}

// read reads the rows from the first to the last, a bounded number at a time.
func (c *Core) read(now time.Time, scope crdt.Scope, r *reading) {
	r.began, r.done, r.letGo = now, false, time.Time{}
	var next func(now time.Time, f AuditFound, err error)
	next = func(now time.Time, f AuditFound, err error) {
		switch {
		case err != nil:
			c.readingFailed(now, scope, r, err)
		case f.Done:
			c.job(nil, AuditRead{What: ReadSums, Scope: scope}, func(now time.Time, f AuditFound, err error) {
				if err != nil {
					c.readingFailed(now, scope, r, err)
					return
				}
				c.judge(now, scope, r, f)
			})
		default:
			c.job(nil, AuditRead{What: ReadRows, Scope: scope}, next)
		}
	}
	c.job(nil, AuditRead{What: ReadRows, Scope: scope, First: true}, next)
}

// judge compares what the rows add up to with each other and with the sums that were kept with them. It needs no peer.
func (c *Core) judge(now time.Time, scope crdt.Scope, r *reading, f AuditFound) {
	r.done, r.lossy = true, f.Kept != f.Objects || f.Objects != f.Commits || f.KeptDormant != f.Dormant || f.Unreadable > 0
	if r.lossy {
		c.lossy(scope, f)
	}
	if (r.lossy || r.mendSoon) && !r.mended {
		c.mend(now, scope, r)
		return
	}
	res := AuditResult{Scope: scope, At: now, Took: now.Sub(r.began), Outcome: AuditEqual, Repaired: r.repaired}
	switch {
	case r.lossy:
		res.Outcome = AuditDiffers
		res.Cause = "rows of this till's store were lost; other tills have to give them back"
	case r.mended && r.repaired > 0:
		res.Outcome, res.Differed = AuditRepaired, r.repaired
		res.Cause = "rows of this till's store were lost or older than they should be; its own commits gave them back"
	}
	c.audited(res, nil)
	if res.Outcome != AuditEqual || c.audit.damaged[scope] {
		for _, l := range c.sorted() {
			c.differs(now, l, scope)
		}
	}
	c.readingEnds(now, scope, r, nil)
	c.joinStarts(scope)
}

// lossy notes that rows are missing: nobody may claim on what this till does not send any more, now and after a restart,
// until another till confirmed that nothing is missing.
func (c *Core) lossy(scope crdt.Scope, f AuditFound) {
	op := Op{Notes: []Note{{Key: DamageNote(scope), Value: []byte{1}}}}
	if f.Kept != f.Objects || f.KeptDormant != f.Dormant {
		op.Recount = scope
	} else if c.audit.damaged[scope] {
		return
	}
	c.audit.damaged[scope] = true
	c.offer(request{op: op, size: 256})
}

// nothingLost notes that another till confirmed that nothing of a scope is missing here.
func (c *Core) nothingLost(scope crdt.Scope) {
	if c.audit.damaged[scope] && !c.reading(scope).lossy {
		delete(c.audit.damaged, scope)
		c.offer(request{op: Op{Notes: []Note{{Key: DamageNote(scope)}}}, size: 256})
	}
}

// putRight has what is held of a scope applied again soon, because a till found a difference.
func (c *Core) putRight(now time.Time, scope crdt.Scope) {
	r := c.reading(scope)
	switch {
	case r.busy:
		r.mendSoon = !r.mended
	case now.Sub(r.mendAt) < auditAgain && !r.mendAt.IsZero():
	default:
		r.busy, r.repaired, r.mended = true, 0, false
		c.mend(now, scope, r)
	}
}

// mend applies again what is held, where its effect is not as it should be, and then reads the rows again. It
// never has more than one chunk of commits waiting to be written.
func (c *Core) mend(now time.Time, scope crdt.Scope, r *reading) {
	r.mended, r.mendSoon, r.mendAt = true, false, now
	var next func(now time.Time, f AuditFound, err error)
	next = func(now time.Time, f AuditFound, err error) {
		if err != nil {
			c.readingFailed(now, scope, r, err)
			return
		}
		for _, raw := range f.Raw {
			if commit, err := crdt.DecodeCommit(raw); err == nil {
				c.offer(request{op: Op{Commit: commit, Repair: true}, size: 2*len(raw) + 400, mended: &r.repaired})
			}
		}
		c.whenDone(func(now time.Time) {
			if f.Done {
				c.read(now, scope, r)
				return
			}
			c.job(nil, AuditRead{What: ReadDamage, Scope: scope, At: f.At}, next)
		})
		c.goOn(now)
	}
	// What was found before is to be written first.
	c.whenDone(func(time.Time) { c.job(nil, AuditRead{What: ReadDamage, Scope: scope}, next) })
	c.goOn(now)
}

func (c *Core) readingFailed(now time.Time, scope crdt.Scope, r *reading, err error) {
	r.done = false
	c.audited(AuditResult{Scope: scope, At: now, Took: now.Sub(r.began), Outcome: AuditFailed, Cause: err.Error()}, nil)
	c.readingEnds(now, scope, r, err)
}

// readingEnds lets those go on who waited; those who want a later reading get one.
func (c *Core) readingEnds(now time.Time, scope crdt.Scope, r *reading, err error) {
	r.busy = false
	if r.done {
		r.letGo = now.Add(max(c.cfg.AuditEvery/6, auditAgain) + time.Second)
	}
	waiters := r.waiters
	r.waiters = nil
	for _, w := range waiters {
		if err == nil && r.began.Before(w.since) {
			c.readRows(now, scope, w.since, w.then)
			continue
		}
		w.then(now, err)
	}
}
