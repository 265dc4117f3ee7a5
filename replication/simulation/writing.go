package simulation

import (
	"context"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store/memory"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// background is for calls that never wait.
var background = context.Background()

// write begins the next batch, if there is one.
func (l *Life) write() {
	size := batchBytes
	if l.w.Conditions.Batch > 0 {
		size = l.w.Conditions.Batch
	}
	ops := l.core.Take(size)
	for _, r := range l.core.Refused() {
		l.answer(r)
	}
	switch {
	case !l.up:
	case len(ops) == 0 && l.doubt != nil: // what was taken is foreign: own changes are refused by now
		l.w.Count("doubt")
		l.settle()
		l.end(l.doubt)
	case len(ops) > 0:
		l.writing = true
		l.After(l.w.Under(l.w.Conditions.Fsync), func() { l.flush(ops) })
	default:
		l.stopped()
	}
}

// flush writes a batch; that it is durable is known to the core only later.
func (l *Life) flush(ops []replication.Op) {
	w := l.w
	w.oracle.writing(l, ops)
	if w.Percent(w.Conditions.BadWrite) {
		w.Count("bad write")
		faults := []memory.Fault{memory.Full, memory.BeforeWrite, memory.AfterWrite, memory.AfterSync}
		if fault := faults[w.rand.IntN(len(faults))]; w.Percent(70) {
			l.m.data.FailNext(fault)
		} else {
			w.Count("death between two files")
			l.m.data.FailNextFile(fault)
		}
	}
	torn := l.m.tear
	if torn {
		l.m.tear = false
		w.Count("torn write")
		l.m.data.FailNext(memory.AfterWrite)
	}
	w.opt.Plant.beforeWrite(l, ops)
	applied, err := w.opt.Plant.apply(l, ops)
	l.m.data.FailNext(memory.None)
	l.m.data.FailNextFile(memory.None)
	l.writes++
	l.unsettled = true
	w.Note('w', l.m.n, nil)
	if w.Tracing() {
		w.Trace("%s wrote, error %v: %s", l.m.name, err, describeOps(ops))
	}
	w.oracle.written(l, ops, applied, err)
	if torn {
		l.m.PowerCut()
		return
	}
	if w.Conditions.Deaths > 0 && w.rand.IntN(8) == 0 {
		w.Conditions.Deaths--
		w.Count("death after a write")
		if w.rand.IntN(2) == 0 {
			l.m.Kill()
		} else {
			l.m.PowerCut()
		}
		return
	}
	l.After(w.Under(w.Conditions.Fsync), func() { l.done(applied, err) })
}

func (l *Life) done(applied replication.Applied, err error) {
	unknown := errors.Is(err, rows.ErrFailed) || errors.Is(err, rows.ErrClosed) || l.unknown(err)
	results, taken := l.core.Done(l.w.now, applied, err, unknown)
	l.writing = false
	for i := range taken {
		l.w.Trace("%s took %v of %v, live %v", l.m.name, taken[i].Commit.Dot, taken[i].Commit.Scope, taken[i].Outcome.Live)
	}
	if len(taken) > 0 {
		l.m.program.Applied(l, taken)
		l.recheck()
	}
	for _, r := range results {
		l.answer(r)
	}
	switch {
	case !l.up:
	case unknown:
		l.w.Count("store failed")
		l.end(fmt.Errorf("%w: %w", replication.ErrStoreFailed, err))
	default:
		writes := l.writes
		l.After(settleAfter, func() {
			if l.writes == writes && !l.writing {
				l.settle()
			}
		})
		l.poke()
	}
}

// unknown reports whether the program says that an error leaves the outcome of a write unknown.
func (l *Life) unknown(err error) bool {
	return err != nil && l.opened.Unknown != nil && l.opened.Unknown(err)
}

// answer tells who waits what became of a change.
func (l *Life) answer(r replication.Result) {
	l.w.Note('a', l.m.n, nil)
	if !l.up {
		return
	}
	if r.Err == nil {
		l.w.oracle.acknowledged(l, r.Commit)
	}
	if done := l.waiters[r.Ticket]; done != nil {
		delete(l.waiters, r.Ticket)
		done(r)
	}
}

func (l *Life) settle() {
	if !l.unsettled || l.opened.Settle == nil {
		return
	}
	l.unsettled = false
	if err := l.opened.Settle(); err != nil {
		l.end(fmt.Errorf("%w: %w", replication.ErrStoreFailed, err))
	}
}

// recheck closes links with tills that are not allowed any more, and dials those that are now.
func (l *Life) recheck() {
	if !l.up || l.opened.Allowed == nil {
		return
	}
	for _, e := range append([]*end(nil), l.ends...) {
		if !l.opened.Allowed(e.peer().life.m.till) {
			l.w.Count("link closed by the roster")
			e.close("the roster no longer has the other till")
		}
	}
	l.w.reach(l.m)
}

// describeOps puts a batch into a line of the trace.
func describeOps(ops []replication.Op) string {
	var out string
	for i := range ops {
		switch op := &ops[i]; {
		case op.Commit != nil:
			out += fmt.Sprintf("%v@%v, %d pieces; ", op.Commit.Dot, op.Commit.Scope, len(op.Commit.Pieces))
		case op.Claim != nil:
			out += fmt.Sprintf("claim of %v: %v; ", op.Claim.Scope, op.Claim.Context)
		default:
			out += fmt.Sprintf("%d notes; ", len(op.Notes))
		}
	}
	return out
}

func describePieces(pieces []crdt.Piece) string {
	var out string
	for i := range pieces {
		out += pieces[i].Type + " "
	}
	return out + fmt.Sprintf("(%d pieces)", len(pieces))
}
