//go:build bench

package scale

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/replication"
)

// priceDay is from when the prices of all articles hold.
const priceDay = "2020-01-01"

var (
	goods   = []string{"Brot", "Brötchen", "Kuchen", "Torte", "Kaffee", "Tee", "Saft", "Limonade", "Suppe", "Salat", "Käse", "Wurst"}
	makings = []string{"hausgemacht", "frisch", "klein", "groß", "mit Nüssen", "mit Kürbis", "ohne Zucker", "vom Blech", "bio", "regional"}
)

// random gives the same numbers in every run.
func random(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(stream, 2026)) }

func articleID(n int) crdt.ObjectID {
	sum := sha256.Sum256(fmt.Appendf(nil, "article %d", n))
	return crdt.ObjectID(sum[:16])
}

func taxID() crdt.ObjectID { return crdt.ObjectID{7} }

// articleName is what the n-th article is called; it is the same in every run, as all of it is.
func articleName(n int) string {
	r := random(uint64(n))
	return fmt.Sprintf("%s %s %d", goods[r.IntN(len(goods))], makings[r.IntN(len(makings))], n)
}

func articlePrice(n int) int64 { return 49 + 10*random(uint64(n)).Int64N(300) }

// article returns the register writes that make the n-th article.
func article(n int) ([]crdt.Piece, error) {
	return catalog.EditArticle(articleID(n), nil, catalog.ArticleEdit{
		Names:  &catalog.Names{Name: map[string]string{"de": articleName(n)}},
		Codes:  &catalog.Codes{Barcodes: []string{fmt.Sprintf("400%010d", n*7919%10_000_000_000)}, PLU: fmt.Sprint(n)},
		Prices: map[string]catalog.Price{priceDay: {Amount: articlePrice(n), Currency: "EUR", Tax: taxID()}},
	})
}

// repriced returns the register write that changes the price of the n-th article, which is obj.
func repriced(n int, obj *crdt.Object, amount int64) ([]crdt.Piece, error) {
	return catalog.EditArticle(articleID(n), obj, catalog.ArticleEdit{
		Prices: map[string]catalog.Price{priceDay: {Amount: amount, Currency: "EUR", Tax: taxID()}},
	})
}

// batches calls f with the pieces of articles from (included) to (excluded), as many together as one commit takes.
func batches(from, to int, f func([]crdt.Piece) error) error {
	for from < to {
		var pieces []crdt.Piece
		for range min(crdt.MaxObjects, to-from) {
			p, err := article(from)
			if err != nil {
				return err
			}
			pieces = append(pieces, p...)
			from++
		}
		if err := f(pieces); err != nil {
			return err
		}
	}
	return nil
}

// change is an own change of a till.
func change(scope crdt.Scope, pieces []crdt.Piece) replication.Local {
	now := time.Now().UnixMilli()
	return replication.Local{Scope: scope, Pieces: pieces, Schema: 1, Stamp: crdt.Stamp{Trusted: true, MS: now}, WallMS: now}
}

// stock writes articles as an import does.
func (l *till) stock(ctx context.Context, articles int) error {
	var waits []wait
	err := batches(0, articles, func(pieces []crdt.Piece) error {
		w, err := l.engine.Submit(change(crdt.Catalog, pieces))
		if err != nil {
			return err
		}
		if waits = append(waits, w); len(waits) < 16 {
			return nil
		}
		_, err = all(ctx, waits)
		waits = nil
		return err
	})
	if err == nil {
		_, err = all(ctx, waits)
	}
	return err
}

// reprice changes the prices of articles one after another, as somebody at a till does, and returns the sum of the sizes
// of the commits.
func (l *till) reprice(ctx context.Context, from, count int, amount int64) (bytes int64, err error) {
	var waits []wait
	for n := from; n < from+count; n++ {
		obj, err := l.store.Object(ctx, crdt.Key{Scope: crdt.Catalog, Type: catalog.TypeArticle, Object: articleID(n)})
		if err != nil {
			return 0, err
		}
		pieces, err := repriced(n, obj, amount)
		if err != nil {
			return 0, err
		}
		if len(pieces) == 0 {
			return 0, fmt.Errorf("article %d costs %d already", n, amount)
		}
		w, err := l.engine.Submit(change(crdt.Catalog, pieces))
		if err != nil {
			return 0, err
		}
		waits = append(waits, w)
	}
	return all(ctx, waits)
}

type wait = func(context.Context) (*crdt.Commit, error)

// all waits for changes and returns the sum of the sizes of their commits.
func all(ctx context.Context, waits []wait) (bytes int64, err error) {
	for _, w := range waits {
		c, err := w(ctx)
		if err != nil {
			return bytes, err
		}
		bytes += int64(len(c.Bytes()))
	}
	return bytes, nil
}
