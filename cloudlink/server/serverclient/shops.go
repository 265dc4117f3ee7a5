package serverclient

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// Shop is a shop of the account.
type Shop struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Coupled   string `json:"coupled"`
	CoupledBy string `json:"coupled_by"`
}

// Device is a till that is or was coupled.
type Device struct {
	Shop      string `json:"shop"`
	Till      string `json:"till"`
	Name      string `json:"name"`
	Coupled   string `json:"coupled"`
	CoupledBy string `json:"coupled_by"`
	Seen      string `json:"seen"`
	Revoked   string `json:"revoked,omitempty"`
	RevokedBy string `json:"revoked_by,omitempty"`
	Why       string `json:"why,omitempty"`
	Program   string `json:"program"`
}

func shopPath(shop string, rest string) string { return "/api/v1/shops/" + url.PathEscape(shop) + rest }

// Shops lists the shops of the account.
func (c *Client) Shops(ctx context.Context) (out Page[Shop], err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/shops", nil, nil, &out)
	return out, err
}

// Shop returns a shop.
func (c *Client) Shop(ctx context.Context, shop string) (out Shop, err error) {
	err = c.call(ctx, http.MethodGet, shopPath(shop, ""), nil, nil, &out)
	return out, err
}

// Devices lists the tills of a shop that were ever coupled.
func (c *Client) Devices(ctx context.Context, shop string) (out Page[Device], err error) {
	err = c.call(ctx, http.MethodGet, shopPath(shop, "/devices"), nil, nil, &out)
	return out, err
}

// RevokeDevice cuts a till off from the cloud, for ever.
func (c *Client) RevokeDevice(ctx context.Context, shop, till, why string, o ...Option) (out Device, err error) {
	in := struct {
		Why string `json:"why"`
	}{why}
	err = c.call(ctx, http.MethodPost, shopPath(shop, "/devices/"+url.PathEscape(till)+"/revoke"), nil, in, &out, o...)
	return out, err
}

// Article is something that is sold. When it is written, nil members stay as they are.
type Article struct {
	ID       string            `json:"id,omitempty"`
	Names    map[string]string `json:"names,omitempty"`
	Short    *string           `json:"short,omitempty"`
	Barcodes *[]string         `json:"barcodes,omitempty"`
	PLU      *string           `json:"plu,omitempty"`
	Group    *string           `json:"group,omitempty"`
	Colour   *string           `json:"colour,omitempty"`
	Sort     *int64            `json:"sort,omitempty"`
	Prices   []Price           `json:"prices,omitempty"`
	Deposit  *string           `json:"deposit,omitempty"`
	Archived *bool             `json:"archived,omitempty"`

	// Shown only.
	Updated      string     `json:"updated,omitempty"`
	UpdateNeeded bool       `json:"update_needed,omitempty"`
	Conflicts    []Conflict `json:"conflicts,omitempty"`
	Arrived      *Arrived   `json:"arrived,omitempty"`
}

// Price is what an article costs from a date (2006-01-02) on, gross, in minor units.
type Price struct {
	From        string `json:"from"`
	Price       int64  `json:"price"`
	Open        bool   `json:"open,omitempty"`
	Currency    string `json:"currency,omitempty"`
	Tax         string `json:"tax,omitempty"`
	TaxTakeaway string `json:"tax_takeaway,omitempty"`
	Unit        string `json:"unit,omitempty"`
	Decimals    bool   `json:"decimals,omitempty"`
	Withdrawn   bool   `json:"withdrawn,omitempty"`
}

// Conflict is a member that was changed in two places at the same time; the first value is shown.
type Conflict struct {
	Register string          `json:"register"`
	Values   []ConflictValue `json:"values"`
}

// ConflictValue is one of the values.
type ConflictValue struct {
	At    string          `json:"at"`
	Value json.RawMessage `json:"value"`
}

// Arrived says on which active tills a change has arrived.
type Arrived struct {
	On      []string `json:"on"`
	Missing []string `json:"missing"`
}

// Articles lists the articles of a shop by their IDs. limit 0 means 100.
func (c *Client) Articles(ctx context.Context, shop, after string, limit int) (out Page[Article], err error) {
	err = c.call(ctx, http.MethodGet, shopPath(shop, "/articles"), pageQuery(after, limit), nil, &out)
	return out, err
}

// Article returns an article.
func (c *Client) Article(ctx context.Context, shop, id string) (out Article, err error) {
	err = c.call(ctx, http.MethodGet, shopPath(shop, "/articles/"+url.PathEscape(id)), nil, nil, &out)
	return out, err
}

// PutArticle writes an article and returns it as it is then.
func (c *Client) PutArticle(ctx context.Context, shop, id string, in Article) (out Article, err error) {
	in.Updated, in.UpdateNeeded, in.Conflicts, in.Arrived = "", false, nil, nil
	err = c.call(ctx, http.MethodPut, shopPath(shop, "/articles/"+url.PathEscape(id)), nil, in, &out)
	return out, err
}
