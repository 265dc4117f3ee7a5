package cloudlink

import (
	"context"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/lease"
	"github.com/tillmesh/tillmesh/crdt"
)

// doLocked begins a step; what comes of it is an input later. u.mu is held.
func (u *Uplink) doLocked(ctx context.Context, s Step) {
	switch {
	case s.Dial != nil:
		call, cancel := context.WithCancel(ctx)
		u.mu.calls[s.Attempt] = cancel
		u.work.Go(func() { u.call(call, s.Attempt, *s.Dial) })
	case s.Hang:
		if cancel := u.mu.calls[s.Attempt]; cancel != nil {
			cancel()
		}
	case s.Ask != nil:
		asked, cloud := u.cfg.Now(), u.mu.coupling.Cloud
		u.work.Go(func() { u.ask(ctx, s.Attempt, cloud, asked, *s.Ask) })
	case s.Probe != nil:
		u.work.Go(func() {
			err := u.cfg.Probe(ctx, *s.Probe)
			if err != nil && ctx.Err() == nil {
				u.cfg.Log.Debug("the cloud could not be reached", "cloud", s.Probe.Base, "error", err)
			}
			u.input(func(now time.Time) { u.mu.forwarder.Probed(now, s.Attempt, failureOrNil(err)) })
		})
	case s.FirstDone:
		if u.cfg.FirstDone != nil {
			u.work.Go(u.cfg.FirstDone)
		}
	}
}

func failureOrNil(err error) *Failure {
	if err == nil {
		return nil
	}
	return FailureOf(err)
}

// call calls the cloud and lets the engine speak with it until that ends.
func (u *Uplink) call(ctx context.Context, attempt uint64, to Coupling) {
	defer u.forget(attempt)
	log := u.cfg.Log.With("cloud", to.Base)
	conn, err := u.cfg.Dial(ctx, to)
	if err != nil {
		if ctx.Err() == nil {
			log.Info("the cloud was called in vain", "error", err)
		}
		u.input(func(now time.Time) { u.mu.forwarder.Failed(now, attempt, FailureOf(err)) })
		return
	}
	wanted := false
	u.input(func(now time.Time) {
		wanted = u.mu.forwarder.Welcomed(now, attempt, conn.Welcome.Session, conn.Welcome.Holder)
	})
	if !wanted {
		if err := conn.Conn.Close(); err != nil {
			log.Debug("a call that is not needed any more ended badly", "error", err)
		}
		return
	}
	if u.cfg.Clock != nil {
		u.cfg.Clock(conn.Welcome.TimeMS, conn.Round)
	}
	log.Info("connected with the cloud", "session", conn.Welcome.Session)
	if conn.moving != nil {
		conn.moving.moved = func() { u.input(func(now time.Time) { u.mu.forwarder.Moved(now, attempt) }) }
	}
	err = u.cfg.Serve(ctx, conn.Conn)
	log.Info("the connection with the cloud ended", "session", conn.Welcome.Session, "error", err)
	var why *Failure
	if ctx.Err() == nil { // it was not this side that wanted it
		why = endFailure(err)
	}
	u.input(func(now time.Time) { u.mu.forwarder.Closed(now, attempt, why) })
}

func (u *Uplink) forget(attempt uint64) {
	u.mu.Lock()
	cancel := u.mu.calls[attempt]
	delete(u.mu.calls, attempt)
	u.mu.Unlock()
	cancel()
}

// ask puts a question for the lease.
func (u *Uplink) ask(ctx context.Context, attempt uint64, cloud crdt.TillID, asked time.Time, q lease.Question) {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	body, err := u.cfg.Ask(ctx, cloud, lease.Topic, q.Encode())
	var a lease.Answer
	if err == nil {
		a, err = lease.DecodeAnswer(body)
	}
	if err != nil {
		u.cfg.Log.Debug("the cloud did not answer about the lease", "error", err)
		u.input(func(now time.Time) { u.mu.forwarder.Unanswered(now, attempt) })
		return
	}
	answered := u.cfg.Now()
	u.input(func(now time.Time) { u.mu.forwarder.Answered(now, attempt, asked, a) })
	if u.cfg.Clock != nil {
		u.cfg.Clock(a.NowMS, answered.Sub(asked))
	}
}
