package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/replication/store"
)

// fileProof holds the roster of the shop as it was at the last start, in its signed commits: if the store is lost, the till
// knows with it that it belongs to the shop and whom it may link to. msgpack: an array of 2, version 1 and an array of
// commits (bytes).
const fileProof = "roster"

const (
	proofVersion = 1
	maxProof     = 16 << 20
)

// keepProof writes the roster beside the store, if it is not what stands there.
func keepProof(ctx context.Context, dataDir string, st *store.Store) error {
	var list [][]byte
	err := eachLive(ctx, st, crdt.Shop, func(c *crdt.Commit) {
		for i := range c.Pieces {
			if c.Pieces[i].Kind == crdt.KindItem || c.Pieces[i].Type == shop.TypeSettings {
				list = append(list, c.Bytes())
				return
			}
		}
	})
	if err != nil {
		return fmt.Errorf("keep the roster: %w", err)
	}
	b := codec.AppendUint(codec.AppendArray(nil, 2), proofVersion)
	b = codec.AppendArray(b, len(list))
	for _, raw := range list {
		b = codec.AppendBytes(b, raw)
	}
	path := filepath.Join(dataDir, fileProof)
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, b) || len(b) > maxProof {
		return nil
	}
	return replaceFile(path, b)
}

// readProof returns the roster that was kept beside the store, none if there is no file.
func readProof(dataDir string) ([]*crdt.Commit, error) {
	path := filepath.Join(dataDir, fileProof)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && info.Size() > maxProof {
		err = fmt.Errorf("%d bytes, at most %d", info.Size(), maxProof)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the roster: %w", err)
	}
	list, err := decodeProof(raw)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return list, nil
}

func decodeProof(raw []byte) ([]*crdt.Commit, error) {
	if err := codec.Check(raw); err != nil {
		return nil, err
	}
	r := codec.NewReader(raw)
	more := r.ArrayOf(2)
	if v := r.Uint(); r.Err() == nil && v != proofVersion {
		return nil, fmt.Errorf("roster of version %d: %w", v, crdt.ErrVersion)
	}
	var list []*crdt.Commit
	for range r.Array() {
		c, err := crdt.DecodeCommit(bytes.Clone(r.Bytes()))
		if r.Err() != nil {
			break
		}
		if err != nil {
			return nil, err
		}
		if c.Scope == crdt.Shop {
			list = append(list, c)
		}
	}
	r.Skip(more)
	return list, r.Done()
}
