package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"

	"github.com/tillmesh/tillmesh/cloudlink/httpapi/goods"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/node"
)

// oneIn names one document in the path.
type oneIn struct {
	ID string `path:"id" minLength:"26" maxLength:"26" doc:"26 characters, letters a-z and digits 2-7" example:"aaaqeayeaudaocajbifqydiob4"`
}

func (in oneIn) object() (crdt.ObjectID, error) { return parseObject("path.id", in.ID) }

// withID names one document in the path and has a body. (huma does not look into embedded structs that are not exported,
// so the path is spelled here again.)
type withID[B any] struct {
	ID   string `path:"id" minLength:"26" maxLength:"26" doc:"26 characters, letters a-z and digits 2-7" example:"aaaqeayeaudaocajbifqydiob4"`
	Body B
}

func (in withID[B]) object() (crdt.ObjectID, error) { return parseObject("path.id", in.ID) }

func (s *server) addArticles() {
	add(s, operation(http.MethodGet, "/api/v1/articles", "Articles", "list-articles", "List articles",
		`In the order of their IDs. The parameters barcode and plu find articles by one exact code.`), s.listArticles)
	add(s, operation(http.MethodGet, "/api/v1/articles/{id}", "Articles", "get-article", "Get an article", ``), s.getArticle)
	add(s, operation(http.MethodPut, "/api/v1/articles/{id}", "Articles", "put-article", "Write an article",
		`Makes the article if there is none under this ID, and answers with it as it is then. Members that are left out stay
as they are. Prices that are listed are set, start dates that are not listed stay; a price with "withdrawn": true does not
count any more. Where two tills had changed a member at the same time, writing it decides.`), s.putArticle)
	addQuiet(s, operation(http.MethodDelete, "/api/v1/articles/{id}", "Articles", "archive-article", "Archive an article",
		`It is no longer offered. Nothing is removed: write "archived": false to bring it back.`), s.archiveArticle)
	batch := operation(http.MethodPost, "/api/v1/articles:batch", "Articles", "write-articles", "Write up to 1000 articles",
		`Every row is written like with PUT, several in one step, without holding up sales. Rows that are refused come back
with their index and reason; the others are written all the same, so the status is 200 in any case. A row without an ID makes
a new article. Unchanged rows write nothing, so a batch can be repeated.`)
	batch.SkipValidateBody = true // every row by itself, see rowCheck
	check := s.newRowCheck()
	add(s, batch, s.writeArticles(check))
	s.doc.OpenAPI().Paths[batch.Path].Post.RequestBody.Content["application/json"].Schema = schema[articleBatch](s)
}

