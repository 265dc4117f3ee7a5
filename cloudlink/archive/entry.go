package archive

import (
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// Entry is a leaf with what lies beside it.
type Entry struct {
	Leaf    Leaf
	Content []byte // the value of the piece, verbatim; nil if it was erased before it came here
	Salt    []byte // of customers: 16 bytes; erased with the content
	// Erases names the object whose contents are dropped wherever they are, zero if none (design §3.1, the one true erase).
	Erases crdt.TypedObject
}

// Origin names where the entry came from: two entries with one origin are the same, and only the first is appended. A commit that another
// one contradicts under the same dot has other digests, so both are kept.
func (e *Entry) Origin() [16]byte {
	h := sha256.New()
	h.Write([]byte("tillmesh archive origin 1\n"))
	h.Write(e.Leaf.Bytes())
	return [16]byte(h.Sum(nil)[:16])
}

// masterData are the scopes of which every version and every item is archived.
var masterData = map[crdt.ScopeKind]bool{
	crdt.KindShop: true, crdt.KindCatalog: true, crdt.KindCustomers: true, crdt.KindUsers: true, crdt.KindStock: true,
}

// Entries returns what of a commit belongs into the archive, in the order of its pieces: of the sales every document of a series
// (receipts and all else that takes a number, openings, closings) and what people decided about them; of the shop, the catalog, customers, users
// and stock every version of every group of fields, and every item. Open tabs and details of card payments do not; neither do
// scopes that this program does not know. The contents share the commit.
//
// Nothing is judged here: a document that does not hold becomes a leaf like any other. See [Judge].
func Entries(shop crdt.ShopID, c *crdt.Commit) []Entry {
	var out []Entry
	for i := range c.Pieces {
		p := &c.Pieces[i]
		leaf := Leaf{Shop: shop, Scope: c.Scope, Dot: c.Dot, Piece: i, Type: p.Type, Object: p.Object, Digest: p.Digest, Day: dayOf(c.Stamp.MS)}
		switch {
		case c.Scope.Kind == crdt.KindSales:
			if !sold(&leaf, p) {
				continue
			}
		case !masterData[c.Scope.Kind]:
			return nil
		case p.Kind == crdt.KindRegister:
			leaf.Kind, leaf.Name = Version, p.Name
		default:
			leaf.Kind = Item
		}
		e := Entry{Leaf: leaf, Erases: p.Erases}
		if !p.Erased {
			e.Content, e.Salt = p.Raw, p.Salt
		}
		out = append(out, e)
	}
	return out
}

// sold completes the leaf of a piece of the sales; false if it does not belong into the archive.
func sold(l *Leaf, p *crdt.Piece) bool {
	if p.Kind != crdt.KindItem {
		return false
	}
	l.Kind = Item
	if p.Type == receipt.TypeResolution || p.Type == receipt.TypeRelease {
		return true
	}
	kind, isDocument := documentTypes[p.Type]
	if !isDocument {
		return false
	}
	signed, name, number, day, err := openDocument(kind, p.Raw)
	if err != nil || p.Erased {
		return true // nobody can say of what series it is, but it is kept
	}
	l.Kind, l.Name, l.Number, l.Hash = kind, name, number, receipt.Hash(signed.Document)
	if _, err := time.Parse(time.DateOnly, day); err == nil {
		l.Day = day
	}
	return true
}

var documentTypes = map[string]Kind{receipt.TypeReceipt: Receipt, receipt.TypeOpening: Opening, receipt.TypeClosing: Closing}

// openDocument reads the item of a document. It does not look into the document.
func openDocument(kind Kind, content []byte) (s receipt.Signed, series string, number int64, day string, err error) {
	switch kind {
	case Receipt:
		r, err := receipt.ParseReceipt(content)
		return r.Signed, r.Series, r.Number, r.BusinessDay, err
	case Opening:
		o, err := receipt.ParseOpening(content)
		return o.Signed, o.Series, 0, "", err
	case Closing:
		c, err := receipt.ParseClosing(content)
		return c.Signed, c.Series, c.Number, c.BusinessDay, err
	}
	return s, "", 0, "", fmt.Errorf("%w: a %s holds no document", ErrLeaf, kind)
}

// SignedOf returns the document of a leaf's content with its signature, or an error that says why there is none.
func SignedOf(kind Kind, content []byte) (receipt.Signed, error) {
	s, _, _, _, err := openDocument(kind, content)
	return s, err
}

// lastDay keeps the day of a stamp within four digits of year, whatever the writer's clock said.
const lastDay = 253402300799999

func dayOf(unixMS int64) string {
	return time.UnixMilli(min(max(unixMS, 0), lastDay)).UTC().Format(time.DateOnly)
}
