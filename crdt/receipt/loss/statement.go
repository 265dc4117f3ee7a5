package loss

// Version is that of the statement that this package writes. Members may be added within a version: a reader passes over what it does not
// know.
const Version = 1

// Kind is the member kind of every statement.
const Kind = "loss"

// MaxRanges bounds how many ranges of one series are listed; what is beyond them is counted.
const MaxRanges = 200

// Statement is what is lost with a till, as its signer knows it. Times are RFC 3339, amounts in minor units. What is empty is left out.
type Statement struct {
	Version int64  `json:"version"`
	Kind    string `json:"kind"`
	Made    string `json:"made"`
	By      Party  `json:"by"` // who says so, and signs
	Shop    Party  `json:"shop"`
	Till    Party  `json:"till"` // that it is about
	// State is what the shop says of the till: active, retired, revoked, or unknown.
	State string `json:"state"`
	// Contact is when the till was last heard, as far as the signer knows; nil: it never was.
	Contact *Contact `json:"contact,omitempty"`
	// Holders are who was asked which documents they hold. Places in this list stand in [Known.At].
	Holders []Holder `json:"holders"`
	Series  []Series `json:"series"`
	// Open is what is open at the till as others know it; nil: the signer knows nothing of open sales.
	Open *Open `json:"open,omitempty"`
	// Said is what the till itself said last about what nobody else held; nil: the signer never heard it.
	Said *Said `json:"said,omitempty"`
}

// Party is a shop, a till or an archive.
type Party struct {
	ID   string `json:"id"`
	Kind string `json:"kind,omitempty"` // of who signs: archive or till
	Name string `json:"name,omitempty"`
}

// Kinds of parties and holders.
const (
	ByArchive = "archive"
	ByTill    = "till"
)

// Contact is when a till was heard last.
type Contact struct {
	Heard string `json:"heard"`
	// How: itself (it spoke with the signer), told (another till said so), document (the time of its last document).
	How string `json:"how"`
	By  string `json:"by,omitempty"` // told: the till that said so
}

// How a contact is known.
const (
	HeardItself   = "itself"
	HeardTold     = "told"
	HeardDocument = "document"
)

// Holder is who may hold documents.
type Holder struct {
	ID   string `json:"id"`
	Kind string `json:"kind"`
	Name string `json:"name,omitempty"`
	// Asked is false of one that gave no answer: what it holds is not known.
	Asked bool `json:"asked"`
}

// Series is what is known of one series.
type Series struct {
	Series   string `json:"series"`
	Currency string `json:"currency,omitempty"`
	// Last is the highest number that is known to exist, and By what says so: its document, a closing, or an opening.
	Last       int64  `json:"last"`
	LastBy     string `json:"last_by,omitempty"`
	LastKnown  int64  `json:"last_known"` // the highest number whose document is known; 0: none is
	LastHash   string `json:"last_hash,omitempty"`
	LastClosed string `json:"last_closed,omitempty"`

	KnownNumbers   int64     `json:"known_numbers"`
	MissingNumbers int64     `json:"missing_numbers"`
	Known          []Known   `json:"known"`
	Missing        []Missing `json:"missing"`
	// Beyond is from which number on ranges are only counted; 0: all are listed.
	Beyond int64 `json:"beyond,omitempty"`
	// Closings are those in which numbers are missing.
	Closings []Closing `json:"closings"`
	Tail     Tail      `json:"tail"`
}

// Known is a range of numbers whose documents are known.
type Known struct {
	Run
	At []int64 `json:"at"` // places in the list of holders
}

// Missing is a range of numbers that were given out and whose documents the signer lacks.
type Missing struct {
	Run
	At     []int64    `json:"at"`               // holders that have all of it; empty: nobody who was asked
	After  *Neighbour `json:"after,omitempty"`  // the document before the range; nil: there is none
	Before *Neighbour `json:"before,omitempty"` // the document behind it
	// LastHash is SHA-256 of the document with the number Last, as the one behind it or a closing says: whatever turns up can be held
	// against it.
	LastHash string `json:"last_hash,omitempty"`
	// Gross is what closings and receipts bound of it.
	Gross Bound `json:"gross"`
	// Device is what the counters of the signing device bound; nil: the documents beside the range say nothing of that.
	Device   *Device   `json:"device,omitempty"`
	Mentions []Mention `json:"mentions,omitempty"`
}

