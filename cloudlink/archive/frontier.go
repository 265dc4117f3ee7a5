package archive

import (
	"crypto/sha256"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// Frontier computes the hash of a tree from its leaves in their order, and from the hashes of whole subtrees where the leaves are not
// at hand. It holds one hash for each binary digit of the size. The zero value is the empty tree.
type Frontier struct {
	size   int64
	hashes []tlog.Hash // of the complete subtrees, the largest first
}

// EmptyRoot is the hash of the tree without leaves (RFC 6962).
func EmptyRoot() tlog.Hash { return sha256.Sum256(nil) }

// Size returns how many leaves were added.
func (f *Frontier) Size() int64 { return f.size }

// Add adds the next leaf by its record hash.
func (f *Frontier) Add(record tlog.Hash) { f.push(0, record) }

// AddSubtree adds the hash of the next 2^level leaves. It returns [ErrProof] if no such subtree begins here.
func (f *Frontier) AddSubtree(level int, h tlog.Hash) error {
	if level < 0 || level > 62 || f.size&(1<<level-1) != 0 || f.size > 1<<62-1<<level {
		return fmt.Errorf("%w: no subtree of 2^%d leaves begins at leaf %d", ErrProof, level, f.size)
	}
	f.push(level, h)
	return nil
}

func (f *Frontier) push(level int, h tlog.Hash) {
	for n := f.size >> level; n&1 == 1; n >>= 1 {
		last := len(f.hashes) - 1
		h = tlog.NodeHash(f.hashes[last], h)
		f.hashes = f.hashes[:last]
	}
	f.hashes = append(f.hashes, h)
	f.size += 1 << level
}

// Root returns the hash of the tree so far.
func (f *Frontier) Root() tlog.Hash {
	if len(f.hashes) == 0 {
		return EmptyRoot()
	}
	h := f.hashes[len(f.hashes)-1]
	for i := len(f.hashes) - 2; i >= 0; i-- {
		h = tlog.NodeHash(f.hashes[i], h)
	}
	return h
}

// Subtree names 2^Level leaves from leaf First on, which is a multiple of that number.
type Subtree struct {
	First int64
	Level int
}

// Cover returns the largest subtrees that leaves first to end-1 consist of, in their order: at most two for each binary digit.
func Cover(first, end int64) []Subtree {
	var out []Subtree
	for first < end {
		level := bits.Len64(uint64(end-first)) - 1
		if first != 0 {
			level = min(level, bits.TrailingZeros64(uint64(first)))
		}
		out = append(out, Subtree{first, level})
		first += 1 << level
	}
	return out
}

// StoredIndex returns the place of the subtree's hash in the order of package tlog.
func (s Subtree) StoredIndex() int64 { return tlog.StoredHashIndex(s.Level, s.First>>s.Level) }
