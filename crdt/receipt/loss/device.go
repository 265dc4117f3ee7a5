package loss

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// Bounds of what a document may say of its signing device here, in bytes; of a longer one nothing is taken.
const (
	maxDeviceKind   = 32
	maxDeviceSerial = 256
)

// Device is what the log of a signing device says about a missing range: the documents on both sides of it were signed by that device, and it counts.
// What was signed of the range lies between, with whatever else the device was asked there: orders, tabs that were given up, tests, other tills.
// The device is asked before there is a number, so of what was closed in the same moment as a neighbour a transaction may lie just outside.
type Device struct {
	Kind   string `json:"kind"` // such as tse
	Serial string `json:"serial"`
	After  int64  `json:"after"`  // its transaction of the document before the range
	Before int64  `json:"before"` // and of the document behind it
	// Transactions are those between: as many documents of the range are signed at most.
	Transactions int64 `json:"transactions"`
	// Orders are those of the transactions that the two documents name as orders: known, and not of the range.
	Orders int64 `json:"orders"`
	// Signatures are those that the device made between the ends of the two, by its own counter: that of the start of the second one counts too. nil: the
	// documents do not say it.
	Signatures *int64 `json:"signatures,omitempty"`
}

// counted is what a document or an order says of the device that signed it.
type counted struct {
	kind, serial         string
	transaction, counter int64 // counter 0: it does not say
}

// countedBy reads the security of a document or of an order; false if it was not signed, or by a device that does not count in the open. Numbers are
// texts there.
func countedBy(o receipt.Object) (c counted, ok bool) {
	text := func(name string, most int) string {
		if s, _ := o.Get(name).(receipt.String); len(s) <= most {
			return string(s)
		}
		return ""
	}
	number := func(name string) int64 {
		n, err := strconv.ParseUint(text(name, 19), 10, 63)
		if err != nil || n > receipt.MaxInteger {
			return 0
		}
		return int64(n)
	}
	c = counted{text("kind", maxDeviceKind), text("serial", maxDeviceSerial), number("transaction"), number("counter")}
	return c, o.Get(receipt.SecurityError) == nil && plain(c.kind, maxDeviceKind) && plain(c.serial, maxDeviceSerial) && c.transaction > 0 && text("signature", receipt.MaxDocumentBytes) != ""
}

// plain reports whether a text is there and may stand in a line for people as it is.
func plain(s string, most int) bool {
	return s != "" && len(s) <= most && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// device says what the log of a signing device bounds of a range between two documents; nil: nothing, as they name no device, or not the same one, or it
// was asked for them in another order.
func device(lower, upper *document) *Device {
	if lower == nil || upper == nil || !lower.own || !upper.own {
		return nil
	}
	a, ok1 := countedBy(lower.Security)
	b, ok2 := countedBy(upper.Security)
	if !ok1 || !ok2 || a.kind != b.kind || a.serial != b.serial || a.transaction >= b.transaction {
		return nil
	}
	d := &Device{Kind: a.kind, Serial: a.serial, After: a.transaction, Before: b.transaction, Transactions: b.transaction - a.transaction - 1}
	if a.counter > 0 && a.counter < b.counter {
		n := b.counter - a.counter - 1
		d.Signatures = &n
	}
	orders := make(map[int64]bool)
	for _, list := range [][]receipt.DocOrder{lower.Orders, upper.Orders} {
		for _, o := range list {
			c, ok := countedBy(o.Security)
			if ok && c.kind == d.Kind && c.serial == d.Serial && d.After < c.transaction && c.transaction < d.Before {
				orders[c.transaction] = true
			}
		}
	}
	d.Orders = int64(len(orders))
	return d
}

// check says what contradicts itself.
func (d *Device) check() error {
	switch {
	case d == nil:
		return nil
	case !plain(d.Kind, maxDeviceKind) || !plain(d.Serial, maxDeviceSerial):
		return errors.New("a signing device without a kind or a serial number")
	case d.After < 1 || d.Before <= d.After || d.Transactions != d.Before-d.After-1 || d.Orders < 0 || d.Orders > d.Transactions || d.Signatures != nil && *d.Signatures < 0:
		return fmt.Errorf("%d transactions, %d of them orders, between %d and %d", d.Transactions, d.Orders, d.After, d.Before)
	}
	return nil
}

// text says where to look for a range, for people.
func (d *Device) text(p func(string, ...any)) {
	if d == nil {
		return
	}
	p("           signing device %s: ", d.Serial[:min(len(d.Serial), 16)])
	switch left := d.Transactions - d.Orders; {
	case d.Transactions == 0:
		p("no transaction lies between; what is missing was not signed, or in the same moment as what is beside it")
	case left == 0:
		p("%s between, and all are orders that are known; what is missing was not signed, or in the same moment as what is beside it", d.between())
	case d.Orders > 0:
		p("%s between, %d of them known orders; at most %d of these were signed: look for them in its export", d.between(), d.Orders, left)
	default:
		p("%s between; at most %d of these were signed: look for them in its export", d.between(), left)
	}
	if d.Signatures != nil {
		p(" (signatures: %d)", *d.Signatures)
	}
	p("\n")
}

// between names the transactions.
func (d *Device) between() string {
	if d.Transactions == 1 {
		return fmt.Sprintf("transaction %d lies", d.After+1)
	}
	return fmt.Sprintf("%d transactions, %d to %d, lie", d.Transactions, d.After+1, d.Before-1)
}
