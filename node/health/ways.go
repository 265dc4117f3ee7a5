package health

import (
	"fmt"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

// wayFindings says why tills have no link, or only one that works in one direction. explained are the tills of which
// more need not be said.
func wayFindings(f Facts) (list []Finding, explained map[crdt.TillID]bool) {
	explained = make(map[crdt.TillID]bool)
	causes := make(map[Code][]Till)
	missing := 0
	for _, t := range f.Tills {
		code := f.linkedCause(t)
		if !t.Linked && !t.Told.IsZero() {
			code = ToldRemoved // it says so itself: no time has to pass
		} else if !t.Linked {
			if f.At.Sub(later(t.Since, f.Started)) < grace {
				explained[t.ID] = true
				continue
			}
			missing++
			code = f.missingCause(t)
		}
		if code != "" {
			explained[t.ID] = true
			causes[code] = append(causes[code], t)
		}
	}
	// What several tills say of this one is about this one.
	if len(causes[FirewallThere]) >= 2 && len(causes[FirewallThere]) == missing {
		causes[FirewallHere] = append(causes[FirewallHere], causes[FirewallThere]...)
		delete(causes, FirewallThere)
	}
	if n := len(causes[NotSeen]); n == len(f.Tills) && n > 0 {
		if code := f.aloneCause(n); code != NotSeen {
			causes[code] = causes[NotSeen]
			delete(causes, NotSeen)
		}
	}
	for _, code := range []Code{
		ToldRemoved, NoRouter, NoRoute, WrongAdapter, OtherNetwork, Alone, Isolation, FirewallHere, FirewallThere, VersionApart, UnknownThere,
		NotRunning, ShopThere, NoTillThere, OtherAnswers, HandshakeBad, NotSeen, Relayed,
	} {
		if tills := causes[code]; len(tills) > 0 {
			list = append(list, f.wayFinding(code, tills))
		}
	}
	return list, explained
}

// aloneCause says why none of n other tills shows a sign of life.
func (f Facts) aloneCause(n int) Code {
	switch {
	case f.Router.Tried && !f.Router.Answers:
		return NoRouter
	case f.Router.Known && !f.Router.Addr.IsValid():
		return NoRoute
	case n >= 2:
		return Alone
	}
	return NotSeen
}

// linkedCause says what is wrong with the way to a till with a link: it works in one direction only.
func (f Facts) linkedCause(t Till) Code {
	there, back := outcome(t.Tries), Result(0)
	if t.Answer != nil {
		back = outcome(t.Answer.Tries)
	}
	if there == 0 && back == 0 {
		return ""
	}
	switch {
	case silent(back) && !silent(there):
		return FirewallHere
	case silent(there) && !silent(back):
		return FirewallThere
	}
	return ""
}

// missingCause says why a till has no link.
func (f Facts) missingCause(t Till) Code {
	there := outcome(t.Tries)
	alive := t.Answer != nil || t.Via != "" || t.Alive
	switch there {
	case NotKnown:
		return UnknownThere
	case NoVersion:
		return VersionApart
	case Reached, BadHandshake:
		return HandshakeBad // the port is open, and yet there is no link
	case Refused:
		return NotRunning
	case OtherMachine:
		return OtherAnswers
	case ForeignShop:
		return ShopThere
	case NoTill:
		return NoTillThere
	case SaysRemoved:
		return ToldRemoved
	}
	if len(t.Addrs) > 0 && !f.anyNear(t) {
		return OtherNetwork
	}
	if name := f.nearOther(t); name != "" {
		return WrongAdapter
	}
	heard := !t.Heard.IsZero() && f.At.Sub(t.Heard) < multicastGrace
	switch {
	case t.Answer != nil && outcome(t.Answer.Tries) == Reached && silent(there):
		return FirewallThere
	case t.Answer != nil && silent(there) && silent(outcome(t.Answer.Tries)):
		return Isolation
	case alive:
		return Relayed
	case heard && silent(there):
		return FirewallThere
	}
	return NotSeen
}

func (f Facts) anyNear(t Till) bool {
	for _, a := range t.Addrs {
		if _, ok := f.near(a.Addr()); ok {
			return true
		}
	}
	return false
}

// nearOther returns an adapter that is in the network of a till, if this till was told to use another one.
func (f Facts) nearOther(t Till) string {
	other := ""
	for _, a := range t.Addrs {
		if name, ok := f.near(a.Addr()); ok {
			if f.Adapter == "" || name == f.Adapter {
				return ""
			}
			other = name
		}
	}
	return other
}

func (f Facts) wayFinding(code Code, tills []Till) Finding {
	one := found(code, time.Time{}, Values{Port: f.Port})
	for _, t := range tills {
		one.Tills = append(one.Tills, t.Name)
		if one.Since.IsZero() || !t.Since.IsZero() && t.Since.Before(one.Since) {
			one.Since = t.Since
		}
		one.Values.Via = or(one.Values.Via, t.Via)
		one.Values.Program = or(one.Values.Program, t.Program)
		if code != FirewallHere && len(t.Addrs) > 0 {
			one.Values.Port = t.Addrs[0].Port()
		}
		switch code {
		case OtherNetwork:
			one.Values.Where = or(one.Values.Where, networks(t.Addrs))
		case WrongAdapter:
			one.Values.Where = f.nearOther(t)
		case ShopThere:
			one.Values.Where = or(one.Values.Where, answering(t.Tries, ForeignShop))
		case NoTillThere:
			one.Values.Where = or(one.Values.Where, answering(t.Tries, NoTill))
		case NoRouter:
			if f.Router.Addr.IsValid() {
				one.Values.Where = f.Router.Addr.String()
			}
		case ToldRemoved:
			one.Since = t.Told
		}
		one.Details = append(one.Details, details(t)...)
	}
	if seen := latest(tills); !seen.IsZero() {
		one.Values.Span = f.At.Sub(seen)
	} else if !one.Since.IsZero() {
		one.Values.Span = f.At.Sub(one.Since)
	}
	slices.Sort(one.Tills)
	return one
}

// answering returns the first address that was tried with this result.
func answering(tries []Try, r Result) string {
	i := slices.IndexFunc(tries, func(t Try) bool { return t.Result == r })
	if i < 0 {
		return ""
	}
	return tries[i].Addr.String()
}

func details(t Till) []string {
	var out []string
	for _, y := range t.Tries {
		out = append(out, fmt.Sprintf("from here to %s at %s: %s", t.Prefix, y.Addr, y.Result))
	}
	if t.Answer != nil {
		for _, y := range t.Answer.Tries {
			out = append(out, fmt.Sprintf("from %s to here at %s: %s", t.Prefix, y.Addr, y.Result))
		}
	}
	return out
}

// outcome is the most telling of several results: why a link failed, else what answered, else silence. 0: nothing was
// tried.
func outcome(tries []Try) Result {
	var best Result
	for _, r := range []Result{NoWay, TimedOut, Refused, Reached, NoTill, ForeignShop, OtherMachine, BadHandshake, NoVersion, NotKnown, SaysRemoved} {
		if slices.ContainsFunc(tries, func(t Try) bool { return t.Result == r }) {
			best = r
		}
	}
	return best
}

func silent(r Result) bool { return r == TimedOut || r == NoWay }

func latest(tills []Till) time.Time {
	var out time.Time
	for _, t := range tills {
		out = later(out, t.Seen)
	}
	return out
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// String returns the result in words, for details.
func (r Result) String() string {
	if int(r) >= len(resultNames) {
		return "no result"
	}
	return resultNames[r]
}

var resultNames = [...]string{"not tried", "reached", "refused", "no answer", "no way there", "another machine answered",
	"not known there", "no common version", "encryption failed", "a till of another shop answered", "something that is no till answered",
	"it says that this till was removed"}
