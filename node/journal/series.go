// Package journal issues the numbered documents of a till: one series, one writer, no gap and no number twice.
package journal

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
)

// Head is the last document of a series.
type Head struct {
	Number uint64    // 0: none yet
	Hash   crdt.Hash // of the document, or the start value of the series
}

// Series writes the documents of one series. A document is built on a head that may not be durable yet, so that
// sellers do not wait for each other's disk; documents are submitted in their order, and one that fails takes those
// built on it with it, so their numbers are given out again.
type Series struct {
	prefix string
	submit Submit
	turns  turns
	turn   chan struct{} // holds a token while a document is built; a signing device may take its time

	mu      sync.Mutex
	head    Head // of what was submitted
	durable Head
	restart bool          // the next document begins a new chain: one before it failed
	settled chan struct{} // closed when the outcome of the last document is known here; nil: none was submitted
	chain   int           // how often that happened: a failure counts only for the chain it happened in
}

// Submit queues a change and returns a function that waits until it is durable; engine.Engine.Submit is one.
type Submit func(replication.Local) (func(context.Context) (*crdt.Commit, error), error)

// New returns the writer of a series that stands at head.
func New(prefix string, head Head, submit Submit) *Series {
	return &Series{prefix: prefix, submit: submit, turn: make(chan struct{}, 1), head: head, durable: head}
}

// Prefix returns the prefix of the numbers, such as "K2".
func (s *Series) Prefix() string { return s.prefix }

// Head returns the last durable document.
func (s *Series) Head() Head {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.durable
}

// Build makes the document with this number, given the hash of the one before it. It returns the change that stores it
// and the document's own hash. One document is built at a time, so only quick work and a signing device that needs the number
// belong here. It is called again if the document it was to follow failed meanwhile.
type Build func(number uint64, previous crdt.Hash) (replication.Local, crdt.Hash, error)

// Issue builds the next document and returns when it is durable. If build fails, no number is used.
func (s *Series) Issue(ctx context.Context, build Build) (*crdt.Commit, error) {
	if !s.within(ctx) {
		if err := s.turns.enter(ctx); err != nil {
			return nil, fmt.Errorf("waiting for a closing of %s: %w", s.prefix, err)
		}
		defer s.turns.leave()
	}
	sub, err := s.next(ctx, build)
	if err != nil {
		return nil, err
	}
	// The outcome decides about the numbers after this one, so it is waited for even if the caller no longer does.
	commit, err := sub.wait(context.WithoutCancel(ctx))
	if sub.after != nil {
		<-sub.after // a document that was saved is not forgotten because one after it failed
	}
	defer close(sub.settled)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		if sub.chain == s.chain {
			s.head, s.restart = s.durable, true
			s.chain++
		}
		return nil, fmt.Errorf("number %s-%06d was not saved and is free again: %w", s.prefix, sub.head.Number, err)
	}
	if sub.head.Number > s.durable.Number {
		s.durable = sub.head
	}
	return commit, nil
}

// submitted is a document that is on its way to the disk.
type submitted struct {
	head    Head
	chain   int
	wait    func(context.Context) (*crdt.Commit, error)
	after   chan struct{} // of the document before
	settled chan struct{} // see Series
}

var errNoNumber = errors.New("series is full")

func (s *Series) next(ctx context.Context, build Build) (*submitted, error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for the number before: %w", ctx.Err())
	}
	for {
		s.mu.Lock()
		head, chain := s.head, s.chain
		s.mu.Unlock()
		if head.Number >= 1<<53-1 {
			return nil, errNoNumber
		}
		number := head.Number + 1
		local, hash, err := build(number, head.Hash)
		if err != nil {
			return nil, err
		}
		if sub, err := s.put(local, Head{number, hash}, chain); sub != nil || err != nil {
			return sub, err
		}
	}
}

// put submits a document. It returns nil if what it was built on failed meanwhile.
func (s *Series) put(local replication.Local, next Head, chain int) (*submitted, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if chain != s.chain {
		return nil, nil
	}
	local.Chain, local.Restart = "series "+s.prefix, s.restart
	local.Notes = append(local.Notes, replication.Note{
		Key: store.SeriesNote + s.prefix, Value: store.AppendSeries(nil, next.Number, next.Hash),
	})
	wait, err := s.submit(local)
	if err != nil {
		return nil, err
	}
	sub := &submitted{next, chain, wait, s.settled, make(chan struct{})}
	s.head, s.restart, s.settled = next, false, sub.settled
	return sub, nil
}
