package replicas

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
	"github.com/tillmesh/tillmesh/cloudlink/server/coupling"
	"github.com/tillmesh/tillmesh/replication/engine"
)

// tellTime is how long a till may take to hear something.
const tellTime = 3 * time.Second

// tellRevoked tells the tills of sessions which others were cut off here, so that people remove them from the shop, too; only the
// shop itself can do that. A till hears it when its session begins, and whenever the list changes.
func (p *Replica) tellRevoked(ctx context.Context, list map[uint64]session, devices []accounts.Device) error {
	body := coupling.EncodeRevoked(cutOff(devices))
	for number, s := range list {
		if s.told == string(body) || s.told == "" && !slices.ContainsFunc(devices, revoked) {
			continue
		}
		asking, cancel := context.WithTimeout(ctx, tellTime)
		_, err := p.engine.Ask(asking, s.till, coupling.RevokedTopic, body)
		cancel()
		if err != nil && !errors.Is(err, engine.ErrRefused) { // an older program, which does not know the topic, refuses it
			continue // it goes, or is not there yet: it is told the next time
		}
		p.sessions.Lock()
		if s, open := p.sessions.list[number]; open {
			s.told = string(body)
			p.sessions.list[number] = s
		}
		p.sessions.Unlock()
	}
	return nil
}

func revoked(d accounts.Device) bool { return !d.Revoked.IsZero() }

// cutOff returns the devices that were revoked, the latest first.
func cutOff(devices []accounts.Device) (out []coupling.Revoked) {
	for _, d := range devices {
		if revoked(d) {
			out = append(out, coupling.Revoked{Till: d.Till, SinceMS: d.Revoked.UnixMilli(), Why: d.Why})
		}
	}
	slices.SortFunc(out, func(a, b coupling.Revoked) int {
		return cmp.Or(cmp.Compare(b.SinceMS, a.SinceMS), a.Till.Compare(b.Till))
	})
	return out
}
