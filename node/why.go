package node

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

// Steps of a receipt on its way, in their order.
const (
	StepIssued  = "issued"  // its till gave it its number
	StepHere    = "here"    // it is on the disk of this till
	StepTills   = "tills"   // it is on other tills
	StepUplink  = "uplink"  // it was sent to the cloud
	StepArchive = "archive" // the cloud confirmed it
)

// How a step stands.
const (
	StepDone    = "done"
	StepWaits   = "waits"   // it will come by itself
	StepBroken  = "broken"  // a person has to do something
	StepNone    = "none"    // there is no such step in this shop
	StepUnknown = "unknown" // not known here
)

// Step is one step of a receipt on its way.
type Step struct {
	Name, State string
	Text        string // what is, in one sentence
	Cause       string // waits, broken: why
	Do          string // what to do about it; may be empty
	Tills       []TillWhy
}

// TillWhy is what is known of another till and the receipt.
type TillWhy struct {
	Till   crdt.TillID
	Name   string
	Has    bool
	Linked bool
	Heard  time.Time // when it was last linked or alive, zero: not since this start
	Text   string
}

// Why is where a receipt is on its way, and what stops it.
type Why struct {
	Asked  string // as it was asked for
	Number string // of the receipt, empty if that is not known
	ID     crdt.ObjectID
	Till   crdt.TillID // that issued it, or would have; zero: not known
	Steps  []Step
	First  string // name of the first step that is not done and could be; empty: all is well
}

// Why says where a receipt is on its way, for any number or ID, also one that nobody knows.
func (t *Till) Why(ctx context.Context, idOrNumber string) (Why, error) {
	w := Why{Asked: clipped(strings.TrimSpace(idOrNumber))}
	r, err := t.Receipt(ctx, w.Asked)
	switch {
	case errors.Is(err, ErrNotFound):
		if err := t.whyNot(ctx, &w); err != nil {
			return w, err
		}
	case err != nil:
		return w, err
	default:
		w.Number, w.ID, w.Till = r.Number, r.ID, r.Till
		w.Steps = append(w.Steps,
			Step{Name: StepIssued, State: StepDone, Text: fmt.Sprintf("%s closed it %s", t.roster.name(r.Till), or(r.Parsed.Closed, "at an unknown time"))},
			Step{Name: StepHere, State: StepDone, Text: "it is saved on the disk of this till"})
		if !r.Verified || r.Alarm {
			w.Steps[1] = Step{Name: StepHere, State: StepBroken, Text: "it is on the disk of this till, and something is wrong with it",
				Cause: broken(r), Do: "run \"till verify\" here and at " + t.roster.name(r.Till)}
		}
		w.Steps = append(w.Steps, t.onTills(r))
	}
	for len(w.Steps) < 3 {
		w.Steps = append(w.Steps, Step{Name: []string{StepIssued, StepHere, StepTills}[len(w.Steps)], State: StepUnknown, Text: "not known here"})
	}
	here := &r
	if err != nil {
		here = nil
	}
	uplink, archive := t.onCloud(ctx, here)
	w.Steps = append(w.Steps, uplink, archive)
	for _, s := range w.Steps {
		if s.State != StepDone && s.State != StepNone {
			w.First = s.Name
			break
		}
	}
	return w, nil
}

func broken(r Receipt) string {
	if r.Alarm {
		return "another document exists under the same number"
	}
	return "its signature does not hold, or its till is not one of the shop"
}

// onTills says on which other tills a receipt is.
func (t *Till) onTills(r Receipt) Step {
	s := Step{Name: StepTills, State: StepDone}
	has := make(map[crdt.TillID]bool)
	for _, till := range r.Copies {
		has[till] = true
	}
	linked, lacking := 0, 0
	for _, p := range t.peers(t.replicator.State(), t.network.View()) {
		if p.Self || p.State != shop.Active.String() {
			continue
		}
		one := TillWhy{Till: p.Till, Name: p.Name, Has: has[p.Till], Linked: p.Linked, Heard: p.Seen}
		switch {
		case one.Has:
			one.Text = "has it"
		case p.Linked && p.Pulling:
			one.Text = "linked, and catching up"
		case p.Linked:
			one.Text = "linked, and has not said yet that it has it"
		case !p.Seen.IsZero():
			one.Text = "no link, but it is alive"
		default:
			one.Text = "no link, and not heard of since this till started"
		}
		if !one.Has {
			lacking++
			if p.Linked {
				linked++
			}
		}
		s.Tills = append(s.Tills, one)
	}
	wanted := 0
	if r.Release != nil && r.Release.State == Waiting {
		wanted = r.Release.Wanted
	}
	on := len(s.Tills) - lacking
	switch {
	case len(s.Tills) == 0:
		s.State, s.Text = StepNone, "this is the only till of the shop"
		s.Do = "make backups, or add a second till: there is no other copy"
	case lacking == 0:
		s.Text = fmt.Sprintf("all %d other tills have it", on)
	case on > 0 && wanted == 0:
		s.Text = fmt.Sprintf("%d of %d other tills have it", on, len(s.Tills))
	case linked > 0:
		s.State, s.Text = StepWaits, fmt.Sprintf("%d of %d other tills have it", on, len(s.Tills))
		s.Cause, s.Do = "a linked till has not confirmed it yet", "wait a moment; if it stays so, run \"till doctor\""
	default:
		s.State, s.Text = StepBroken, fmt.Sprintf("%d of %d other tills have it", on, len(s.Tills))
		s.Cause = "no till that lacks it is linked"
		s.Do = "switch the other tills on and connect them; \"till doctor\" says what keeps them apart"
	}
	if wanted > 0 && s.State != StepDone {
		s.Text += fmt.Sprintf("; the shop prints it when it is on %d", wanted)
	}
	return s
}

