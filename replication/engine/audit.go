package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
)

// maxPace is how long the auditor rests at most between two reads.
const maxPace = 100 * time.Millisecond

var errNoAuditor = errors.New("this store cannot be audited")

// auditRows performs the reads of audits, one after another. Between two it rests as long as the first took, so that
// it takes at most half of a core and of the disk.
func (e *Engine) auditRows(ctx context.Context) {
	auditor, _ := e.cfg.Store.(replication.Auditor)
	rest := time.NewTimer(maxPace)
	defer rest.Stop()
	for {
		e.mu.Lock()
		read, ok := e.core.NextAudit()
		e.mu.Unlock()
		if !ok {
			select {
			case <-ctx.Done():
				return
			case <-e.auditCh:
			}
			continue
		}
		began := time.Now()
		found, err := replication.AuditFound{}, errNoAuditor
		if auditor != nil {
			found, err = auditor.Audit(ctx, read)
		}
		took := time.Since(began)
		e.mu.Lock()
		e.core.AuditDone(e.nowLocked(), found, err)
		e.afterLocked(ctx)
		e.mu.Unlock()
		rest.Reset(min(took, maxPace))
		select {
		case <-ctx.Done():
			return
		case <-rest.C:
		}
	}
}

// Audit reads all rows again, compares them with every till that is linked, has what differs sent again, and returns what
// came of it: a result for each scope alone (without a till) and with each till. It may take minutes. If ctx ends
// first, the audit goes on and State has its results.
func (e *Engine) Audit(ctx context.Context) ([]replication.AuditResult, error) {
	ended := make(chan struct{})
	e.mu.Lock()
	if e.stopped {
		defer e.mu.Unlock()
		return nil, e.stopErrLocked()
	}
	began := e.nowLocked()
	e.audits[e.core.Audit(began)] = ended
	e.afterLocked(context.WithoutCancel(ctx))
	e.mu.Unlock()
	select {
	case <-ended:
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for the audit: %w", ctx.Err())
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return nil, e.stopErrLocked()
	}
	var results []replication.AuditResult
	for _, r := range e.core.Audits() {
		if !r.At.Before(began) {
			results = append(results, r)
		}
	}
	return results, nil
}

// Pause makes the till take foreign commits of the sales scopes only, which open tabs and their receipts need, or lets it
// take all again: for when the disk is nearly full. Own changes are saved as ever. What was not taken stays with the other
// tills, which know that this one lacks it, and comes when the pause ends.
func (e *Engine) Pause(foreign bool) {
	var only func(crdt.Scope) bool
	if foreign {
		only = func(s crdt.Scope) bool { return s.Kind == crdt.KindSales }
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.core.Pause(e.nowLocked(), only)
	e.afterLocked(context.Background())
}

// Unheld returns the own commits of a scope that no other till is known to hold.
func (e *Engine) Unheld(scope crdt.Scope) crdt.Context {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.core.Unheld(scope)
}
