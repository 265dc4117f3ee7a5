package simulation

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/replication/wire"
)

// script is what the verbs of a branch work on.
type script = *branch

// branchVerbs are the verbs of the scenarios of this package.
func branchVerbs() Verbs[script] {
	verbs := make(Verbs[script])
	for _, some := range []Verbs[script]{settingVerbs, workVerbs, networkVerbs, machineVerbs, diskVerbs, memberVerbs, expectVerbs} {
		maps.Copy(verbs, some)
	}
	return verbs
}

// Help lists what scenarios of this package may say, a line for each verb.
func Help() string { return branchVerbs().Help() }

// Faults are the names of what the seeds have to bring about, as Result.Faults counts them.
func Faults() []string {
	return []string{
		"loss", "twice", "overtaken", "weeks late", "cut", "cut in Pull", "cut in Commits", "cut in End", "cut in Context", "one way",
		"partition", "slow link", "flap", "kill", "power cut", "death after a write", "death between two files", "bad write", "bad start",
		"bad read", "torn write", "missing value", "bit flip", "salvaged", "disk full", "read-only", "fsync that lies", "lost tail", "restored", "copy", "second process", "rehoused",
		"clock", "drift", "jump", "closed for a while", "coupled", "uncoupled", "new seat", "admitted", "retired", "revoked", "destroyed", "renewed", "said again",
		"key that speaks twice", "doubt", "store failed", "link closed by the roster",
	}
}

// on makes a verb about one till.
func on(do func(s script, t *till, a Args) error) func(script, Args) error {
	return func(s script, a Args) error {
		name, rest := a.Subject, a
		if name == "" {
			name, rest.Words = a.Word(0), a.Words[1:]
		}
		t, err := s.named(name)
		if err != nil {
			return err
		}
		return do(s, t, rest)
	}
}

// between makes a verb about two machines.
func between(do func(w *World, a, b *Machine, args Args)) func(script, Args) error {
	return func(s script, a Args) error {
		x, err := s.named(a.Word(0))
		if err != nil {
			return err
		}
		y, err := s.named(a.Word(1))
		if err != nil {
			return err
		}
		a.Words = a.Words[2:]
		do(s.w, x.m, y.m, a)
		return nil
	}
}

var errSetting = errors.New("it is written name=value")

var settingVerbs = Verbs[script]{
	"seed":  {Params: "int", Help: "everything left to chance", Do: func(script, Args) error { return nil }},
	"plant": {Params: "word...", Help: "a mistake to be noticed", Do: func(script, Args) error { return nil }},
	"tills": {Params: "word word...", Help: "found the shop with these; the first is the founder", Do: func(s script, a Args) error { return s.found(a.Words) }},
	"conditions": {Params: "word...", Help: "what holds all the time, such as latency=20ms loss=5", Do: func(s script, a Args) error {
		return s.w.Conditions.set(a.Words)
	}},
	"wait": {Params: "time", Help: "let time pass", Do: func(s script, a Args) error { s.w.RunFor(a.Time(0, 0)); return nil }},
	"jump": {Params: "time", Help: "time passes, everything stands still", Do: func(s script, a Args) error { s.w.Jump(a.Time(0, 0)); return nil }},
	"close": {Params: "time", Help: "all tills that run are switched off, time passes, they start again", Do: func(s script, a Args) error {
		s.night(a.Time(0, 0))
		return nil
	}},
	"heal":   {Help: "end all faults of network and disks", Do: func(s script, _ Args) error { s.w.Heal(); return nil }},
	"settle": {Help: "end all faults, start everything, check all that must hold at rest", Do: func(s script, _ Args) error { s.settle(); return nil }},
}

// set changes conditions by words such as loss=5.
func (c *Conditions) set(words []string) error {
	times := map[string]*time.Duration{"latency": &c.Latency, "fsync": &c.Fsync, "notice": &c.Notice}
	numbers := map[string]*int{
		"batch": &c.Batch, "read": &c.Read, "loss": &c.Loss, "twice": &c.Twice, "badwrite": &c.BadWrite, "badread": &c.BadRead,
		"deaths": &c.Deaths,
	}
	for _, word := range words {
		name, value, ok := strings.Cut(word, "=")
		d, errTime := ParseTime(value)
		n, errInt := strconv.Atoi(value)
		switch {
		case !ok:
			return fmt.Errorf("%q: %w", word, errSetting)
		case times[name] != nil && errTime == nil:
			*times[name] = d
		case numbers[name] != nil && errInt == nil:
			*numbers[name] = n
		case name == "overtake" && (value == "true" || value == "false"):
			c.Overtake = value == "true"
		default:
			return fmt.Errorf("%q is no condition", word)
		}
	}
	return nil
}