// whyNot says of a receipt that is not here what is known of its number.
func (t *Till) whyNot(ctx context.Context, w *Why) error {
	issued, here := Step{Name: StepIssued, State: StepUnknown}, Step{Name: StepHere, State: StepBroken, Text: "it is not on this till"}
	defer func() { w.Steps = []Step{issued, here} }()
	series, n, isNumber := splitNumber(w.Asked)
	if !isNumber {
		if _, err := crdt.ParseObjectID(w.Asked); err == nil {
			issued.Text = "no receipt with this ID is known, and an ID does not say whose it is"
			here.Cause, here.Do = "nobody sent it", "ask for its number, which names its till"
			return nil
		}
		issued.State, issued.Text = StepBroken, fmt.Sprintf("%q is no number of a receipt", w.Asked)
		issued.Do = "write it as it is printed, such as " + number(t.series.Prefix(), 1)
		here.State, here.Text = StepUnknown, ""
		return nil
	}
	w.Number = receipt.NumberText(series, n)
	for _, key := range t.allSeries() {
		if key.series != series {
			continue
		}
		w.Till, w.ID = key.till, receipt.ReceiptID(t.id.Shop, key.till, series, n)
		last, err := t.lastNumber(ctx, key)
		if err != nil {
			return err
		}
		t.whyMissing(w, &issued, &here, n, int64(last))
		return nil
	}
	var known []string
	for _, key := range t.allSeries() {
		known = append(known, key.series)
	}
	issued.State, issued.Text = StepBroken, fmt.Sprintf("no till of this shop has the series %s", series)
	issued.Cause = "the known series are " + strings.Join(known, ", ")
	issued.Do = "check the number; a till that joined somewhere else is known here when both were linked"
	here.State, here.Cause = StepUnknown, "nobody of the shop issued it, as far as this till knows"
	return nil
}

// whyMissing says why a number of a known series is not here.
func (t *Till) whyMissing(w *Why, issued, here *Step, n, last int64) {
	name := t.roster.name(w.Till)
	heard, linked, pulling := t.heardOf(w.Till)
	switch {
	case n < 1:
		issued.State, issued.Text = StepBroken, "numbers begin with 1"
		here.State = StepUnknown
	case n <= last:
		issued.State, issued.Text = StepDone, fmt.Sprintf("%s issued it: %s is here", name, receipt.NumberText(w.series(), last))
		here.Text = fmt.Sprintf("it is missing here although %s is here: a gap", receipt.NumberText(w.series(), last))
		here.Cause = "part of what this till had is lost, or it is held back until what comes before it is here"
		here.Do = "run \"till audit\": the other tills send what is missing; then \"till verify\""
	case w.Till == t.id.Till && w.series() == t.series.Prefix():
		issued.State, issued.Text = StepBroken, fmt.Sprintf("this till did not issue it yet: the next number is %s", number(w.series(), t.series.Head().Number+1))
		here.State, here.Cause = StepUnknown, "it does not exist"
	default:
		issued.Text = fmt.Sprintf("whether %s issued it is not known here: the last number known of it is %s", name, lastText(w.series(), last))
		switch {
		case linked && pulling:
			here.State, here.Cause, here.Do = StepWaits, name+" is linked, and this till is catching up", "wait a moment"
		case linked:
			here.Cause, here.Do = name+" is linked and equal, so it did not issue the number", "check the number"
		default:
			here.Cause = fmt.Sprintf("there is no link to %s, %s", name, heardText(heard, t.env.Now()))
			here.Do = "connect " + name + "; only it would have the receipt. If it is lost for good, see \"till recover\" and \"till risk\""
		}
	}
}

func (w *Why) series() string {
	series, _, _ := splitNumber(w.Number)
	return series
}

func lastText(series string, last int64) string {
	if last == 0 {
		return "none"
	}
	return receipt.NumberText(series, last)
}

func heardText(at, now time.Time) string {
	if at.IsZero() {
		return "which was never heard of here"
	}
	return "which was last heard of " + max(0, now.Sub(at)).Round(time.Second).String() + " ago"
}

// heardOf returns when a till was last heard of and whether it is linked.
func (t *Till) heardOf(till crdt.TillID) (at time.Time, linked, pulling bool) {
	for _, p := range t.peers(t.replicator.State(), t.network.View()) {
		if p.Till == till {
			at = p.Seen
			if said, ok := t.copies.said.of(till); ok && at.IsZero() {
				at = said.at // before this start, too
			}
			return at, p.Linked || p.Self, p.Pulling
		}
	}
	return at, false, false
}

// splitNumber reads a number as it is printed.
func splitNumber(s string) (series string, n int64, ok bool) {
	i := strings.LastIndexByte(s, '-')
	if i <= 0 {
		return "", 0, false
	}
	n, err := strconv.ParseInt(s[i+1:], 10, 64)
	return s[:i], n, err == nil && n >= 0 && n <= receipt.MaxInteger
}
