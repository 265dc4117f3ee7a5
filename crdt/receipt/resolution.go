package receipt

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// maxResolved is how many receipts one decision may be about.
const maxResolved = 100

// Resolution is the item that says what a person decided about a case. Of several about one case, written while tills could
// not hear each other, all stay, and the one with the lowest dot is shown first.
type Resolution struct {
	Case     crdt.ObjectID   // what the case is known by on every till
	Kind     string          // of the case, as it was shown
	Decision string          // what was decided, one word such as "cancelled" or "kept"
	Receipts []crdt.ObjectID // that the decision left standing, the first one the primary; may be empty
	Done     []crdt.ObjectID // receipts that were written because of it, such as the cancellation; may be empty
	Reason   string          // may be empty
	Till     crdt.TillID
	User     string // may be empty
	MS       int64  // Unix milliseconds, business time of that till
}

// ResolutionID returns the object ID of a resolution: the first 8 bytes stand for the case, so that all of a case lie
// together.
func ResolutionID(of crdt.ObjectID, till crdt.TillID, ms int64) crdt.ObjectID {
	id, _ := ResolutionRange(of)
	sum := sha256.Sum256(fmt.Appendf([]byte("tillmesh resolution by\x00"), "%s %d", till, ms))
	copy(id[8:], sum[:])
	return id
}

// ResolutionRange returns the lowest and the highest object ID that a resolution of a case can have, both included.
func ResolutionRange(of crdt.ObjectID) (first, last crdt.ObjectID) {
	sum := sha256.Sum256(append([]byte("tillmesh resolution of\x00"), of[:]...))
	copy(first[:8], sum[:])
	copy(last[:8], sum[:])
	for i := range 8 {
		last[8+i] = 0xff
	}
	return first, last
}

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (r Resolution) Check() error {
	errs := []error{checkTexts("kind of case", r.Kind, "decision", r.Decision, "reason", r.Reason, "user", r.User), checkMS(r.MS),
		checkNamed("case", r.Case.IsZero()), checkNamed("decision", r.Decision == ""), checkNamed("till", r.Till.IsZero())}
	if len(r.Receipts) > maxResolved || len(r.Done) > maxResolved {
		errs = append(errs, fmt.Errorf("%w: a decision about %d receipts that wrote %d, at most %d", ErrInvalid, len(r.Receipts), len(r.Done), maxResolved))
	}
	return errors.Join(errs...)
}

// Bytes returns the item's value.
func (r Resolution) Bytes() []byte {
	var rec crdt.Record
	rec.SetObject("c", r.Case)
	rec.SetString("k", r.Kind)
	rec.SetString("w", r.Decision)
	setObjects(&rec, "b", r.Receipts)
	setObjects(&rec, "o", r.Done)
	rec.SetString("r", r.Reason)
	rec.SetTill("d", r.Till)
	rec.SetString("u", r.User)
	rec.SetInt("m", r.MS)
	return rec.Bytes()
}

// ParseResolution reads the item of a resolution.
func ParseResolution(raw []byte) (Resolution, error) {
	f := rules.Parse(raw)
	return document.Checked(f, "resolution", Resolution{Case: f.Object("c"), Kind: f.Text("k"), Decision: f.Text("w"),
		Receipts: objects(f, "b", maxResolved), Done: objects(f, "o", maxResolved), Reason: f.Text("r"), Till: f.Till("d"), User: f.Text("u"), MS: f.Int("m")})
}

// NewResolution returns the item of a resolution. A value against the rules comes back as an error of [Resolution.Check].
func NewResolution(r Resolution) ([]crdt.Piece, error) {
	w := newWriter(TypeResolution, ResolutionID(r.Case, r.Till, r.MS), nil)
	w.Item(r)
	return w.Done()
}

func setObjects(rec *crdt.Record, key string, ids []crdt.ObjectID) {
	if len(ids) == 0 {
		return
	}
	b := codec.AppendArray(nil, len(ids))
	for i := range ids {
		b = codec.AppendBytes(b, ids[i][:])
	}
	rec.SetRaw(key, b)
}

// objects reads an array of at most that many IDs, nil if the field is absent or the array empty.
func objects(f *document.Fields, key string, most int) (ids []crdt.ObjectID) {
	f.Nested(key, func(r *codec.Reader) {
		n := r.Array()
		if n > most {
			r.Fail("%d IDs, at most %d", n, most)
			return
		}
		for range n {
			var id crdt.ObjectID
			r.Fixed(id[:])
			ids = append(ids, id)
		}
	})
	return ids
}
