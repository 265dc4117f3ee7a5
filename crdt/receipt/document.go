package receipt

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
)

// DocumentVersion is the version of the canonical document that this package writes. Fields may be added within a
// version: a reader keeps what it does not know.
const DocumentVersion = 1

// Kinds of document. Each takes a number of its series, an opening the number 0. A cancellation, a refund and a movement
// of cash are receipts too: their lines, business cases and references say what they are.
const (
	KindReceipt = "receipt" // a closed tab
	KindOpening = "opening" // number 0 of a series that continues another one; see [Opening]
	KindVoid    = "void"    // a number whose signing device was called but whose receipt could not be finished
	KindAborted = "aborted" // a tab that was given up: its lines are kept, nothing is paid, and it comes to nothing
	KindControl = "control" // comes to nothing and says something about the till itself; see [DocControl]
)

// Tax kinds of a line.
const (
	EatIn    = "eat_in"
	Takeaway = "takeaway"
)

// Kinds of discount. A percentage has basis points; an amount was entered as such.
const (
	DiscountPercent = "percent"
	DiscountAmount  = "amount"
)

// States of a payment that may stand on a receipt. A declined or only intended one must not.
const (
	PaymentSent     = "sent"
	PaymentCaptured = "captured"
	PaymentUnknown  = "unknown"
)

// SaleCase is the business case of an ordinary line (GV_TYP of DSFinV-K).
const SaleCase = "Umsatz"

// Errors of [ParseDocument] and [ParseHeader].
var (
	// ErrDocument means that canonical JSON is not a document: a field is missing, has the wrong type, or is there
	// although it is empty.
	ErrDocument = errors.New("not a receipt document")
	// ErrVersion means that a document has a version this program cannot read: update the program.
	ErrVersion = errors.New("receipt document of another version")
)

// Digest is a SHA-256. Its text form is 64 lower-case hexadecimal digits.
type Digest [32]byte

// String returns the text form.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// ParseDigest reads the text form; any other spelling is refused with [ErrDocument].
func ParseDigest(s string) (Digest, error) {
	var d Digest
	if len(s) == hex.EncodedLen(len(d)) {
		if _, err := hex.Decode(d[:], []byte(s)); err == nil && d.String() == s {
			return d, nil
		}
	}
	return Digest{}, fmt.Errorf("%w: %q is not a SHA-256 in 64 lower-case hexadecimal digits", ErrDocument, clip(s))
}

// Hash returns the SHA-256 of a document's bytes, which the next document of the series carries as Previous.
func Hash(document []byte) Digest { return sha256.Sum256(document) }

// NumberText returns the number as printed, such as "K2-000418".
func NumberText(series string, number int64) string { return fmt.Sprintf("%s-%06d", series, number) }

// Document is the archived form of a closed receipt, or of another event that takes a number. It holds everything as
// it was at that moment, so that nothing printed or exported later depends on master data or on swept commits.
//
// The comments name the JSON fields where they are not the obvious ones. Fields marked optional are left out when they
// are empty, zero or false, all others are always there; so there is one encoding of each document. Times are RFC 3339
// in whole seconds with offset, made by the caller. Each part keeps in Unknown the fields this version does not know.
type Document struct {
	Version      int64 // DocumentVersion
	Kind         string
	ID           crdt.ObjectID // of the item that carries the document; optional
	Shop         DocShop
	Till         DocTill
	Replica      crdt.ReplicaID // the lineage of the store that wrote it
	Series       string         // prefix of the number and name of the till in exports: letters, digits and dots within, at most MaxSeries
	Number       int64          // 1, 2, 3, … within the series, no gaps; 0 for an opening
	Previous     Digest         // "previous_hash": of document Number - 1, or First
	Reason       string         // why it was cancelled, refunded, given up, or cash was moved; optional
	Currency     string         // ISO 4217
	Opened       string         // first input
	Closed       string         // end of the transaction, date of the receipt
	BusinessDay  string         // YYYY-MM-DD
	ClockTrusted bool           // whether the till's clock was believed when it closed
	Training     bool           // optional
	User         string         // who closed it; optional
	Tabs         []DocTab       // optional
	Note         string         // optional
	Orders       []DocOrder     // what a signing device confirmed of the lines before; optional
	Customer     *DocCustomer   // optional
	Lines        []DocLine      // voided ones too
	Voids        []DocVoid
	Discounts    []DocDiscount // on the whole tab
	Payments     []DocPayment
	Totals       DocTotals
	References   []DocReference // optional
	Opening      *DocOpening    // for KindOpening only
	Failure      *DocFailure    // for KindVoid only
	Control      *DocControl    // for KindControl only
	Security     Object         // what the signing device said, in its own terms; optional
	Unknown      Object

	raw []byte
}

