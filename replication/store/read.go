package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// Object returns the merged state of an object; one that nobody wrote is empty.
func (s *Store) Object(ctx context.Context, k crdt.Key) (*crdt.Object, error) {
	list, err := s.ObjectsByID(ctx, []crdt.Key{k})
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// ObjectsByID returns several objects, all as of one moment.
func (s *Store) ObjectsByID(ctx context.Context, keys []crdt.Key) ([]*crdt.Object, error) {
	list := make([][]byte, 0, 2*len(keys))
	for _, k := range keys {
		list = append(list, objectKey(rowLive, k), objectKey(rowDormant, k))
	}
	got, err := s.rows.Load(ctx, list)
	if err != nil {
		return nil, fmt.Errorf("read objects: %w", err)
	}
	out := make([]*crdt.Object, len(keys))
	for i, k := range keys {
		row := got[2*i]
		if row == nil {
			row = got[2*i+1]
		}
		if out[i], err = decodeObject(row); err != nil {
			return nil, malformed(fmt.Sprintf("read %s %v", k.Type, k.Object), err)
		}
	}
	return out, nil
}

// Found is an object that a scan met.
type Found struct {
	ID     crdt.ObjectID
	Object *crdt.Object
}

// Objects returns at most limit live objects of a type in the order of their IDs, beginning with from. Archived master
// data is live; what a closing superseded is not. To go on, call it with the ID after the last one: see NextID.
func (s *Store) Objects(ctx context.Context, scope crdt.Scope, typ string, from crdt.ObjectID, limit int) ([]Found, error) {
	return s.list(ctx, scope, typ, "", from, limit)
}

// Registers is Objects for who needs one register of each object: the objects have no other, and no items. It costs a
// fraction of Objects.
func (s *Store) Registers(ctx context.Context, scope crdt.Scope, typ, register string, from crdt.ObjectID, limit int) ([]Found, error) {
	return s.list(ctx, scope, typ, register, from, limit)
}

// list returns live objects, and if register is not empty only that of each.
func (s *Store) list(ctx context.Context, scope crdt.Scope, typ, register string, from crdt.ObjectID, limit int) ([]Found, error) {
	prefix := typeKey(rowLive, scope, typ)
	got, err := s.rows.Scan(ctx, append(prefix[:len(prefix):len(prefix)], from[:]...), after(prefix), limit, 4<<20)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", typ, err)
	}
	out := make([]Found, len(got))
	for i, row := range got {
		copy(out[i].ID[:], row.Key[len(prefix):])
		if out[i].Object, err = decodeRow(row.Value, register); err != nil {
			return nil, malformed(fmt.Sprintf("list %s at %v", typ, out[i].ID), err)
		}
	}
	return out, nil
}

// NextID returns the ID after id, and false if it is the last of all.
func NextID(id crdt.ObjectID) (crdt.ObjectID, bool) {
	for i := len(id) - 1; i >= 0; i-- {
		if id[i]++; id[i] != 0 {
			return id, true
		}
	}
	return id, false
}

// Piece returns the piece that a reference names, with its raw bytes.
func (s *Store) Piece(ctx context.Context, scope crdt.Scope, ref crdt.Ref) (*crdt.Piece, error) {
	list, err := s.Pieces(ctx, scope, []crdt.Ref{ref})
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// Pieces returns several pieces; a commit that holds many of them is read once. A piece whose commit left meanwhile is nil.
func (s *Store) Pieces(ctx context.Context, scope crdt.Scope, refs []crdt.Ref) ([]*crdt.Piece, error) {
	at := make(map[crdt.Dot]int)
	var keys [][]byte
	for _, ref := range refs {
		if _, ok := at[ref.Origin.Dot]; !ok {
			at[ref.Origin.Dot] = len(keys)
			keys = append(keys, dotKey(rowCommit, scope, ref.Origin.Dot))
		}
	}
	got, err := s.rows.Load(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("read commits: %w", err)
	}
	commits := make([]*crdt.Commit, len(got))
	for i, raw := range got {
		if raw == nil {
			continue
		}
		if commits[i], err = crdt.DecodeCommit(raw); err != nil {
			return nil, malformed("read commit", err)
		}
	}
	out := make([]*crdt.Piece, len(refs))
	for i, ref := range refs {
		c := commits[at[ref.Origin.Dot]]
		if c == nil {
			continue
		}
		if ref.Piece >= len(c.Pieces) || [16]byte(c.Origin().Tag) != ref.Origin.Tag {
			return nil, malformed(fmt.Sprintf("commit %v is not the one that was taken", ref.Origin.Dot), nil)
		}
		out[i] = &c.Pieces[ref.Piece]
	}
	return out, nil
}

// Live returns the encoded commits of a scope that have a live piece and are in want, in the order of replica and
// number, from the cursor on: at least one if there is one, then as many as fit maxBytes.
func (s *Store) Live(ctx context.Context, scope crdt.Scope, want crdt.Context, at replication.Cursor, maxBytes int) ([][]byte, replication.Cursor, error) {
	var out [][]byte
	size := 0
	for _, r := range want.Replicas() {
		if r.Compare(at.Dot.Replica) < 0 {
			continue
		}
		list := want[r]
		if r == at.Dot.Replica {
			first, _ := slices.BinarySearchFunc(list, at.Dot.Seq+1, func(iv crdt.Interval, s crdt.Seq) int { return cmp.Compare(iv.To, s) })
			list = list[first:]
		}
		for _, iv := range list {
			from := iv.After + 1
			if r == at.Dot.Replica {
				from = max(from, at.Dot.Seq+1)
			}
			for from <= iv.To {
				if size >= maxBytes && len(out) > 0 {
					return out, at, nil
				}
				to := dotKey(rowCommit, scope, crdt.Dot{Replica: r, Seq: iv.To})
				got, err := s.rows.Scan(ctx, dotKey(rowCommit, scope, crdt.Dot{Replica: r, Seq: from}), rows.Next(to),
					scanRows, max(maxBytes-size, 1))
				if err != nil {
					return nil, at, fmt.Errorf("read commits of %v: %w", scope, err)
				}
				if len(got) == 0 {
					break
				}
				for _, row := range got {
					out = append(out, row.Value)
					size += len(row.Value)
				}
				last := got[len(got)-1].Key
				at.Dot = crdt.Dot{Replica: r, Seq: crdt.Seq(binary.BigEndian.Uint64(last[len(last)-8:]))}
				from = at.Dot.Seq + 1
			}
		}
	}
	at.Done = true
	return out, at, nil
}

// ByDot returns the encoded commits under these dots that still have a live piece, in the order of dots.
func (s *Store) ByDot(ctx context.Context, scope crdt.Scope, dots []crdt.Dot) ([][]byte, error) {
	keys := make([][]byte, len(dots))
	for i, d := range dots {
		keys[i] = dotKey(rowCommit, scope, d)
	}
	got, err := s.rows.Load(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("read commits of %v: %w", scope, err)
	}
	out := got[:0]
	for _, raw := range got {
		if raw != nil {
			out = append(out, raw)
		}
	}
	return out, nil
}
