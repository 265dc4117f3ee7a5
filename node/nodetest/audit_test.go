package nodetest_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/nodetest"
	"github.com/tillmesh/tillmesh/node/nodetest/dataset"
)

// soldDocument is what a test reads in the canonical document of a receipt.
type soldDocument struct {
	Note     string `json:"note"`
	Number   int64  `json:"number"`
	Series   string `json:"series"`
	Previous string `json:"previous_hash"`
	Lines    []struct {
		Article   string `json:"article"`
		Name      string `json:"name"`
		Quantity  int64  `json:"quantity"`
		Voided    int64  `json:"voided"`
		UnitPrice int64  `json:"unit_price"`
		Gross     int64  `json:"gross"`
		Till      string `json:"till"`
	} `json:"lines"`
	Totals struct {
		Gross int64 `json:"gross"`
		Paid  int64 `json:"paid"`
	} `json:"totals"`

	hash string // of its bytes, in hexadecimal
}

// requireSold checks that every till of the shop holds exactly what was sold, by adding up the documents of the
// receipts it lists.
func (r *replay) requireSold(t *testing.T, want dataset.Sum) {
	t.Helper()
	keys := make(map[string]string, len(r.articles))
	for key, a := range r.articles {
		keys[a.id] = key
	}
	for _, till := range r.shop.Tills {
		list, err := till.API().AllReceipts(t.Context(), client.List{})
		require.NoError(t, err)
		require.Len(t, list, len(r.orders), "receipts at %s", till.Name)
		requireNumbers(t, list)
		totals, err := r.addUp(t.Context(), till, list, keys)
		require.NoError(t, err, "at %s", till.Name)
		require.Equal(t, want, totals.Sum(), "at %s", till.Name)
	}
}

// addUp reads all receipts of a list.
func (r *replay) addUp(ctx context.Context, till *nodetest.Till, list []client.ReceiptEntry, keys map[string]string) (*dataset.Totals, error) {
	var mu sync.Mutex
	var totals dataset.Totals
	var failed error
	next := 0
	var reading sync.WaitGroup
	for range 6 {
		reading.Go(func() {
			for {
				mu.Lock()
				n := next
				next++
				stop := failed != nil || n >= len(list)
				mu.Unlock()
				if stop {
					return
				}
				doc, err := readDocument(ctx, till, list[n])
				mu.Lock()
				if err == nil {
					err = r.count(&totals, doc, keys)
				}
				if err != nil {
					failed = errors.Join(failed, fmt.Errorf("receipt %s: %w", list[n].Number, err))
				}
				mu.Unlock()
			}
		})
	}
	reading.Wait()
	return &totals, failed
}

func readDocument(ctx context.Context, till *nodetest.Till, entry client.ReceiptEntry) (doc soldDocument, err error) {
	got, err := till.API().Receipt(ctx, entry.ID)
	if err != nil {
		return doc, err
	}
	hash := sha256.Sum256(got.Canonical)
	switch {
	case !got.Verified:
		return doc, errors.New("its signature is not verified")
	case got.Hash != hex.EncodeToString(hash[:]):
		return doc, fmt.Errorf("its hash is told as %s", got.Hash)
	case got.Number != entry.Number:
		return doc, fmt.Errorf("it is listed as %s", entry.Number)
	}
	if err := json.Unmarshal(got.Canonical, &doc); err != nil {
		return doc, err
	}
	if doc.Series != entry.Series || doc.Number != entry.N || doc.Totals.Gross != entry.Gross || doc.Totals.Paid != entry.Gross {
		return doc, errors.New("the list says something else than the document")
	}
	return doc, nil
}

// count adds the lines of a document to the totals.
func (r *replay) count(totals *dataset.Totals, doc soldDocument, keys map[string]string) error {
	var order int
	var date, clock string
	if _, err := fmt.Sscanf(doc.Note, "order=%d date=%s time=%s", &order, &date, &clock); err != nil {
		return fmt.Errorf("note %q: %w", doc.Note, err)
	}
	for i, l := range doc.Lines {
		key, known := keys[l.Article]
		switch {
		case !known || l.Name != r.articles[key].name:
			return fmt.Errorf("line %d: article %s %q was not sold", i, l.Article, l.Name)
		case l.Voided != 0 || l.Gross != l.Quantity/dataset.Piece*l.UnitPrice:
			return fmt.Errorf("line %d: %d thousandths at %d are told as %d", i, l.Quantity, l.UnitPrice, l.Gross)
		case l.Till != r.sellers[order].ID():
			return fmt.Errorf("line %d was added on another till", i)
		}
		if err := totals.Add(order, date, key, l.Quantity, l.UnitPrice); err != nil {
			return err
		}
	}
	return nil
}