// DocShop is the seller as printed. Tax number and VAT ID: a receipt needs one of them in Germany.
type DocShop struct {
	ID      crdt.ShopID
	Name    string
	Address DocAddress
	TaxID   string // "tax_number"; optional
	VATID   string // "vat_id"; optional
	Unknown Object
}

// DocAddress is a postal address. All fields are optional.
type DocAddress struct {
	Street   string // with house number
	Postcode string
	Town     string
	Country  string // ISO 3166-1, as the shop has it
	Unknown  Object
}

// DocTill is the till that issued the document. Its key signs it.
type DocTill struct {
	ID       crdt.TillID
	Name     string
	Serial   string // the serial number authorities know, normally the text form of ID
	Software string // name and version of the program; optional
	Unknown  Object
}

// DocTab is one tab that the receipt closes.
type DocTab struct {
	ID      crdt.ObjectID
	Name    string // table or name; optional
	Unknown Object
}

// DocCustomer is the customer as printed. All fields are optional.
type DocCustomer struct {
	ID      crdt.ObjectID
	Number  string
	Name    string
	Kind    string // such as "employee"
	Address DocAddress
	VATID   string // "vat_id"
	Unknown Object
}

// DocLine is one line. Base plus the amounts of Discounts plus TabDiscounts is Gross. Base is unit price times what is
// left of the quantity after voids.
type DocLine struct {
	ID           crdt.ObjectID
	Tab          crdt.ObjectID // optional
	Article      crdt.ObjectID // optional: zero for an open item
	Number       string        // article number or PLU; optional
	GTIN         string        // optional
	Name         string
	Group        *DocGroup // optional
	Quantity     Quantity  // as entered
	Voided       Quantity  // how much of it was voided, as a magnitude; optional
	Unit         string    // empty: pieces; optional
	UnitPrice    Amount    // gross
	Overridden   bool      // "price_overridden": the unit price is not the list price; optional
	ListPrice    *Amount   // optional
	Tax          TaxRef    // "tax_id" and "tax_key", both optional, and "rate"
	TaxKind      string    // EatIn or Takeaway; optional
	Case         string    // "business_case", such as SaleCase
	CaseName     string    // "business_case_name": own name for a kind of that case; optional
	Agency       int64     // 0: sold on own account; optional
	Voucher      string    // number of the voucher sold or redeemed; optional
	Modifiers    []string  // texts; optional
	Base         Amount
	Discounts    []DocDiscount // on this line alone; optional
	TabDiscounts []Amount      // this line's part of each discount on the tab; optional
	Gross        Amount
	User         string      // optional
	Till         crdt.TillID // where it was entered
	Time         string
	Unknown      Object
}

// DocGroup is the product group of a line.
type DocGroup struct {
	ID      crdt.ObjectID // optional
	Number  string        // optional
	Name    string
	Unknown Object
}

// DocVoid is one void of a line.
type DocVoid struct {
	ID       crdt.ObjectID
	Line     crdt.ObjectID
	Quantity Quantity // magnitude; zero: all of the line; optional
	Reason   string   // optional
	User     string   // optional
	Till     crdt.TillID
	Time     string
	Unknown  Object
}

// DocDiscount is one discount.
type DocDiscount struct {
	ID      crdt.ObjectID // optional
	Kind    string        // DiscountPercent or DiscountAmount
	Percent Rate          // "basis_points"; optional
	Amount  Amount        // what it changes the line or the tab by: negative on a sale
	Reason  string        // optional
	User    string        // optional
	Till    crdt.TillID   // optional
	Time    string        // optional
	Unknown Object
}

// DocPayment is one payment. Amount is what counts towards the receipt: Tendered minus Change.
type DocPayment struct {
	ID       crdt.ObjectID
	Type     string // such as Bar, ECKarte, Kreditkarte (ZAHLART_TYP of DSFinV-K)
	Name     string // own name of the payment type; optional
	Amount   Amount // in the document's currency
	Tendered Amount
	Change   Amount      // optional
	Foreign  *DocForeign // optional
	Progress string      // PaymentCaptured, PaymentSent or PaymentUnknown; empty for cash; optional
	Card     *DocCard    // what a card terminal said; optional
	User     string      // optional
	Till     crdt.TillID
	Time     string
	Unknown  Object
}

// DocCard is what a card terminal said of money that moved. All texts are optional; there is at least one.
type DocCard struct {
	Authorisation string // the number by which the bank agreed
	Kind          string // kind of card and what of its number may be shown
	Terminal      string // its ID
	Trace         string // its number of the transaction
	Unknown       Object
}

