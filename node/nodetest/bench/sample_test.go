//go:build bench

package bench

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// random gives the same numbers in every run.
func random(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(stream, 2020)) }

func objectID(r *rand.Rand) (id crdt.ObjectID) {
	binary.BigEndian.PutUint64(id[:], r.Uint64())
	binary.BigEndian.PutUint64(id[8:], r.Uint64())
	return id
}

var (
	kinds    = []string{"Brot", "Brötchen", "Kuchen", "Torte", "Kaffee", "Tee", "Saft", "Limonade", "Suppe", "Salat", "Käse", "Wurst"}
	makings  = []string{"hausgemacht", "frisch", "klein", "groß", "mit Nüssen", "mit Kürbis", "ohne Zucker", "vom Blech", "bio", "regional"}
	standard = crdt.ObjectID{1, 9}
	reduced  = crdt.ObjectID{7}
	groups   = func() (list [24]crdt.ObjectID) {
		r := random(99)
		for i := range list {
			list[i] = objectID(r)
		}
		return list
	}()
)

// product is an article of the sample assortment.
type product struct {
	id    crdt.ObjectID
	name  string
	code  string
	plu   string
	kind  int
	price int64
	tax   crdt.ObjectID
}

// productAt returns the n-th article; it is the same in every run.
func productAt(n int) product {
	sum := sha256.Sum256(fmt.Appendf(nil, "article %d", n))
	r := random(uint64(n))
	p := product{id: crdt.ObjectID(sum[:16]), kind: r.IntN(len(kinds)), price: 49 + 10*r.Int64N(300), tax: reduced}
	if p.kind >= 4 && p.kind <= 7 {
		p.tax = standard
	}
	p.name = fmt.Sprintf("%s %s %d", kinds[p.kind], makings[r.IntN(len(makings))], n)
	p.plu = fmt.Sprintf("%d", n)
	p.code = fmt.Sprintf("400%010d", n*7919%10_000_000_000)
	return p
}

const priceDay = "2026-01-01"

// pieces are the register writes that make the article.
func (p product) pieces() ([]crdt.Piece, error) {
	names := catalog.Names{Name: map[string]string{"de": p.name}, Receipt: map[string]string{"de": kinds[p.kind]}}
	return catalog.EditArticle(p.id, nil, catalog.ArticleEdit{
		Names:  &names,
		Codes:  &catalog.Codes{Barcodes: []string{p.code}, PLU: p.plu},
		Place:  &catalog.Place{Group: groups[p.kind], Sort: int64(p.kind)},
		Prices: map[string]catalog.Price{priceDay: {Amount: p.price, Currency: "EUR", Tax: p.tax}},
	})
}

// record is the article as a bare log would keep it: its ID, and name and value of each register.
func (p product) record() ([]byte, error) {
	list, err := p.pieces()
	b := append([]byte(nil), p.id[:]...)
	for i := range list {
		b = append(append(b, list[i].Name...), list[i].Raw...)
	}
	return b, err
}

// repriced is the register write that changes the price of a merged article.
func (p product) repriced(obj *crdt.Object, price int64) ([]crdt.Piece, error) {
	return catalog.EditArticle(p.id, obj, catalog.ArticleEdit{
		Prices: map[string]catalog.Price{priceDay: {Amount: price, Currency: "EUR", Tax: p.tax}},
	})
}

const someMS = 1_790_000_000_000

// saleLine is a line as a seller at a till adds it. The bare log carries its record: IDs, stamp and the two values.
func saleLine(r *rand.Rand, till crdt.TillID, tab crdt.ObjectID) (pieces []crdt.Piece, record []byte, err error) {
	p := productAt(r.IntN(2000))
	rate, key := receipt.Rate(700), "2"
	if p.tax == standard {
		rate, key = 1900, "1"
	}
	l := receipt.Line{
		Article: p.id, GTIN: p.code, Name: p.name, Group: groups[p.kind], GroupName: kinds[p.kind],
		Quantity: receipt.DefaultQuantity, UnitPrice: receipt.Amount(p.price), Currency: receipt.DefaultCurrency,
		Tax: receipt.TaxRef{ID: p.tax, Key: key, Rate: rate}, Case: receipt.SaleCase, User: "Anna", Till: till,
		MS: someMS + r.Int64N(1_000_000),
	}
	id := objectID(r)
	if pieces, err = receipt.NewLine(id, tab, l); err != nil {
		return nil, nil, err
	}
	record = binary.BigEndian.AppendUint64(append(record, id[:]...), uint64(l.MS))
	for i := range pieces {
		record = append(record, pieces[i].Raw...)
	}
	return pieces, record, nil
}
