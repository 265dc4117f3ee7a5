package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// Identity says whose store this is. It is written once, when the till founds or joins a shop.
type Identity struct {
	Shop    crdt.ShopID
	Till    crdt.TillID
	Replica crdt.ReplicaID
}

func metaKey(name string) []byte { return append([]byte{rowMeta}, name...) }

// IsIdentity reports whether a row holds the identity of a store. Whoever restores the rows of a store from a copy leaves it out: two stores
// must never write under one replica, so the restored one gets a new identity before its first write (lineages: replication/DESIGN.md).
func IsIdentity(key []byte) bool { return bytes.Equal(key, metaKey("identity")) }

// Identity returns whose store this is, [ErrNoIdentity] if nobody's yet.
func (s *Store) Identity(ctx context.Context) (id Identity, err error) {
	got, err := s.rows.Load(ctx, [][]byte{metaKey("identity")})
	if err != nil {
		return id, fmt.Errorf("read identity: %w", err)
	}
	if got[0] == nil {
		return id, ErrNoIdentity
	}
	return decodeIdentity(got[0])
}

func decodeIdentity(b []byte) (id Identity, err error) {
	r := codec.NewReader(b)
	more := r.ArrayOf(4)
	if v := r.Uint(); r.Err() == nil && v != 1 {
		return id, fmt.Errorf("identity of version %d: %w", v, crdt.ErrVersion)
	}
	r.Fixed(id.Shop[:])
	r.Fixed(id.Till[:])
	r.Fixed(id.Replica[:])
	r.Skip(more)
	if err := r.Done(); err != nil {
		return id, fmt.Errorf("read identity: %w", err)
	}
	return id, nil
}

// SetIdentity writes whose store this is.
func (s *Store) SetIdentity(ctx context.Context, id Identity) error {
	b := codec.AppendUint(codec.AppendArray(nil, 4), 1)
	b = codec.AppendBytes(b, id.Shop[:])
	b = codec.AppendBytes(b, id.Till[:])
	b = codec.AppendBytes(b, id.Replica[:])
	if err := s.rows.Commit(ctx, []rows.Write{{Key: metaKey("identity"), Value: b}}); err != nil {
		return fmt.Errorf("write identity: %w", err)
	}
	return nil
}

// NextBoot begins a new start: it takes the next boot number (see crdt.NextBoot), makes it durable and returns it. It
// is called once per start, before the first write, and never returns the same number twice for a store.
func (s *Store) NextBoot(ctx context.Context, unixSeconds int64) (uint32, error) {
	got, err := s.rows.Load(ctx, [][]byte{metaKey("boot")})
	if err != nil {
		return 0, fmt.Errorf("read boot number: %w", err)
	}
	last := uint32(0)
	if got[0] != nil {
		if len(got[0]) != 4 {
			return 0, fmt.Errorf("read boot number: %w: %d bytes", codec.ErrMalformed, len(got[0]))
		}
		last = binary.BigEndian.Uint32(got[0])
	}
	for _, h := range s.Heads() {
		last = max(last, h.Seq.Boot())
	}
	next := crdt.NextBoot(last, unixSeconds)
	err = s.rows.Commit(ctx, []rows.Write{{Key: metaKey("boot"), Value: binary.BigEndian.AppendUint32(nil, next)}})
	if err != nil {
		return 0, fmt.Errorf("write boot number: %w", err)
	}
	return next, nil
}

func appendDigest(b []byte, d crdt.Digest) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, d[0]), d[1])
}

func readDigest(b []byte) crdt.Digest {
	return crdt.Digest{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

func appendHead(b []byte, h replication.Head) []byte {
	return append(binary.BigEndian.AppendUint64(b, uint64(h.Seq)), h.Hash[:]...)
}

func readHead(b []byte) (h replication.Head) {
	h.Seq = crdt.Seq(binary.BigEndian.Uint64(b))
	copy(h.Hash[:], b[8:])
	return h
}

func writeNote(n replication.Note) rows.Write {
	return rows.Write{Key: append([]byte{rowNote}, n.Key...), Value: n.Value, Delete: n.Value == nil}
}

// Notes returns the values of notes, nil where there is none.
func (s *Store) Notes(ctx context.Context, keys ...string) ([][]byte, error) {
	list := make([][]byte, len(keys))
	for i, k := range keys {
		list[i] = append([]byte{rowNote}, k...)
	}
	got, err := s.rows.Load(ctx, list)
	if err != nil {
		return nil, fmt.Errorf("read notes: %w", err)
	}
	return got, nil
}

// NotesFrom returns at most limit notes whose keys begin with prefix, in the order of keys, beginning at from (which
// must begin with prefix too; "" means prefix).
func (s *Store) NotesFrom(ctx context.Context, prefix, from string, limit int) ([]replication.Note, error) {
	if from == "" {
		from = prefix
	}
	got, err := s.rows.Scan(ctx, append([]byte{rowNote}, from...), after(append([]byte{rowNote}, prefix...)), limit, 0)
	if err != nil {
		return nil, fmt.Errorf("read notes: %w", err)
	}
	out := make([]replication.Note, len(got))
	for i, row := range got {
		out[i] = replication.Note{Key: string(row.Key[1:]), Value: row.Value}
	}
	return out, nil
}
