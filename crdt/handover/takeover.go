package handover

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// How a tab was taken over.
const (
	Forced      = "forced"      // somebody worked on it, and somebody with the right took it
	Unreachable = "unreachable" // the till that held it did not answer
	Transferred = "transferred" // it was handed over to a till or a user
)

// maxEpoch is what every JSON reader still holds exactly.
const maxEpoch = 1<<53 - 1

var hows = []string{Forced, Unreachable, Transferred}

// Takeover is the item that says who took a tab over from whom.
type Takeover struct {
	Tab      crdt.ObjectID
	Till     crdt.TillID // that holds it from then on
	User     string      // may be empty
	From     crdt.TillID // that held it; zero: nobody knew
	FromUser string      // may be empty
	By       string      // who did it, if not User; may be empty
	Epoch    uint64      // of the claim, at least 1
	How      string      // one of the constants
	Payment  bool        // a card payment ran at that till, whose outcome was not known
	MS       int64       // Unix milliseconds, business time of the till that wrote it
}

// TakeoverID returns the object ID of a take-over: the first 8 bytes stand for the tab, so that all of a tab lie together.
func TakeoverID(tab crdt.ObjectID, till crdt.TillID, epoch uint64, ms int64) crdt.ObjectID {
	id, _ := TakeoverRange(tab)
	sum := sha256.Sum256(fmt.Appendf([]byte("tillmesh handover by\x00"), "%s %d %d", till, epoch, ms))
	copy(id[8:], sum[:])
	return id
}

// TakeoverRange returns the lowest and the highest object ID that a take-over of a tab can have, both included.
func TakeoverRange(tab crdt.ObjectID) (first, last crdt.ObjectID) {
	sum := sha256.Sum256(append([]byte("tillmesh handover of\x00"), tab[:]...))
	copy(first[:8], sum[:])
	copy(last[:8], sum[:])
	for i := range 8 {
		last[8+i] = 0xff
	}
	return first, last
}

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (t Takeover) Check() error {
	errs := []error{
		rules.CheckText("user", t.User, maxText), rules.CheckText("user before", t.FromUser, maxText), rules.CheckText("who did it", t.By, maxText),
		rules.CheckMS("time", t.MS),
	}
	if t.Tab.IsZero() || t.Till.IsZero() {
		errs = append(errs, fmt.Errorf("%w: the tab or the till is missing", ErrInvalid))
	}
	if t.Epoch < 1 || t.Epoch > maxEpoch {
		errs = append(errs, fmt.Errorf("%w: a take-over with epoch %d", ErrInvalid, t.Epoch))
	}
	if !slices.Contains(hows, t.How) {
		errs = append(errs, fmt.Errorf("%w: a take-over that was %.30q", ErrInvalid, t.How))
	}
	return errors.Join(errs...)
}

// Bytes returns the item's value.
func (t Takeover) Bytes() []byte {
	var rec crdt.Record
	rec.SetObject("t", t.Tab)
	rec.SetTill("d", t.Till)
	rec.SetString("u", t.User)
	rec.SetTill("f", t.From)
	rec.SetString("g", t.FromUser)
	rec.SetString("b", t.By)
	rec.SetUint("e", t.Epoch)
	rec.SetString("h", t.How)
	rec.SetBool("p", t.Payment)
	rec.SetInt("m", t.MS)
	return rec.Bytes()
}

// ParseTakeover reads the item of a take-over.
func ParseTakeover(raw []byte) (Takeover, error) {
	f := rules.Parse(raw)
	return document.Checked(f, "take-over", Takeover{
		Tab: f.Object("t"), Till: f.Till("d"), User: f.Text("u"), From: f.Till("f"), FromUser: f.Text("g"), By: f.Text("b"),
		Epoch: f.Uint("e"), How: f.Text("h"), Payment: f.Bool("p"), MS: f.Int("m"),
	})
}

// NewTakeover returns the item of a take-over. A value against the rules comes back as an error of [Takeover.Check].
func NewTakeover(t Takeover) ([]crdt.Piece, error) {
	w := rules.Writer(TypeTakeover, TakeoverID(t.Tab, t.Till, t.Epoch, t.MS), nil)
	w.Item(t)
	return w.Done()
}
