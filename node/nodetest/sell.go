package nodetest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
)

// ids is the text form of IDs.
var ids = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewID returns a new object ID.
func NewID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return ids.EncodeToString(b[:])
}

// IDOf returns the object ID that belongs to a text: the same for the same text.
func IDOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return ids.EncodeToString(sum[:16])
}

// currency is that of every shop of this package.
const currency = "EUR"

// PutTax writes a tax rate, in basis points, and returns its ID.
func (till *Till) PutTax(rate int64) string {
	t := till.shop.t
	t.Helper()
	tax := client.Tax{ID: NewID(), Names: map[string]string{"de": "Steuer"}, Rates: []client.Rate{{From: "2000-01-01", Rate: rate, Key: 1}}}
	require.NoError(t, till.API().PutTax(t.Context(), tax), "write a tax at %s", till.Name)
	return tax.ID
}

// PutArticle writes an article with this price in minor units and returns its ID.
func (till *Till) PutArticle(name string, price int64, tax string) string {
	t := till.shop.t
	t.Helper()
	article := NewArticle(NewID(), name, price, tax)
	require.NoError(t, till.API().PutArticle(t.Context(), article), "write an article at %s", till.Name)
	return article.ID
}

// NewArticle returns an article with a German name and one price.
func NewArticle(id, name string, price int64, tax string) client.Article {
	return client.Article{
		ID: id, Names: map[string]string{"de": name},
		Prices: []client.Price{{From: "2000-01-01", Price: price, Currency: currency, Tax: tax}},
	}
}

// Await waits until the till has an article, and returns it.
func (till *Till) Await(article string) (found client.Article) {
	t := till.shop.t
	t.Helper()
	Eventually(t, Patience, till.Name+" has the article", func() (err error) {
		found, err = till.API().Article(t.Context(), article)
		return err
	})
	return found
}

// OpenTab opens a tab.
func (till *Till) OpenTab(name string) client.Tab {
	t := till.shop.t
	t.Helper()
	tab, err := till.API().OpenTab(t.Context(), client.NewTab{Name: name})
	require.NoError(t, err, "open a tab at %s", till.Name)
	return tab
}

// Add adds one piece of an article to a tab.
func (till *Till) Add(tab, article string) client.Line {
	t := till.shop.t
	t.Helper()
	line, err := till.API().AddLine(t.Context(), tab, client.NewLine{Article: article})
	require.NoError(t, err, "add a line at %s", till.Name)
	return line
}

// AwaitTab waits until the till has a tab with so many lines, and returns it.
func (till *Till) AwaitTab(id string, lines int) (tab client.Tab) {
	t := till.shop.t
	t.Helper()
	Eventually(t, Patience, till.Name+" has the tab", func() (err error) {
		if tab, err = till.API().Tab(t.Context(), id); err == nil && len(tab.Lines) != lines {
			err = linesError{len(tab.Lines), lines}
		}
		return err
	})
	return tab
}

// Finish pays a tab in cash and closes it: a tab that another till holds is taken over.
func (till *Till) Finish(tab string) client.Receipt {
	t := till.shop.t
	t.Helper()
	now, err := till.API().Tab(t.Context(), tab)
	require.NoError(t, err)
	if now.Holder.Till != till.ID() {
		require.NoError(t, till.Take(t.Context(), tab), "at %s", till.Name)
	}
	receipt, err := till.close(t.Context(), tab, now.Totals.Due, "")
	require.NoError(t, err, "close the tab at %s", till.Name)
	return receipt
}

// Sell opens a tab with one piece of an article, closes it and returns the receipt.
func (till *Till) Sell(article string) client.Receipt {
	till.shop.t.Helper()
	tab := till.OpenTab("")
	till.Add(tab.ID, article)
	return till.Finish(tab.ID)
}
