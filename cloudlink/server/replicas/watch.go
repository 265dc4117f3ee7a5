package replicas

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/server/watch"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

// noticeEvery is how often the series of a shop are looked through for gaps while something is archived there. A gap counts after
// watch.NamedAfter; looking twice as often is enough to know its age.
const noticeEvery = watch.NamedAfter / 2

// watched is what a replica knows of tills that are away and numbers that are missing.
type watched struct {
	mu     sync.Mutex
	heard  map[crdt.TillID]watch.Heard // as far as it is stored or about to be
	stored map[crdt.TillID]time.Time   // when that was last stored
	gaps   []watch.Gap                 // as they were noticed last
	looked time.Time                   // when the series were looked through; zero: not since it was opened
	news   bool                        // something was archived since
}

// loadWatch reads what was noticed before.
func (p *Replica) loadWatch(ctx context.Context) (err error) {
	w := &p.watched
	w.stored = make(map[crdt.TillID]time.Time)
	if w.heard, err = p.of.watch.LastHeard(ctx, p.shop.ID); err != nil {
		return err
	}
	for till, h := range w.heard {
		w.stored[till] = h.At
	}
	w.gaps, err = p.of.watch.Gaps(ctx, p.account, p.shop.ID)
	w.news = true
	return err
}

// take notes that tills were heard, and returns what is worth storing.
func (w *watched) take(list []watch.Heard) (store []watch.Heard) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range list {
		if !w.heard[h.Till].At.Before(h.At) {
			continue
		}
		w.heard[h.Till] = h
		if h.At.Sub(w.stored[h.Till]) >= watch.HeardEvery {
			w.stored[h.Till] = h.At
			store = append(store, h)
		}
	}
	return store
}

func (w *watched) at(till crdt.TillID) watch.Heard {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.heard[till]
}

// hear notes that tills were heard.
func (p *Replica) hear(ctx context.Context, list []watch.Heard) error {
	return p.of.watch.Heard(ctx, p.shop.ID, p.watched.take(list))
}

// toldHeard takes what a till says about when it heard the others. Nobody was heard in the future, nor a till that this one knows nothing of.
func (p *Replica) toldHeard(ctx context.Context, by crdt.TillID, body []byte) ([]byte, error) {
	said, err := cloudlink.DecodeHeard(body)
	if err != nil {
		return nil, err
	}
	now := p.of.cfg.Now()
	var list []watch.Heard
	for _, h := range said {
		if h.Till != by && p.state(h.Till) == shop.Active {
			list = append(list, watch.Heard{Till: h.Till, At: now.Add(-h.Ago), By: by})
		}
	}
	if err := p.hear(ctx, list); err != nil {
		p.of.cfg.Log.Warn("when tills were heard was not stored", "shop", p.shop.ID, "error", err)
		return nil, errors.New("the cloud cannot write now")
	}
	return nil, nil
}

// heardSessions notes that the tills of sessions are heard.
func (p *Replica) heardSessions(ctx context.Context, list map[uint64]session) error {
	now := p.of.cfg.Now()
	var heard []watch.Heard
	for _, s := range list {
		heard = append(heard, watch.Heard{Till: s.till, At: now, By: s.till})
	}
	return p.hear(ctx, heard)
}

// archivedNews says that something was archived.
func (p *Replica) archivedNews() {
	p.watched.mu.Lock()
	defer p.watched.mu.Unlock()
	p.watched.news = true
}

// notice looks for gaps if something was archived since that was done last, and that is a while ago.
func (p *Replica) notice(ctx context.Context) {
	w := &p.watched
	now := p.of.cfg.Now()
	w.mu.Lock()
	due := w.news && (w.looked.IsZero() || now.Sub(w.looked) >= noticeEvery)
	if due {
		w.looked, w.news = now, false
	}
	w.mu.Unlock()
	if !due {
		return
	}
	gaps, err := p.of.watch.Notice(ctx, p.account, p.shop.ID, now)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.news = true
		if ctx.Err() == nil {
			p.of.cfg.Log.Warn("the series of a shop were not looked through for gaps; it is tried again", "shop", p.shop.ID, "error", err)
		}
		return
	}
	w.gaps = gaps
}

// silence says which tills of the shop are silent.
func (p *Replica) silence() watch.Silence {
	var list []watch.Heard
	for _, till := range p.tills() {
		list = append(list, p.lastHeard(till))
	}
	return watch.Silent(list, p.of.cfg.Now())
}

// lastHeard returns when a till was heard; one that never was counts from when it was admitted, which somebody had to be there for.
func (p *Replica) lastHeard(till shop.Till) watch.Heard {
	h := p.watched.at(till.ID)
	if h.Till.IsZero() {
		h = watch.Heard{Till: till.ID, At: time.UnixMilli(till.AdmittedMS)}
	}
	return h
}

// named returns the gaps that are old enough to be named.
func (p *Replica) named() (out []watch.Gap) {
	p.watched.mu.Lock()
	defer p.watched.mu.Unlock()
	for _, g := range p.watched.gaps {
		if p.of.cfg.Now().Sub(g.Noticed) >= watch.NamedAfter {
			out = append(out, g)
		}
	}
	return out
}

// Noticed is what was noticed in the shops that are open on this server, for its metrics.
type Noticed struct {
	SilentTills int   // that were not heard for watch.SilentAfter while others of their shop were
	Gaps        int   // ranges of missing numbers
	Missing     int64 // numbers in them
}

// Noticed counts what was noticed in the shops that are open on this server.
func (r *Replicas) Noticed() (n Noticed) {
	for _, at := range r.places() {
		at.mu.Lock()
		p := at.replica
		at.mu.Unlock()
		if p == nil {
			continue
		}
		n.SilentTills += len(p.silence().Tills)
		for _, g := range p.named() {
			n.Gaps++
			n.Missing += g.Numbers()
		}
	}
	return n
}
