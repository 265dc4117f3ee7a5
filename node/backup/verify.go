package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node/backup/chain"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
)

// Report says what is in a backup that was read from its first byte to its last.
type Report struct {
	Header           Header
	Written          Written
	Scopes           []ScopeCount
	Roster           *shop.Roster // of the shop as the backup knows it
	Series           []chain.Series
	Heads            []SeriesHead // of this till's own series, as it knew them
	Notes            []replication.Note
	HasFounderSecret bool
	GossipKeys       int
	// Problems are sentences about the data, not about the file: it is whole, and what is in it is what the till had. A
	// missing or changed receipt is here.
	Problems []string
}

// ScopeCount says how much of a scope is in a backup.
type ScopeCount struct {
	Scope   crdt.Scope
	Commits int64
}

// SeriesHead is the last number of a series.
type SeriesHead struct {
	Prefix string
	Number uint64
	Hash   crdt.Hash
}

// Verify reads a backup and checks all of it: that every block and commit is what was written and nothing is missing,
// and that the receipts in it are chains without gaps, signed by the tills they name. It holds a few MiB whatever the
// size. An error says that the file cannot be used, see [ErrDamaged]; problems of the data are in the report.
func Verify(ctx context.Context, r io.Reader, progress func(Progress)) (Report, error) {
	rep, _, err := verify(ctx, r, 0, progress)
	return rep, err
}

func verify(ctx context.Context, r io.Reader, size int64, progress func(Progress)) (Report, *content, error) {
	rep := Report{}
	w := &walker{}
	w.progress = report(progress, "verify", size, w)
	var failed error
	series, err := chain.Verify(func(yield func(receipt.Signed, error) bool) {
		w.take = func(list []*crdt.Commit, _ *replication.Claim) error {
			for _, c := range list {
				if err := rep.add(w.header, c, yield); err != nil {
					return err
				}
			}
			return nil
		}
		if failed = w.walk(ctx, r); failed != nil {
			yield(receipt.Signed{}, failed)
		}
	}, nil)
	if failed == nil {
		failed = err
	}
	if failed != nil {
		return Report{}, nil, fmt.Errorf("verify backup: %w", failed)
	}
	rep.finish(&w.content, series)
	return rep, &w.content, nil
}

func report(progress func(Progress), stage string, total int64, w *walker) func() {
	if progress == nil {
		return nil
	}
	return func() {
		progress(Progress{Stage: stage, Commits: w.written.Commits, Bytes: w.written.Bytes, Total: total})
	}
}

var errStopped = errors.New("stopped")

// add takes what the report says about a commit.
func (rep *Report) add(h Header, c *crdt.Commit, yield func(receipt.Signed, error) bool) error {
	if rep.Roster == nil {
		rep.Roster = shop.NewRoster(h.Shop)
	}
	switch c.Scope {
	case crdt.Shop:
		if err := rep.Roster.AddCommit(c); err != nil {
			rep.problem("An entry of the list of tills does not count: %v.", err)
		}
	case crdt.Sales:
		for i := range c.Pieces {
			p := &c.Pieces[i]
			if p.Kind != crdt.KindItem || p.Type != receipt.TypeReceipt || p.Erased {
				continue
			}
			item, err := receipt.ParseReceipt(p.Raw)
			if err != nil {
				rep.problem("A receipt cannot be read: %v.", err)
				continue
			}
			if !yield(item.Signed, nil) {
				return errStopped
			}
		}
	}
	return nil
}

const maxProblems = 1000

func (rep *Report) problem(format string, args ...any) {
	switch n := len(rep.Problems); {
	case n < maxProblems:
		rep.Problems = append(rep.Problems, fmt.Sprintf(format, args...))
	case n == maxProblems:
		rep.Problems = append(rep.Problems, "There are more problems than can be listed.")
	}
}

func (rep *Report) finish(c *content, series []chain.Series) {
	rep.Header, rep.Written, rep.Series, rep.Notes = c.header, c.written, series, c.notes
	rep.HasFounderSecret, rep.GossipKeys = len(c.secrets.Founder) > 0, len(c.secrets.Gossip)
	for _, scope := range sorted(c.union) {
		rep.Scopes = append(rep.Scopes, ScopeCount{scope, c.counts[scope]})
	}
	if rep.Roster == nil {
		rep.Roster = shop.NewRoster(c.header.Shop)
	}
	if rep.Roster.State(c.header.Till) == shop.Unknown {
		rep.problem("The till %s is not in the list of tills that the backup holds.", c.header.TillName)
	}
	for _, d := range c.breaks {
		rep.problem("Change %v does not follow the one before it: two copies of a till wrote at the same time.", d)
	}
	last := make(map[string]int64)
	for _, s := range series {
		if _, known := rep.Roster.PublicKey(s.Till); !known {
			rep.problem("The receipts %s are of till %s, which is not in the list of tills.", s.Prefix, s.Till.Short())
		}
		if s.Shop != c.header.Shop {
			rep.problem("The receipts %s are of another shop.", s.Prefix)
		}
		for _, f := range s.Findings {
			rep.problem("%s", f.Text)
		}
		if s.Till == c.header.Till {
			last[s.Prefix] = s.Last.Number
		}
	}
	rep.heads(last)
}

// heads compares what the till said its last numbers are with the receipts.
func (rep *Report) heads(last map[string]int64) {
	for _, n := range rep.Notes {
		prefix, ok := strings.CutPrefix(n.Key, store.SeriesNote)
		if !ok {
			continue
		}
		number, hash, err := store.ReadSeries(n.Value)
		if err != nil {
			rep.problem("The last number of %s cannot be read: %v.", prefix, err)
			continue
		}
		rep.Heads = append(rep.Heads, SeriesHead{prefix, number, hash})
		if uint64(last[prefix]) != number {
			rep.problem("The last receipt of this till was %s, the last one here is %d.", receipt.NumberText(prefix, int64(number)), last[prefix])
		}
	}
}
