package node

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/server/serverclient"
)

// endTime bounds how long ending a session may take.
const endTime = 5 * time.Second

// end ends a session at the cloud.
func (s *signedIn) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, endTime)
	defer cancel()
	defer s.client.Close()
	err := s.client.SignOut(ctx)
	if p, ok := errors.AsType[*serverclient.Problem](err); ok && p.Status == http.StatusUnauthorized {
		return nil // it has ended already
	}
	return err
}

// CloudSession returns who is signed in at this till, nil if nobody is.
func (t *Till) CloudSession() *CloudSession {
	t.coupler.mu.Lock()
	defer t.coupler.mu.Unlock()
	if t.coupler.session == nil || t.coupler.session.until <= t.env.Steady() {
		return nil
	}
	shown := t.coupler.session.shown
	return &shown
}

// SignOutOfCloud ends the session at the cloud, and forgets all terms that wait. The shop stays coupled. told is false if the cloud
// could not be told: the session ends there by itself, and this till has forgotten it.
func (t *Till) SignOutOfCloud(ctx context.Context) (who CloudSession, told bool, err error) {
	t.coupler.mu.Lock()
	session, offers := t.coupler.session, t.coupler.offers
	t.coupler.session, t.coupler.offers = nil, nil
	t.coupler.mu.Unlock()
	for _, o := range offers {
		if o.session != session {
			t.left(t.leaveOffer(ctx, o))
		}
	}
	if session == nil {
		return who, false, refuse(CodeNotSignedIn, "", "nobody is signed in at this till")
	}
	err = session.end(ctx)
	t.left(err)
	return session.shown, err == nil, nil
}

// CallCloud calls the cloud now instead of waiting for the next time, if this till is the one that forwards.
func (t *Till) CallCloud() error {
	if t.coupler.line == nil {
		return refuse(CodeNoUplink, "", "this till has no way to a cloud")
	}
	if t.calls() == nil {
		return refuse(CodeNotCoupled, "till cloud login, or till cloud couple CODE", "the shop is coupled with no cloud")
	}
	t.coupler.line.Sync()
	return nil
}

// expireSessions signs out what nobody confirmed in time or used for long; at the end everything.
func (t *Till) expireSessions(ctx context.Context, all bool) {
	now := t.env.Steady()
	t.coupler.mu.Lock()
	var old []*offer
	t.coupler.offers = slices.DeleteFunc(t.coupler.offers, func(o *offer) bool {
		late := all || o.until <= now
		if late {
			old = append(old, o)
		}
		return late
	})
	session := t.coupler.session
	if session != nil && !all && session.until > now {
		session = nil
	}
	if session != nil {
		t.coupler.session = nil
	}
	t.coupler.mu.Unlock()
	for _, o := range old {
		if o.session != session {
			t.left(t.leaveOffer(ctx, o))
		}
	}
	if session != nil {
		t.left(session.end(ctx))
	}
}
