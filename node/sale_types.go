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
}

// OpenItem is something sold that is no article.
type OpenItem struct {
	Name  string
	Tax   crdt.ObjectID
	Price receipt.Amount
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
	ID               crdt.ObjectID
	Type, Name, User string
	Amount, Tendered receipt.Amount
}

// Paid says how a tab stands after a payment.
type Paid struct {
	ID     crdt.ObjectID
	Due    receipt.Amount // still to be paid
	Change receipt.Amount // to give back
}

// Claimed answers a claim.
type Claimed struct {
	Granted     bool
	Holder      crdt.TillID
	HolderUser  string
	Epoch       uint64
	Unreachable bool   // nobody could be asked; the claim was taken
	Reason      string // if not granted
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
	Alarm    bool          // another document exists under the same number
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
