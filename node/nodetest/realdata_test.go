package nodetest_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/nodetest"
	"github.com/tillmesh/tillmesh/node/nodetest/dataset"
)

// TestRealDataSample sells a small invented set of the shape of the real ones while tills leave and return.
func TestRealDataSample(t *testing.T) {
	t.Parallel()
	const seed, articles, orders = 7, 40, 120
	t.Logf("seed %d", seed)
	list, book := dataset.Generate(seed, articles, orders)
	want, err := dataset.SumOf(book)
	require.NoError(t, err)
	sellSet(t, list, book, want, &replay{workers: 4})
}

// TestRealDataFull sells whole years: the real ones where they are, else invented ones of the same size.
func TestRealDataFull(t *testing.T) {
	if os.Getenv(nodetest.EnvFull) != "1" {
		t.Skipf("whole years take minutes: set %s=1", nodetest.EnvFull)
	}
	for _, set := range []struct {
		name             string
		read             func(dataset.Dir) ([]dataset.Article, []dataset.Order, error)
		articles, orders int
	}{
		{dataset.NamePizza, dataset.Pizza, 96, 21_350},
		{dataset.NameTakeaway, dataset.Takeaway, 248, 13_397},
	} {
		t.Run(set.name, func(t *testing.T) {
			list, book, want := load(t, set.name, set.read, set.articles, set.orders)
			sellSet(t, list, book, want, &replay{workers: 12, whole: true})
		})
	}
}

// load reads a set and its control totals, or invents one.
func load(t *testing.T, name string, read func(dataset.Dir) ([]dataset.Article, []dataset.Order, error), articles, orders int,
) ([]dataset.Article, []dataset.Order, dataset.Sum) {
	t.Helper()
	dir, there := dataset.Open()
	if !there {
		if os.Getenv(dataset.EnvRequired) == "1" {
			dataset.Require(t)
		}
		const seed = 11
		t.Logf("the set %s is absent, a set of its size is invented with seed %d", name, seed)
		list, book := dataset.Generate(seed, articles, orders)
		want, err := dataset.SumOf(book)
		require.NoError(t, err)
		return list, book, want
	}
	list, book, err := read(dir)
	require.NoError(t, err)
	require.Len(t, book, orders)
	want, err := dataset.Control(dir, name)
	require.NoError(t, err)
	return list, book, want
}

// sellSet sells a set on three tills, each of which leaves twice meanwhile, and adds up what each of them holds.
func sellSet(t *testing.T, list []dataset.Article, book []dataset.Order, want dataset.Sum, r *replay) {
	t.Helper()
	r.shop = nodetest.Open(t, tillsAtWork)
	r.orders = book
	r.articles = putArticles(t, r.shop, list)
	r.run(t, func() {
		ends := []func(*nodetest.Till){(*nodetest.Till).Kill, (*nodetest.Till).Stop}
		const leaves = 2 * tillsAtWork
		for i := range leaves {
			r.await(t, (i+1)*len(book)/(leaves+2))
			r.leave(t, r.shop.Tills[i%tillsAtWork], ends[i%len(ends)], len(book)/(4*leaves))
		}
		r.await(t, len(book))
	})
	t.Logf("equal after %v", r.shop.EqualWithin(time.Minute).Round(time.Millisecond))
	r.requireSold(t, want)
}
