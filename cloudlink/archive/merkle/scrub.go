package merkle

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/crdt"
)

// Damage is one thing in the database that is not what was archived.
type Damage struct {
	Index int64 // of the leaf; -1: the tree as a whole
	Text  string
}

// maxDamage bounds the list; what is beyond it is counted.
const maxDamage = 1000

// Scrubbed is what reading a whole log came to.
type Scrubbed struct {
	Leaves, Erased int64 // read; without content
	Wrong          int64
	Damage         []Damage // the first 1000
}

// Scrub reads every leaf of an account up to its latest checkpoint, and compares contents with leaves, and leaves with what was signed. It
// calls progress, if that is not nil, about every 1000 leaves; memory does not grow with their number.
func (l *Logs) Scrub(ctx context.Context, account archive.AccountID, verifier note.Verifier, progress func(done, of int64)) (Scrubbed, error) {
	last, err := l.Latest(ctx, account, verifier)
	if err != nil {
		return Scrubbed{}, err
	}
	s := scrub{logs: l, account: account}
	if last.Size > 0 {
		for stored, err := range l.Leaves(ctx, account, Query{End: last.Size}) {
			if err != nil {
				return s.out, err
			}
			if err := s.take(ctx, stored); err != nil {
				return s.out, err
			}
			if progress != nil && s.out.Leaves%1000 == 0 {
				progress(s.out.Leaves, last.Size)
			}
		}
	}
	if n := s.tree.Size(); n != last.Size {
		s.find(-1, "The archive had %d leaves when it was signed; %d of them are there.", last.Size, n)
	} else if s.tree.Root() != last.Root {
		s.find(-1, "The leaves do not come to what was signed.")
	}
	return s.out, nil
}

type scrub struct {
	logs    *Logs
	account archive.AccountID
	tree    archive.Frontier
	out     Scrubbed
	tile    int64  // whose hashes are at hand
	hashes  []byte // nil: none
}

func (s *scrub) find(index int64, format string, args ...any) {
	s.out.Wrong++
	if len(s.out.Damage) < maxDamage {
		s.out.Damage = append(s.out.Damage, Damage{index, fmt.Sprintf(format, args...)})
	}
}

func (s *scrub) take(ctx context.Context, stored Stored) error {
	s.out.Leaves++
	record := archive.RecordHash(stored.Leaf)
	s.tree.Add(record)
	leaf, err := archive.ParseLeaf(stored.Leaf)
	switch {
	case err != nil:
		s.find(stored.Index, "Leaf %d cannot be read: %v.", stored.Index, err)
	case stored.Content == nil && leaf.Scope.Kind != crdt.KindCustomers:
		s.find(stored.Index, "The content of leaf %d (%s) is missing.", stored.Index, archive.NameOf(leaf))
	case stored.Content == nil:
		s.out.Erased++
	case archive.DigestOf(stored.Salt, stored.Content) != leaf.Digest:
		s.find(stored.Index, "The content of leaf %d (%s) was changed.", stored.Index, archive.NameOf(leaf))
	}
	kept, err := s.kept(ctx, stored.Index)
	if err != nil {
		return err
	}
	if !bytes.Equal(kept, record[:]) {
		s.find(stored.Index, "Leaf %d was changed since it was hashed.", stored.Index)
	}
	return nil
}

// kept returns the hash of a leaf as it was computed when it was new; nil if it is not there.
func (s *scrub) kept(ctx context.Context, index int64) ([]byte, error) {
	if tile := index / tileWidth; s.hashes == nil || s.tile != tile {
		err := s.logs.db.View(ctx, func(tx *database.Tx) (err error) {
			s.tile = tile
			s.hashes, err = readTile(ctx, tx, s.account, 0, tile)
			return err
		})
		if err != nil && !errors.Is(err, ErrRewritten) {
			return nil, err
		}
	}
	at := int(index%tileWidth) * tlog.HashSize
	if at+tlog.HashSize > len(s.hashes) {
		return nil, nil
	}
	return s.hashes[at : at+tlog.HashSize], nil
}