// Neighbour is a document beside a range.
type Neighbour struct {
	Number int64  `json:"number"`
	Closed string `json:"closed"`
	Hash   string `json:"hash"`
}

// Bound is what is known of an amount.
type Bound struct {
	// State: exact, shared (Amount is that of this range and of others that are missing in the same closings), part (some numbers of the
	// range are in no closing that is known; the others come to Amount, with other ranges where a closing has several), unknown.
	State  string   `json:"state"`
	Amount *int64   `json:"amount,omitempty"`
	By     []string `json:"by,omitempty"` // closings, such as K2 Z 17
}

// States of a bound.
const (
	Exact   = "exact"
	Shared  = "shared"
	Part    = "part"
	Unknown = "unknown"
)

// Mention is a document of any till that names a missing one: it existed.
type Mention struct {
	Number int64  `json:"number"`
	Kind   string `json:"kind"` // refund: it was taken back; release: a person let it be printed
	By     string `json:"by"`   // number of the receipt, or name of the person
	At     string `json:"at"`
}

// Closing is what the missing numbers of a closing come to: what it says less what its known documents say.
type Closing struct {
	Closing string `json:"closing"` // such as K2 Z 17
	Run            // that it covers
	Closed  string `json:"closed"`
	Missing int64  `json:"missing"` // numbers
	// Difference is nil if the known documents of the closing could not be added up; Why says so.
	Difference *Difference `json:"difference,omitempty"`
	Why        string      `json:"why,omitempty"`
}

// Difference is what missing documents come to.
type Difference struct {
	Gross    int64 `json:"gross"`
	Cash     int64 `json:"cash"`
	Receipts int64 `json:"receipts"`
	Training int64 `json:"training"`
	Aborted  int64 `json:"aborted"`
	Controls int64 `json:"controls"`
	Failed   int64 `json:"failed"`
}

// Tail is what nobody can know: whatever the till gave out after the last number that is known to exist.
type Tail struct {
	From  int64  `json:"from"`
	Since string `json:"since,omitempty"` // when the last document before it was closed
	// Contact is when the till was last heard; empty: it never was. What it sold after that is in no other place.
	Contact string `json:"contact,omitempty"`
	// ContinuedBy is the opening of the series that goes on, empty if there is none.
	ContinuedBy string `json:"continued_by,omitempty"`
}

// Open is what is open at a till as others know it. It may have been closed there, by numbers that are missing or behind the last one.
type Open struct {
	Tabs     []OpenTab `json:"tabs"` // at most 100
	More     int64     `json:"more,omitempty"`
	Payments []Taken   `json:"payments"` // taken by that till, in no receipt that is known; at most 100
}

// OpenTab is a tab that the till holds.
type OpenTab struct {
	ID       string `json:"id"`
	Name     string `json:"name,omitempty"`
	Opened   string `json:"opened"`
	Gross    int64  `json:"gross"`
	Currency string `json:"currency"`
}

// Taken is a payment without a receipt.
type Taken struct {
	ID     string `json:"id"`
	Tab    string `json:"tab"`
	Type   string `json:"type"`
	State  string `json:"state"` // captured, sent, unknown
	Amount int64  `json:"amount"`
	Till   string `json:"till"`
	At     string `json:"at"`
}

// Said is what a till said of itself: what would be lost with it, at that moment.
type Said struct {
	At       string `json:"at"`
	Receipts int64  `json:"receipts"`
	More     bool   `json:"more,omitempty"`
	Sums     []Sum  `json:"sums"`
	Tabs     int64  `json:"tabs"`
	TabSums  []Sum  `json:"tab_sums"`
}

// Sum is an amount of money.
type Sum struct {
	Currency string `json:"currency"`
	Amount   int64  `json:"amount"`
}
