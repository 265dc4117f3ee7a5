package replicas

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/mod/semver"

	"github.com/tillmesh/tillmesh/cloudlink/server"
	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
	"github.com/tillmesh/tillmesh/cloudlink/server/watch"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/receipt/loss"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

var _ server.Watch = (*Replicas)(nil)

// heldTime is how long the tills that are connected may take to say what tills hold.
const heldTime = 3 * time.Second

// askedGaps is for how many gaps the tills are asked whether they hold what is missing.
const askedGaps = 20

// ShopStatus is a method of server.Watch.
func (r *Replicas) ShopStatus(ctx context.Context, id crdt.ShopID) (out server.ShopStatus, err error) {
	err = r.with(ctx, id, func(p *Replica) error {
		devices, err := r.cfg.Accounts.Devices(ctx, id)
		if err != nil {
			return err
		}
		// Now, not when it was due: what is shown is what is there.
		if _, err := r.watch.Notice(ctx, p.account, id, r.cfg.Now()); err != nil {
			return err
		}
		gaps, err := r.watch.Gaps(ctx, p.account, id)
		if err != nil {
			return err
		}
		out = server.ShopStatus{Now: r.cfg.Now(), Tills: p.tillStatus(devices)}
		silent := p.silence()
		out.Silent = silent.Shop
		for i := range out.Tills {
			out.Tills[i].Silent = slices.Contains(silent.Tills, out.Tills[i].Till)
		}
		out.OldestProgram = oldest(out.Tills)
		lease := p.Lease()
		if lease.Cursor.Term > 0 {
			out.Forwards, out.Pending, out.SaidAt = lease.Cursor.Till, lease.Cursor.Pending, time.UnixMilli(lease.Cursor.AtMS)
			if lease.Cursor.CompleteMS > 0 {
				out.Complete = time.UnixMilli(lease.Cursor.CompleteMS)
			}
		}
		out.Gaps, err = p.gapStatus(ctx, gaps)
		return err
	})
	return out, err
}

// tillStatus says of each till of the roster when it was heard.
func (p *Replica) tillStatus(devices []accounts.Device) (out []server.TillStatus) {
	p.roster.RLock()
	tills := p.roster.r.Tills()
	p.roster.RUnlock()
	connected := p.connected()
	for _, till := range tills {
		s := server.TillStatus{Till: till.ID, Name: till.Name, Prefix: till.Prefix, State: till.State.String(), Connected: connected[till.ID]}
		if h := p.watched.at(till.ID); !h.Till.IsZero() {
			s.Heard, s.ToldBy = h.At, h.By
		}
		if i := slices.IndexFunc(devices, func(d accounts.Device) bool { return d.Till == till.ID }); i >= 0 {
			s.Program = devices[i].Program
			if s.Heard.Before(devices[i].Seen) && devices[i].Program != "" { // a device is seen when it is coupled, too
				s.Heard, s.ToldBy = devices[i].Seen, till.ID
			}
		}
		out = append(out, s)
	}
	return out
}

// oldest returns the oldest program of the active tills, as far as versions can be compared; empty: none said which it runs.
func oldest(tills []server.TillStatus) (program string) {
	for _, s := range tills {
		if s.State != shop.Active.String() || !semver.IsValid(versionText(s.Program)) {
			continue
		}
		if program == "" || semver.Compare(versionText(s.Program), versionText(program)) < 0 {
			program = s.Program
		}
	}
	return program
}

func versionText(s string) string {
	if s != "" && s[0] != 'v' {
		return "v" + s
	}
	return s
}

// gapStatus asks the tills that are connected who holds what is missing.
func (p *Replica) gapStatus(ctx context.Context, gaps []watch.Gap) (out []server.GapStatus, err error) {
	asked := make(map[crdt.TillID][]loss.Held)
	for i, g := range gaps {
		s := server.GapStatus{Gap: g, Named: p.of.cfg.Now().Sub(g.Noticed) >= watch.NamedAfter}
		if i < askedGaps && g.Type == receipt.TypeReceipt {
			held, known := asked[g.Till]
			if !known {
				held = p.held(ctx, g.Till)
				asked[g.Till] = held
			}
			s.At, s.Asked = holding(held, g)
		}
		out = append(out, s)
	}
	return out, nil
}

// holding returns which tills hold all of a gap, and how many were asked.
func holding(held []loss.Held, g watch.Gap) (at []string, asked int) {
	for _, h := range held {
		if !h.Asked {
			continue
		}
		asked++
		if slices.ContainsFunc(h.Runs[g.Series], func(r loss.Run) bool { return r.First <= g.First && g.Last <= r.Last }) {
			at = append(at, h.ID)
		}
	}
	return at, asked
}

// held asks the tills that are connected, and by them those that they are linked with, what they hold of the series of a till.
func (p *Replica) held(ctx context.Context, till crdt.TillID) []loss.Held {
	p.roster.RLock()
	about, _ := p.roster.r.Till(till)
	p.roster.RUnlock()
	series := watch.Prefixes(about)
	if len(series) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, heldTime)
	defer cancel()
	var mu sync.Mutex
	answers := make(map[crdt.TillID]loss.Answer)
	question := loss.Question{Till: till, Relay: true, Series: series}.Encode()
	var asking sync.WaitGroup
	for connected := range p.connected() {
		asking.Go(func() {
			body, err := p.engine.Ask(ctx, connected, loss.Topic, question)
			var list []loss.Answer
			if err == nil {
				list, err = loss.DecodeAnswers(body, len(series))
			}
			if err != nil {
				p.of.cfg.Log.Debug("what a till holds is not known", "till", connected.Short(), "error", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for _, a := range list {
				if !answers[a.Till].Asked {
					answers[a.Till] = a
				}
			}
		})
	}
	asking.Wait()
	var out []loss.Held
	for _, t := range p.tills() {
		a := answers[t.ID]
		a.Till = t.ID
		out = append(out, a.HeldBy(t.Name, series))
	}
	return out
}

// Loss is a method of server.Watch.
func (r *Replicas) Loss(ctx context.Context, id crdt.ShopID, till crdt.TillID) (out loss.Signed, err error) {
	err = r.with(ctx, id, func(p *Replica) error {
		if p.state(till) == shop.Unknown {
			return server.ErrNotFound
		}
		held := p.held(ctx, till)
		p.roster.RLock()
		about, _ := p.roster.r.Till(till)
		p.roster.RUnlock()
		out, err = r.watch.Loss(ctx, watch.LossOf{Account: p.account, Shop: id, Name: p.shop.Name, Till: about, Held: held, Now: r.cfg.Now()})
		return err
	})
	return out, err
}
