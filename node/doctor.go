package node

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node/health"
	"github.com/tillmesh/tillmesh/replication"
)

const (
	// lookAround is how often the doctor looks at what the till knows.
	lookAround = 10 * time.Second
	// examineAgain is how old what was tried may be for somebody who asks: a screen that asks all the time must not dial all the time.
	examineAgain = 2 * time.Second
	// missingFor is how long a till has no link before the doctor tries why, and probeAgain how often it tries again.
	missingFor, probeAgain = 30 * time.Second, time.Minute
	// probedFor is how long what was tried counts.
	probedFor = 3 * time.Minute
	// probeTime bounds one round of trying.
	probeTime = 8 * time.Second
	// answerKept is how long the answer of a till counts that says nothing when it is asked again: it answers every 2 s.
	answerKept     = 5 * time.Second
	linkEventsKept = 1000
)

// doctor names what is wrong with a till and its way to the others. It starts nothing: whoever runs the till calls
// [Till.LookAround].
type doctor struct {
	// What only a machine knows; nil in a simulated till.
	network func(f *health.Facts)
	dial    health.DialFunc
	own     func() []netip.AddrPort
	router  func(context.Context, health.Facts) health.Router

	config   map[string]string // settings for the support file
	answerer health.Answerer
	probing  sync.Mutex // one round at a time

	mu        sync.Mutex
	history   health.History
	meter     health.Meter
	known     map[crdt.TillID]*acquaintance
	probedAt  time.Time     // the last round; zero: none yet
	routed    health.Router // of the last round
	multicast time.Time     // heard of any other machine of the shop
	listening time.Time     // multicast works since; zero: it does not
	gossip    struct {
		up    bool
		since time.Time
	}
	events []health.LinkEvent
	last   Diagnosis
}

// acquaintance is what the doctor remembers of another till.
type acquaintance struct {
	linked, alive      bool
	since, seen, heard time.Time
	program            string
	probed             health.Till // Tries, Via and Answer of the last round
	answered           time.Time   // when Answer came
}

// Diagnosis is what the doctor found.
type Diagnosis struct {
	At       time.Time
	ProbedAt time.Time        // when it was last tried who reaches whom; zero: not yet
	Findings []health.Finding // the worst first
	Past     []health.Past
}

// Wrong returns how many causes somebody should do something about.
func (d Diagnosis) Wrong() int {
	n := 0
	for _, f := range d.Findings {
		if f.Severity > health.Info {
			n++
		}
	}
	return n
}

func newDoctor(t *Till) *doctor {
	d := &doctor{known: make(map[crdt.TillID]*acquaintance)}
	d.answerer.Self, d.answerer.Program, d.answerer.Now = t.id.Till, t.version, t.env.Now
	d.answerer.Allowed = func(id crdt.TillID) bool { return t.roster.active(id) }
	d.answerer.Ask = func(ctx context.Context, till crdt.TillID, topic string, body []byte) ([]byte, error) {
		return t.replicator.Ask(ctx, till, topic, body)
	}
	d.answerer.About = d.about
	d.answerer.Dial = func(context.Context, []netip.AddrPort) []health.Try { return nil }
	d.answerer.Near = func(netip.Addr) bool { return false }
	return d
}

// LookAround diagnoses the till by what it knows. If another till has been missing for a while it is also tried why, at
// most once a minute. Call it about every 10 s.
func (t *Till) LookAround(ctx context.Context) Diagnosis {
	d, now := t.doctor, t.env.Now()
	facts := t.facts(now)
	d.mu.Lock()
	due := d.dial != nil && now.Sub(d.probedAt) >= probeAgain && slices.ContainsFunc(facts.Tills, func(o health.Till) bool {
		return !o.Linked && now.Sub(o.Since) >= missingFor
	})
	d.mu.Unlock()
	if due {
		return t.Examine(ctx)
	}
	return t.conclude(ctx, now, facts)
}

