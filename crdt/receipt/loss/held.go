package loss

import (
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

// Topic is under which a till is asked which documents of another till it holds: an Ask of package wire with a [Question], answered by
// [Answers]. Tills of the shop ask it, and its cloud.
const Topic = "series/held"

// Limits of the question and of the answer.
const (
	MaxSeries  = 64  // of a till
	MaxAnswers = 256 // tills in one answer
	maxRuns    = 200 // of one series in one answer; numbers behind them count as not held
	// MaxAnswer bounds an answer, in bytes.
	MaxAnswer = 256 << 10
)

// Question asks for series of a till.
type Question struct {
	Till   crdt.TillID
	Relay  bool // also ask the tills that are linked, which do not ask on
	Series []string
}

// Answer is what one till holds.
type Answer struct {
	Till  crdt.TillID
	Asked bool    // false: it gave no answer
	Runs  [][]Run // of each series of the question, in its order
}

// Encode returns [1, till, relay, [series, ...]].
func (q Question) Encode() []byte {
	b := codec.AppendBytes(codec.AppendUint(codec.AppendArray(nil, 4), 1), q.Till[:])
	b = codec.AppendBool(b, q.Relay)
	b = codec.AppendArray(b, len(q.Series))
	for _, s := range q.Series {
		b = codec.AppendString(b, s)
	}
	return b
}

// DecodeQuestion reads what Encode wrote. The error wraps [codec.ErrMalformed].
func DecodeQuestion(b []byte) (q Question, err error) {
	if err := codec.Check(b); err != nil {
		return q, fmt.Errorf("read which series are asked for: %w", err)
	}
	r := codec.NewReader(b)
	more := r.ArrayOf(4)
	version(r)
	r.Fixed(q.Till[:])
	q.Relay = r.Bool()
	n := r.Array()
	if n > MaxSeries {
		r.Fail("%d series, at most %d", n, MaxSeries)
	}
	for ; n > 0 && r.Err() == nil; n-- {
		s := r.String()
		if len(s) > 64 {
			r.Fail("a series of %d bytes", len(s))
		}
		q.Series = append(q.Series, s)
	}
	r.Skip(more)
	if err := r.Done(); err != nil {
		return Question{}, fmt.Errorf("read which series are asked for: %w", err)
	}
	return q, nil
}

func version(r *codec.Reader) {
	if v := r.Uint(); r.Err() == nil && v != 1 {
		r.Fail("version %d, this program knows 1", v)
	}
}

// EncodeAnswers returns [1, [[till, asked, [[first, last, first, last, ...], ...]], ...]]. What is beyond the limits is left out: it counts as not
// held, and tills as not asked.
func EncodeAnswers(list []Answer) []byte {
	list = list[:min(len(list), MaxAnswers)]
	b := codec.AppendArray(codec.AppendUint(codec.AppendArray(nil, 2), 1), len(list))
	for _, a := range list {
		one := appendAnswer(nil, a)
		if len(b)+len(one) > MaxAnswer-64*MaxAnswers { // what is left is room for those that are only named
			one = appendAnswer(nil, Answer{Till: a.Till})
		}
		b = append(b, one...)
	}
	return b
}

func appendAnswer(b []byte, a Answer) []byte {
	b = codec.AppendBytes(codec.AppendArray(b, 3), a.Till[:])
	b = codec.AppendArray(codec.AppendBool(b, a.Asked), len(a.Runs))
	for _, runs := range a.Runs {
		runs = runs[:min(len(runs), maxRuns)]
		b = codec.AppendArray(b, 2*len(runs))
		for _, r := range runs {
			b = codec.AppendInt(codec.AppendInt(b, r.First), r.Last)
		}
	}
	return b
}

// DecodeAnswers reads the answer to a question for so many series. The error wraps [codec.ErrMalformed].
func DecodeAnswers(b []byte, series int) (list []Answer, err error) {
	if len(b) > MaxAnswer {
		return nil, fmt.Errorf("read who holds a series: %w: %d bytes", codec.ErrMalformed, len(b))
	}
	if err := codec.Check(b); err != nil {
		return nil, fmt.Errorf("read who holds a series: %w", err)
	}
	r := codec.NewReader(b)
	more := r.ArrayOf(2)
	version(r)
	n := r.Array()
	if n > MaxAnswers {
		r.Fail("%d tills, at most %d", n, MaxAnswers)
	}
	for ; n > 0 && r.Err() == nil; n-- {
		list = append(list, readAnswer(r, series))
	}
	r.Skip(more)
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("read who holds a series: %w", err)
	}
	return list, nil
}

func readAnswer(r *codec.Reader, series int) (a Answer) {
	more := r.ArrayOf(3)
	r.Fixed(a.Till[:])
	a.Asked = r.Bool()
	n := r.Array()
	if n != series && (n != 0 || a.Asked) {
		r.Fail("%d series, %d were asked for", n, series)
	}
	for ; n > 0 && r.Err() == nil; n-- {
		a.Runs = append(a.Runs, readRuns(r))
	}
	r.Skip(more)
	return a
}

func readRuns(r *codec.Reader) (runs []Run) {
	n := r.Array()
	if n%2 != 0 || n > 2*maxRuns {
		r.Fail("%d ends of ranges", n)
	}
	last := int64(0)
	for ; n > 0 && r.Err() == nil; n -= 2 {
		run := Run{r.Int(), r.Int()}
		if run.First <= last || run.Last < run.First {
			r.Fail("ranges that do not follow each other")
		}
		last = run.Last
		runs = append(runs, run)
	}
	return runs
}

// HeldBy turns an answer into what a statement is built of.
func (a Answer) HeldBy(name string, series []string) Held {
	h := Held{Holder: Holder{ID: a.Till.String(), Kind: ByTill, Name: name, Asked: a.Asked}}
	if a.Asked {
		h.Runs = make(map[string][]Run, len(series))
		for i, s := range series[:min(len(series), len(a.Runs))] {
			h.Runs[s] = a.Runs[i]
		}
	}
	return h
}
