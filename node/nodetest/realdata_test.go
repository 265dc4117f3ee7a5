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
	r := &replay{workers: 4, shop: nodetest.Open(t, tillsAtWork), orders: book}
	r.articles = putArticles(t, r.shop, list)
	r.sell(t, 2*tillsAtWork, func(int) {}, func(int) {})
	r.requireSold(t, want)
}

// TestRealDataFull sells whole years over five tills and a cloud: the real ones where they are, else invented ones of the same size. Tills leave
// and return, and so does the internet; then each till and an export of the archive have to come to the control totals.
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
			sellYears(t, list, book, want)
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

// sellYears sells a set on five tills that are coupled with a cloud from the start.
func sellYears(t *testing.T, list []dataset.Article, book []dataset.Order, want dataset.Sum) {
	t.Helper()
	const tills = 5
	// Five tills share this machine; with more memory their collectors leave more of it to them. Signing devices have tests of their own.
	shop := nodetest.NewOn(t, nodetest.LoopbackWith(t, "GOMEMLIMIT=256MiB", "GOGC=300", "TILL_SIGNER=none"))
	first := shop.Found()
	for len(shop.Tills) < tills {
		shop.Join(first)
	}
	shop.Equal()
	r := &replay{workers: 48, whole: true, walks: 4, shop: shop, orders: book}
	r.articles = putArticles(t, shop, list)
	cloud := keepArchive(t, shop, first)

	began := time.Now()
	r.sell(t, 2*tills,
		func(i int) {
			if i%3 == 1 {
				cloud.line.Cut()
			}
		}, func(i int) {
			if i%3 == 2 {
				cloud.line.Mend()
			}
		})
	cloud.line.Mend()
	cloud.caughtUp(shop)
	t.Logf("in the archive %v after the first sale", time.Since(began).Round(time.Second))

	began = time.Now()
	r.requireIn(t, "the archive", cloud.export(first), want)
	t.Logf("the archive exported, verified and read in %v", time.Since(began).Round(time.Second))
	began = time.Now()
	for _, till := range shop.Tills {
		till.Stop()
		r.requireIn(t, till.Name, r.documentsOf(t, till), want)
	}
	t.Logf("all tills verified and read in %v", time.Since(began).Round(time.Second))
}

// sell sells everything while tills leave, so many times in all, and return. Before the i-th goes and after it is back, before and after are called.
func (r *replay) sell(t *testing.T, leaves int, before, after func(i int)) {
	t.Helper()
	r.run(t, func() {
		tills := r.shop.Tills
		ends := []func(*nodetest.Till){(*nodetest.Till).Kill, (*nodetest.Till).Stop}
		for i := range leaves {
			r.await(t, (i+1)*len(r.orders)/(leaves+2))
			before(i)
			gone := []*nodetest.Till{tills[i%len(tills)]}
			if len(tills) > 3 && i%4 == 3 { // another one with it
				gone = append(gone, tills[(i+2)%len(tills)])
			}
			r.leave(t, ends[i%len(ends)], len(r.orders)/(4*leaves), gone...)
			after(i)
		}
		r.finished(t)
	})
	t.Logf("equal after %v", r.shop.EqualWithin(standstill).Round(time.Millisecond))
}
