package journal

import (
	"context"
	"errors"

	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// Device confirms documents and orders: the port behind which a signing device of any country is. [TSE] and [RKSV] are
// adapters to it. Its methods may be called from any goroutine, but Seal, which is called for one document after another.
//
// What it returns stands in the document or order verbatim. An error that wraps [ErrRefused] is about what it was asked;
// every other one means that the device does not work now.
type Device interface {
	// Info says which device it is, as far as it can be told without asking it.
	Info() DeviceInfo
	// Identify asks the device which one it is, unless that is known.
	Identify(ctx context.Context) error
	// Order confirms lines that are paid later, and how many of them from the first on; for the rest it is called again. It
	// returns nil if orders are not its business.
	Order(ctx context.Context, lines []OrderLine) (confirmed receipt.Object, covered int, err error)
	// Prepare confirms a document that is complete but for its number and hash. Many may be prepared beside each other. It
	// returns nil if the device needs the number, or the document is none of its business.
	Prepare(ctx context.Context, d *receipt.Document) (receipt.Object, error)
	// Seal confirms a document that is complete but for its security, in the order of numbers, and returns what follows on
	// the chain it is given. A device that prepares returns what it said then: [ErrChanged] if that was about another one.
	Seal(ctx context.Context, d *receipt.Document, c Chain) (receipt.Object, Chain, error)
	// Confirm confirms what is neither a document of a series nor an order, such as a closing. It returns nil if that is none
	// of its business.
	Confirm(ctx context.Context, text string) (receipt.Object, error)
	// Failed returns what an order or a document without a chain says if it was not confirmed.
	Failed(cause error) receipt.Object
	// Probe reports whether a device that failed works again. It may ask it for a signature that stands nowhere.
	Probe(ctx context.Context) error
}

// Kinds of device.
const (
	KindTSE  = "tse"  // Germany: technische Sicherheitseinrichtung
	KindRKSV = "rksv" // Austria: Signaturerstellungseinheit
)

// DeviceInfo says which device a till has.
type DeviceInfo struct {
	Kind        string // one of the kinds
	Client      string // what the device calls this till: the serial number of the till, or the Kassen-ID
	Serial      string // of the device, or of its certificate; empty if it was not asked yet
	Outage      string // what a receipt says in clear while it does not work
	Notice      string // what every receipt has to say; empty for a certified device
	PublicKey   string // base64; empty if it was not asked yet
	Check       string // of the key that encrypts the turnover, for FinanzOnline; RKSV only
	Chained     bool   // numbers are confirmed one after another, and special receipts are wanted
	Orders      bool   // lines are confirmed when they are ordered
	Description string // for people
}

// OrderLine is one line of an order, or what was taken back of one.
type OrderLine struct {
	Quantity  receipt.Quantity // negative: taken back
	Text      string
	UnitPrice receipt.Amount // gross
}

// Errors of a [Device] and of [Signing].
var (
	// ErrRefused means that no device confirms what it was asked: asking again changes nothing.
	ErrRefused = errors.New("it cannot be signed")
	// ErrChanged means that a document is not the one that was prepared: prepare it again.
	ErrChanged = errors.New("the receipt changed while it was signed")
	// ErrMustBeSigned means that a receipt is not made as long as the signing device does not work.
	ErrMustBeSigned = errors.New("this receipt is only made when the signing device works")
)

// unsigned adds to what a device said that there is no signature, in the words of the law.
func unsigned(o receipt.Object, law string) receipt.Object {
	if o.Get(receipt.SecurityError) != nil {
		return o
	}
	return append(o[:len(o):len(o)], receipt.Member{Name: receipt.SecurityError, Value: receipt.String(law)})
}

// Unsigned reports whether the security of a document says that there is no signature.
func Unsigned(o receipt.Object) bool { return o.Get(receipt.SecurityError) != nil }

// clipCause returns the text of an error, short enough for a document.
func clipCause(err error) string {
	text := []rune(err.Error())
	return string(text[:min(len(text), 200)])
}