// DocForeign is what was tendered in another currency.
type DocForeign struct {
	Currency string
	Amount   Amount // minor units of Currency
	Unknown  Object
}

// DocTotals is what the document comes to: Gross is the sum of the lines, of the rates, and Paid minus Change.
type DocTotals struct {
	Gross   Amount
	Rates   []DocRate // in the order of TaxRef.Compare
	Paid    Amount    // sum of what was tendered
	Change  Amount
	Unknown Object
}

// DocRate is what the document comes to at one tax. Net plus Tax is Gross.
type DocRate struct {
	Ref     TaxRef // "tax_id" and "tax_key", both optional, and "rate"
	Name    string // such as the reason of an exemption; optional
	Gross   Amount
	Net     Amount
	Tax     Amount
	Unknown Object
}

// DocReference points to another document, or to a line of it.
type DocReference struct {
	Kind     string        // why, such as "cancel" or "refund"
	ID       crdt.ObjectID // of the item that carries the other document; optional
	Till     crdt.TillID   // optional
	Series   string        // optional
	Number   int64         // optional
	Hash     *Digest       // of the other document; optional
	Line     crdt.ObjectID // optional
	Quantity Quantity      // optional
	Name     string        // number of a document from elsewhere; optional
	Unknown  Object
}

// DocOpening says what a new series continues, as far as it is known.
type DocOpening struct {
	Replica    crdt.ReplicaID // "predecessor_replica"; optional
	Series     string         // "predecessor_series"; optional
	LastNumber int64          // the highest number known of it; optional
	LastHash   *Digest        // of that document; optional
	Reason     string         // optional
	Unknown    Object
}

// DocOrder is what a signing device confirmed when lines were ordered, before the tab was closed.
type DocOrder struct {
	ID       crdt.ObjectID
	Till     crdt.TillID
	Time     string
	Lines    []crdt.ObjectID // that it confirmed; they may be on another receipt, if lines were moved since
	Security Object          // what the device said, in its own terms; optional
	Unknown  Object
}

// What a control document is for. All but the start and the check belong to a time or to an end.
const (
	ControlStart      = "start"      // first of a signed series
	ControlMonth      = "month"      // end of a month
	ControlYear       = "year"       // end of a year
	ControlCollective = "collective" // the signing device works again
	ControlFinal      = "final"      // last of a till
	ControlCheck      = "check"      // somebody asked
)

// DocControl says what a document that comes to nothing is for.
type DocControl struct {
	What    string // one of the Control constants
	Period  string // what it ends, such as "2026-11" or "2026"; optional
	Unknown Object
}

// DocFailure says why a number holds no receipt.
type DocFailure struct {
	Reason  string
	Unknown Object
}

// Canonical returns the bytes that are hashed, signed and stored. For a parsed document that was not changed they are
// the bytes it was parsed from, unknown fields included. It returns [ErrCanonical] if a text is not UTF-8, a number is
// beyond [MaxInteger] or the whole is beyond [MaxDocumentBytes].
func (d *Document) Canonical() ([]byte, error) {
	e := encoder{out: make([]byte, 0, 4096)}
	d.fields(&e)
	if e.err == nil && len(e.out) > MaxDocumentBytes {
		e.err = errTooLarge(len(e.out))
	}
	if e.err != nil {
		return nil, fmt.Errorf("document %s: %w", NumberText(clip(d.Series), d.Number), e.err)
	}
	return e.out, nil
}

// ParseDocument reads the canonical bytes of a document. It is strict about the fields it knows and keeps the others.
// It returns [ErrCanonical], [ErrVersion] or [ErrDocument]; it does not check the numbers, see [Document.Check].
func ParseDocument(b []byte) (Document, error) {
	v, err := ParseCanonical(b)
	if err != nil {
		return Document{}, err
	}
	return documentOf(v, b)
}

// documentOf is ParseDocument of bytes that were parsed.
func documentOf(v Value, b []byte) (Document, error) {
	o, ok := v.(Object)
	if !ok {
		return Document{}, fmt.Errorf("%w: not an object", ErrDocument)
	}
	version, ok := o.Get("version").(Int)
	if !ok {
		return Document{}, fmt.Errorf("%w: version is missing", ErrDocument)
	}
	if version != DocumentVersion {
		return Document{}, fmt.Errorf("%w: %d, this program reads %d: update it", ErrVersion, version, DocumentVersion)
	}
	var d Document
	dec := decoder{value: o}
	d.fields(&dec)
	if dec.err != nil {
		return Document{}, dec.err
	}
	d.raw = append([]byte(nil), b...)
	return d, nil
}

// Raw returns the bytes a document was parsed from, which are what was signed; nil if it was not parsed. The caller
// must not change them.
func (d *Document) Raw() []byte { return d.raw }
