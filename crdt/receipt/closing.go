package receipt

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// maxZ is how large the document of a closing may be to fit into one commit.
const maxZ = crdt.MaxLoneItem - 8<<10

// ZID returns the object ID of a closing: the first 8 bytes name the series of the till, the last 8 are the Z number. So the
// closings of a series lie together in their order.
func ZID(shop crdt.ShopID, till crdt.TillID, series string, number int64) crdt.ObjectID {
	b := append([]byte("tillmesh closing object\x00"), shop[:]...)
	b = append(b, till[:]...)
	sum := sha256.Sum256(append(b, series...))
	var id crdt.ObjectID
	copy(id[:8], sum[:])
	binary.BigEndian.PutUint64(id[8:], uint64(number))
	return id
}

// ZRange returns the lowest and the highest object ID that a closing of the series can have, both included.
func ZRange(shop crdt.ShopID, till crdt.TillID, series string) (first, last crdt.ObjectID) {
	return ZID(shop, till, series, 1), ZID(shop, till, series, -1)
}

// ZText returns a closing as people name it, such as "K2 Z 17".
func ZText(series string, number int64) string { return fmt.Sprintf("%s Z %d", series, number) }

// ClosingItem is the item of a closing: the signed document, and what lists need of it without parsing it.
type ClosingItem struct {
	Signed
	Series      string // as in the document, like the next four
	Number      int64
	BusinessDay string
	From, To    int64
}

// Check says what is wrong with the value, wrapping [ErrInvalid]. It does not look into the document; see
// [ClosingItem.Verify].
func (c ClosingItem) Check() error {
	switch {
	case len(c.Document) == 0 || len(c.Document) > MaxDocumentBytes:
		return fmt.Errorf("%w: a document of %d bytes, 1 to %d", ErrInvalid, len(c.Document), MaxDocumentBytes)
	case len(c.Signature) != ed25519.SignatureSize || len(c.Key) != ed25519.PublicKeySize:
		return fmt.Errorf("%w: a signature of %d bytes with a key of %d bytes", ErrInvalid, len(c.Signature), len(c.Key))
	case !validSeries(c.Series) || c.Number < 1 || c.From < 0 || c.To < c.From-1 || c.To < 0 || c.To > MaxInteger:
		return fmt.Errorf("%w: closing %d of %q from %d to %d", ErrInvalid, c.Number, clip(c.Series), c.From, c.To)
	case len(c.BusinessDay) != len("2006-01-02"):
		return fmt.Errorf("%w: business day %.20q is not YYYY-MM-DD", ErrInvalid, c.BusinessDay)
	}
	return nil
}

// Bytes returns the item's value.
func (c ClosingItem) Bytes() []byte {
	var rec crdt.Record
	rec.SetRaw("d", codec.AppendBytes(make([]byte, 0, len(c.Document)+5), c.Document))
	rec.SetBinary("s", c.Signature)
	rec.SetBinary("k", c.Key)
	rec.SetString("r", c.Series)
	rec.SetInt("n", c.Number)
	rec.SetString("y", c.BusinessDay)
	rec.SetInt("f", c.From)
	rec.SetInt("t", c.To)
	return rec.Bytes()
}

// ParseClosing reads the item of a closing. The result shares raw.
func ParseClosing(raw []byte) (ClosingItem, error) {
	f := rules.Parse(raw)
	return document.Checked(f, "closing", ClosingItem{
		Signed: Signed{Document: f.Binary("d"), Signature: f.Binary("s"), Key: f.Binary("k")},
		Series: f.Text("r"), Number: f.Int("n"), BusinessDay: f.Text("y"), From: f.Int("f"), To: f.Int("t"),
	})
}

// Verify parses the document and reports whether the item is what it says, as [Receipt.Verify] does. Whether the sums are
// those of the receipts only they can tell; see [ZSums].
func (c ClosingItem) Verify(id crdt.ObjectID) (ZReport, error) {
	z, err := ParseZReport(c.Document)
	if err != nil {
		return ZReport{}, err
	}
	switch {
	case !c.SignatureValid() || crdt.TillIDOf(c.Key) != z.Till.ID:
		err = fmt.Errorf("%w: the signature of %s does not hold", ErrSign, ZText(c.Series, c.Number))
	case z.Series != c.Series || z.Number != c.Number || z.BusinessDay != c.BusinessDay || z.From != c.From || z.To != c.To:
		err = fmt.Errorf("%w: the item of %s holds %s", ErrInvalid, ZText(c.Series, c.Number), ZText(clip(z.Series), z.Number))
	case ZID(z.Shop.ID, z.Till.ID, z.Series, z.Number) != id || z.ID != id:
		err = fmt.Errorf("%w: %s under the ID of another closing", ErrInvalid, ZText(c.Series, c.Number))
	default:
		err = z.Check()
	}
	return z, err
}

// ClosedZ is a closing that is ready to be committed.
type ClosedZ struct {
	ID     crdt.ObjectID
	Report ZReport
	Item   ClosingItem
	Hash   Digest
	Piece  crdt.Piece
}

// BuildZ completes a closing, has it signed and makes its item. The caller sets everything but version, kind and ID. It
// returns [ErrDocument] if the closing does not hold together, or the error of sign.
func BuildZ(z ZReport, sign func(document []byte) (Signed, error)) (ClosedZ, error) {
	z.Version, z.Kind, z.ID = DocumentVersion, KindClosing, ZID(z.Shop.ID, z.Till.ID, z.Series, z.Number)
	if err := z.Check(); err != nil {
		return ClosedZ{}, err
	}
	raw, err := z.Canonical()
	if err != nil {
		return ClosedZ{}, err
	}
	if len(raw) > maxZ {
		return ClosedZ{}, fmt.Errorf("%w: %s has %d bytes, at most %d", ErrDocument, ZText(z.Series, z.Number), len(raw), maxZ)
	}
	signed, err := sign(raw)
	if err == nil && (!bytes.Equal(signed.Document, raw) || crdt.TillIDOf(signed.Key) != z.Till.ID) {
		err = fmt.Errorf("%w: another document or till was signed for", ErrSign)
	}
	if err != nil {
		return ClosedZ{}, fmt.Errorf("sign %s: %w", ZText(z.Series, z.Number), err)
	}
	out := ClosedZ{ID: z.ID, Report: z, Hash: Hash(raw), Item: ClosingItem{Signed: signed, Series: z.Series, Number: z.Number,
		BusinessDay: z.BusinessDay, From: z.From, To: z.To}}
	if err := out.Item.Check(); err != nil {
		return ClosedZ{}, fmt.Errorf("write %s: %w", ZText(z.Series, z.Number), err)
	}
	out.Piece = crdt.Piece{Kind: crdt.KindItem, Type: TypeClosing, Object: z.ID, Raw: out.Item.Bytes()}
	return out, nil
}
