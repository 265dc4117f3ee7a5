package mesh

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

const (
	backoffFirst = 100 * time.Millisecond
	backoffMost  = 5 * time.Second
	// planInterval is the longest time until Addresses is asked again when nothing happens.
	planInterval = 5 * time.Second
	// proven is how long a link must last before its end counts as a fresh loss, dialled again at once.
	proven = 5 * time.Second
	// selfPause is the wait before an address that led back to us is tried again: it may belong to another by then.
	selfPause = time.Minute
	// hintPause is the least time between two tries at one place, however many hints come in.
	hintPause = 100 * time.Millisecond
	// hung is the age from which an attempt is given up for a hint: a SYN into a cable that was out is repeated only
	// after a second, a new one goes through at once.
	hung = 250 * time.Millisecond
	// strangersAtOnce bounds the attempts at addresses whose till is not known; those of known tills are bounded by
	// the roster.
	strangersAtOnce = 8
	addrsPerTarget  = 16
	// unprovenDials per second, after unprovenBurst at once, bound the connections to addresses that never led to a till of
	// the shop: discovery can be told anything.
	unprovenDials = 50
	unprovenBurst = 200
)

// place is a till to be dialled, or an address whose till is not known.
type place struct {
	till     crdt.TillID // zero for an address
	addrs    []string
	leadsTo  crdt.TillID // who answered at the address, zero while nobody did
	failures int
	tried    time.Time          // when the last attempt began
	next     time.Time          // no attempt before
	cancel   context.CancelFunc // gives up connecting, not a handshake that began; nil: no attempt is under way
}

// dialForEver keeps trying every place without a link.
func (s *Links) dialForEver(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.wake:
		}
		timer.Reset(s.plan(ctx))
	}
}

// plan starts the attempts that are due and returns the time until the next one is.
func (s *Links) plan(ctx context.Context) time.Duration {
	wanted := s.wanted()
	now := s.cfg.Now()
	wait := planInterval
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, w := range wanted {
		p := s.mu.places[key]
		if p == nil {
			p = &place{till: w.Till}
			s.mu.places[key] = p
		}
		p.addrs = w.Addrs
		if p.cancel != nil || s.needlessLocked(p) {
			continue
		}
		if d := p.next.Sub(now); d > 0 {
			wait = min(wait, d)
			continue
		}
		if p.till.IsZero() {
			if s.mu.strangers >= strangersAtOnce {
				continue // the end of an attempt wakes us
			}
			s.mu.strangers++
		}
		connect, cancel := context.WithCancel(ctx)
		p.cancel, p.tried = cancel, now
		addrs := p.addrs
		s.tasks.Go(func() { s.attempt(ctx, connect, p, addrs) })
	}
	for key, p := range s.mu.places {
		if _, ok := wanted[key]; !ok && p.cancel == nil {
			delete(s.mu.places, key)
		}
	}
	return wait
}

// wanted gathers the targets by till, and the addresses of unknown tills that no till claims.
func (s *Links) wanted() map[string]Target {
	targets := s.cfg.Addresses()
	wanted := make(map[string]Target)
	claimed := make(map[string]bool)
	for _, t := range targets {
		if t.Till.IsZero() {
			continue
		}
		key := t.Till.String()
		all := append(wanted[key].Addrs, t.Addrs...)
		wanted[key] = Target{Till: t.Till, Addrs: all[:min(len(all), addrsPerTarget):min(len(all), addrsPerTarget)]}
		for _, a := range wanted[key].Addrs {
			claimed[a] = true
		}
	}
	for _, t := range targets {
		if !t.Till.IsZero() {
			continue
		}
		for _, a := range t.Addrs[:min(len(t.Addrs), addrsPerTarget)] {
			if !claimed[a] {
				wanted["@"+a] = Target{Addrs: []string{a}}
			}
		}
	}
	return wanted
}

// needlessLocked reports whether a place needs no attempt now.
func (s *Links) needlessLocked(p *place) bool {
	if p.till.IsZero() {
		return s.linkedLocked(p.leadsTo)
	}
	return len(p.addrs) == 0 || p.till == s.cfg.Identity.Till() || s.linkedLocked(p.till) || !s.cfg.Allowed(p.till)
}

// attempt tries one place once and, if that gives a link, serves it.
func (s *Links) attempt(ctx, connect context.Context, p *place, addrs []string) {
	l, found, err := s.reach(ctx, connect, addrs, p.till)
	s.mu.Lock()
	hinted := connect.Err() != nil
	p.cancel()
	p.cancel = nil
	if p.till.IsZero() {
		s.mu.strangers--
		if !found.IsZero() {
			p.leadsTo = found
		}
	}
	now := s.cfg.Now()
	switch {
	case l != nil:
		// lostLocked decides about the next attempt
	case found == s.cfg.Identity.Till():
		p.next = now.Add(selfPause)
	case hinted:
		p.failures, p.next = 0, now
	default:
		p.next = now.Add(backoff(p.failures, rand.Uint64()))
		p.failures++
		if !s.linkedLocked(p.till) && !s.linkedLocked(p.leadsTo) {
			s.stats.dialsFailed.Add(1)
		}
	}
	s.mu.Unlock()
	s.signal()
	if l == nil {
		s.cfg.Log.Debug("no link made", "till", p.till.Short(), "addresses", addrs, "error", err)
		return
	}
	s.serve(ctx, l)
}

// lostLocked sets when the till of an ended link is dialled again: at once, unless the link did not last.
func (s *Links) lostLocked(l *Link) {
	now := s.cfg.Now()
	for _, p := range s.mu.places {
		if p.till != l.peer && p.leadsTo != l.peer {
			continue
		}
		if now.Sub(l.since) >= proven {
			p.failures, p.next = 0, now
		} else {
			p.next = now.Add(backoff(p.failures, rand.Uint64()))
			p.failures++
		}
	}
}

// hint makes the chosen places due now.
func (s *Links) hint(chosen func(*place) bool) {
	s.mu.Lock()
	now := s.cfg.Now()
	for _, p := range s.mu.places {
		if !chosen(p) {
			continue
		}
		p.failures = 0
		if p.cancel != nil && now.Sub(p.tried) >= hung {
			p.cancel()
		}
		if soonest := p.tried.Add(hintPause); p.next.After(soonest) {
			p.next = soonest
		}
	}
	s.mu.Unlock()
	s.signal()
}

// backoff returns the wait after so many failures in a row: doubled from 100 ms to 5 s, of which the upper half is
// chosen by random so that two tills do not stay in step.
func backoff(failures int, random uint64) time.Duration {
	d := backoffMost
	if failures < 6 {
		d = min(backoffFirst<<failures, backoffMost)
	}
	return d/2 + time.Duration(random%uint64(d/2+1))
}
