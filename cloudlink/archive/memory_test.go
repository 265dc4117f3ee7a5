package archive_test

import (
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
)

// tree is a log in memory.
type tree struct{ hashes []tlog.Hash }

func (x *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, i := range indexes {
		out = append(out, x.hashes[i])
	}
	return out, nil
}

func grown(t testing.TB, n int, leaf func(int) string) *tree {
	x := &tree{}
	for i := range n {
		h, err := tlog.StoredHashes(int64(i), []byte(leaf(i)), x)
		require.NoError(t, err)
		x.hashes = append(x.hashes, h...)
	}
	return x
}

func honest(i int) string { return fmt.Sprint("leaf ", i) }

func signer(t testing.TB) (note.Signer, note.Verifier) {
	s, err := archive.NewSigner(cloudKey())
	require.NoError(t, err)
	public, _ := cloudKey().Public().(ed25519.PublicKey)
	v, err := archive.NewVerifier(public)
	require.NoError(t, err)
	return s, v
}

func (x *tree) checkpoint(t testing.TB, size, at int64) []byte {
	s, _ := signer(t)
	root := archive.EmptyRoot()
	if size > 0 {
		var err error
		root, err = tlog.TreeHash(size, x)
		require.NoError(t, err)
	}
	msg, err := archive.SignCheckpoint(archive.Checkpoint{Account: account, Size: size, Root: root, Time: at}, s)
	require.NoError(t, err)
	return msg
}

func TestWhatATillSaysToACheckpoint(t *testing.T) {
	x, y := grown(t, 20, honest), grown(t, 20, func(i int) string {
		if i == 3 {
			return "another leaf"
		}
		return honest(i)
	})
	_, v := signer(t)
	proof := func(x *tree, newer, older int64) []tlog.Hash {
		p, err := tlog.ProveTree(newer, older, x)
		require.NoError(t, err)
		return p
	}
	offer := func(note []byte, proof []tlog.Hash) archive.Offer { return archive.Offer{Note: note, Proof: proof} }
	broken := x.checkpoint(t, 12, 5)
	broken[len(broken)-10] ^= 1
	tests := map[string]struct {
		known []byte
		offer archive.Offer
		want  archive.Verdict
	}{
		"the first":                   {nil, offer(x.checkpoint(t, 12, 5), nil), archive.First},
		"the same":                    {x.checkpoint(t, 12, 5), offer(x.checkpoint(t, 12, 6), nil), archive.Same},
		"grown":                       {x.checkpoint(t, 12, 5), offer(x.checkpoint(t, 20, 6), proof(x, 20, 12)), archive.Grown},
		"grown from nothing":          {x.checkpoint(t, 0, 5), offer(x.checkpoint(t, 20, 6), nil), archive.Grown},
		"behind":                      {x.checkpoint(t, 20, 5), offer(x.checkpoint(t, 12, 4), proof(x, 20, 12)), archive.Behind},
		"shorter":                     {x.checkpoint(t, 20, 5), offer(x.checkpoint(t, 12, 6), nil), archive.Rewritten},
		"shorter and another":         {x.checkpoint(t, 20, 5), offer(y.checkpoint(t, 12, 6), proof(y, 20, 12)), archive.Rewritten},
		"rewritten":                   {x.checkpoint(t, 12, 5), offer(y.checkpoint(t, 20, 6), proof(y, 20, 12)), archive.Rewritten},
		"rewritten with an old proof": {x.checkpoint(t, 12, 5), offer(y.checkpoint(t, 20, 6), proof(x, 20, 12)), archive.Rewritten},
		"forked":                      {x.checkpoint(t, 12, 5), offer(y.checkpoint(t, 12, 6), nil), archive.Forked},
		"without a proof":             {x.checkpoint(t, 12, 5), offer(x.checkpoint(t, 20, 6), nil), archive.Unproven},
		"not signed":                  {x.checkpoint(t, 12, 5), offer(broken, nil), archive.Unsigned},
		"no checkpoint":               {x.checkpoint(t, 12, 5), offer(nil, nil), archive.Unsigned},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := archive.Memory{Note: test.known}
			verdict, next, err := m.Compare(account, test.offer, v)
			require.Equal(t, test.want.String(), verdict.String())
			switch test.want {
			case archive.First, archive.Same, archive.Grown:
				require.NoError(t, err)
				require.Equal(t, test.offer.Note, next.Note)
			case archive.Behind:
				require.NoError(t, err)
				require.Equal(t, test.known, next.Note)
			default:
				require.Error(t, err)
				require.Equal(t, test.known, next.Note, "what was seen is evidence")
			}
			require.Equal(t, test.want == archive.Rewritten || test.want == archive.Forked || test.want == archive.Unsigned, verdict.Alarm())
		})
	}
	size, err := archive.Memory{Note: x.checkpoint(t, 12, 5)}.Size(account, v)
	require.NoError(t, err)
	require.EqualValues(t, 12, size)
	_, err = archive.OpenCheckpoint(x.checkpoint(t, 12, 5), archive.AccountID{9}, v)
	require.ErrorIs(t, err, archive.ErrCheckpoint, "of another account")
}

