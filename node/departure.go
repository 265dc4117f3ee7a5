package node

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

// Departed says how a till left the shop, and what is known of what only it may hold.
type Departed struct {
	Till   crdt.TillID
	Name   string
	Prefix string
	Removal
	Again  bool // it had left before; nothing was written now
	Series []SeriesEnd
	Linked bool      // it was linked when it left
	Equal  bool      // it was linked and held nothing that this till lacks
	Seen   time.Time // when both were last known to hold the same, zero if not since this till started
}

// SeriesEnd is how far a series of receipts is known here.
type SeriesEnd struct {
	Prefix string
	Last   string // the last number held here, empty if there is none
	N      uint64
}

// Removal says that a till left the shop.
type Removal struct {
	State  string // retired or revoked
	At     time.Time
	By     string // name of the till that said so, or that took its place
	Reason string
}

// Codes of refusals about tills. They are part of the API: append, never change.
const (
	CodeNoTill    = "unknown-till"
	CodeAmbiguous = "ambiguous-till"
	CodeLastTill  = "last-till"
	CodeDeparted  = "departed"
	CodeRemoved   = "till-removed" // this till itself was removed from the shop
)

// active tills may do everything; retired ones may still link, to hand over what they hold.
func (r *roster) mayLink(id crdt.TillID) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s := r.r.State(id)
	return s == shop.Active || s == shop.Retired
}

// former reports whether a till once belonged to the shop.
func (r *roster) former(id crdt.TillID) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s := r.r.State(id)
	return s == shop.Retired || s == shop.Revoked
}

func (r *roster) state(id crdt.TillID) shop.State {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.r.State(id)
}

// revocations returns how many revocations count.
func (r *roster) revocations() uint32 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return uint32(r.r.RevocationCount())
}

func (r *roster) source(replica crdt.ReplicaID, stamp crdt.Stamp) shop.Source {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.r.Source(replica, stamp)
}

