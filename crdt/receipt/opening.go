package receipt

import (
	"bytes"
	"crypto/ed25519"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// Opening is the item that opens a series which continues another one: a signed document that says where the numbers of
// the other one ended. It has number 0, "K2b-000000" for people, and is no receipt; number 1 is chained to it.
type Opening struct {
	Signed
	Series string // as in the document
}

// OpeningID returns the object ID of the opening of a series: that of its number 0.
func OpeningID(shop crdt.ShopID, till crdt.TillID, series string) crdt.ObjectID {
	return ReceiptID(shop, till, series, 0)
}

// Check says what is wrong with the value, wrapping [ErrInvalid]. It does not look into the document; see
// [Opening.Verify].
func (o Opening) Check() error {
	switch {
	case len(o.Document) == 0 || len(o.Document) > maxOpening:
		return fmt.Errorf("%w: a document of %d bytes, 1 to %d", ErrInvalid, len(o.Document), maxOpening)
	case len(o.Signature) != ed25519.SignatureSize || len(o.Key) != ed25519.PublicKeySize:
		return fmt.Errorf("%w: a signature of %d bytes with a key of %d bytes", ErrInvalid, len(o.Signature), len(o.Key))
	case !validSeries(o.Series):
		return fmt.Errorf("%w: series %q", ErrInvalid, clip(o.Series))
	}
	return nil
}

// maxOpening leaves room in a commit for other things.
const maxOpening = 64 << 10

// Bytes returns the item's value.
func (o Opening) Bytes() []byte {
	var rec crdt.Record
	rec.SetRaw("d", codec.AppendBytes(make([]byte, 0, len(o.Document)+5), o.Document))
	rec.SetBinary("s", o.Signature)
	rec.SetBinary("k", o.Key)
	rec.SetString("r", o.Series)
	return rec.Bytes()
}

// ParseOpening reads the item. The result shares raw.
func ParseOpening(raw []byte) (Opening, error) {
	f := rules.Parse(raw)
	o := Opening{Signed: Signed{Document: f.Binary("d"), Signature: f.Binary("s"), Key: f.Binary("k")}, Series: f.Text("r")}
	return document.Checked(f, "opening", o)
}

// Verify parses the document and reports whether the item is what it says, as [Receipt.Verify] does.
func (o Opening) Verify(id crdt.ObjectID) (Document, error) {
	d, err := ParseDocument(o.Document)
	if err != nil {
		return Document{}, err
	}
	switch {
	case !o.SignatureValid() || crdt.TillIDOf(o.Key) != d.Till.ID:
		err = fmt.Errorf("%w: the signature of %s does not hold", ErrSign, NumberText(o.Series, 0))
	case d.Kind != KindOpening || d.Opening == nil || d.Series != o.Series || d.Number != 0:
		err = fmt.Errorf("%w: the opening of %s holds %s %s", ErrInvalid, o.Series, clip(d.Kind), NumberText(d.Series, d.Number))
	case d.Previous != First(d.Shop.ID, d.Till.ID, d.Series):
		err = fmt.Errorf("%w: %s does not begin its series", ErrInvalid, NumberText(o.Series, 0))
	case OpeningID(d.Shop.ID, d.Till.ID, d.Series) != id:
		err = fmt.Errorf("%w: %s under the ID of another series", ErrInvalid, NumberText(o.Series, 0))
	}
	return d, err
}

// NewOpening returns the item of an opening. It supersedes nothing.
func NewOpening(id crdt.ObjectID, o Opening) (crdt.Piece, error) {
	if err := o.Check(); err != nil {
		return crdt.Piece{}, fmt.Errorf("write %s %v: %w", TypeOpening, id, err)
	}
	return crdt.Piece{Kind: crdt.KindItem, Type: TypeOpening, Object: id, Raw: o.Bytes()}, nil
}

// SeriesStart is what the opening of a series says.
type SeriesStart struct {
	Shop         DocShop
	Till         DocTill        // its key signs
	Replica      crdt.ReplicaID // the new lineage
	Series       string         // the new prefix
	Currency     string
	Time         string // RFC 3339 in whole seconds with offset
	BusinessDay  string // YYYY-MM-DD
	ClockTrusted bool
	User         string     // who started the till, if anybody is known; optional
	Continues    DocOpening // what came before, as far as it is known, and why it goes on here
	Security     Object
	// Sign signs the canonical bytes; see [Sign].
	Sign func(document []byte) (Signed, error)
}

// Opened is an opening that is ready to be committed.
type Opened struct {
	ID       crdt.ObjectID
	Document Document
	Opening  Opening
	Hash     Digest // what number 1 of the series carries as previous hash
	Piece    crdt.Piece
}

// BuildOpening makes the opening of a series. It returns an error that wraps [ErrDocument] if what it is to say is not
// usable, or that of Sign.
func BuildOpening(s SeriesStart) (Opened, error) {
	d := s.document()
	if err := d.FillTotals(); err != nil {
		return Opened{}, fmt.Errorf("open series %s: %w", clip(s.Series), err)
	}
	if problems := d.Check(); len(problems) > 0 {
		p := problems[0]
		return Opened{}, fmt.Errorf("open series %s: %w: %s %s", clip(s.Series), ErrDocument, p.Path, p.Text)
	}
	raw, err := d.Canonical()
	if err != nil {
		return Opened{}, fmt.Errorf("open series %s: %w", s.Series, err)
	}
	signed, err := s.Sign(raw)
	if err == nil && (!bytes.Equal(signed.Document, raw) || crdt.TillIDOf(signed.Key) != s.Till.ID) {
		err = fmt.Errorf("%w: another document or till was signed for", ErrSign)
	}
	if err != nil {
		return Opened{}, fmt.Errorf("sign %s: %w", NumberText(s.Series, 0), err)
	}
	out := Opened{ID: d.ID, Document: d, Opening: Opening{signed, s.Series}, Hash: Hash(raw)}
	out.Piece, err = NewOpening(d.ID, out.Opening)
	return out, err
}

func (s SeriesStart) document() Document {
	what := s.Continues
	return Document{
		Version: DocumentVersion, Kind: KindOpening, ID: OpeningID(s.Shop.ID, s.Till.ID, s.Series),
		Shop: s.Shop, Till: s.Till, Replica: s.Replica, Series: s.Series,
		Previous: First(s.Shop.ID, s.Till.ID, s.Series), Currency: s.Currency, Opened: s.Time, Closed: s.Time,
		BusinessDay: s.BusinessDay, ClockTrusted: s.ClockTrusted, User: s.User, Opening: &what, Security: s.Security,
	}
}
