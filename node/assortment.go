package node

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
)

// ErrNotFound means that there is nothing under an ID or number.
var ErrNotFound = errors.New("not found")

// articlesPerCommit is how many rows of one request become one commit at most.
const articlesPerCommit = crdt.MaxObjects

// assortment finds articles by their codes. It keeps a hash per code and nothing of the articles themselves: those are
// read from the store, so a large catalogue costs little memory. For the same reason it is no map: a code takes little
// more than its 24 bytes, half of what it takes in one, and a look at 25 of them per 100,000 costs nothing.
type assortment struct {
	mu    sync.RWMutex
	seed  maphash.Seed
	codes [1 << codeBits][]code // by the first bits of the hash
	taxes cached[map[crdt.ObjectID]catalog.Tax]
}

const codeBits = 12

// code is the hash of one of an article's codes.
type code struct {
	hash uint64
	id   crdt.ObjectID
}

func loadAssortment(ctx context.Context, s *store.Guard) (*assortment, error) {
	a := &assortment{seed: maphash.MakeSeed()}
	var from crdt.ObjectID
	for {
		list, err := s.Registers(ctx, crdt.Catalog, catalog.TypeArticle, catalog.RegisterCodes, from, 1000)
		if err != nil {
			return nil, fmt.Errorf("read articles: %w", err)
		}
		for _, f := range list {
			if raw := f.Object.Value(catalog.RegisterCodes); raw != nil {
				a.learn(f.ID, raw)
			}
		}
		if len(list) == 0 {
			return a, nil
		}
		var ok bool
		if from, ok = store.NextID(list[len(list)-1].ID); !ok {
			return a, nil
		}
	}
}

