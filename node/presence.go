package node

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
)

// Who works on which tab is told to every linked till when it begins, changes or ends, and again while it lasts. Nothing of it
// is stored: what is not said again for a while is forgotten.

const (
	topicPresence = "presence"
	// presenceSilence is how long what another till said holds, and how long somebody who looks at a tab counts as there.
	presenceSilence = 30 * time.Second
	// presenceAgain is how often it is told while it lasts.
	presenceAgain = 10 * time.Second
	// presencePatience is how long another till may take to answer.
	presencePatience = 2 * time.Second
	// maxPresent is how many people work at one till at the same time, as far as it is told.
	maxPresent = 200
)

// Present says that somebody works on a tab.
type Present struct {
	Tab    crdt.ObjectID // as it is shown
	Till   crdt.TillID
	User   string // may be empty
	Since  time.Time
	Age    time.Duration // how old what is known of it is; nothing at the own till
	Linked bool          // the till can be reached; always true for the own till
}

// presence is who works where. It is safe for concurrent use. Times are Steady.
type presence struct {
	changed chan struct{} // one slot: something is to be told

	mu      sync.Mutex
	own     map[worker]stay
	version uint64 // of own
	others  map[crdt.TillID]*heardPresence
	told    map[replication.LinkID]toldPresence
}

// worker is somebody at a till on a tab.
type worker struct {
	tab  crdt.ObjectID
	user string
}

func (w worker) compare(o worker) int {
	return cmp.Or(w.tab.Compare(o.tab), cmp.Compare(w.user, o.user))
}

// stay is how long somebody is there.
type stay struct{ since, until time.Duration }

// heardPresence is what another till said.
type heardPresence struct {
	at      time.Duration
	workers map[worker]time.Duration // since
}

// toldPresence is what was said on a link.
type toldPresence struct {
	version uint64
	at      time.Duration
}

func newPresence() *presence {
	return &presence{
		changed: make(chan struct{}, 1), own: make(map[worker]stay), others: make(map[crdt.TillID]*heardPresence),
		told: make(map[replication.LinkID]toldPresence), version: 1,
	}
}

// poke says that something is to be told.
func (p *presence) poke() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// enter notes that somebody is at a tab here, at least until then, and reports whether that is new. Who has no name is whoever
// is there already.
func (p *presence) enter(w worker, now, until time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.user == "" {
		known := false
		for o, s := range p.own {
			if o.tab == w.tab {
				s.until = max(s.until, until)
				p.own[o], known = s, true
			}
		}
		if known {
			return false
		}
	}
	s, known := p.own[w]
	if !known && len(p.own) >= maxPresent {
		return false
	}
	if !known {
		s.since = now
		if anonymous, ok := p.own[worker{tab: w.tab}]; ok {
			s.since = anonymous.since
			delete(p.own, worker{tab: w.tab})
		}
	}
	s.until = max(s.until, until)
	p.own[w] = s
	if !known {
		p.version++
	}
	return !known
}

// leave ends that somebody is at a tab here; without a name, everybody. It reports whether somebody was.
func (p *presence) leave(w worker) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := len(p.own)
	maps.DeleteFunc(p.own, func(o worker, _ stay) bool { return o.tab == w.tab && (w.user == "" || o.user == w.user) })
	if len(p.own) == before {
		return false
	}
	p.version++
	return true
}

// here returns who is at a tab here the longest.
func (p *presence) here(tab crdt.ObjectID, now time.Duration) (user string, since time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for w, s := range p.own {
		if w.tab == tab && s.until > now && (!ok || s.since < since || s.since == since && w.user < user) {
			user, since, ok = w.user, s.since, true
		}
	}
	return user, since, ok
}

// expire forgets who was silent for too long, and returns whose tabs that changed.
func (p *presence) expire(now time.Duration) (own []worker, others map[crdt.TillID][]worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for w, s := range p.own {
		if s.until <= now {
			own = append(own, w)
			delete(p.own, w)
		}
	}
	if len(own) > 0 {
		p.version++
	}
	others = make(map[crdt.TillID][]worker)
	for till, h := range p.others {
		if now-h.at >= presenceSilence {
			others[till] = slices.Collect(maps.Keys(h.workers))
			delete(p.others, till)
		}
	}
	slices.SortFunc(own, worker.compare)
	return own, others
}