// String writes the conditions as a statement does, without what is zero.
func (c Conditions) String() string {
	out := fmt.Sprintf("latency=%v fsync=%v notice=%v", c.Latency, c.Fsync, c.Notice)
	for _, n := range []struct {
		name  string
		value int
	}{
		{"batch", c.Batch}, {"read", c.Read}, {"loss", c.Loss}, {"twice", c.Twice}, {"badwrite", c.BadWrite}, {"badread", c.BadRead},
		{"deaths", c.Deaths},
	} {
		if n.value != 0 {
			out += fmt.Sprintf(" %s=%d", n.name, n.value)
		}
	}
	if c.Overtake {
		out += " overtake=true"
	}
	return out
}

var workVerbs = Verbs[script]{
	"writes": {Params: "subject [int]", Help: "random changes", Do: on(func(_ script, t *till, a Args) error { return t.write(a.Int(0, 1)) })},
	"orders": {Params: "subject [int]", Help: "lines on tabs", Do: on(func(_ script, t *till, a Args) error { return t.order(a.Int(0, 1)) })},
	"moves":  {Params: "subject", Help: "a line to another tab", Do: on(func(_ script, t *till, _ Args) error { return t.move() })},
	"sells":  {Params: "subject [int]", Help: "numbered receipts", Do: on(func(_ script, t *till, a Args) error { return t.sell(a.Int(0, 1)) })},
}

var networkVerbs = Verbs[script]{
	"cut":  {Params: "word word [time]", Help: "no connection between two", Do: between(func(w *World, a, b *Machine, x Args) { w.Cut(a, b, x.Time(0, Forever)) })},
	"join": {Params: "word word", Help: "the end of what separates two", Do: between(func(w *World, a, b *Machine, _ Args) { w.Join(a, b) })},
	"never": {Params: "word word", Help: "two that never reach each other, not after heal either", Do: between(func(w *World, a, b *Machine, _ Args) {
		w.Never(a, b)
	})},
	"stall": {Params: "word word [time]", Help: "nothing from the first reaches the second", Do: between(func(w *World, a, b *Machine, x Args) {
		w.Stall(a, b, x.Time(0, Forever))
	})},
	"slow": {Params: "word word time", Help: "frames between two take up to this", Do: between(func(w *World, a, b *Machine, x Args) { w.Slow(a, b, x.Time(0, 0)) })},
	"flap": {Params: "word word int time", Help: "cut so often, once in that time", Do: between(func(w *World, a, b *Machine, x Args) {
		w.Flap(a, b, x.Int(0, 0), x.Time(1, 0))
	})},
	"partition": {Params: "word [time]", Help: "only within groups such as K1,K2|K3", Do: func(s script, a Args) error {
		var groups [][]*Machine
		for _, names := range strings.Split(a.Word(0), "|") {
			var group []*Machine
			for _, name := range strings.Split(names, ",") {
				t, err := s.named(name)
				if err != nil {
					return err
				}
				group = append(group, t.m)
			}
			groups = append(groups, group)
		}
		s.w.Partition(a.Time(1, Forever), groups...)
		return nil
	}},
	"isolate": {Params: "word [time]", Help: "cut off from all", Do: on(func(s script, t *till, a Args) error { s.w.Isolate(t.m, a.Time(0, Forever)); return nil })},
	"snap": {Params: "word [int]", Help: "cut while the n-th pull, commits, end, context, push or have from now passes", Do: func(s script, a Args) error {
		kind, ok := map[string]wire.Kind{
			"pull": wire.KindPull, "commits": wire.KindCommits, "end": wire.KindEnd, "context": wire.KindContext,
			"push": wire.KindPush, "have": wire.KindHave,
		}[a.Word(0)]
		if !ok {
			return fmt.Errorf("%q is no message that can be cut", a.Word(0))
		}
		s.w.CutDuring(kind, a.Int(1, 1))
		return nil
	}},
}

