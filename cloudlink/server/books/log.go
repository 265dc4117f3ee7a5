package books

import (
	"context"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/server"
	"github.com/tillmesh/tillmesh/crdt"
)

// Checkpoint is a method of server.Log.
func (b *Books) Checkpoint(ctx context.Context, account crdt.ObjectID) (note []byte, size int64, err error) {
	last, err := b.logs.Latest(ctx, archive.AccountID(account), b.verifier)
	return last.Note, last.Size, found(err)
}

// Inclusion is a method of server.Log.
func (b *Books) Inclusion(ctx context.Context, account crdt.ObjectID, leaf, size int64) (server.Inclusion, error) {
	raw, proof, err := b.logs.Prove(ctx, archive.AccountID(account), leaf, size)
	return server.Inclusion{Leaf: raw, Hashes: plain(proof)}, found(err)
}

// Consistency is a method of server.Log.
func (b *Books) Consistency(ctx context.Context, account crdt.ObjectID, from, to int64) ([][32]byte, error) {
	id := archive.AccountID(account)
	_, hashed, err := b.logs.Size(ctx, id)
	if err != nil {
		return nil, err
	}
	if from < 1 || from > to || to > hashed {
		return nil, fmt.Errorf("%w: from %d to %d leaves, and %d are hashed", server.ErrNotFound, from, to, hashed)
	}
	if from == to {
		return [][32]byte{}, nil // one tree continues itself
	}
	proof, err := tlog.ProveTree(to, from, tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		subtrees := make([]archive.Subtree, len(indexes))
		for i, index := range indexes {
			level, n := tlog.SplitStoredHashIndex(index)
			subtrees[i] = archive.Subtree{First: n << level, Level: level}
		}
		return b.logs.Subtrees(ctx, id, subtrees)
	}))
	if err != nil {
		return nil, fmt.Errorf("prove that the archive of %s grew from %d to %d leaves: %w", id, from, to, err)
	}
	return plain(proof), nil
}

func plain(hashes []tlog.Hash) [][32]byte {
	out := make([][32]byte, len(hashes))
	for i, h := range hashes {
		out[i] = h
	}
	return out
}
