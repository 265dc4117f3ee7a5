package replicas

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/server"
	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

var _ server.Replicas = (*Replicas)(nil)

// CodeNoTill refuses an edit in a shop of which no till has called yet. It is part of the API.
const CodeNoTill = "no-till-yet"

// with calls f with the replica of a shop.
func (r *Replicas) with(ctx context.Context, id crdt.ShopID, f func(*Replica) error) error {
	of, err := r.cfg.Accounts.ShopOf(ctx, id)
	if err != nil {
		return err
	}
	p, done, err := r.use(ctx, of)
	if err != nil {
		return err
	}
	defer done()
	return f(p)
}

// Articles is a method of server.Replicas.
func (r *Replicas) Articles(ctx context.Context, id crdt.ShopID, from crdt.ObjectID, limit int) (list []server.ListedArticle, next crdt.ObjectID, err error) {
	err = r.with(ctx, id, func(p *Replica) error {
		found, err := p.store.Objects(ctx, crdt.Catalog, catalog.TypeArticle, from, limit+1)
		if err != nil {
			return err
		}
		for _, f := range found[:min(limit, len(found))] {
			a, err := catalog.ViewArticle(f.Object)
			if err != nil && !errors.Is(err, crdt.ErrUpdateNeeded) {
				return err
			}
			list = append(list, server.ListedArticle{ID: f.ID, Article: a, Err: err})
		}
		if len(found) > limit {
			next = found[limit].ID
		}
		return nil
	})
	return list, next, err
}

// Article is a method of server.Replicas.
func (r *Replicas) Article(ctx context.Context, id crdt.ShopID, article crdt.ObjectID) (out catalog.Article, err error) {
	err = r.with(ctx, id, func(p *Replica) error {
		obj, err := p.store.Object(ctx, articleKey(article))
		if err != nil {
			return err
		}
		if len(obj.Registers) == 0 {
			return server.ErrNotFound
		}
		out, err = catalog.ViewArticle(obj)
		return err
	})
	return out, err
}

func articleKey(id crdt.ObjectID) crdt.Key {
	return crdt.Key{Scope: crdt.Catalog, Type: catalog.TypeArticle, Object: id}
}

// EditArticle is a method of server.Replicas.
func (r *Replicas) EditArticle(ctx context.Context, id crdt.ShopID, article crdt.ObjectID,
	edit func(was catalog.Article, currency string) (catalog.ArticleEdit, error),
) error {
	return r.with(ctx, id, func(p *Replica) error {
		if !p.seated() {
			return &accounts.Refusal{Code: CodeNoTill, Text: "no till of this shop has called since it was coupled",
				Next: "start a till of the shop and wait until it says that it is connected"}
		}
		p.edits.Lock()
		defer p.edits.Unlock()
		obj, err := p.store.Object(ctx, articleKey(article))
		if err != nil {
			return err
		}
		was, err := catalog.ViewArticle(obj)
		if err != nil {
			return err
		}
		currency, err := p.currency(ctx)
		if err != nil {
			return err
		}
		e, err := edit(was, currency)
		if err != nil {
			return err
		}
		pieces, err := catalog.EditArticle(article, obj, e)
		if err != nil || len(pieces) == 0 {
			return err
		}
		_, err = p.engine.Commit(ctx, p.change(crdt.Catalog, catalog.Schema, pieces))
		return err
	})
}

// currency is that of the shop.
func (p *Replica) currency(ctx context.Context) (string, error) {
	obj, err := p.store.Object(ctx, crdt.Key{Scope: crdt.Shop, Type: shop.TypeSettings, Object: shop.SettingsObject()})
	if err != nil {
		return "", err
	}
	s, err := shop.ViewSettings(obj)
	if err != nil && !errors.Is(err, crdt.ErrUpdateNeeded) {
		return "", err
	}
	return s.Money.Currency, nil
}

// Arrived is a method of server.Replicas.
func (r *Replicas) Arrived(ctx context.Context, id crdt.ShopID, article crdt.ObjectID) (out server.Arrived, err error) {
	err = r.with(ctx, id, func(p *Replica) error {
		obj, err := p.store.Object(ctx, articleKey(article))
		if err != nil {
			return err
		}
		var dots []crdt.Dot
		for _, r := range obj.Registers {
			for _, s := range r.Siblings {
				dots = append(dots, s.Ref.Origin.Dot)
			}
		}
		told := p.holders(ctx, dots)
		for _, till := range p.tills() {
			lacks := func(d crdt.Dot) bool { return !slices.Contains(p.engine.Holders(crdt.Catalog, d), till.ID) }
			if !told[till.ID] && slices.ContainsFunc(dots, lacks) {
				out.Missing = append(out.Missing, till.ID)
			} else {
				out.On = append(out.On, till.ID)
			}
		}
		return nil
	})
	return out, err
}

// holdersTime is how long the tills that are connected may take to say which tills hold something.
const holdersTime = 2 * time.Second

// holders asks the tills that are connected which tills hold these values. Who does not answer knows of none.
func (p *Replica) holders(ctx context.Context, dots []crdt.Dot) map[crdt.TillID]bool {
	out := make(map[crdt.TillID]bool)
	if len(dots) == 0 || len(dots) > cloudlink.MaxHolderDots {
		return out
	}
	ctx, cancel := context.WithTimeout(ctx, holdersTime)
	defer cancel()
	for till := range p.connected() {
		answer, err := p.engine.Ask(ctx, till, cloudlink.HoldersTopic, cloudlink.EncodeHeld(dots))
		if err != nil {
			continue
		}
		tills, err := cloudlink.DecodeHolders(answer)
		if err != nil {
			p.of.cfg.Log.Warn("what a till said of who holds an article cannot be read", "till", till.Short(), "error", err)
		}
		for _, holder := range tills {
			out[holder] = true
		}
	}
	return out
}

// connected returns the tills that have a session.
func (p *Replica) connected() map[crdt.TillID]bool {
	p.sessions.Lock()
	defer p.sessions.Unlock()
	out := make(map[crdt.TillID]bool, len(p.sessions.list))
	for _, s := range p.sessions.list {
		out[s.till] = true
	}
	return out
}