// hear takes what another till said, and returns the tabs of which that is news.
func (p *presence) hear(till crdt.TillID, workers map[worker]time.Duration, now time.Duration) (news []worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.others[till]
	for w := range workers {
		if old == nil || !has(old.workers, w) {
			news = append(news, w)
		}
	}
	if old != nil {
		for w := range old.workers {
			if !has(workers, w) {
				news = append(news, w)
			} else if was := old.workers[w]; workers[w]-was < time.Second && was-workers[w] < time.Second {
				workers[w] = was // the way here takes longer or shorter
			}
		}
	}
	if len(workers) == 0 {
		delete(p.others, till)
	} else {
		p.others[till] = &heardPresence{now, workers}
	}
	slices.SortFunc(news, worker.compare)
	return news
}

func has[K comparable, V any](m map[K]V, k K) bool {
	_, ok := m[k]
	return ok
}

// works notes that somebody changed a tab at this till just now.
func (t *Till) works(tab crdt.ObjectID, user string) {
	now := t.env.Steady()
	tab = t.book.End(tab)
	t.work.Store(tab, now)
	t.present(worker{tab, user}, now, now+claimIdle)
}

func (t *Till) present(w worker, now, until time.Duration) {
	if t.presence.enter(w, now, until) {
		t.presence.poke()
		t.tellPresent(t.id.Till, w)
	}
}

// EnterTab notes that somebody looks at a tab at this till, for the next 30 s; to be said again while it lasts. Who looks does
// not hold the tab: after 90 s without a change another till may take it over.
func (t *Till) EnterTab(ctx context.Context, tab crdt.ObjectID, user string) error {
	v, err := t.openTab(ctx, tab)
	if err != nil {
		return err
	}
	now := t.env.Steady()
	t.present(worker{v.ID, user}, now, now+presenceSilence)
	return nil
}

// LeaveTab notes that somebody left a tab at this till; without a name, everybody did.
func (t *Till) LeaveTab(tab crdt.ObjectID, user string) {
	w := worker{t.book.End(tab), user}
	if t.presence.leave(w) {
		t.presence.poke()
		t.tellPresent(t.id.Till, w)
	}
}

// tellPresent tells the screens of this till that it changed who works on tabs.
func (t *Till) tellPresent(till crdt.TillID, list ...worker) {
	events := make([]Event, len(list))
	for i, w := range list {
		events[i] = Event{What: "presence", Object: t.book.End(w.tab).String(), Till: till.String()}
	}
	t.events.post(events...)
}

// Presence returns who works on which tab, by the tab that is shown; of each the one who is there the longest first.
func (t *Till) Presence() map[crdt.ObjectID][]Present {
	now, wall, linked := t.env.Steady(), t.clock.Now(), t.Linked()
	out := make(map[crdt.ObjectID][]Present)
	add := func(w worker, till crdt.TillID, since, age time.Duration) {
		tab := t.book.End(w.tab)
		out[tab] = append(out[tab], Present{Tab: tab, Till: till, User: w.user, Since: wall.Add(since - now), Age: age,
			Linked: till == t.id.Till || linked[till]})
	}
	p := t.presence
	p.mu.Lock()
	for w, s := range p.own {
		if s.until > now {
			add(w, t.id.Till, s.since, 0)
		}
	}
	for till, h := range p.others {
		if now-h.at < presenceSilence {
			for w, since := range h.workers {
				add(w, till, since, now-h.at)
			}
		}
	}
	p.mu.Unlock()
	for _, list := range out {
		slices.SortFunc(list, func(a, b Present) int {
			return cmp.Or(a.Since.Compare(b.Since), a.Till.Compare(b.Till), cmp.Compare(a.User, b.User))
		})
	}
	return out
}
