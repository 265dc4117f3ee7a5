package simulation

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
)

// series gives out the numbers of sales by the rule of package node/journal: a document is built on a head that may not be
// durable yet, and one that fails takes those built on it with it, so their numbers are given out again.
type series struct {
	prefix  string
	head    mark // of what was proposed
	durable mark
	restart bool // the next one begins a new chain: one before it failed
	chain   int  // how often that happened
}

type mark struct {
	number uint64
	hash   crdt.Hash
}

// load takes the head from the store.
func (s *series) load(st *store.Guard, prefix string) error {
	*s = series{prefix: prefix, chain: s.chain + 1}
	got, err := st.Notes(background, store.SeriesNote+prefix)
	if err != nil || got[0] == nil {
		return err
	}
	s.durable.number, s.durable.hash, err = store.ReadSeries(got[0])
	s.head = s.durable
	return err
}

// next numbers a change. done is to be called with its answer.
func (s *series) next(l *replication.Local, what uint64) (item crdt.Piece, done func(error)) {
	was, chain := s.head, s.chain
	item = crdt.Piece{
		Kind: crdt.KindItem, Type: typeReceipt, Object: receiptID(s.prefix, was.number+1),
		Raw: fmt.Appendf(nil, "%s %d %x %x", s.prefix, was.number+1, was.hash, what),
	}
	mine := mark{was.number + 1, sha256.Sum256(item.Raw)}
	l.Chain, l.Restart = "series "+s.prefix, s.restart
	l.Notes = append(l.Notes, replication.Note{Key: store.SeriesNote + s.prefix, Value: store.AppendSeries(nil, mine.number, mine.hash)})
	s.head, s.restart = mine, false
	return item, func(err error) {
		switch {
		case chain != s.chain:
		case err != nil:
			s.head, s.restart = s.durable, true
			s.chain++
		case mine.number > s.durable.number:
			s.durable = mine
		}
	}
}

// receiptID is the same for the same number, so two sales under one number would meet.
func receiptID(prefix string, number uint64) crdt.ObjectID {
	return crdt.DeriveObjectID(typeReceipt, []byte(prefix), binary.BigEndian.AppendUint64(nil, number))
}

// sale is what a receipt of the simulation says.
type sale struct {
	prefix   string
	number   uint64
	previous string
}

func readSale(p *crdt.Piece) (s sale, err error) {
	var what string
	_, err = fmt.Sscan(string(p.Raw), &s.prefix, &s.number, &s.previous, &what)
	return s, err
}

// checkNumbers checks that the numbers of every series have neither gap nor double, and that each names the one before.
func (o *oracle) checkNumbers(w *World) {
	seen := make(map[string]map[uint64]*crdt.Piece)
	o.all(func(r *record) bool {
		for i := range r.commit.Pieces {
			p := &r.commit.Pieces[i]
			if p.Type != typeReceipt {
				continue
			}
			s, err := readSale(p)
			if err != nil {
				w.Fail("a sale cannot be read: %v", err)
				return false
			}
			if seen[s.prefix] == nil {
				seen[s.prefix] = make(map[uint64]*crdt.Piece)
			}
			if other := seen[s.prefix][s.number]; other != nil && string(other.Raw) != string(p.Raw) {
				w.Fail("number %s-%06d was given out twice", s.prefix, s.number)
			}
			seen[s.prefix][s.number] = p
		}
		return true
	})
	for _, prefix := range slices.Sorted(maps.Keys(seen)) {
		checkSeries(w, prefix, seen[prefix])
	}
}

func checkSeries(w *World, prefix string, sales map[uint64]*crdt.Piece) {
	var before crdt.Hash
	for n := range uint64(len(sales)) {
		p := sales[n+1]
		if p == nil {
			w.Fail("number %s-%06d is missing, although %d were given out", prefix, n+1, len(sales))
			return
		}
		if s, err := readSale(p); err != nil || s.previous != fmt.Sprintf("%x", before) {
			w.Fail("number %s-%06d does not name the one before it", prefix, n+1)
		}
		before = sha256.Sum256(p.Raw)
	}
}
