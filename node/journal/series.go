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

	mu      sync.Mutex
	head    Head // of what was submitted
	durable Head
	restart bool // the next document begins a new chain: one before it failed
	chain   int  // how often that happened: a failure counts only for the chain it happened in
}

// Submit queues a change and returns a function that waits until it is durable; engine.Engine.Submit is one.
type Submit func(replication.Local) (func(context.Context) (*crdt.Commit, error), error)

// New returns the writer of a series that stands at head.
func New(prefix string, head Head, submit Submit) *Series {
	return &Series{prefix: prefix, submit: submit, head: head, durable: head}
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
// and the document's own hash. It is called with the series locked: only quick work belongs here.
type Build func(number uint64, previous crdt.Hash) (replication.Local, crdt.Hash, error)

// Issue builds the next document and returns when it is durable. If build fails, no number is used.
func (s *Series) Issue(ctx context.Context, build Build) (*crdt.Commit, error) {
	next, chain, wait, err := s.next(build)
	if err != nil {
		return nil, err
	}
	// The outcome decides about the numbers after this one, so it is waited for even if the caller no longer does.
	commit, err := wait(context.WithoutCancel(ctx))
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		if chain == s.chain {
			s.head, s.restart = s.durable, true
			s.chain++
		}
		return nil, fmt.Errorf("number %s-%06d was not saved and is free again: %w", s.prefix, next.Number, err)
	}
	if next.Number > s.durable.Number {
		s.durable = next
	}
	return commit, nil
}

var errNoNumber = errors.New("series is full")

func (s *Series) next(build Build) (head Head, chain int, wait func(context.Context) (*crdt.Commit, error), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	number := s.head.Number + 1
	if number > 1<<53-1 {
		return head, 0, nil, errNoNumber
	}
	local, hash, err := build(number, s.head.Hash)
	if err != nil {
		return head, 0, nil, err
	}
	local.Chain, local.Restart = "series "+s.prefix, s.restart
	local.Notes = append(local.Notes, replication.Note{
		Key: store.SeriesNote + s.prefix, Value: store.AppendSeries(nil, number, hash),
	})
	if wait, err = s.submit(local); err != nil {
		return head, 0, nil, err
	}
	s.head, s.restart = Head{number, hash}, false
	return s.head, s.chain, wait, nil
}