// Examine tries who reaches whom, which takes a few seconds, and diagnoses the till with what came of it.
func (t *Till) Examine(ctx context.Context) Diagnosis {
	d := t.doctor
	if d.dial == nil {
		return t.conclude(ctx, t.env.Now(), t.facts(t.env.Now()))
	}
	d.probing.Lock()
	defer d.probing.Unlock()
	began := t.env.Now()
	d.mu.Lock()
	fresh := !d.probedAt.IsZero() && began.Sub(d.probedAt).Abs() < examineAgain
	d.mu.Unlock()
	if fresh {
		return t.conclude(ctx, began, t.facts(began))
	}
	trying, done := context.WithTimeout(ctx, probeTime)
	defer done()
	facts := t.facts(began)
	for i := range facts.Tills {
		facts.Tills[i].Tries, facts.Tills[i].Answer, facts.Tills[i].Via = nil, nil, ""
	}
	checked := health.Prober{Dial: d.dial, Ask: d.answerer.Ask, Own: d.own()}.Check(trying, facts)
	var router health.Router
	if d.router != nil {
		router = d.router(trying, facts)
	}
	now := t.env.Now()
	d.mu.Lock()
	d.probedAt, d.routed = now, router
	for _, o := range checked.Tills {
		k := d.known[o.ID]
		if k == nil {
			continue
		}
		was := k.probed.Answer
		k.probed = health.Till{Tries: o.Tries, Answer: o.Answer, Via: o.Via}
		switch {
		case o.Answer != nil:
			k.answered = now
		case now.Sub(k.answered) < answerKept:
			k.probed.Answer = was // asked again too soon it says nothing
		}
	}
	d.mu.Unlock()
	return t.conclude(ctx, now, t.facts(now))
}

// Diagnosis returns what was found last.
func (t *Till) Diagnosis() Diagnosis {
	t.doctor.mu.Lock()
	defer t.doctor.mu.Unlock()
	return t.doctor.last
}

// conclude diagnoses facts and tells if something else is wrong than before.
func (t *Till) conclude(ctx context.Context, now time.Time, f health.Facts) Diagnosis {
	d := t.doctor
	d.mu.Lock()
	before := d.last
	d.last = Diagnosis{At: now, ProbedAt: d.probedAt, Findings: d.history.Update(now, health.Diagnose(f)), Past: d.history.Past()}
	after := d.last
	d.mu.Unlock()
	same := slices.EqualFunc(before.Findings, after.Findings, func(a, b health.Finding) bool {
		return a.Code == b.Code && slices.Equal(a.Tills, b.Tills)
	})
	if !same {
		for _, x := range after.Findings {
			if x.Severity > health.Info {
				t.log.Warn("the doctor says: "+x.Title(health.English), "code", x.Code, "facts", x.Details)
			}
		}
		t.events.post(Event{What: "status"})
	}
	for _, x := range after.Findings {
		if x.Code == health.Copy && !slices.ContainsFunc(before.Findings, func(o health.Finding) bool { return o.Code == x.Code && slices.Equal(o.Tills, x.Tills) }) {
			t.raiseCopy(ctx, x)
		}
	}
	return after
}

// facts puts together what the till knows.
func (t *Till) facts(now time.Time) health.Facts {
	d, view, state := t.doctor, t.network.View(), t.replicator.State()
	clocks := t.ClockReport().Report
	f := health.Facts{
		At: now, Till: t.id.Till, Name: t.roster.name(t.id.Till), Program: t.version, Started: t.began, Port: view.LinkPort,
		Clock: &clocks, Disk: t.room.report(), Signer: t.signerFails(),
	}
	links := make(map[crdt.TillID]replication.LinkState)
	for _, l := range state.Links {
		if l.Ready {
			links[l.Till] = l
		}
	}
	says := make(map[crdt.TillID]time.Time)
	for _, o := range t.ToldRemoved() {
		says[o.Till] = o.Since
	}
	d.mu.Lock()
	for _, till := range t.roster.tills() {
		if till.ID == t.id.Till || till.State != shop.Active {
			continue
		}
		reach := view.Reach[till.ID]
		l, linked := links[till.ID]
		k := d.acquaint(till.ID, linked, reach.Alive, l.Program, now)
		o := health.Till{
			ID: till.ID, Name: or(till.Name, till.Prefix), Prefix: till.Prefix, Linked: linked, Since: k.since, Program: k.program,
			Alive: reach.Alive, Heard: k.heard, Seen: k.seen, Told: says[till.ID],
		}
		for _, a := range reach.Addresses {
			if addr, err := netip.ParseAddrPort(a); err == nil {
				o.Addrs = append(o.Addrs, addr)
			}
		}
		if now.Sub(d.probedAt) < probedFor {
			o.Tries, o.Answer, o.Via = k.probed.Tries, k.probed.Answer, k.probed.Via
		}
		f.Tills = append(f.Tills, o)
	}
	if now.Sub(d.probedAt) < probedFor {
		f.Router = d.routed
	}
	d.networkFacts(&f, view, now)
	d.mu.Unlock()
	if d.network != nil {
		d.network(&f)
	}
	return f
}

