package replicas

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/tillmesh/tillmesh/cloudlink/accept"
	"github.com/tillmesh/tillmesh/cloudlink/greeting"
	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
	"github.com/tillmesh/tillmesh/cloudlink/server/seats"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/replication/engine"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// session is one uplink.
type session struct {
	till   crdt.TillID
	device accounts.Device
	cut    context.CancelCauseFunc // nil until it is served
	told   string                  // which tills it heard to be cut off
}

var errRevoked = errors.New("the till was revoked")

// Admit is what package accept asks about a till that proved its key.
func (r *Replicas) Admit(ctx context.Context, caller accept.Caller) (accept.Admission, error) {
	leave, err := r.gate.enter(ctx, queueTime)
	if err != nil {
		return accept.Admission{}, err
	}
	defer leave()
	of, err := r.cfg.Accounts.ShopOf(ctx, caller.Shop)
	if err != nil {
		return accept.Admission{}, refused(err)
	}
	if err := r.suits(ctx, caller, of); err != nil {
		return accept.Admission{}, err
	}
	device, err := r.cfg.Accounts.Device(ctx, caller.Shop, caller.Till)
	stranger := codeOf(err) == accounts.CodeNoDevice
	if err != nil && !stranger {
		return accept.Admission{}, refused(err)
	}
	p, done, err := r.use(ctx, of)
	if err != nil {
		return accept.Admission{}, refused(err)
	}
	switch p.state(caller.Till) {
	case shop.Revoked:
		err = greeting.Refuse(greeting.Revoked)
	case shop.Active, shop.Retired:
		if stranger { // a till of a coupled shop is coupled with it
			device, err = p.enrol(ctx, caller.Till)
		}
	default: // the first till of a shop, whose roster is still to come
		if stranger {
			err = greeting.Refuse(greeting.UnknownKey)
		}
	}
	if err == nil {
		err = p.troubled()
	}
	if err == nil {
		err = r.cfg.Accounts.Greeted(ctx, device, caller.Program)
	}
	if err != nil {
		done()
		return accept.Admission{}, refused(err)
	}
	number, err := p.openSession(ctx, session{till: caller.Till, device: device})
	if err != nil {
		done()
		return accept.Admission{}, refused(err)
	}
	return accept.Admission{
		Welcome: p.welcome(number),
		Serve:   func(ctx context.Context, conn engine.Conn) error { return p.serve(ctx, number, conn) },
		Left: func() {
			p.endSession(number)
			done()
		},
	}, nil
}

// refused says why a till is not let in.
func refused(err error) error {
	switch code := codeOf(err); {
	case code == accounts.CodeNotCoupled:
		return greeting.Refuse(greeting.NotCoupled)
	case code == accounts.CodeRevoked:
		out := greeting.Refuse(greeting.Revoked)
		if r := (*accounts.Refusal)(nil); errors.As(err, &r) && !r.Since.IsZero() {
			out.SinceMS = r.Since.UnixMilli()
		}
		return out
	case errors.As(err, new(*seats.Held)):
		return greeting.Refuse(greeting.Elsewhere)
	case errors.Is(err, rows.ErrFull):
		return greeting.Refuse(greeting.Full)
	case errors.Is(err, rows.ErrUnreachable), errors.Is(err, ErrClosed):
		return greeting.Refuse(greeting.Maintenance)
	}
	return err
}

func codeOf(err error) string {
	if r := (*accounts.Refusal)(nil); errors.As(err, &r) {
		return string(r.Code)
	}
	return ""
}

// enrol couples a till of the roster.
func (p *Replica) enrol(ctx context.Context, till crdt.TillID) (accounts.Device, error) {
	p.roster.RLock()
	key, _ := p.roster.r.PublicKey(till)
	who, _ := p.roster.r.Till(till)
	p.roster.RUnlock()
	return p.of.cfg.Accounts.Enrol(ctx, p.shop.ID, key, who.Name)
}

func (p *Replica) openSession(ctx context.Context, s session) (uint64, error) {
	p.lease.Lock()
	defer p.lease.Unlock()
	number := p.lease.state.Open()
	if err := p.saveLease(ctx); err != nil {
		return 0, err
	}
	p.sessions.Lock()
	defer p.sessions.Unlock()
	p.sessions.list[number] = s
	p.lookSoon()
	return number, nil
}

func (p *Replica) welcome(number uint64) greeting.Welcome {
	p.lease.Lock()
	defer p.lease.Unlock()
	w := greeting.Welcome{Replica: p.id, Session: number, Term: p.lease.state.Term}
	if p.lease.state.Live(p.of.cfg.Now().UnixMilli()) {
		w.Holder = p.lease.state.Holder
	}
	return w
}

// serve speaks over an uplink until it ends.
func (p *Replica) serve(ctx context.Context, number uint64, conn engine.Conn) error {
	ctx, cut := context.WithCancelCause(ctx)
	defer cut(nil)
	p.sessions.Lock()
	s, open := p.sessions.list[number]
	s.cut = cut
	if open {
		p.sessions.list[number] = s
	}
	p.sessions.Unlock()
	return p.engine.Serve(ctx, conn)
}

// cutAll ends all sessions; those that begin after it find the engine stopped.
func (p *Replica) cutAll() {
	p.sessions.Lock()
	defer p.sessions.Unlock()
	for _, s := range p.sessions.list {
		if s.cut != nil {
			s.cut(nil)
		}
	}
}

func (p *Replica) endSession(number uint64) {
	p.sessions.Lock()
	delete(p.sessions.list, number)
	p.sessions.Unlock()
	p.lease.Lock()
	defer p.lease.Unlock()
	// The next till that asks gets the lease at once; whether that is saved matters to nobody.
	p.lease.state.End(number, p.of.cfg.Now().UnixMilli())
}

// recheck ends the sessions of tills that were revoked meanwhile, by the shop or at the cloud, and notes that the others were heard.
func (p *Replica) recheck(ctx context.Context) error {
	p.sessions.Lock()
	list := maps.Clone(p.sessions.list)
	p.sessions.Unlock()
	now := p.of.cfg.Now()
	if len(list) == 0 || !p.looks.mustLook(now) {
		return p.heardSessions(ctx, list)
	}
	devices, err := p.of.cfg.Accounts.Devices(ctx, p.shop.ID)
	if err != nil {
		p.looks.looked(now, nil, err)
		return errors.Join(err, p.heardSessions(ctx, list))
	}
	var errs []error
	for number, s := range list {
		i := slices.IndexFunc(devices, func(d accounts.Device) bool { return d.Till == s.till })
		switch gone := i >= 0 && revoked(devices[i]) || p.state(s.till) == shop.Revoked; {
		case gone && s.cut != nil:
			s.cut(errRevoked)
			delete(list, number)
		case gone: // it is about to be served
			p.looks.due.Store(true)
		case i >= 0:
			errs = append(errs, p.of.cfg.Accounts.Heard(ctx, devices[i]))
		}
	}
	err = errors.Join(append(errs, p.heardSessions(ctx, list), p.tellRevoked(ctx, list, devices))...)
	p.looks.looked(now, devices, err)
	return err
}
