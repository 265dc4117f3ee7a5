package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// Article is something that is sold.
type Article struct {
	ID string `json:"id,omitempty"`
	// Names are by language, such as "de".
	Names    map[string]string `json:"names"`
	Short    string            `json:"short,omitempty"`
	Barcodes []string          `json:"barcodes,omitempty"`
	PLU      string            `json:"plu,omitempty"`
	Group    string            `json:"group,omitempty"`
	Colour   string            `json:"colour,omitempty"`
	Sort     int64             `json:"sort,omitempty"`
	// Prices have one entry per start date; the latest that is not after the business day applies.
	Prices   []Price `json:"prices"`
	Deposit  string  `json:"deposit,omitempty"`
	Archived bool    `json:"archived,omitempty"`
}

// Price is what an article costs from a date (2006-01-02) on, gross, in minor units. Open prices are asked for at sale.
type Price struct {
	From        string `json:"from"`
	Price       int64  `json:"price"`
	Open        bool   `json:"open,omitempty"`
	Currency    string `json:"currency"`
	Tax         string `json:"tax"`
	TaxTakeaway string `json:"tax_takeaway,omitempty"`
	Unit        string `json:"unit,omitempty"`
	Decimals    bool   `json:"decimals,omitempty"`
}

// Group is a group of articles.
type Group struct {
	ID       string            `json:"id,omitempty"`
	Names    map[string]string `json:"names"`
	Parent   string            `json:"parent,omitempty"`
	Sort     int64             `json:"sort,omitempty"`
	Colour   string            `json:"colour,omitempty"`
	Archived bool              `json:"archived,omitempty"`
}

// Tax is a kind of tax with its rates over time.
type Tax struct {
	ID       string            `json:"id,omitempty"`
	Names    map[string]string `json:"names"`
	Rates    []Rate            `json:"rates"`
	Archived bool              `json:"archived,omitempty"`
}

// Rate is a tax rate in basis points (1900 is 19 %) from a date on. Key is its number in fiscal exports.
type Rate struct {
	From string `json:"from"`
	Rate int64  `json:"rate"`
	Key  int64  `json:"key"`
}

// Batch is the outcome of many articles at once.
type Batch struct {
	Accepted  int `json:"accepted"`
	Unchanged int `json:"unchanged"`
	Rejected  []struct {
		Index  int    `json:"index"`
		ID     string `json:"id"`
		Code   string `json:"code"`
		Detail string `json:"detail"`
	} `json:"rejected"`
}

// Page is one part of a list. Next is the cursor of the part after it, empty at the end.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next"`
}

// List chooses a part of a list. The zero value is its beginning.
type List struct {
	// Search keeps what matches the text.
	Search string
	// Limit is the most entries of one part, at most 1000; zero means 100.
	Limit int
	// After is the cursor of the part before.
	After string
	// Barcode and PLU keep articles only that have it.
	Barcode, PLU string
}

func (l List) query() url.Values {
	q := url.Values{}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	set("q", l.Search)
	set("after", l.After)
	set("barcode", l.Barcode)
	set("plu", l.PLU)
	if l.Limit > 0 {
		q.Set("limit", strconv.Itoa(l.Limit))
	}
	return q
}

// all follows the cursors of a list to its end.
func all[T any](page func(after string) (Page[T], error)) ([]T, error) {
	var items []T
	after := ""
	for {
		p, err := page(after)
		if err != nil {
			return nil, err
		}
		items = append(items, p.Items...)
		if p.Next == "" || p.Next == after {
			return items, nil
		}
		after = p.Next
	}
}

// Articles lists articles.
func (c *Client) Articles(ctx context.Context, l List) (p Page[Article], err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/articles", l.query(), nil, &p)
	return p, err
}

// AllArticles lists every article that matches l, whatever its Limit and After.
func (c *Client) AllArticles(ctx context.Context, l List) ([]Article, error) {
	return all(func(after string) (Page[Article], error) {
		l.Limit, l.After = 1000, after
		return c.Articles(ctx, l)
	})
}

// Article returns one article.
func (c *Client) Article(ctx context.Context, id string) (a Article, err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/articles/"+url.PathEscape(id), nil, nil, &a)
	return a, err
}

// PutArticle writes an article under its ID.
func (c *Client) PutArticle(ctx context.Context, a Article) error {
	return c.call(ctx, http.MethodPut, "/api/v1/articles/"+url.PathEscape(a.ID), nil, a, nil)
}

// PutArticles writes up to 1000 articles. Those that are refused are in the outcome, not in the error.
func (c *Client) PutArticles(ctx context.Context, articles []Article, options ...Option) (b Batch, err error) {
	in := struct {
		Articles []Article `json:"articles"`
	}{articles}
	err = c.call(ctx, http.MethodPost, "/api/v1/articles:batch", nil, in, &b, options...)
	return b, err
}

// PutGroup writes a group under its ID.
func (c *Client) PutGroup(ctx context.Context, g Group) error {
	return c.call(ctx, http.MethodPut, "/api/v1/groups/"+url.PathEscape(g.ID), nil, g, nil)
}

// Groups lists groups.
func (c *Client) Groups(ctx context.Context, l List) (p Page[Group], err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/groups", l.query(), nil, &p)
	return p, err
}

// PutTax writes a tax under its ID.
func (c *Client) PutTax(ctx context.Context, t Tax) error {
	return c.call(ctx, http.MethodPut, "/api/v1/taxes/"+url.PathEscape(t.ID), nil, t, nil)
}

// Taxes lists taxes.
func (c *Client) Taxes(ctx context.Context, l List) (p Page[Tax], err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/taxes", l.query(), nil, &p)
	return p, err
}