// acquaint takes what is known of a till now. The caller holds mu.
func (d *doctor) acquaint(id crdt.TillID, linked, alive bool, program string, now time.Time) *acquaintance {
	k := d.known[id]
	if k == nil {
		k = &acquaintance{linked: linked, since: now}
		d.known[id] = k
	}
	if k.linked != linked {
		k.linked, k.since = linked, now
		k.probed = health.Till{} // what was tried was about another state
	}
	if k.alive = alive; linked || alive {
		k.seen = now
	}
	k.program = or(program, k.program)
	return k
}

// networkFacts adds what the group and multicast say. The caller holds mu.
func (d *doctor) networkFacts(f *health.Facts, view NetworkView, now time.Time) {
	g := view.Gossip
	if g.Up != d.gossip.up || d.gossip.since.IsZero() {
		d.gossip.up, d.gossip.since = g.Up, now
	}
	f.Gossip = health.Gossip{Up: g.Up, Since: d.gossip.since, Port: view.LinkPort + 1}
	if c := claimed(g.Claims, now); c.Count > 0 {
		f.Gossip.Conflicts, f.Gossip.ConflictFor, f.Gossip.ConflictTill = c.Count, c.Last.Sub(c.Since), c.Till
		f.Gossip.ConflictAt = []netip.AddrPort{c.Known, c.Claimed}
		slices.SortFunc(f.Gossip.ConflictAt, netip.AddrPort.Compare)
	}
	if g.Problem != nil {
		f.Gossip.Problem, f.Gossip.InUse = g.Problem.Error(), inUse(g.Problem)
	}
	f.Multicast.Off = view.MDNS == nil
	var dropped uint64
	if m := view.MDNS; m != nil {
		works := m.Announcing && m.Watching && m.AnnounceError == "" && m.WatchError == ""
		switch {
		case !works:
			d.listening = time.Time{}
		case d.listening.IsZero():
			d.listening = now
		}
		f.Multicast.Since, f.Multicast.Heard, f.Multicast.Problem = d.listening, d.multicast, or(m.AnnounceError, m.WatchError)
		dropped = m.Dropped
	}
	l, r := view.Links, g.Refused
	d.meter.Observe(now, []health.Rate{
		{What: "noise", Count: l.Noise + l.WrongProtocol + l.TooSlow}, {What: "handshakes", Count: l.HandshakeFailed},
		{What: "unknown-keys", Count: l.UnknownKey}, {What: "other-shops", Count: l.OtherShop}, {What: "busy", Count: l.Busy + l.TooFast},
		{What: "multicast", Count: dropped}, {What: "gossip", Count: r.Foreign + r.TooLarge + r.Replayed + r.Broken + r.Busy + r.Overrun},
		{What: "gossip-key", Count: r.WrongKey},
	})
	f.Flood = d.meter.Rates()
	for _, rate := range f.Flood {
		if rate.What == "gossip-key" {
			f.Gossip.Unreadable = rate.Count
		}
	}
}

// hear notes that a till of the shop was heard by multicast.
func (d *doctor) hear(till crdt.TillID, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.multicast = now
	if k := d.known[till]; k != nil {
		k.heard, k.seen = now, now
	}
}

// linkEvent notes what happened to a link.
func (d *doctor) linkEvent(e health.LinkEvent) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, e)
	d.events = d.events[max(len(d.events)-linkEventsKept, 0):]
}

// about tells another till what this one knows of a third one.
func (d *doctor) about(id crdt.TillID) health.About {
	d.mu.Lock()
	defer d.mu.Unlock()
	k := d.known[id]
	if k == nil {
		return health.About{}
	}
	return health.About{Linked: k.linked, Alive: k.alive, Heard: k.heard}
}
