package receipt

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
)

// KindClosing is the kind of a [ZReport]. Its numbers are a chain of their own, beside the receipts of the series.
const KindClosing = "closing"

const closingDomain = "tillmesh closing series\x00"

// FirstZ returns what the first closing of a series carries as previous hash.
func FirstZ(shop crdt.ShopID, till crdt.TillID, series string) Digest {
	b := append([]byte(closingDomain), shop[:]...)
	b = append(b, till[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(len(series)))
	return sha256.Sum256(append(b, series...))
}

// ZReport is the document of a closing (Kassenabschluss, Z-Bericht): what the receipts From to To of a series came to. It
// covers exactly those, so nothing that arrives later changes it. The comments of [Document] on fields, times and
// encoding hold here too.
type ZReport struct {
	Version      int64  // DocumentVersion
	Kind         string // KindClosing
	ID           crdt.ObjectID
	Shop         DocShop
	Till         DocTill
	Replica      crdt.ReplicaID
	Series       string
	Number       int64  // Z number: 1, 2, 3, … within the series
	Previous     Digest // "previous_hash": of closing Number - 1, or FirstZ
	Currency     string
	Closed       string // when it was made
	BusinessDay  string
	ClockTrusted bool
	User         string // optional
	From, To     int64  // numbers of receipts; To is From - 1 if there are none. A series that was opened by number 0 begins with 0
	Began        string // when the first of them was closed; optional
	Hash         Digest // "range_hash": see [ZSums.Hash]
	Last         Digest // "last_hash": of document To, or what the chain starts from: it fixes everything before it
	Sums         ZTotals
	Cash         ZCash
	Open         []ZTab // "open_tabs": optional
	Reason       string // such as why it was made from another till; optional
	Security     Object // optional
	Unknown      Object

	raw []byte
}

// ZTotals is what the documents of a range come to. Training receipts are counted, and are in no sum; what comes to nothing
// (tabs given up, control documents, void numbers) is counted too.
type ZTotals struct {
	Gross      Amount // turnover and everything else booked: Z_SE_ZAHLUNGEN
	CashTotal  Amount // "cash_total": Z_SE_BARZAHLUNGEN
	Rates      []DocRate
	Cases      []ZCase
	Payments   []ZPayment
	Currencies []ZCurrency // cash by currency
	Groups     []ZGroup
	Users      []ZUser
	Counts     ZCounts
	Unknown    Object
}

// ZCase is what one business case comes to at one tax.
type ZCase struct {
	Case            string // "business_case"
	Name            string // "business_case_name"; optional
	Agency          int64  // optional
	Ref             TaxRef // "tax_id" and "tax_key", both optional, and "rate"
	Gross, Net, Tax Amount
	Unknown         Object
}

// ZPayment is what one payment type comes to, in the currency of the document.
type ZPayment struct {
	Type    string
	Name    string // optional
	Amount  Amount
	Count   int64
	Unknown Object
}

// ZCurrency is the cash taken less the cash given in one currency.
type ZCurrency struct {
	Currency string
	Amount   Amount // in minor units of Currency
	Unknown  Object
}

// ZGroup is what one product group comes to.
type ZGroup struct {
	ID       crdt.ObjectID // optional
	Name     string        // optional: without a group
	Quantity Quantity
	Gross    Amount
	Unknown  Object
}

// ZUser is what one user closed.
type ZUser struct {
	Name     string // "user"; optional: nobody was named
	Receipts int64
	Gross    Amount
	Unknown  Object
}

// ZCounts counts documents and what was changed in them. All are optional.
type ZCounts struct {
	Documents     int64 // numbers in the range
	Receipts      int64 // that count, cancellations, refunds and movements of cash included
	Cancellations int64
	Cancelled     Amount // what they came to
	Refunds       int64
	Refunded      Amount
	Voids         int64  // voids of lines, on receipts that count
	Voided        Amount // what the voided parts would have cost before discounts
	Discounts     int64  // lines that were discounted
	Discounted    Amount // negative on sales
	Training      int64
	Trained       Amount // what training receipts came to
	Aborted       int64
	Controls      int64
	Failed        int64 // void numbers
	Unsigned      int64 // of all of these: the signing device did not answer
	Unknown       Object
}

// ZCash is the drawer. What the cash of the range comes to is Expected plus Difference less Dropped; that much stays in it.
type ZCash struct {
	Expected   Amount   // what the movements before the count say, in the currency of the document
	Counted    *Amount  // optional
	Difference Amount   // counted less expected, booked by a receipt before the closing; optional
	Dropped    Amount   // taken out after the count by a receipt before the closing, such as to the bank; optional
	Reason     string   // for the difference; optional
	Pieces     []ZPiece // coins and notes; optional
	Unknown    Object
}

// ZPiece is a number of coins or notes of one value.
type ZPiece struct {
	Value   Amount
	Count   int64
	Unknown Object
}

// What was done with tabs that were open.
const (
	TabKept    = "kept"    // stays open
	TabHanded  = "handed"  // another till holds it now
	TabSettled = "settled" // was closed or given up before
)

// ZTab is a tab that was open when the closing was begun.
type ZTab struct {
	ID      crdt.ObjectID
	Name    string // optional
	Gross   Amount
	Lines   int64
	What    string      // one of the Tab constants
	To      crdt.TillID // that holds it now; optional
	Unknown Object
}

// Raw returns the bytes a closing was parsed from, which are what was signed; nil if it was not parsed. The caller must not
// change them.
func (z *ZReport) Raw() []byte { return z.raw }

// Canonical returns the bytes that are hashed, signed and stored; see [Document.Canonical].
func (z *ZReport) Canonical() ([]byte, error) {
	e := encoder{out: make([]byte, 0, 4096)}
	z.fields(&e)
	if e.err == nil && len(e.out) > MaxDocumentBytes {
		e.err = errTooLarge(len(e.out))
	}
	if e.err != nil {
		return nil, fmt.Errorf("closing %d of %s: %w", z.Number, clip(z.Series), e.err)
	}
	return e.out, nil
}

// ParseZReport reads the canonical bytes of a closing. It is strict about the fields it knows and keeps the others. It
// returns [ErrCanonical], [ErrVersion] or [ErrDocument].
func ParseZReport(b []byte) (ZReport, error) {
	v, err := ParseCanonical(b)
	if err != nil {
		return ZReport{}, err
	}
	o, ok := v.(Object)
	if !ok || o.Get("kind") != String(KindClosing) {
		return ZReport{}, fmt.Errorf("%w: no closing", ErrDocument)
	}
	if version, ok := o.Get("version").(Int); !ok || version != DocumentVersion {
		return ZReport{}, fmt.Errorf("%w: closing of version %v, this program reads %d: update it", ErrVersion, o.Get("version"), DocumentVersion)
	}
	var z ZReport
	dec := decoder{value: o}
	z.fields(&dec)
	if dec.err != nil {
		return ZReport{}, dec.err
	}
	z.raw = append([]byte(nil), b...)
	return z, nil
}
