package receipt

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/crdt/document"
)

const receiptDomain = "tillmesh receipt object\x00"

// ReceiptID returns the object ID of the item under a number: the first 8 bytes name the series of the till, the last 8
// are the number. So the receipts of a series lie together in the order of their numbers, and a number that was ever
// given twice is one object with two contents, which every store reports.
func ReceiptID(shop crdt.ShopID, till crdt.TillID, series string, number int64) crdt.ObjectID {
	b := append([]byte(receiptDomain), shop[:]...)
	b = append(b, till[:]...)
	sum := sha256.Sum256(append(b, series...))
	var id crdt.ObjectID
	copy(id[:8], sum[:])
	binary.BigEndian.PutUint64(id[8:], uint64(number))
	return id
}

// SeriesRange returns the lowest and the highest object ID a receipt of the series can have, both included.
func SeriesRange(shop crdt.ShopID, till crdt.TillID, series string) (first, last crdt.ObjectID) {
	first, last = ReceiptID(shop, till, series, 1), ReceiptID(shop, till, series, -1)
	return first, last
}

// NumberOf returns the number that a receipt's object ID stands for.
func NumberOf(id crdt.ObjectID) int64 { return int64(binary.BigEndian.Uint64(id[8:])) }

// Receipt is the item of a closed receipt, or of another event that takes a number: the signed document, and what lists
// need of it without parsing it.
type Receipt struct {
	Signed
	Series      string // as in the document, like the next two
	Number      int64
	BusinessDay string // YYYY-MM-DD
}

// NumberText returns the number as printed, such as "K2-000418".
func (r Receipt) NumberText() string { return NumberText(r.Series, r.Number) }

// Check says what is wrong with the value, wrapping [ErrInvalid]. It does not look into the document and does not verify
// the signature; see [Receipt.Verify].
func (r Receipt) Check() error {
	switch {
	case len(r.Document) == 0 || len(r.Document) > MaxDocumentBytes:
		return fmt.Errorf("%w: a document of %d bytes, 1 to %d", ErrInvalid, len(r.Document), MaxDocumentBytes)
	case len(r.Signature) != ed25519.SignatureSize || len(r.Key) != ed25519.PublicKeySize:
		return fmt.Errorf("%w: a signature of %d bytes with a key of %d bytes", ErrInvalid, len(r.Signature), len(r.Key))
	case !validSeries(r.Series) || r.Number < 1:
		return fmt.Errorf("%w: number %q", ErrInvalid, NumberText(clip(r.Series), r.Number))
	case len(r.BusinessDay) != len("2006-01-02"):
		return fmt.Errorf("%w: business day %.20q is not YYYY-MM-DD", ErrInvalid, r.BusinessDay)
	}
	return nil
}

// Bytes returns the item's value.
func (r Receipt) Bytes() []byte {
	var rec crdt.Record
	rec.SetRaw("d", codec.AppendBytes(make([]byte, 0, len(r.Document)+5), r.Document))
	rec.SetBinary("s", r.Signature)
	rec.SetBinary("k", r.Key)
	rec.SetString("r", r.Series)
	rec.SetInt("n", r.Number)
	rec.SetString("y", r.BusinessDay)
	return rec.Bytes()
}

// ParseReceipt reads the item of a receipt. The result shares raw. It costs the same whatever the size of the document,
// which it does not look into.
func ParseReceipt(raw []byte) (Receipt, error) {
	f := rules.Parse(raw)
	r := Receipt{
		Signed: Signed{Document: f.Binary("d"), Signature: f.Binary("s"), Key: f.Binary("k")},
		Series: f.Text("r"), Number: f.Int("n"), BusinessDay: f.Text("y"),
	}
	return document.Checked(f, "receipt", r)
}

// Verify parses the document and reports whether the item is what it says: the signature holds, the key is that of the
// till in the document, and ID, series, number and business day are the document's. It returns the document, and an
// error that wraps [ErrSign], [ErrInvalid] or one of [ParseDocument].
func (r Receipt) Verify(id crdt.ObjectID) (Document, error) {
	d, err := ParseDocument(r.Document)
	if err != nil {
		return Document{}, err
	}
	switch {
	case !r.SignatureValid() || crdt.TillIDOf(r.Key) != d.Till.ID:
		err = fmt.Errorf("%w: the signature of %s does not hold", ErrSign, r.NumberText())
	case d.Series != r.Series || d.Number != r.Number || d.BusinessDay != r.BusinessDay:
		err = fmt.Errorf("%w: item %s holds document %s of %s", ErrInvalid, r.NumberText(), NumberText(d.Series, d.Number), d.BusinessDay)
	case ReceiptID(d.Shop.ID, d.Till.ID, d.Series, d.Number) != id:
		err = fmt.Errorf("%w: document %s under the ID of another number", ErrInvalid, r.NumberText())
	}
	return d, err
}

// NewReceipt returns the item of a receipt with what it supersedes. Commit it alone. It returns [ErrInvalid] if the item
// is not complete; [Receipt.Verify] looks deeper.
func NewReceipt(id crdt.ObjectID, r Receipt, s Supersedes) (crdt.Piece, error) {
	if err := r.Check(); err != nil {
		return crdt.Piece{}, fmt.Errorf("write %s %v: %w", TypeReceipt, id, err)
	}
	p := crdt.Piece{Kind: crdt.KindItem, Type: TypeReceipt, Object: id, Raw: r.Bytes(), Registers: s.Discounts}
	for _, o := range []crdt.TypedObjects{
		{Type: TypeTab, IDs: s.Tabs}, {Type: TypeLine, IDs: s.Lines}, {Type: TypeVoid, IDs: s.Voids},
		{Type: TypePayment, IDs: s.Payments}, {Type: TypeOrder, IDs: s.Orders},
	} {
		if len(o.IDs) > 0 {
			p.Objects = append(p.Objects, o)
		}
	}
	return p, nil
}

// Supersedes is what a closing takes out of the open sales: tabs, lines, voids, payments and orders whole and for ever, and of
// each discount the writes that the closing till had seen.
type Supersedes struct {
	Tabs, Lines, Voids, Payments, Orders []crdt.ObjectID
	Discounts                            []crdt.RegisterUpTo
}
