package node

import (
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// NewTab says what tab to open. A zero ID is chosen by the till; Shared is what other tills may see.
type NewTab struct {
	ID                         crdt.ObjectID
	Name, Note, Customer, User string
	Shared                     bool
	Training                   bool // for practice: its receipt takes a number, is marked, and counts in no sum
}

// NewLine says what to add to a tab: an article, or an open item.
type NewLine struct {
	ID        crdt.ObjectID // zero: chosen by the till
	Article   crdt.ObjectID
	Open      *OpenItem
	Quantity  receipt.Quantity
	UnitPrice *receipt.Amount // instead of the article's price
	Away      bool            // taken away: the tax for that
	Texts     []string        // modifiers
	User      string
	Case      string // business case (GV_TYP of DSFinV-K); empty: a sale
	CaseName  string // own name for a kind of that case
	Voucher   string // number of the voucher that is sold or redeemed
}

// OpenItem is something sold that is no article.
type OpenItem struct {
	Name   string
	Tax    crdt.ObjectID // zero: TaxKey says what it is, or its business case has no tax
	TaxKey string        // "5": not taxable; empty else
	Price  receipt.Amount
}

// NewVoid says what part of a line does not count; quantity 0 means all of it.
type NewVoid struct {
	ID           crdt.ObjectID // zero: chosen by the till
	Quantity     receipt.Quantity
	Reason, User string
}

// NewDiscount sets the discount of one kind on a line or a tab; zero takes it away.
type NewDiscount struct {
	Percent      bool
	Rate         receipt.Rate   // if Percent
	Amount       receipt.Amount // else
	Reason, User string
}

// NewPayment says what is paid. Tendered is what was handed over, 0 if just Amount.
type NewPayment struct {
	Terminal         bool // the card terminal of this till is asked for it
	Again            bool // of Terminal: also if it is not known whether an earlier payment of the tab was taken
	ID               crdt.ObjectID
	Type, Name, User string
	Amount, Tendered receipt.Amount
	Foreign          *receipt.DocForeign // what was handed over in another currency; Tendered is what it is worth. Change is given in the own one
}

// Paid says how a tab stands after a payment.
type Paid struct {
	ID     crdt.ObjectID
	Due    receipt.Amount // still to be paid
	Change receipt.Amount // to give back
	State  string         // of a payment at a terminal: one of the Payment states; empty: it was captured as it was entered
}

// Claimed answers a claim.
type Claimed struct {
	Granted     bool
	Holder      crdt.TillID
	HolderUser  string
	Epoch       uint64
	Unreachable bool   // nobody could be asked; the claim was taken
	Reason      string // if not granted
	// Since is when the one who keeps it began to work on it, if not granted; zero if that is not known.
	Since   time.Time
	Working string // who that is, may be empty
	Warning string // granted, and somebody has to look: a payment may still be captured at the other till
}

// Receipt is a receipt as this till holds it.
type Receipt struct {
	ID       crdt.ObjectID
	Number   string // such as "K2-000418"
	Till     crdt.TillID
	Document []byte // canonical JSON, as signed
	Parsed   receipt.Document
	Hash     receipt.Digest
	Signed   receipt.Signed
	Verified bool          // the signature holds and the till was in the roster
	Here     bool          // durable on this till
	Copies   []crdt.TillID // other tills known to hold it durably
	Archived Archived      // whether a cloud is known to hold it
	Alarm    bool          // another document exists under the same number
	Release  *Release      // whether it may be printed; nil for one of another till that nobody let go
	// Revoked is when the till that closed it was revoked, zero if it was not: it stays valid and is marked. Late: its stamp
	// says that it was closed after that.
	Revoked time.Time
	Late    bool
}

// ReceiptFilter says which receipts to list.
type ReceiptFilter struct {
	Text     string // part of the number
	From, To string // business days, inclusive, YYYY-MM-DD
	Till     crdt.TillID
}

// ReceiptSummary is a line of the list of receipts.
type ReceiptSummary struct {
	ID       crdt.ObjectID
	Number   string
	Series   string
	N        uint64
	Till     crdt.TillID
	Closed   string // RFC 3339
	Day      string // business day
	Gross    receipt.Amount
	Currency string
	Hash     receipt.Digest
	Revoked  time.Time     // when its till was revoked, zero if it was not
	Copies   []crdt.TillID // other tills known to hold it durably
	Archived Archived      // whether a cloud is known to hold it
	Waiting  bool          // closed here, and not to be printed yet
}

// PeerStatus is what a till knows about another one.
type PeerStatus struct {
	Till                crdt.TillID
	Name, Prefix, State string
	Linked, Alive, Self bool
	Pulling             bool
	Equal               bool   // linked, and known to hold the same
	Address             string // of the link
	Addresses           []string
	Program             string
	EqualAt, Seen       time.Time // zero: never since this start
}