var machineVerbs = Verbs[script]{
	"start":    {Params: "word", Help: "switch on", Do: on(func(_ script, t *till, _ Args) error { t.manual = false; t.m.Start(); return nil })},
	"stop":     {Params: "word", Help: "switch off, for good", Do: on(func(_ script, t *till, _ Args) error { t.manual = true; t.m.Stop(); return nil })},
	"restart":  {Params: "word", Help: "switch off and on", Do: on(func(_ script, t *till, _ Args) error { t.m.Stop(); return nil })},
	"kill":     {Params: "word", Help: "kill -9; it starts again", Do: on(func(_ script, t *till, _ Args) error { t.m.Kill(); return nil })},
	"powercut": {Params: "word", Help: "the power goes; it starts again", Do: on(func(_ script, t *till, _ Args) error { t.m.PowerCut(); return nil })},
	"destroy":  {Params: "word", Help: "gone with all its data", Do: on(func(_ script, t *till, _ Args) error { t.m.Destroy(); return nil })},
	"clock":    {Params: "word time", Help: "move the wall clock", Do: on(func(s script, t *till, a Args) error { t.m.Clock().Jump(a.Time(0, 0)); s.w.Count("clock"); return nil })},
	"drift": {Params: "word int", Help: "parts per million too fast", Do: on(func(s script, t *till, a Args) error {
		t.m.Clock().Drift(int64(a.Int(0, 0)))
		s.w.Count("drift")
		return nil
	})},
	"rehouse": {Params: "word", Help: "the data disk goes into another box", Do: on(func(_ script, t *till, _ Args) error { t.off(); t.m.Rehouse(); return nil })},
	"twice":   {Params: "word", Help: "a second process on the same store", Do: on(func(_ script, t *till, _ Args) error { return t.twice() })},
	"copy":    {Params: "word word [word]", Help: "a copy of its data, or of its backup with that name, runs on another machine", Do: on(func(s script, t *till, a Args) error { return s.copy(t, a.Word(0), a.Word(1)) })},
	"audit":   {Params: "time", Help: "how often tills that start from now on audit", Do: func(s script, a Args) error { s.auditEvery = a.Time(0, 0); return nil }},
	"backup":  {Params: "word word", Help: "copy its data disk under a name", Do: on(func(s script, t *till, a Args) error { s.backups[a.Word(0)] = t.m.data.Clone(); return nil })},
	"restore": {Params: "word word", Help: "put the copy with that name in place of its data disk", Do: on(func(s script, t *till, a Args) error { return s.restore(t, a.Word(0)) })},
}

var diskVerbs = Verbs[script]{
	"fill":   {Params: "word", Help: "the disk is full", Do: on(func(s script, t *till, _ Args) error { s.w.Count("disk full"); t.m.data.Fill(true); return nil })},
	"free":   {Params: "word", Help: "there is room again", Do: on(func(_ script, t *till, _ Args) error { t.m.data.Fill(false); return nil })},
	"freeze": {Params: "word", Help: "the disk is read-only", Do: on(func(s script, t *till, _ Args) error { s.w.Count("read-only"); t.m.data.Protect(true); return nil })},
	"thaw":   {Params: "word", Help: "the disk can be written again", Do: on(func(_ script, t *till, _ Args) error { t.m.data.Protect(false); return nil })},
	"lie":    {Params: "word", Help: "the disk says durable before it is", Do: on(func(_ script, t *till, _ Args) error { t.m.Lie(); return nil })},
	"rewind": {Params: "word int", Help: "it loses the last commits of its log without a word", Do: on(func(_ script, t *till, a Args) error { return t.rewind(a.Int(0, 1)) })},
	"tear":   {Params: "word", Help: "the power goes in the middle of its next write", Do: on(func(_ script, t *till, _ Args) error { t.m.TearNext(); return nil })},
	"lose":   {Params: "word", Help: "one value is missing", Do: on(func(_ script, t *till, _ Args) error { return t.damage(false) })},
	"flip":   {Params: "word", Help: "one bit flips", Do: on(func(_ script, t *till, _ Args) error { return t.damage(true) })},
}

var memberVerbs = Verbs[script]{
	"admits": {Params: "subject word", Help: "a new till joins", Do: on(func(_ script, t *till, a Args) error { return t.admit(a.Word(0), nil) })},
	"replaces": {Params: "subject word word", Help: "a new till joins in the place of another: K1 replaces K2 K9", Do: on(func(s script, t *till, a Args) error {
		old, err := s.named(a.Word(0))
		if err != nil {
			return err
		}
		return t.admit(a.Word(1), old)
	})},
	"couples":   {Params: "subject word", Help: "a new cloud, which one till links with", Do: on(func(_ script, t *till, a Args) error { return t.couple(a.Word(0)) })},
	"uncouples": {Params: "subject word", Help: "the end of that", Do: on(func(_ script, t *till, a Args) error { return t.uncouple(a.Word(0)) })},
	"retires":   {Params: "subject word", Help: "another till is no longer used", Do: on(func(s script, t *till, a Args) error { return s.departs(t, a.Word(0), false) })},
	"revokes":   {Params: "subject word", Help: "another till is lost", Do: on(func(s script, t *till, a Args) error { return s.departs(t, a.Word(0), true) })},
}
