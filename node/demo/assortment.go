package demo

import (
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node/client"
)

//go:embed assortment.json
var assortmentJSON []byte

// since is from when the prices and taxes of the demo hold, long before it runs.
const since = "2020-01-01"

// assortment is what the café of the demo sells: invented, with barcodes of the range that shops may give out themselves.
type assortment struct {
	Groups []struct {
		Name string `json:"name"`
		// Rate is the tax of all articles of the group in basis points.
		Rate     int64 `json:"rate"`
		Articles []struct {
			PLU     string `json:"plu"`
			Barcode string `json:"barcode"`
			Name    string `json:"name"`
			Short   string `json:"short"`
			Price   int64  `json:"price"` // gross, cents
		} `json:"articles"`
	} `json:"groups"`
}

// readAssortment reads the embedded file.
func readAssortment() (a assortment, err error) {
	if err = json.Unmarshal(assortmentJSON, &a); err != nil {
		return a, fmt.Errorf("sample assortment: %w", err)
	}
	return a, nil
}

// groups returns the groups as the interface of a till wants them.
func (a assortment) groups() []client.Group {
	var out []client.Group
	for i, g := range a.Groups {
		out = append(out, client.Group{ID: groupID(g.Name), Names: german(g.Name), Sort: int64(i + 1)})
	}
	return out
}

// articles returns the articles; taxes gives the ID of the tax for a rate.
func (a assortment) articles(taxes map[int64]string) []client.Article {
	var out []client.Article
	for _, g := range a.Groups {
		for _, r := range g.Articles {
			out = append(out, client.Article{
				ID: articleID(r.Name), Names: german(r.Name), Short: r.Short, Barcodes: []string{r.Barcode}, PLU: r.PLU,
				Group: groupID(g.Name), Sort: int64(len(out) + 1),
				Prices: []client.Price{{From: since, Price: r.Price, Currency: "EUR", Tax: taxes[g.Rate], Unit: "Stück"}},
			})
		}
	}
	return out
}

func german(name string) map[string]string { return map[string]string{"de": name} }

// IDs are computed, so that the same article has the same one in every demo.
func groupID(name string) string   { return crdt.DeriveObjectID("demo group", []byte(name)).String() }
func articleID(name string) string { return crdt.DeriveObjectID("demo article", []byte(name)).String() }
func taxID(name string) string     { return crdt.DeriveObjectID("demo tax", []byte(name)).String() }
