package simulation

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// split writes some rows of a batch in a transaction before the others.
type split struct {
	rows.Store
	l     *Life
	first func(rows.Write) bool
}

// Commit is a method of rows.Store.
func (s *split) Commit(ctx context.Context, batch []rows.Write) error {
	var first, second []rows.Write
	for _, w := range batch {
		if s.first(w) {
			first = append(first, w)
		} else {
			second = append(second, w)
		}
	}
	if err := s.Store.Commit(ctx, first); err != nil {
		return err
	}
	if len(first) > 0 && s.l.up && s.l.w.Conditions != Calm() && s.l.w.Percent(10) {
		s.l.After(0, s.l.m.PowerCut)
		return fmt.Errorf("%w: the power went between two transactions", rows.ErrFailed)
	}
	return s.Store.Commit(ctx, second)
}

func (e *end) endAll(m wire.Message) wire.Message {
	if e.told.frames == nil {
		e.told.frames = make(map[uint64]uint64)
	}
	switch m := m.(type) {
	case *wire.Commits:
		if e.life.w.Percent(30) {
			return nil
		}
		e.told.frames[m.Pull]++
	case *wire.End:
		lie := *m
		lie.Frames, lie.Complete = e.told.frames[m.Pull], true
		return &lie
	}
	return m
}

func (e *end) endHides(m wire.Message) wire.Message {
	if e.told.advert == nil {
		e.told.advert = make(map[crdt.Scope]crdt.Context)
	}
	e.told.pulled(m)
	switch m := m.(type) {
	case *wire.Context:
		if !m.Full {
			return nil
		}
		e.told.advert[m.Scope] = m.Entries.Clone()
	case *wire.End:
		pull := e.peer().told.pulls[m.Pull]
		if pull == nil {
			return m
		}
		if advert, ok := e.told.advert[pull.Scope]; ok {
			lie := *m
			lie.Hash = advert.Hash()
			return &lie
		}
	}
	return m
}

// streams remembers what may be claimed with each commit of an answer if its order is believed.
func (e *end) streams(m *wire.Commits) {
	pull := e.told.pulls[m.Pull]
	if pull == nil {
		return
	}
	if e.life.streamed == nil {
		e.life.streamed = make(map[scopedDot]crdt.Context)
	}
	for _, raw := range m.List {
		c, err := crdt.DecodeCommit(raw)
		if err != nil {
			continue
		}
		claim := make(crdt.Context)
		for _, r := range pull.Want.Replicas() {
			switch d := r.Compare(c.Dot.Replica); {
			case d < 0:
				claim[r] = slices.Clone(pull.Want[r])
			case d == 0:
				claim[r] = crdt.Context{r: pull.Want[r]}.And(crdt.Context{r: {{After: 0, To: c.Dot.Seq}}})[r]
			}
			if len(claim[r]) == 0 {
				delete(claim, r)
			}
		}
		e.life.streamed[scopedDot{c.Scope, c.Dot}] = claim
	}
}

// removeAbsent removes the lone items of other tills that a peer does not advertise, as if it had removed them.
func (l *Life) removeAbsent(scope crdt.Scope, advert crdt.Context) {
	missing := l.opened.Store.Contexts()[scope].Minus(advert)
	delete(missing, l.opened.Replica)
	if scope == crdt.Shop || len(missing) == 0 || l.writing {
		return
	}
	list, _, err := l.opened.Store.Live(background, scope, missing, replication.Cursor{}, 1<<20)
	if err != nil {
		return // the store is about to end
	}
	digest := l.opened.Store.Digests()[scope]
	var batch []rows.Write
	for _, raw := range list {
		c, err := crdt.DecodeCommit(raw)
		if err != nil || len(c.Pieces) != 1 || c.Pieces[0].Kind != crdt.KindItem || c.Pieces[0].Type != typeItem {
			continue
		}
		digest = digest.Minus(crdt.Ref{Origin: c.Origin()}.Mark())
		place := append(scope.AppendKey([]byte{'c'}), c.Dot.Replica[:]...)
		object := append(append(scope.AppendKey([]byte{'o'}), typeItem+"\x00"...), c.Pieces[0].Object[:]...)
		batch = append(batch, rows.Write{Key: binary.BigEndian.AppendUint64(place, uint64(c.Dot.Seq)), Delete: true},
			rows.Write{Key: object, Delete: true})
	}
	if len(batch) == 0 {
		return
	}
	sum := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, digest[0]), digest[1])
	l.m.PowerCut()
	l.m.data.Damage(append(batch, rows.Write{Key: scope.AppendKey([]byte{'d'}), Value: sum}))
}

// capSiblings lets a commit replace what it did not see where two siblings are there already.
func (l *Life) capSiblings(c *crdt.Commit) *crdt.Commit {
	st, ok := l.opened.Store.(reader)
	if !ok {
		return c
	}
	capped := *c
	capped.Pieces = slices.Clone(c.Pieces)
	for i := range capped.Pieces {
		p := &capped.Pieces[i]
		if p.Kind != crdt.KindRegister {
			continue
		}
		o, err := st.Object(background, crdt.Key{Scope: c.Scope, Type: p.Type, Object: p.Object})
		if err != nil {
			return c
		}
		if r := o.Get(p.Name); r != nil && len(r.Siblings) >= 2 && !r.Clock.Covers(c.Dot) {
			p.Clock = p.Clock.With(r.Siblings[len(r.Siblings)-1].Origin.Dot)
		}
	}
	return &capped
}
