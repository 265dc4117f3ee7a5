package store

import (
	"bytes"
	"context"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// bury works out what the pieces that died mean for commits stored earlier.
func (b *batch) bury(ctx context.Context) error {
	var ids []scopedDot
	var keys [][]byte
	for id, refs := range b.dead {
		if refs[0].Origin.Pieces == len(refs) {
			b.graves[id] = nil
			continue
		}
		ids = append(ids, id)
		keys = append(keys, dotKey(rowDead, id.scope, id.dot))
	}
	if len(ids) == 0 {
		return nil
	}
	got, err := b.s.rows.Load(ctx, keys)
	if err != nil {
		return err
	}
	for i, id := range ids {
		pieces := b.dead[id][0].Origin.Pieces
		bitmap := make([]byte, (pieces+7)/8)
		copy(bitmap, got[i])
		for _, ref := range b.dead[id] {
			if ref.Piece >= pieces {
				return fmt.Errorf("%w: piece %d of %d in commit %v", rows.ErrCorrupt, ref.Piece, pieces, id.dot)
			}
			bitmap[ref.Piece/8] |= 1 << (ref.Piece % 8)
		}
		alive := pieces
		for p := range pieces {
			if bitmap[p/8]&(1<<(p%8)) != 0 {
				alive--
			}
		}
		if alive == 0 {
			bitmap = nil
		}
		b.graves[id] = bitmap
	}
	return nil
}

func (b *batch) writes(ops []replication.Op) []rows.Write {
	w := make([]rows.Write, 0, 2*len(b.objects)+3*len(ops)+len(b.graves)+8)
	for k, e := range b.objects {
		if !e.changed {
			continue
		}
		row := encodeEntry(e)
		if e.object.Live() {
			w = append(w, rows.Write{Key: e.key, Value: row})
			if e.dormant {
				key := b.dormant(e.key)
				b.fade(k.Scope, e, key, nil)
				w = append(w, rows.Write{Key: key, Delete: true})
			}
			continue
		}
		key := b.dormant(e.key)
		b.fade(k.Scope, e, key, row)
		w = append(w, rows.Write{Key: key, Value: row})
		if e.live {
			w = append(w, rows.Write{Key: e.key, Delete: true})
		}
	}
	for id, f := range b.fresh {
		w = f.append(w, id)
	}
	for id, bitmap := range b.graves {
		if bitmap == nil {
			w = append(w, rows.Write{Key: dotKey(rowCommit, id.scope, id.dot), Delete: true})
			if b.dead[id][0].Origin.Pieces > 1 {
				w = append(w, rows.Write{Key: dotKey(rowDead, id.scope, id.dot), Delete: true})
			}
			continue
		}
		w = append(w, rows.Write{Key: dotKey(rowDead, id.scope, id.dot), Value: bitmap})
	}
	for scope, replicas := range b.touched {
		for r := range replicas {
			w = b.runs(w, scopedReplica{scope, r})
		}
	}
	for scope, d := range b.digests {
		w = append(w, b.sums(scope, d))
	}
	for scope := range b.dormants {
		if _, done := b.digests[scope]; !done {
			w = append(w, b.sums(scope, b.s.digests[scope]))
		}
	}
	for scope, h := range b.heads {
		w = append(w, rows.Write{Key: scopeKey(rowHead, scope), Value: appendHead(nil, h)})
	}
	for i := range ops {
		for _, n := range ops[i].Notes {
			w = append(w, writeNote(n))
		}
	}
	return append(w, b.forks...)
}

// sums writes the row of a digest with the sum over dormant rows as it is after the batch.
func (b *batch) sums(scope crdt.Scope, d crdt.Digest) rows.Write {
	return rows.Write{Key: scopeKey(rowDigest, scope), Value: appendSums(nil, d, b.s.dormants[scope].Plus(b.dormants[scope]))}
}

// append appends what becomes of a commit's own rows.
func (f *fresh) append(w []rows.Write, id scopedDot) []rows.Write {
	commit, bitmap := dotKey(rowCommit, id.scope, id.dot), dotKey(rowDead, id.scope, id.dot)
	if f.count == len(f.commit.Pieces) {
		if f.row {
			w = append(w, rows.Write{Key: commit, Delete: true})
		}
		if f.before != nil {
			w = append(w, rows.Write{Key: bitmap, Delete: true})
		}
		return w
	}
	switch {
	case f.count > 0 && !bytes.Equal(f.dead, f.before):
		w = append(w, rows.Write{Key: bitmap, Value: f.dead})
	case f.count == 0 && f.before != nil:
		w = append(w, rows.Write{Key: bitmap, Delete: true})
	}
	if f.raw == nil {
		w = append(w, rows.Write{Key: commit, Value: f.commit.Bytes()})
	}
	return w
}
