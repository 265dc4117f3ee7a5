package chain_test

import (
	"errors"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/backup/backuptest"
	"github.com/tillmesh/tillmesh/node/backup/chain"
)

func input(docs []receipt.Signed) iter.Seq2[receipt.Signed, error] {
	return func(yield func(receipt.Signed, error) bool) {
		for _, d := range docs {
			if !yield(d, nil) {
				return
			}
		}
	}
}

func documents(sold []backuptest.Sold) (out []receipt.Signed) {
	for _, s := range sold {
		out = append(out, s.Receipt.Signed)
	}
	return out
}

func codes(s chain.Series) (out []string) {
	for _, f := range s.Findings {
		out = append(out, f.Code)
	}
	return out
}

func verify(t *testing.T, docs []receipt.Signed) []chain.Series {
	t.Helper()
	list, err := chain.Verify(input(docs), nil)
	require.NoError(t, err)
	return list
}

func TestMixedSeriesInPieces(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	a := backuptest.Found(t, "", 1)
	b := a.Admit("", "K2", "Kasse 2")
	one, two := documents(a.Sell(60)), documents(b.Sell(40))
	for range 8 {
		// Pieces of both, in any order, some of them twice.
		var pieces [][]receipt.Signed
		for _, docs := range [][]receipt.Signed{one, two} {
			for len(docs) > 0 {
				n := 1 + random.IntN(min(20, len(docs)))
				pieces = append(pieces, docs[:n])
				if random.IntN(4) == 0 {
					pieces = append(pieces, docs[:n])
				}
				docs = docs[n:]
			}
		}
		random.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
		list := verify(t, slices.Concat(pieces...))
		require.Len(t, list, 2)
		for i, want := range []struct {
			till *backuptest.Till
			docs []receipt.Signed
		}{{a, one}, {b, two}} {
			s := list[i]
			require.True(t, s.OK(), "%v", s.Findings)
			require.Equal(t, want.till.ID, s.Till)
			require.Equal(t, want.till.Shop.ID, s.Shop)
			require.EqualValues(t, 1, s.First.Number)
			require.Equal(t, receipt.ChainLink{Number: int64(len(want.docs)), Hash: receipt.Hash(want.docs[len(want.docs)-1].Document)}, s.Last)
			require.Zero(t, s.Missing)
		}
	}
}

func TestWhatIsWrongIsNamed(t *testing.T) {
	a := backuptest.Found(t, "", 1)
	docs := documents(a.Sell(10))
	twin := backuptest.Found(t, "", 1) // the same till once more, so it gives the same numbers again
	twin.Shop.NewID()
	other := documents(twin.Sell(10))
	require.Equal(t, a.ID, twin.ID)
	require.NotEqual(t, docs[4].Document, other[4].Document)
	changed := slices.Clone(docs)
	changed[9].Signature = slices.Clone(changed[9].Signature)
	changed[9].Signature[3]++
	for name, test := range map[string]struct {
		docs []receipt.Signed
		want []string
	}{
		"whole":               {docs, nil},
		"one missing":         {slices.Delete(slices.Clone(docs), 4, 5), []string{receipt.FindGap}},
		"the first missing":   {docs[1:], []string{receipt.FindGap}},
		"another in between":  {slices.Concat(docs[:4], other[4:5], docs[5:]), []string{receipt.FindChanged, receipt.FindChanged}},
		"the second half":     {slices.Concat(docs[:5], other[5:]), []string{receipt.FindChanged}},
		"one number twice":    {slices.Concat(docs[5:], docs[:5], other[:1], other[9:]), []string{receipt.FindFork, receipt.FindFork}},
		"a changed signature": {changed, []string{receipt.FindSignature}},
		"no document":         {[]receipt.Signed{{Document: []byte("{}")}}, []string{receipt.FindMalformed}},
	} {
		t.Run(name, func(t *testing.T) {
			list := verify(t, test.docs)
			require.Len(t, list, 1)
			require.Equal(t, test.want, codes(list[0]))
			require.Equal(t, len(test.want) == 0, list[0].OK())
		})
	}
	gap := verify(t, slices.Concat(docs[:2], docs[7:]))[0]
	require.EqualValues(t, 5, gap.Missing)
	require.Equal(t, "K1-000003 to K1-000007 are missing.", gap.Findings[0].Text)

	// What is held elsewhere is not missing, if it is what the documents follow.
	for name, test := range map[string]struct {
		hash receipt.Digest
		want []string
	}{"fits": {receipt.Hash(docs[6].Document), nil}, "does not": {receipt.Digest{1}, []string{receipt.FindChanged}}} {
		list, err := chain.Verify(input(docs[7:]), func(till crdt.TillID, prefix string, number int64) (receipt.Digest, bool, error) {
			require.Equal(t, a.ID, till)
			require.Equal(t, "K1", prefix)
			require.EqualValues(t, 7, number)
			return test.hash, true, nil
		})
		require.NoError(t, err)
		require.Equal(t, test.want, codes(list[0]), name)
	}
}

func TestErrorsEndTheInput(t *testing.T) {
	docs := documents(backuptest.Found(t, "", 1).Sell(3))
	broken := errors.New("broken")
	_, err := chain.Verify(func(yield func(receipt.Signed, error) bool) {
		_ = yield(docs[0], nil) && yield(docs[1], nil) && yield(receipt.Signed{}, broken)
	}, nil)
	require.ErrorIs(t, err, broken)
	_, err = chain.Verify(input(docs[1:]), func(crdt.TillID, string, int64) (receipt.Digest, bool, error) {
		return receipt.Digest{}, false, broken
	})
	require.ErrorIs(t, err, broken)
	list, err := chain.Verify(input(nil), nil)
	require.NoError(t, err)
	require.Empty(t, list)
}