func TestEveryByteOfACheckpointCounts(t *testing.T) {
	_, v := signer(t)
	msg := grown(t, 3, honest).checkpoint(t, 3, 1788422400000)
	for i := range msg {
		for bit := range 8 {
			x := append([]byte(nil), msg...)
			x[i] ^= 1 << bit
			_, err := archive.OpenCheckpoint(x, account, v)
			require.ErrorIs(t, err, archive.ErrCheckpoint, "byte %d, bit %d", i, bit)
		}
	}
	for _, x := range []string{string(msg) + string(msg[strings.LastIndex(string(msg), "— "):]), string(msg) + "\n", "\n" + string(msg), string(msg)[:len(msg)-1]} {
		_, err := archive.OpenCheckpoint([]byte(x), account, v)
		require.ErrorIs(t, err, archive.ErrCheckpoint)
	}
}

func TestInclusion(t *testing.T) {
	x := grown(t, 11, honest)
	_, v := signer(t)
	c, err := archive.OpenCheckpoint(x.checkpoint(t, 11, 1), account, v)
	require.NoError(t, err)
	for i := range int64(11) {
		p, err := tlog.ProveRecord(11, i, x)
		require.NoError(t, err)
		require.NoError(t, archive.CheckInclusion(c, i, []byte(honest(int(i))), p))
		require.ErrorIs(t, archive.CheckInclusion(c, i, []byte("forged"), p), archive.ErrProof)
		require.ErrorIs(t, archive.CheckInclusion(c, (i+1)%11, []byte(honest(int(i))), p), archive.ErrProof)
	}
	require.ErrorIs(t, archive.CheckInclusion(c, 11, nil, nil), archive.ErrProof)
	require.ErrorIs(t, archive.CheckInclusion(c, 1, nil, make([]tlog.Hash, 200)), archive.ErrProof)
}

// Whatever leaves are replaced by the hashes of their subtrees: the tree is the same.
func TestAFrontierIsTheTree(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	x := grown(t, 300, honest)
	for range 200 {
		n := random.Int64N(301)
		var f archive.Frontier
		for f.Size() < n {
			if random.IntN(2) == 0 {
				f.Add(tlog.RecordHash([]byte(honest(int(f.Size())))))
				continue
			}
			for _, s := range archive.Cover(f.Size(), f.Size()+1+random.Int64N(n-f.Size())) {
				require.NoError(t, f.AddSubtree(s.Level, x.hashes[s.StoredIndex()]))
			}
		}
		want := archive.EmptyRoot()
		if n > 0 {
			var err error
			want, err = tlog.TreeHash(n, x)
			require.NoError(t, err)
		}
		require.Equal(t, want, f.Root(), "%d leaves", n)
	}
	var f archive.Frontier
	f.Add(tlog.Hash{})
	require.ErrorIs(t, f.AddSubtree(1, tlog.Hash{}), archive.ErrProof)
	require.ErrorIs(t, f.AddSubtree(-1, tlog.Hash{}), archive.ErrProof)
	require.ErrorIs(t, f.AddSubtree(63, tlog.Hash{}), archive.ErrProof)
}
