package replication

import (
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// serve is a peer's pull that is being answered. Answers of a link are given one after another.
type serve struct {
	pull    uint64
	scope   crdt.Scope
	covers  crdt.Context // what was wanted and is held
	forHave bool
	at      Cursor
	frames  uint64
	taken   []crdt.Dot // taken since the answer began, not pushed on this link
	rounds  int
	read    bool // what is there was read; the end waits for the batch that runs
}

func (c *Core) onPull(l *link, m *wire.Pull) error {
	if m.ID <= l.lastPull {
		return nil // a copy of a question: two answers under one number could be taken for one
	}
	l.lastPull = m.ID
	if len(l.serves) >= maxServes {
		if l.refused++; l.refused > maxServes {
			return fmt.Errorf("%w: more than %d questions at once", ErrProtocol, maxServes)
		}
		l.out = append(l.out, &wire.End{Pull: m.ID}) // not complete: it will ask again
		return nil
	}
	if !m.ForHave {
		c.sendContext(l, m.Scope, false)
	}
	l.serves = append(l.serves, &serve{
		pull: m.ID, scope: m.Scope, covers: m.Want.And(c.contexts[m.Scope]), forHave: m.ForHave,
	})
	return nil
}

// Read is a read from the store that an answer needs.
type Read struct {
	Link  LinkID
	Scope crdt.Scope
	Want  crdt.Context // stream of live commits from At on
	At    Cursor
	Dots  []crdt.Dot // or these commits, if not nil
	Bytes int        // about how much
}

// NextRead returns the read that a link waits for, if there is one and nothing else has to be sent first. The driver
// performs it and calls ReadDone.
func (c *Core) NextRead(id LinkID) (Read, bool) {
	l := c.links[id]
	if l == nil || l.readOpen || len(l.serves) == 0 || len(l.out) > 0 || l.serves[0].read {
		return Read{}, false
	}
	s := l.serves[0]
	l.readOpen = true
	if s.at.Done {
		return Read{Link: id, Scope: s.scope, Dots: s.takeDots()}, true
	}
	return Read{Link: id, Scope: s.scope, Want: s.covers, At: s.at, Bytes: readChunk}, true
}

// takeDots takes what was noted since the answer began, a bounded number at a time.
func (s *serve) takeDots() []crdt.Dot {
	n := min(len(s.taken), 512)
	dots := s.taken[:n:n]
	s.taken = s.taken[n:]
	return dots
}

// ReadDone continues an answer with what was read. With an error the answer ends as incomplete.
func (c *Core) ReadDone(r Read, commits [][]byte, at Cursor, err error) {
	l := c.links[r.Link]
	if l == nil || !l.readOpen {
		return
	}
	l.readOpen = false
	s := l.serves[0]
	if err != nil {
		c.event(Event{Kind: EventNotice, Link: l.id, Till: l.till, Text: fmt.Sprintf("reading %v for till %s: %v", s.scope, l.till.Short(), err)})
		c.endServe(l, s, false)
		return
	}
	for len(commits) > 0 {
		n, size := 0, 0
		for n < len(commits) && (n == 0 || size+len(commits[n]) <= wire.MaxFrame/2) {
			size += len(commits[n])
			n++
		}
		l.out = append(l.out, &wire.Commits{Pull: s.pull, Index: s.frames, List: commits[:n]})
		s.frames++
		commits = commits[n:]
	}
	if r.Dots == nil {
		s.at = at
	} else {
		s.rounds++
	}
	s.read = s.at.Done && (len(s.taken) == 0 || s.forHave || s.rounds >= maxRounds)
	c.finishServe(l)
}

// finishServe ends an answer of which all was read. A batch that is being written may have removed from the store what
// the core still believes is live, so it has to be done first: what it brought goes into the answer or, at least, into
// the context that the end stands for.
func (c *Core) finishServe(l *link) {
	if len(l.serves) == 0 || !l.serves[0].read || len(c.running) > 0 {
		return
	}
	s := l.serves[0]
	if len(s.taken) > 0 && !s.forHave && s.rounds < maxRounds {
		s.read = false
		return
	}
	// Rows that were lost look like rows that were superseded: nobody may claim on them.
	c.endServe(l, s, !c.failed && !c.audit.damaged[s.scope])
}

// endServe closes an answer. What this till took since it began was sent or pushed before, and the context that the
// peer is told now is the one the answer stands for.
func (c *Core) endServe(l *link, s *serve, complete bool) {
	if !s.forHave && !c.sendContext(l, s.scope, false) {
		complete = false // what superseded the rest may be in what is not told
	}
	end := &wire.End{Pull: s.pull, Complete: complete, Frames: s.frames, Covers: s.covers}
	if !fits(end.Covers, maxCovers) {
		end.Complete, end.Covers = false, nil
	}
	end.Hash = l.sent[s.scope].Hash()
	l.out = append(l.out, end)
	l.serves = l.serves[1:]
}
