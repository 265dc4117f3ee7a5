package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/server/watch"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/crdt/receipt/loss"
)

// Errors of the ports. Refusals of package accounts may be returned as well.
var (
	ErrNotFound = errors.New("there is nothing under this ID")
	ErrCursor   = errors.New("the cursor of the list is not one that was given")
	ErrBusy     = errors.New("too much of this runs already")
)

// Replicas are the cloud's own replicas of the shops. The shop was found to belong to the account that asks.
type Replicas interface {
	// Articles lists articles by their IDs, at most limit, from an ID on. next is where the list goes on, zero at its end.
	Articles(ctx context.Context, shop crdt.ShopID, from crdt.ObjectID, limit int) (list []ListedArticle, next crdt.ObjectID, err error)
	// Article returns one article; ErrNotFound if there is none, crdt.ErrUpdateNeeded with what could be read of it.
	Article(ctx context.Context, shop crdt.ShopID, id crdt.ObjectID) (catalog.Article, error)
	// EditArticle writes what edit makes of the article as it is (the zero value if there is none), as one step against
	// other edits here. The answer means that it is stored and in the archive.
	EditArticle(ctx context.Context, shop crdt.ShopID, id crdt.ObjectID, edit func(was catalog.Article, currency string) (catalog.ArticleEdit, error)) error
	// Arrived says which tills hold the article as the cloud holds it.
	Arrived(ctx context.Context, shop crdt.ShopID, id crdt.ObjectID) (Arrived, error)
}

// ListedArticle is an article in a list.
type ListedArticle struct {
	ID      crdt.ObjectID
	Article catalog.Article
	Err     error // crdt.ErrUpdateNeeded; the article holds what could be read
}

// Arrived says how far a change has come.
type Arrived struct {
	On      []crdt.TillID // active tills that hold it
	Missing []crdt.TillID // active tills of which that is not known
}

// Watch says what the cloud noticed about a shop, which was found to belong to the account that asks.
type Watch interface {
	// ShopStatus says which tills are silent and which numbers are missing.
	ShopStatus(ctx context.Context, shop crdt.ShopID) (ShopStatus, error)
	// Loss makes and signs the statement of what is lost with a till. ErrNotFound if the shop never had such a till.
	Loss(ctx context.Context, shop crdt.ShopID, till crdt.TillID) (loss.Signed, error)
}

// ShopStatus is what the cloud noticed about a shop.
type ShopStatus struct {
	Now           time.Time
	Silent        bool // no till of the shop was heard for watch.SilentAfter
	Tills         []TillStatus
	Gaps          []GapStatus
	OldestProgram string // of the active tills, as they said; empty: none did

	Forwards crdt.TillID // that said last how far the cloud is; zero: none ever did
	Pending  uint64      // records that till had then and the cloud lacked
	SaidAt   time.Time
	Complete time.Time // when nothing was pending for the last time; zero: never yet
}

// TillStatus is what is known of a till.
type TillStatus struct {
	Till      crdt.TillID
	Name      string
	Prefix    string
	State     string // active, retired, revoked
	Silent    bool   // not heard for watch.SilentAfter, while others of the shop were
	Connected bool
	Heard     time.Time   // zero: never
	ToldBy    crdt.TillID // itself, or the till that said so
	Program   string      // empty: it never called the cloud itself
}

// GapStatus is a range of numbers that is missing although later ones are archived.
type GapStatus struct {
	watch.Gap
	Named bool     // it is there for longer than a transfer takes to put things in order
	At    []string // tills that hold all of it
	Asked int      // tills that gave an answer
}

// Seats say which server works on a shop.
type Seats interface {
	// Elsewhere returns what passes requests on to the server that holds the shop; nil if that is this one.
	Elsewhere(ctx context.Context, shop crdt.ShopID) (http.Handler, error)
}

// DocumentKind is a kind of fiscal document.
type DocumentKind string

// The kinds.
const (
	KindReceipt DocumentKind = "receipt" // sales, cancellations, refunds, training, void numbers
	KindClosing DocumentKind = "closing"
)

// Documents are the fiscal documents in the archive.
type Documents interface {
	// Documents lists documents of a shop, the newest first. after is the cursor next of the list before, empty at first;
	// next is empty at the end. ErrCursor if it is none. Content, signature and key may be left out.
	Documents(ctx context.Context, account crdt.ObjectID, f DocumentFilter, after string, limit int) (list []Document, next string, err error)
	// Document finds a document by its object ID or number. ErrNotFound if there is none.
	Document(ctx context.Context, account crdt.ObjectID, shop crdt.ShopID, kind DocumentKind, name string) (Document, error)
}

