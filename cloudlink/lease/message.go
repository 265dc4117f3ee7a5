package lease

import (
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

// Topic is under which a till asks the cloud: an Ask of package wire whose body is a [Question], answered by an [Answer].
const Topic = "cloud/lease"

// Question asks for the lease or renews it, and reports.
type Question struct {
	Session uint64 // as the Welcome said
	Term    uint64 // that the till holds; 0: none
	// Gone is the term whose holder the till knows gone, because the link to it was closed or it is dead; 0: it knows of none.
	Gone   uint64
	Report *Report // nil: nothing new
}

// Report is what a till says about how far the cloud is.
type Report struct {
	Pending uint64 // records it has that the cloud lacks
	Classes []Class
}

// Answer is what the cloud says to a [Question].
type Answer struct {
	Granted bool
	Noted   bool // the report was taken
	Term    uint64
	Holder  crdt.TillID // zero: nobody ever held it
	LeftMS  int64       // how long the lease still holds; of the asker if Granted
	Reason  Reason
	NowMS   int64 // the cloud's clock
}

const messageVersion = 1

// Encode returns the bytes: [1, session, term, gone, report], where report is nil or [pending, classes].
func (q Question) Encode() []byte {
	b := codec.AppendUint(codec.AppendArray(nil, 5), messageVersion)
	b = codec.AppendUint(codec.AppendUint(codec.AppendUint(b, q.Session), q.Term), q.Gone)
	if q.Report == nil {
		return codec.AppendNil(b)
	}
	b = codec.AppendUint(codec.AppendArray(b, 2), q.Report.Pending)
	return appendClasses(b, q.Report.Classes)
}

// DecodeQuestion reads the body of a question. The error wraps [codec.ErrMalformed].
func DecodeQuestion(b []byte) (Question, error) {
	var q Question
	if err := codec.Check(b); err != nil {
		return q, fmt.Errorf("read the question for the lease: %w", err)
	}
	r := codec.NewReader(b)
	more := r.ArrayOf(5)
	version(r, messageVersion)
	q.Session, q.Term, q.Gone = r.Uint(), r.Uint(), r.Uint()
	if !r.Nil() {
		inner := r.ArrayOf(2)
		q.Report = &Report{Pending: r.Uint(), Classes: readClasses(r)}
		r.Skip(inner)
		if q.Report.Pending > maxCount {
			r.Fail("%d records pending", q.Report.Pending)
		}
	}
	r.Skip(more)
	if err := r.Done(); err != nil {
		return Question{}, fmt.Errorf("read the question for the lease: %w", err)
	}
	return q, nil
}

// Encode returns the bytes: [1, granted, noted, term, holder, ms left, reason, the cloud's clock].
func (a Answer) Encode() []byte {
	b := codec.AppendUint(codec.AppendArray(nil, 8), messageVersion)
	b = codec.AppendBool(codec.AppendBool(b, a.Granted), a.Noted)
	b = codec.AppendBytes(codec.AppendUint(b, a.Term), a.Holder[:])
	b = codec.AppendUint(b, uint64(max(0, a.LeftMS)))
	return codec.AppendInt(codec.AppendString(b, string(a.Reason)), a.NowMS)
}

// DecodeAnswer reads the body of an answer. The error wraps [codec.ErrMalformed].
func DecodeAnswer(b []byte) (Answer, error) {
	var a Answer
	if err := codec.Check(b); err != nil {
		return a, fmt.Errorf("read the answer about the lease: %w", err)
	}
	r := codec.NewReader(b)
	more := r.ArrayOf(8)
	version(r, messageVersion)
	a.Granted, a.Noted, a.Term = r.Bool(), r.Bool(), r.Uint()
	r.Fixed(a.Holder[:])
	left, reason := r.Uint(), r.StringBytes()
	a.NowMS = r.Int()
	r.Skip(more)
	if left > Life || len(reason) > 32 {
		r.Fail("a lease that cannot be")
	}
	if err := r.Done(); err != nil {
		return Answer{}, fmt.Errorf("read the answer about the lease: %w", err)
	}
	a.LeftMS, a.Reason = int64(left), Reason(reason)
	return a, nil
}