// learn adds the codes of an article. Codes it no longer has stay; find looks at the article itself.
func (a *assortment) learn(id crdt.ObjectID, raw []byte) {
	codes, err := catalog.ParseCodes(raw)
	if err != nil {
		return // a newer program wrote it; the article is still found by its ID
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, code := range codes.Barcodes {
		a.put(maphash.String(a.seed, code), id)
	}
	if codes.PLU != "" {
		a.put(maphash.String(a.seed, pluMark+codes.PLU), id)
	}
}

const pluMark = "plu\x00"

func (a *assortment) put(h uint64, id crdt.ObjectID) {
	list := &a.codes[h>>(64-codeBits)]
	c := code{h, id}
	if slices.Contains(*list, c) {
		return
	}
	if n := len(*list); n == cap(*list) {
		*list = append(make([]code, 0, n+n/8+8), *list...)
	}
	*list = append(*list, c)
}

func (a *assortment) find(text string) (ids []crdt.ObjectID) {
	h := maphash.String(a.seed, text)
	a.mu.RLock()
	defer a.mu.RUnlock()
	for _, c := range a.codes[h>>(64-codeBits)] {
		if c.hash == h {
			ids = append(ids, c.id)
		}
	}
	return ids
}

func (a *assortment) apply(c *crdt.Commit) {
	for i := range c.Pieces {
		p := &c.Pieces[i]
		switch {
		case p.Type == catalog.TypeArticle && p.Name == catalog.RegisterCodes:
			a.learn(p.Object, p.Raw)
		case p.Type == catalog.TypeTax:
			a.taxes.drop()
		}
	}
}

func articleKey(id crdt.ObjectID) crdt.Key { return catalogKey(catalog.TypeArticle, id) }

func catalogKey(typ string, id crdt.ObjectID) crdt.Key {
	return crdt.Key{Scope: crdt.Catalog, Type: typ, Object: id}
}

// Listed is one document of a list with its ID.
type Listed[T any] struct {
	ID    crdt.ObjectID
	Value T
	Err   error // why a part of it could not be read: usually that this till is too old for it
}

// ArticleFilter says which articles to list.
type ArticleFilter struct {
	Text     string // part of a name, a barcode or a PLU, whatever the case
	Barcode  string // exactly
	PLU      string // exactly
	Archived *bool  // nil: both
}

// Articles lists articles in the order of their IDs, beginning with from; next is where to go on, zero at the end.
func (t *Till) Articles(ctx context.Context, f ArticleFilter, from crdt.ObjectID, limit int) (list []Listed[catalog.Article], next crdt.ObjectID, err error) {
	keep := func(a catalog.Article) bool {
		return (f.Archived == nil || *f.Archived == a.Life.Archived) && matches(a, f.Text)
	}
	if f.Barcode != "" || f.PLU != "" {
		for _, id := range t.goods.find(or(f.Barcode, pluMark+f.PLU)) {
			a, err := t.Article(ctx, id)
			if err != nil && !errors.Is(err, crdt.ErrUpdateNeeded) {
				return nil, next, err
			}
			has := slices.Contains(a.Codes.Barcodes, f.Barcode) || f.Barcode == "" && a.Codes.PLU == f.PLU
			if has && keep(a) && len(list) < limit {
				list = append(list, Listed[catalog.Article]{id, a, err})
			}
		}
		return list, next, nil
	}
	return listCatalog(ctx, t.store, catalog.TypeArticle, from, limit, catalog.ViewArticle, keep)
}

func matches(a catalog.Article, text string) bool {
	if text == "" {
		return true
	}
	text = strings.ToLower(strings.TrimFunc(text, unicode.IsSpace))
	for _, names := range []map[string]string{a.Names.Name, a.Names.Receipt} {
		for _, n := range names {
			if strings.Contains(strings.ToLower(n), text) {
				return true
			}
		}
	}
	return strings.HasPrefix(strings.ToLower(a.Codes.PLU), text) ||
		slices.ContainsFunc(a.Codes.Barcodes, func(c string) bool { return strings.HasPrefix(strings.ToLower(c), text) })
}

// listCatalog walks the documents of a type until limit of them are kept.
func listCatalog[T any](ctx context.Context, s *store.Guard, typ string, from crdt.ObjectID, limit int,
	view func(*crdt.Object) (T, error), keep func(T) bool,
) (list []Listed[T], next crdt.ObjectID, err error) {
	for {
		found, err := s.Objects(ctx, crdt.Catalog, typ, from, min(max(limit, 1), 1000))
		if err != nil {
			return nil, next, err
		}
		for _, f := range found {
			v, err := view(f.Object)
			if !keep(v) {
				continue
			}
			if len(list) == limit {
				return list, f.ID, nil
			}
			list = append(list, Listed[T]{f.ID, v, err})
		}
		if len(found) == 0 {
			return list, next, nil
		}
		var more bool
		if from, more = store.NextID(found[len(found)-1].ID); !more {
			return list, next, nil
		}
	}
}

// Article returns an article, [ErrNotFound] if nobody wrote it.
func (t *Till) Article(ctx context.Context, id crdt.ObjectID) (catalog.Article, error) {
	return oneOf(ctx, t.store, catalog.TypeArticle, id, catalog.ViewArticle)
}

func oneOf[T any](ctx context.Context, s *store.Guard, typ string, id crdt.ObjectID, view func(*crdt.Object) (T, error)) (v T, err error) {
	obj, err := s.Object(ctx, catalogKey(typ, id))
	if err != nil {
		return v, err
	}
	if !obj.Live() {
		return v, fmt.Errorf("%s %v: %w", typ, id, ErrNotFound)
	}
	return view(obj)
}

// ArticleRow is one row of a batch.
type ArticleRow struct {
	ID   crdt.ObjectID
	Edit catalog.ArticleEdit
}

// BatchResult says what became of a batch.
type BatchResult struct {
	Accepted, Unchanged int
	Rejected            []RejectedRow
}

// RejectedRow is a row that was not written.
type RejectedRow struct {
	Index int
	ID    crdt.ObjectID
	Err   error
}

// EditArticles writes articles, several to a commit. A row that is against the rules is reported and does not stop the
// others; a sale never waits for more than one of its commits. Prices must name taxes that exist.
func (t *Till) EditArticles(ctx context.Context, list []ArticleRow) (BatchResult, error) {
	var res BatchResult
	for start := 0; start < len(list); start += articlesPerCommit {
		part := list[start:min(start+articlesPerCommit, len(list))]
		if err := t.editArticles(ctx, start, part, &res); err != nil {
			return res, err
		}
	}
	return res, nil
}

func (t *Till) editArticles(ctx context.Context, start int, part []ArticleRow, res *BatchResult) error {
	t.masterData.Lock()
	defer t.masterData.Unlock()
	keys := make([]crdt.Key, len(part))
	for i := range part {
		keys[i] = articleKey(part[i].ID)
	}
	objects, err := t.store.ObjectsByID(ctx, keys)
	if err != nil {
		return err
	}
	var pieces []crdt.Piece
	seen := make(map[crdt.ObjectID]bool, len(part))
	accepted := 0
	reject := func(i int, err error) {
		res.Rejected = append(res.Rejected, RejectedRow{start + i, part[i].ID, err})
	}
	for i := range part {
		if seen[part[i].ID] {
			reject(i, fmt.Errorf("%w: the same article stands in this batch twice", catalog.ErrInvalid))
			continue
		}
		seen[part[i].ID] = true
		if err := t.checkPrices(ctx, part[i].Edit); err != nil {
			reject(i, err)
			continue
		}
		p, err := catalog.EditArticle(part[i].ID, objects[i], part[i].Edit)
		switch {
		case err != nil:
			reject(i, err)
		case len(p) == 0:
			res.Unchanged++
		default:
			accepted++
			pieces = append(pieces, p...)
		}
	}
	if err := t.commitSplit(ctx, crdt.Catalog, catalog.Schema, pieces); err != nil {
		return err
	}
	res.Accepted += accepted
	return nil
}

// commitSplit writes pieces in as few commits as their limits allow, all pieces of one object in the same commit.
// Notes are in the last one.
func (t *Till) commitSplit(ctx context.Context, scope crdt.Scope, schema uint32, pieces []crdt.Piece, notes ...replication.Note) error {
	const room = crdt.MaxCommit - 16<<10
	var waits []func(context.Context) (*crdt.Commit, error)
	for len(pieces) > 0 {
		n, size := 0, 0
		for objects := 0; n < len(pieces) && objects < crdt.MaxObjects; objects++ {
			end, bytes := n, 0
			for end < len(pieces) && pieces[end].Object == pieces[n].Object {
				bytes += len(pieces[end].Raw) + 30*len(pieces[end].Clock) + 128
				end++
			}
			if n > 0 && (size+bytes > room || end > crdt.MaxPieces) {
				break
			}
			n, size = end, size+bytes
		}
		change := t.change(scope, schema, pieces[:n:n])
		if n == len(pieces) {
			change.Notes = notes
		}
		wait, err := t.submit(change)
		if err != nil {
			return err
		}
		waits = append(waits, wait)
		pieces = pieces[n:]
	}
	for _, wait := range waits {
		if _, err := wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// checkPrices refuses prices whose tax nobody wrote: such an article could not be sold.
func (t *Till) checkPrices(ctx context.Context, e catalog.ArticleEdit) error {
	for day, p := range e.Prices {
		if p.Withdrawn {
			continue
		}
		for _, id := range []crdt.ObjectID{p.Tax, p.TaxAway} {
			if id.IsZero() {
				continue
			}
			if _, err := t.tax(ctx, id); err != nil {
				return fmt.Errorf("%w: tax of the price from %s: %w", catalog.ErrInvalid, day, err)
			}
		}
	}
	return nil
}

// tax returns a tax from memory if none changed since it was read.
func (t *Till) tax(ctx context.Context, id crdt.ObjectID) (catalog.Tax, error) {
	known, gen, _ := t.goods.taxes.get()
	if v, ok := known[id]; ok {
		return v, nil
	}
	v, err := t.Tax(ctx, id)
	if err == nil {
		more := maps.Clone(known)
		if more == nil {
			more = make(map[crdt.ObjectID]catalog.Tax)
		}
		more[id] = v
		t.goods.taxes.set(more, gen)
	}
	return v, err
}

// Groups lists groups of articles; see Articles for from and next.
func (t *Till) Groups(ctx context.Context, archived *bool, from crdt.ObjectID, limit int) ([]Listed[catalog.Group], crdt.ObjectID, error) {
	return listCatalog(ctx, t.store, catalog.TypeGroup, from, limit, catalog.ViewGroup,
		func(g catalog.Group) bool { return archived == nil || *archived == g.Life.Archived })
}

// Group returns a group, [ErrNotFound] if nobody wrote it.
func (t *Till) Group(ctx context.Context, id crdt.ObjectID) (catalog.Group, error) {
	return oneOf(ctx, t.store, catalog.TypeGroup, id, catalog.ViewGroup)
}

// EditGroup changes a group or makes one.
func (t *Till) EditGroup(ctx context.Context, id crdt.ObjectID, e catalog.GroupEdit) error {
	return t.editOne(ctx, catalog.TypeGroup, id, func(obj *crdt.Object) ([]crdt.Piece, error) { return catalog.EditGroup(id, obj, e) })
}

// Taxes lists tax rates; see Articles for from and next.
func (t *Till) Taxes(ctx context.Context, archived *bool, from crdt.ObjectID, limit int) ([]Listed[catalog.Tax], crdt.ObjectID, error) {
	return listCatalog(ctx, t.store, catalog.TypeTax, from, limit, catalog.ViewTax,
		func(v catalog.Tax) bool { return archived == nil || *archived == v.Life.Archived })
}

// Tax returns a tax, [ErrNotFound] if nobody wrote it.
func (t *Till) Tax(ctx context.Context, id crdt.ObjectID) (catalog.Tax, error) {
	return oneOf(ctx, t.store, catalog.TypeTax, id, catalog.ViewTax)
}

// EditTax changes a tax or makes one.
func (t *Till) EditTax(ctx context.Context, id crdt.ObjectID, e catalog.TaxEdit) error {
	return t.editOne(ctx, catalog.TypeTax, id, func(obj *crdt.Object) ([]crdt.Piece, error) { return catalog.EditTax(id, obj, e) })
}

// EditArticle changes an article or makes one.
func (t *Till) EditArticle(ctx context.Context, id crdt.ObjectID, e catalog.ArticleEdit) error {
	if err := t.checkPrices(ctx, e); err != nil {
		return err
	}
	return t.editOne(ctx, catalog.TypeArticle, id, func(obj *crdt.Object) ([]crdt.Piece, error) { return catalog.EditArticle(id, obj, e) })
}

func (t *Till) editOne(ctx context.Context, typ string, id crdt.ObjectID, edit func(*crdt.Object) ([]crdt.Piece, error)) error {
	t.masterData.Lock()
	defer t.masterData.Unlock()
	obj, err := t.store.Object(ctx, catalogKey(typ, id))
	if err != nil {
		return err
	}
	pieces, err := edit(obj)
	if err != nil || len(pieces) == 0 {
		return err
	}
	return t.commit(ctx, crdt.Catalog, catalog.Schema, pieces)
}
