package server

import (
	"context"
	"errors"
	"net/http"

	"github.com/tillmesh/tillmesh/cloudlink/httpapi/goods"
	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/replication/store"
)

func (s *Server) addArticles() {
	ops := []opDoc{
		operation(http.MethodGet, "/api/v1/shops/{shop}/articles", "Articles", "list-articles", "List articles", `In the order of their IDs.`),
		operation(http.MethodGet, "/api/v1/shops/{shop}/articles/{id}", "Articles", "get-article", "Get an article",
			`With the tills on which it has arrived as it is here.`),
		operation(http.MethodPut, "/api/v1/shops/{shop}/articles/{id}", "Articles", "put-article", "Write an article",
			`Makes the article if there is none under this ID, and answers with it as it is then. Members that are left out stay as they
are. Prices that are listed are set, start dates that are not listed stay; a price with "withdrawn": true does not count any more.
The change reaches every till as one made at a till does; where a till had changed a member at the same time both are kept as a
conflict, and writing the member decides.`),
	}
	add(s, ops[0], read, s.listArticles)
	add(s, ops[1], read, s.getArticle)
	add(s, ops[2], write, s.putArticle)
	for _, op := range ops {
		s.mark(op, func(r *route) { r.replica = true })
	}
}

type listArticlesIn struct {
	Shop  string `path:"shop" minLength:"26" maxLength:"26" doc:"ID of the shop, 26 characters"`
	Limit int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"Most items of one answer"`
	After string `query:"after" maxLength:"26" doc:"Cursor: the member next of the answer before"`
}

// oneArticle names an article in the path.
type oneArticle struct {
	Shop string `path:"shop" minLength:"26" maxLength:"26" doc:"ID of the shop, 26 characters"`
	ID   string `path:"id" minLength:"26" maxLength:"26" doc:"ID of the article, 26 characters" example:"aaaqeayeaudaocajbifqydiob4"`
}

// article is an article, and how far it has come.
type article struct {
	goods.Article
	Arrived *arrived `json:"arrived,omitempty" readOnly:"true" doc:"On which tills it is as it is here; only of one article"`
}

// arrived says how far a change has come.
type arrived struct {
	On      []string `json:"on" nullable:"false" doc:"IDs of active tills that hold it"`
	Missing []string `json:"missing" nullable:"false" doc:"IDs of active tills of which that is not known"`
}

type putArticleIn struct {
	Shop string `path:"shop" minLength:"26" maxLength:"26" doc:"ID of the shop, 26 characters"`
	ID   string `path:"id" minLength:"26" maxLength:"26" doc:"ID of the article, 26 characters" example:"aaaqeayeaudaocajbifqydiob4"`
	Body article
}

func (s *Server) listArticles(ctx context.Context, in *listArticlesIn) (page[article], error) {
	out := page[article]{Items: []article{}}
	v, err := s.shop(ctx, in.Shop)
	if err != nil {
		return out, err
	}
	var from crdt.ObjectID
	if in.After != "" {
		last, err := parseObject("query.after", in.After)
		if err != nil {
			return out, err
		}
		next, more := store.NextID(last)
		if !more {
			return out, nil
		}
		from = next
	}
	list, next, err := s.o.Replicas.Articles(ctx, v.ID, from, in.Limit)
	if err != nil {
		return out, err
	}
	for _, l := range list {
		out.Items = append(out.Items, article{Article: goods.Show(l.ID, l.Article, l.Err)})
	}
	if !next.IsZero() && len(list) > 0 {
		out.Next = list[len(list)-1].ID.String()
	}
	return out, nil
}

func (s *Server) getArticle(ctx context.Context, in *oneArticle) (article, error) {
	v, err := s.shop(ctx, in.Shop)
	if err != nil {
		return article{}, err
	}
	id, err := parseObject("path.id", in.ID)
	if err != nil {
		return article{}, err
	}
	return s.articleOf(ctx, v, id)
}

func (s *Server) articleOf(ctx context.Context, v accounts.Shop, id crdt.ObjectID) (article, error) {
	a, err := s.o.Replicas.Article(ctx, v.ID, id)
	if err != nil && !errors.Is(err, crdt.ErrUpdateNeeded) {
		return article{}, err
	}
	out := article{Article: goods.Show(id, a, err)}
	come, err := s.o.Replicas.Arrived(ctx, v.ID, id)
	if err != nil {
		return article{}, err
	}
	out.Arrived = &arrived{On: tillTexts(come.On), Missing: tillTexts(come.Missing)}
	return out, nil
}

func (s *Server) putArticle(ctx context.Context, in *putArticleIn) (article, error) {
	v, err := s.shop(ctx, in.Shop)
	if err != nil {
		return article{}, err
	}
	id, err := parseObject("path.id", in.ID)
	if err != nil {
		return article{}, err
	}
	if in.Body.ID != "" && in.Body.ID != in.ID {
		return article{}, invalid("body.id", "body.id: it is not the ID in the path")
	}
	err = s.o.Replicas.EditArticle(ctx, v.ID, id, func(was catalog.Article, currency string) (catalog.ArticleEdit, error) {
		e, err := in.Body.Edit("body.", was, currency, s.now().UnixMilli())
		e.Resolve = goods.Decided(was.Conflicts, goods.Named(e)...)
		return e, err
	})
	if err != nil {
		return article{}, err
	}
	return s.articleOf(ctx, v, id)
}