// DocumentFilter says which documents are listed.
type DocumentFilter struct {
	Shop     crdt.ShopID
	Kind     DocumentKind
	Series   string // empty: all
	From, To string // business days, inclusive; empty: no bound
}

// Document is a fiscal document in the archive.
type Document struct {
	ID       crdt.ObjectID
	Number   string // such as K2-000418
	Series   string
	N        int64
	Till     crdt.TillID
	Closed   string // RFC 3339, as the document says
	Day      string // business day
	Gross    int64  // minor units
	Currency string

	Content   []byte // canonical bytes, as they were hashed and signed
	Hash      [32]byte
	Signature []byte
	Key       []byte

	Leaf     int64     // index in the log of the account
	Archived time.Time // when it came in
	Verified bool      // signature, chain and sums hold and its till belonged to the shop
	Findings []Finding // what does not
}

// Finding is something about a document that does not fit. The document is kept all the same.
type Finding struct{ Code, Text string }

// Log is the account's append-only log.
type Log interface {
	// Checkpoint returns the newest signed checkpoint, verbatim.
	Checkpoint(ctx context.Context, account crdt.ObjectID) (note []byte, size int64, err error)
	// Inclusion proves that a leaf is in the tree of a size. ErrNotFound if it is not.
	Inclusion(ctx context.Context, account crdt.ObjectID, leaf, size int64) (Inclusion, error)
	// Consistency proves that the tree of size to continues the one of size from. ErrNotFound if there is no such size.
	Consistency(ctx context.Context, account crdt.ObjectID, from, to int64) (hashes [][32]byte, err error)
}

// Inclusion is the proof for one leaf.
type Inclusion struct {
	Leaf   []byte // the record, verbatim
	Hashes [][32]byte
}

// Reports say whether the archive is complete.
type Reports interface {
	// Completeness returns the report on a shop, a JSON object: per till and series gaps, double numbers, chain and
	// signatures, per closing the sums. It reads everything, and ends when ctx does. progress may be nil; it must not block. ErrBusy if too
	// many are being made.
	Completeness(ctx context.Context, account crdt.ObjectID, shop crdt.ShopID, from, to string, progress func(ReportProgress)) (json.RawMessage, error)
}

// ReportProgress is how far a report is.
type ReportProgress struct {
	Documents int64 // read so far
	Of        int64 // about how many there are; 0: not known
	Series    string
	Number    int64 // that was read last
	Wrong     int64
}

// Exports make files of what is in the archive.
type Exports interface {
	// StartExport begins an export in the background. ErrBusy if too many run.
	StartExport(ctx context.Context, account crdt.ObjectID, want ExportRange) (Export, error)
	// Exports lists exports that are kept, the newest first.
	Exports(ctx context.Context, account crdt.ObjectID) ([]Export, error)
	// Export returns one. ErrNotFound if there is none.
	Export(ctx context.Context, account crdt.ObjectID, id crdt.ObjectID) (Export, error)
	// OpenExport opens the file of one that is done. ErrNotFound if there is none. The caller closes it.
	OpenExport(ctx context.Context, account crdt.ObjectID, id crdt.ObjectID) (file io.ReadCloser, size int64, err error)
}

// ExportRange says what is exported.
type ExportRange struct {
	Shop     crdt.ShopID // zero: all shops of the account
	From, To string      // business days, inclusive; empty: no bound
}

// Export is one export.
type Export struct {
	ID       crdt.ObjectID
	Range    ExportRange
	State    string // running, done, failed
	Error    string // failed: why
	Begun    time.Time
	Finished time.Time // zero while it runs
	Leaves   int64     // so far
	Size     int64     // bytes; 0 until it is done
	SHA256   [32]byte
}

// Holds keep things beyond the end of their retention.
type Holds interface {
	// Holds lists the legal holds of an account, ended ones too.
	Holds(ctx context.Context, account crdt.ObjectID) ([]Hold, error)
	// SetHold begins one.
	SetHold(ctx context.Context, account crdt.ObjectID, want ExportRange, reason, by string) (Hold, error)
	// ReleaseHold ends one. ErrNotFound if there is none.
	ReleaseHold(ctx context.Context, account crdt.ObjectID, id crdt.ObjectID, by, why string) (Hold, error)
}

// Hold is a legal hold.
type Hold struct {
	ID         crdt.ObjectID
	Range      ExportRange
	Reason     string
	Since      time.Time
	By         string
	Released   time.Time // zero while it holds
	ReleasedBy string
	Why        string // it was released
}