type listArticlesIn struct {
	Limit    int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"Most items of one answer"`
	After    string `query:"after" maxLength:"26" doc:"Cursor: the member next of the answer before"`
	Q        string `query:"q" maxLength:"200" doc:"Part of a name, or the beginning of a barcode or PLU"`
	Barcode  string `query:"barcode" maxLength:"48" doc:"Exact barcode"`
	PLU      string `query:"plu" maxLength:"48" doc:"Exact PLU"`
	Archived string `query:"archived" enum:"true,false" doc:"Only archived ones, or only others; left out: both"`
}

func (s *server) listArticles(ctx context.Context, in *listArticlesIn) (page[goods.Article], error) {
	from, more, err := startAfter(in.After)
	if err != nil || !more {
		return page[goods.Article]{Items: []goods.Article{}}, err
	}
	f := node.ArticleFilter{Text: in.Q, Barcode: in.Barcode, PLU: in.PLU, Archived: yesNo(in.Archived)}
	list, next, err := s.till.Articles(ctx, f, from, in.Limit)
	return shape(list, next, goods.Show), err
}

func (s *server) getArticle(ctx context.Context, in *oneIn) (goods.Article, error) {
	id, err := in.object()
	if err != nil {
		return goods.Article{}, err
	}
	a, err := s.till.Article(ctx, id)
	if err != nil && !errors.Is(err, crdt.ErrUpdateNeeded) {
		return goods.Article{}, err
	}
	return goods.Show(id, a, err), nil
}

func (s *server) putArticle(ctx context.Context, in *withID[goods.Article]) (goods.Article, error) {
	id, err := in.object()
	if err != nil {
		return goods.Article{}, err
	}
	if err := sameID(in.ID, in.Body.ID); err != nil {
		return goods.Article{}, err
	}
	defer s.edits.begin()()
	was, err := s.till.Article(ctx, id)
	if err != nil && !errors.Is(err, node.ErrNotFound) && !errors.Is(err, crdt.ErrUpdateNeeded) {
		return goods.Article{}, err
	}
	currency, err := s.currency(ctx, in.Body.Prices)
	if err != nil {
		return goods.Article{}, err
	}
	e, err := in.Body.Edit("body.", was, currency, s.till.Now().UnixMilli())
	if err != nil {
		return goods.Article{}, err
	}
	e.Resolve = goods.Decided(was.Conflicts, goods.Named(e)...)
	if err := s.till.EditArticle(ctx, id, e); err != nil {
		return goods.Article{}, err
	}
	return s.getArticle(ctx, &oneIn{in.ID})
}

// sameID refuses a document that says another ID than its path.
func sameID(path, body string) error {
	if body != "" && body != path {
		return invalid("body.id", "body.id: it is not the ID in the path")
	}
	return nil
}

// currency returns the currency of the shop if a price needs it.
func (s *server) currency(ctx context.Context, prices []goods.Price) (string, error) {
	for _, p := range prices {
		if p.Currency == "" && !p.Withdrawn {
			settings, err := s.till.Settings(ctx)
			return settings.Money.Currency, err
		}
	}
	return "", nil
}

func (s *server) archiveArticle(ctx context.Context, in *oneIn) error {
	id, err := in.object()
	if err != nil {
		return err
	}
	defer s.edits.begin()()
	a, err := s.till.Article(ctx, id)
	if err != nil && !errors.Is(err, crdt.ErrUpdateNeeded) {
		return err
	}
	if life := goods.EditLife(ref(true), a.Life, s.till.Now().UnixMilli()); life != nil {
		return s.till.EditArticle(ctx, id, catalog.ArticleEdit{Life: life})
	}
	return nil
}

// batchResult is what became of a batch.
type batchResult struct {
	Accepted  int        `json:"accepted" doc:"Rows that changed something"`
	Unchanged int        `json:"unchanged" doc:"Rows that say what is so already"`
	Rejected  []rejected `json:"rejected" nullable:"false" doc:"Rows that were not written"`
}

// rejected is a row that was not written.
type rejected struct {
	Index  int    `json:"index" doc:"Position in the request, from 0"`
	ID     string `json:"id" doc:"ID of the row, empty if it had none"`
	Code   string `json:"code" example:"invalid"`
	Detail string `json:"detail" doc:"What is wrong with it"`
}

func (s *server) writeArticles(check rowCheck) func(context.Context, *batchIn) (batchResult, error) {
	return func(ctx context.Context, in *batchIn) (batchResult, error) {
		out := batchResult{Rejected: []rejected{}}
		given, err := in.rows()
		if err != nil {
			return out, err
		}
		reject := func(i int, err error) {
			p := s.problemOf(ctx, err)
			out.Rejected = append(out.Rejected, rejected{i, rowID(given[i]), p.Code, p.Detail})
		}
		rows := make([]node.ArticleRow, 0, len(given))
		index := make([]int, 0, len(given)) // of each row in the request
		defer s.edits.begin()()
		settings, err := s.till.Settings(ctx)
		if err != nil {
			return out, err
		}
		now := s.till.Now().UnixMilli()
		for i, raw := range given {
			a, err := check.decode(at(i), raw)
			var row node.ArticleRow
			if err == nil {
				row, err = s.row(ctx, &a, i, settings.Money.Currency, now)
			}
			if _, refused := errors.AsType[*problem](err); refused {
				reject(i, err)
				continue
			} else if err != nil {
				return out, err
			}
			rows, index = append(rows, row), append(index, i)
		}
		res, err := s.till.EditArticles(ctx, rows)
		if err != nil {
			return out, err
		}
		out.Accepted, out.Unchanged = res.Accepted, res.Unchanged
		for _, r := range res.Rejected {
			reject(index[r.Index], r.Err)
		}
		slices.SortFunc(out.Rejected, func(a, b rejected) int { return cmp.Compare(a.Index, b.Index) })
		return out, nil
	}
}

func (s *server) row(ctx context.Context, a *goods.Article, i int, currency string, now int64) (node.ArticleRow, error) {
	id, err := parseObject(at(i)+".id", a.ID)
	if err != nil {
		return node.ArticleRow{}, err
	}
	var was catalog.Article
	switch {
	case id.IsZero():
		if id = freshID(ctx, "article", i); id.IsZero() {
			_, _ = rand.Read(id[:])
		}
	case a.Partial():
		was, err = s.till.Article(ctx, id)
		if err != nil && !errors.Is(err, node.ErrNotFound) && !errors.Is(err, crdt.ErrUpdateNeeded) {
			return node.ArticleRow{}, err
		}
	}
	e, err := a.Edit(at(i)+".", was, currency, now)
	return node.ArticleRow{ID: id, Edit: e}, err
}
