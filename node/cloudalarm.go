package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/server/coupling"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/replication/engine"
)

// Kinds of alarms about the cloud.
const (
	AlarmCloudRefused = "cloud-refused" // the cloud refuses this till, and that stays so until somebody does something
	AlarmCloudRevoked = "cloud-revoked" // a till of the shop was cut off at the cloud
)

// revokedAtCloud is which tills the cloud says to have cut off, and who was told.
type revokedAtCloud struct {
	mu   sync.Mutex
	list []byte // as it came; nil: nobody said anything since this start
	told map[crdt.TillID]string
}

// watchCloud does what follows from the state of the cloud, until ctx is done; then it signs out.
func (u *Uplink) watchCloud(ctx context.Context) {
	t := u.till
	var refused cloudlink.Status // as it was told last
	connected := false           // since then
	for first := true; first || t.env.wait(ctx, housekeeping, u.stateWake); first = false {
		s := u.Status()
		switch {
		case s.Cause.Lasting() && (s.Cause != refused.Cause || connected && !s.Since.Equal(refused.Since)): // not one that never passed
			refused, connected = s, false
			t.cloudRefused(ctx, s)
		case s.Connected:
			connected = true
		case s.State == cloudlink.NotCoupled:
			refused = cloudlink.Status{}
		}
		t.passRevokedOn(ctx)
		t.expireSessions(ctx, false)
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), signOutTime)
	defer cancel()
	t.expireSessions(end, true)
}

// signOutTime bounds how long the end of a till waits for the cloud.
const signOutTime = 2 * time.Second

// cloudRefused raises the alarm about a cause that lasts.
func (t *Till) cloudRefused(ctx context.Context, s cloudlink.Status) {
	at := "the cloud"
	if to := t.calls(); to != nil {
		at = to.Base
	}
	text := fmt.Sprintf("%s refuses this till: %s. Nothing of this till gets into the archive by itself until that is mended; selling goes on.", at, s.Text)
	since := s.Since
	if !s.CloudSince.IsZero() {
		since = s.CloudSince
		text += fmt.Sprintf(" It is so since %s.", minuteText(since))
	}
	t.raise(ctx, AlarmCloudRefused, text, s.Cause.Advice(), fmt.Sprintf("%s since %s: %v", s.Cause, since.Format(time.RFC3339), s.Err))
}

func minuteText(at time.Time) string { return at.Local().Format("2006-01-02 15:04") }

// toldRevoked takes from the cloud, or from a till that passes it on, which tills the cloud cut off. A till that is none any more for
// the shop, too, needs no word; about another one a person has to decide: the cloud removes nobody.
func (t *Till) toldRevoked(ctx context.Context, from crdt.TillID, body []byte) ([]byte, bool) {
	list, err := coupling.DecodeRevoked(body)
	if err != nil {
		return []byte(err.Error()), false
	}
	if t.roster.coupled(from) { // what a till passes on is not passed on again
		t.coupler.revoked.mu.Lock()
		t.coupler.revoked.list = slices.Clone(body)
		t.coupler.revoked.mu.Unlock()
	}
	for _, r := range list {
		known, ok := t.roster.till(r.Till)
		if !ok || known.State != shop.Active || r.Till == t.id.Till || t.alarmed(AlarmCloudRevoked, r.Till.String()) {
			continue // being cut off is for ever: one word is enough
		}
		text := fmt.Sprintf("%s was cut off from the cloud on %s", or(known.Name, known.Prefix), minuteText(time.UnixMilli(r.SinceMS)))
		if r.Why != "" {
			text += " (" + r.Why + ")"
		}
		text += ". In this shop it still counts as one of the tills: it is linked with the others and gets everything they write."
		t.raise(ctx, AlarmCloudRevoked, text, fmt.Sprintf("if it is lost or stolen, remove it from the shop: till revoke %s; else ask who cut it off", known.Prefix), r.Till.String())
	}
	return nil, true
}

// alarmed reports whether there is an alarm about this, seen or not.
func (t *Till) alarmed(kind, detail string) bool {
	t.alarms.mu.Lock()
	defer t.alarms.mu.Unlock()
	return slices.ContainsFunc(t.alarms.others, func(k kept) bool { return k.Kind == kind && k.Detail == detail })
}

// passRevokedOn tells the tills that are linked what the cloud said: it speaks with one of them only.
func (t *Till) passRevokedOn(ctx context.Context) {
	r := &t.coupler.revoked
	r.mu.Lock()
	body := r.list
	if r.told == nil {
		r.told = make(map[crdt.TillID]string)
	}
	r.mu.Unlock()
	if body == nil {
		return
	}
	for _, l := range t.tillLinks() {
		r.mu.Lock()
		known := r.told[l.Till] == string(body)
		r.mu.Unlock()
		if !l.Ready || known {
			continue
		}
		asking, cancel := context.WithTimeout(ctx, askCloudTime)
		_, err := t.replicator.Ask(asking, l.Till, coupling.RevokedTopic, body)
		cancel()
		if err == nil || errors.Is(err, engine.ErrRefused) { // an older program does not know the topic
			r.mu.Lock()
			r.told[l.Till] = string(body)
			r.mu.Unlock()
		}
	}
}
