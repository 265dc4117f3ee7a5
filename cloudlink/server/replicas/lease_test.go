package replicas

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/lease"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
)

// patientEngine writes notes and, as the real one, tells nobody who does not wait any more.
type patientEngine struct {
	Engine
	written lease.State
	t       *testing.T
}

// Commit is a method of Engine.
func (e *patientEngine) Commit(ctx context.Context, l replication.Local) (*crdt.Commit, error) {
	var err error
	e.written, err = lease.DecodeState(l.Notes[0].Value)
	require.NoError(e.t, err)
	return nil, ctx.Err()
}

// TestATermIsGivenOnce also if the till that asked for it was gone before that was written: the next till gets another term.
func TestATermIsGivenOnce(t *testing.T) {
	e := &patientEngine{t: t}
	now := time.UnixMilli(1_000_000)
	p := &Replica{of: &Replicas{cfg: Config{Now: func() time.Time { return now }}}, engine: e}
	one, two := crdt.TillID{1}, crdt.TillID{2}
	first, second := p.lease.state.Open(), p.lease.state.Open()
	p.sessions.list = map[uint64]session{first: {till: one}, second: {till: two}}
	ask := func(ctx context.Context, till crdt.TillID, session uint64) {
		q := lease.Question{Session: session}
		_, _ = p.asked(ctx, till, lease.Topic, q.Encode())
	}

	gone, leave := context.WithCancel(t.Context())
	leave()
	ask(gone, one, first)
	require.EqualValues(t, 1, e.written.Term)
	require.Equal(t, one, e.written.Holder)
	now = now.Add(lease.Life * time.Millisecond)
	ask(t.Context(), two, second)
	require.EqualValues(t, 2, e.written.Term, "term 1 belongs to the till that is gone")
	require.Equal(t, two, e.written.Holder)
	require.Equal(t, e.written, p.Lease())
}
