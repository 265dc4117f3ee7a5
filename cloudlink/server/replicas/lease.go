package replicas

import (
	"context"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/cloudlink/lease"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
)

// leaseNote holds the lease.State of a shop, as it was when its term, its sessions or its cursor last changed.
const leaseNote = "uplink/lease"

func (p *Replica) loadLease(ctx context.Context) error {
	p.sessions.list = make(map[uint64]session)
	got, err := p.store.Notes(ctx, leaseNote)
	if err != nil {
		return err
	}
	if p.lease.state, err = lease.DecodeState(got[0]); err != nil {
		return fmt.Errorf("who forwards: %w", err)
	}
	return nil
}

// saveLease writes the state of the lease. p.lease is held. It waits for the outcome even if ctx ends, since who asked may have gone: a
// state that is written but not remembered would give its term a second time.
func (p *Replica) saveLease(ctx context.Context) error {
	_, err := p.engine.Commit(context.WithoutCancel(ctx), replication.Local{Notes: []replication.Note{{Key: leaseNote, Value: p.lease.state.Encode()}}})
	return err
}

// asked answers the questions of tills.
func (p *Replica) asked(ctx context.Context, till crdt.TillID, topic string, body []byte) ([]byte, bool) {
	var answer []byte
	var err error
	switch topic {
	case lease.Topic:
		answer, err = p.askedLease(ctx, till, body)
	case archive.Topic:
		answer, err = p.askedCheckpoint(ctx, body)
	case archive.RestoreTopic:
		answer, err = p.askedRestore(ctx, body)
	case cloudlink.HeardTopic:
		answer, err = p.toldHeard(ctx, till, body)
	default:
		err = errors.New("the cloud does not know this question")
	}
	if err != nil {
		return []byte(err.Error()), false
	}
	return answer, true
}

func (p *Replica) askedLease(ctx context.Context, till crdt.TillID, body []byte) ([]byte, error) {
	q, err := lease.DecodeQuestion(body)
	if err != nil {
		return nil, err
	}
	p.sessions.Lock()
	open, known := p.sessions.list[q.Session]
	p.sessions.Unlock()
	if !known || open.till != till {
		q.Session = 0 // of another till, or one that has ended
	}
	p.lease.Lock()
	defer p.lease.Unlock()
	before := p.lease.state
	answer := p.lease.state.Ask(till, q, p.of.cfg.Now().UnixMilli())
	// A renewal is not worth a transaction: after a change of the server the lease counts as run out, and the next till that asks gets it
	// under a new term.
	if p.lease.state.Lasting(before) {
		if err := p.saveLease(ctx); err != nil {
			p.lease.state = before
			return nil, errors.New("the cloud cannot write now")
		}
	}
	return answer.Encode(), nil
}

// Lease returns what is known about who forwards, of a shop that is open.
func (p *Replica) Lease() lease.State {
	p.lease.Lock()
	defer p.lease.Unlock()
	return p.lease.state
}

// askedCheckpoint shows the archive to a till, with the proof that it continues what that till remembers.
func (p *Replica) askedCheckpoint(ctx context.Context, body []byte) ([]byte, error) {
	known, err := archive.DecodeQuestion(body)
	if err != nil {
		return nil, err
	}
	offer, err := p.of.cfg.Logs.Offer(ctx, p.account, known, p.of.verifier)
	switch {
	case errors.Is(err, merkle.ErrNotFound):
		return nil, errors.New("nothing is archived yet")
	case err != nil:
		p.of.cfg.Log.Error("the archive could not be shown to a till", "shop", p.shop.ID, "error", err)
		return nil, errors.New("the archive cannot be read now")
	}
	return offer.Encode(), nil
}

// askedRestore shows a till the statement of the restore that took away what it remembers.
func (p *Replica) askedRestore(ctx context.Context, body []byte) ([]byte, error) {
	size, since, err := archive.DecodeRestoreQuestion(body)
	if err != nil {
		return nil, err
	}
	excuse, err := p.of.cfg.Logs.Excuse(ctx, p.account, size, since, p.of.verifier)
	switch {
	case errors.Is(err, merkle.ErrNotFound):
		return nil, errors.New("this cloud was not restored since then")
	case err != nil:
		p.of.cfg.Log.Error("the statement of a restore could not be shown to a till", "shop", p.shop.ID, "error", err)
		return nil, errors.New("the archive cannot be read now")
	}
	return excuse.Encode(), nil
}