// FindTill returns the till that a person means: by its ID, the number prefix such as K3, or its name if only one has it.
func (t *Till) FindTill(ref string) (shop.Till, error) {
	ref = strings.TrimSpace(ref)
	if id, err := crdt.ParseTillID(strings.ToLower(ref)); err == nil {
		if till, ok := t.roster.till(id); ok {
			return till, nil
		}
	}
	var found []shop.Till
	for _, till := range t.roster.tills() {
		if strings.EqualFold(till.Prefix, ref) {
			return till, nil
		}
		if strings.EqualFold(till.Name, ref) {
			found = append(found, till)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return shop.Till{}, refuse(CodeNoTill, `list the tills of the shop with "till mesh" or GET /api/v1/mesh`, "no till of the shop is called %.60q", ref)
	}
	names := make([]string, 0, len(found))
	for _, till := range found {
		names = append(names, till.Prefix)
	}
	slices.Sort(names)
	return shop.Till{}, refuse(CodeAmbiguous, "name it by its prefix: "+strings.Join(names, " or "), "%d tills are called %.60q", len(found), ref)
}

// Retire takes a till out of use: it may still hand over what it holds, but sells no more.
func (t *Till) Retire(ctx context.Context, ref, reason string) (Departed, error) {
	return t.depart(ctx, ref, reason, false)
}

// Revoke removes a till that is lost or stolen: its links end, here at once and at every other till as soon as that hears of
// it, the group gets a fresh key, and nothing more is taken from it. What it sold before stays valid and is marked.
func (t *Till) Revoke(ctx context.Context, ref, reason string) (Departed, error) {
	return t.depart(ctx, ref, reason, true)
}

func (t *Till) depart(ctx context.Context, ref, reason string, revoke bool) (Departed, error) {
	till, err := t.FindTill(ref)
	if err != nil {
		return Departed{}, err
	}
	t.masterData.Lock()
	defer t.masterData.Unlock()
	out, err := t.lastKnown(ctx, till)
	if err != nil {
		return out, err
	}
	state := t.roster.state(till.ID)
	switch {
	case revoke && state == shop.Revoked, !revoke && state == shop.Retired:
		out.Again = true
		return t.finishDeparture(out, revoke)
	case !revoke && state == shop.Revoked:
		return out, refuse(CodeDeparted, "", "%s was revoked already, which is more than retired", out.Name)
	case revoke && till.ID == t.id.Till:
		return out, refuse(CodeLastTill, "revoke it at another till; \"till retire\" is for one that is no longer used",
			"a till cannot revoke itself")
	case state == shop.Active && t.onlyActive(till.ID):
		return out, refuse(CodeLastTill, "let another till join first", "%s is the last till of the shop", out.Name)
	}
	if till.ID == t.id.Till {
		// The last receipt of its series, while it may still write. Without it the till leaves all the same.
		if err := t.finish(ctx, ""); err != nil {
			t.log.Warn("the last receipt of the signing device was not made", "error", err)
		}
	}
	item, err := shop.Departure{Revoked: revoke, Till: till.ID, By: t.id.Till, MS: t.clock.MS(), Reason: strings.TrimSpace(reason)}.Sign(t.id.Shop, t.key)
	if err != nil {
		return out, err
	}
	change := t.change(crdt.Shop, shop.Schema, []crdt.Piece{item})
	change.Urgent = true
	if _, err := t.save(ctx, change); err != nil {
		return out, err
	}
	if out, err = t.finishDeparture(out, revoke); err != nil {
		return out, err
	}
	if till.ID == t.id.Till { // it was made a moment ago, if it could be
		if known, err := t.lastKnown(ctx, till); err == nil {
			out.Series = known.Series
		}
	}
	if err := t.missLastReceipt(ctx, out); err != nil {
		t.log.Warn("whether the last receipt of a till is here is not known", "error", err)
	}
	return out, nil
}

// finishDeparture says how the till left, and makes the fresh key of the group if it was revoked.
func (t *Till) finishDeparture(out Departed, revoked bool) (Departed, error) {
	if r, ok := t.removal(out.Till); ok {
		out.Removal = r
	}
	if !revoked {
		return out, nil
	}
	return out, t.rotateKeys()
}

func (t *Till) onlyActive(till crdt.TillID) bool {
	return !slices.ContainsFunc(t.roster.tills(), func(other shop.Till) bool { return other.State == shop.Active && other.ID != till })
}

// lastKnown says what this till knows of another one.
func (t *Till) lastKnown(ctx context.Context, till shop.Till) (Departed, error) {
	out := Departed{Till: till.ID, Name: or(till.Name, till.Prefix), Prefix: till.Prefix}
	for _, key := range t.allSeries() {
		if key.till != till.ID {
			continue
		}
		n, err := t.lastNumber(ctx, key)
		if err != nil {
			return out, err
		}
		end := SeriesEnd{Prefix: key.series, N: n}
		if n > 0 {
			end.Last = number(key.series, n)
		}
		out.Series = append(out.Series, end)
	}
	for _, p := range t.peers(t.replicator.State(), t.network.View()) {
		if p.Till == till.ID {
			out.Linked, out.Equal, out.Seen = p.Linked, p.Linked && p.Equal && !p.Pulling, p.EqualAt
		}
	}
	return out, nil
}

// removal returns how a till left, if it did.
func (t *Till) removal(id crdt.TillID) (Removal, bool) {
	till, ok := t.roster.till(id)
	if !ok || till.State != shop.Retired && till.State != shop.Revoked {
		return Removal{}, false
	}
	out := Removal{State: till.State.String()}
	switch {
	case len(till.Departures) > 0:
		d := till.Departures[0]
		out.At, out.By, out.Reason = time.UnixMilli(d.MS), t.roster.name(d.By), d.Reason
	case len(till.ReplacedBy) > 0:
		by, _ := t.roster.till(till.ReplacedBy[0])
		out.At, out.By = time.UnixMilli(by.AdmittedMS), or(by.Name, by.Prefix)
		out.Reason = "replaced by " + by.Prefix
	}
	return out, true
}

// Removed returns how this till itself left the shop, if it did and has heard of it.
func (t *Till) Removed() (Removal, bool) { return t.removal(t.id.Till) }

// mayWrite refuses what a till does that was removed from its shop. Its data is kept.
func (t *Till) mayWrite() error {
	if t.handing != "" {
		return refuse(CodeCopy, yieldNext, "%s", t.handing)
	}
	if t.roster.active(t.id.Till) {
		return nil
	}
	r, ok := t.Removed()
	if !ok {
		return nil // its own admission is not known yet: a till that was just made
	}
	next := "its receipts are kept in its data directory; to sell with this machine, join anew with an empty directory"
	return refuse(CodeRemoved, next, "%s", r.text())
}

// text says for people that this till was removed.
func (r Removal) text() string {
	text := fmt.Sprintf("this till was removed from the shop on %s by %s (%s)", r.At.Format("2006-01-02 15:04"), cmp.Or(r.By, "another till"), r.State)
	if r.Reason != "" {
		text += ": " + r.Reason
	}
	return text
}

// revokedSince returns when the till was revoked, the zero time if it is not.
func (t *Till) revokedSince(id crdt.TillID) time.Time {
	if t.roster.state(id) != shop.Revoked {
		return time.Time{}
	}
	r, _ := t.removal(id)
	return r.At
}
