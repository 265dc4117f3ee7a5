package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node/backup"
	"github.com/tillmesh/tillmesh/replication"
)

// auditEvery is about how often the own rows and each other till are audited.
const auditEvery = time.Hour

// gated is the store as the engine gets it: writes wait at the gate, audits read beside it.
type gated struct {
	*backup.Gate
	replication.Auditor
}

// Audits returns the last result of every scope, alone and with each till.
func (t *Till) Audits() []replication.AuditResult { return t.replicator.State().Audits }

// Damaged returns the scopes of which rows were found missing and no till has confirmed since that nothing is.
func (t *Till) Damaged() []crdt.Scope { return t.replicator.State().Damaged }

// Audit reads all rows again and compares them with every till that is linked. What differs is put right. If ctx ends first
// the audit goes on; ended is false then, and the results are those so far.
func (t *Till) Audit(ctx context.Context) (results []replication.AuditResult, ended bool, err error) {
	r, ok := t.replicator.(interface {
		Audit(ctx context.Context) ([]replication.AuditResult, error)
	})
	if !ok {
		return nil, false, errors.New("this till cannot be audited")
	}
	results, err = r.Audit(ctx)
	if err != nil && ctx.Err() != nil {
		return t.Audits(), false, nil
	}
	return results, err == nil, err
}

// TillName returns what people call a till; the zero ID is this one.
func (t *Till) TillName(id crdt.TillID) string { return t.tillName(id) }

// notable takes an event of the replication that a person may have to know. It does not block.
func (m *Machine) notable(e replication.Event) {
	select {
	case m.alarming <- e:
	default: // the log has it
	}
}

// raiseAlarms turns such events into alarms until ctx is done.
func (m *Machine) raiseAlarms(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-m.alarming:
			m.Notable(ctx, e, m.nonce)
		}
	}
}

// Notable turns an event of the replication into an alarm, if a person has to know of it. nonce is that of this run.
func (t *Till) Notable(ctx context.Context, e replication.Event, nonce [16]byte) {
	switch {
	case e.Kind == replication.EventFork && e.Fork != nil:
		who := t.roster.name(t.roster.tillOf(e.Fork.Dot.Replica))
		t.raise(ctx, AlarmFork, fmt.Sprintf("Two different changes of %s carry the same number; both are kept.", who),
			"look whether a copy of that till's data was in use", e.Text)
	case e.Kind == replication.EventCopy && t.handing == "":
		t.raise(ctx, AlarmCopy, t.verdict(e.Speakers, nonce).Reason, copyNext, e.Text)
	case e.Kind == replication.EventAudit && e.Audit != nil:
		t.raiseAudit(ctx, *e.Audit, e.Text)
	}
}

func (t *Till) raiseAudit(ctx context.Context, a replication.AuditResult, detail string) {
	with := "its own tables"
	if !a.Till.IsZero() {
		with = t.roster.name(a.Till)
	}
	switch a.Outcome {
	case replication.AuditRepaired:
		if a.Repaired == 0 {
			return // the other till was put right, and says so itself
		}
		t.raise(ctx, AlarmRepaired, fmt.Sprintf("Something was missing on this till and was put back from %s.", with),
			"nothing has to be done; if it comes again, have the disk of this machine checked", detail)
	case replication.AuditDiffers:
		t.raise(ctx, AlarmDiffers, fmt.Sprintf("This till and %s do not hold the same, and it could not be put right.", with),
			"run \"till audit\" when all tills are reachable", detail)
	case replication.AuditFailed:
		t.raise(ctx, AlarmUnread, "The data of this till could not be read whole.", "have the disk of this machine checked", detail)
	}
}
