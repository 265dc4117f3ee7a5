package node

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"slices"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/replication"
)

// CoupledCloud is a cloud that is, or was, coupled with the shop, as the roster says it: whether it can be reached is another question.
type CoupledCloud struct {
	ID      crdt.TillID       // made of its key, as that of a till
	Name    string            // what stands where a till's name would: who wrote something
	Key     ed25519.PublicKey // 32 bytes
	URL     string            // where it is reached
	Account string
	Since   time.Time   // when it was coupled, by the clock of that till
	By      crdt.TillID // the till that coupled it
	ByName  string
	Coupled bool            // tills link with it
	Replica crdt.ReplicaID  // under which it writes, as far as is known; zero: it never wrote here
	Ended   *Removal        // who uncoupled it, when and why; nil while it is coupled
	Others  []shop.Coupling // further couplings of it that hold: made apart, maybe with another account
}

// Codes of refusals about clouds. They are part of the API: append, never change.
const (
	CodeCoupled    = "coupled"     // the shop is coupled with another cloud or account
	CodeNotCoupled = "not-coupled" // with no cloud of that name
)

// NewCoupling says with which cloud to couple the shop.
type NewCoupling struct {
	Key     ed25519.PublicKey // of the cloud, as it proved to have it
	URL     string            // "https://cloud.example", without a slash at its end
	Account string
}

// Couple couples the shop with a cloud: every till may link with it from now on. again reports that it was coupled so already and
// nothing was written. A shop that is coupled with another cloud or account is refused.
func (t *Till) Couple(ctx context.Context, n NewCoupling) (out CoupledCloud, again bool, err error) {
	c := shop.Coupling{PublicKey: n.Key, URL: strings.TrimRight(strings.TrimSpace(n.URL), "/"), Account: strings.TrimSpace(n.Account),
		By: t.id.Till, MS: t.clock.MS()}
	t.env.draw(c.ID[:])
	if err := c.Check(); err != nil {
		return out, false, err
	}
	t.masterData.Lock()
	defer t.masterData.Unlock()
	if t.roster.state(c.Cloud()) != shop.Unknown {
		return out, false, refuse(CodeText, "check the address", "the key of this cloud is that of a till of the shop")
	}
	for _, known := range t.roster.couplings() {
		switch {
		case !known.Holds() || !t.roster.coupled(known.Cloud()):
		case known.Cloud() == c.Cloud() && known.Account == c.Account && known.URL == c.URL:
			out, _ = t.cloud(c.Cloud())
			return out, true, nil
		case known.Cloud() != c.Cloud() || known.Account != c.Account:
			return out, false, refuse(CodeCoupled, "uncouple that first", "the shop is coupled with %s at %s", known.Account, known.URL)
		}
	}
	item, err := c.Sign(t.id.Shop, t.key)
	if err != nil {
		return out, false, err
	}
	if err := t.saveRoster(ctx, item); err != nil {
		return out, false, err
	}
	out, _ = t.cloud(c.Cloud())
	return out, false, nil
}

// Uncouple ends every coupling of a cloud that is known here, for all tills; ref is its ID, account or address, and may be empty if
// there is one alone. Nothing is deleted anywhere: what the cloud holds stays there.
func (t *Till) Uncouple(ctx context.Context, ref, reason string) (CoupledCloud, error) {
	t.masterData.Lock()
	defer t.masterData.Unlock()
	bonds, err := t.findCouplings(ref)
	if err != nil {
		return CoupledCloud{}, err
	}
	var items []crdt.Piece
	for _, c := range bonds {
		item, err := shop.Uncoupling{Coupling: c.ObjectID(), By: t.id.Till, MS: t.clock.MS(), Reason: strings.TrimSpace(reason)}.Sign(t.id.Shop, t.key)
		if err != nil {
			return CoupledCloud{}, err
		}
		items = append(items, item)
	}
	if err := t.saveRoster(ctx, items...); err != nil {
		return CoupledCloud{}, err
	}
	out, _ := t.cloud(bonds[0].Cloud())
	t.events.post(Event{What: "cloud", Change: ChangeUncoupled, Till: t.id.Till.String()})
	return out, nil
}

// maxUncoupled is how many couplings one commit ends.
const maxUncoupled = 64

// findCouplings returns the couplings that hold of the cloud or account that a person means.
func (t *Till) findCouplings(ref string) ([]shop.Coupled, error) {
	ref = strings.TrimSpace(ref)
	var found []shop.Coupled
	for _, c := range t.roster.couplings() {
		if c.Holds() && (ref == "" || strings.EqualFold(c.Account, ref) || strings.TrimRight(ref, "/") == c.URL || strings.ToLower(ref) == c.Cloud().String()) {
			found = append(found, c)
		}
	}
	switch {
	case len(found) == 0 && ref == "":
		return nil, refuse(CodeNotCoupled, "", "the shop is coupled with no cloud")
	case len(found) == 0:
		return nil, refuse(CodeNotCoupled, "list the clouds of the shop", "the shop is coupled with nothing called %.60q", ref)
	case ref == "" && slices.ContainsFunc(found, func(c shop.Coupled) bool { return c.Cloud() != found[0].Cloud() || c.Account != found[0].Account }):
		return nil, refuse(CodeAmbiguous, "name the account", "the shop is coupled with several accounts")
	}
	return found[:min(len(found), maxUncoupled)], nil
}

// saveRoster writes items of the shop scope in one commit.
func (t *Till) saveRoster(ctx context.Context, items ...crdt.Piece) error {
	change := t.change(crdt.Shop, shop.Schema, items)
	change.Urgent = true
	_, err := t.save(ctx, change)
	return err
}

// Clouds returns the clouds that are or were coupled with the shop, those that are first.
func (t *Till) Clouds() []CoupledCloud {
	out := []CoupledCloud{}
	for _, c := range t.roster.clouds() {
		out = append(out, t.showCloud(c))
	}
	return out
}

func (t *Till) cloud(id crdt.TillID) (CoupledCloud, bool) {
	c, ok := t.roster.cloud(id)
	if !ok {
		return CoupledCloud{}, false
	}
	return t.showCloud(c), true
}

func (t *Till) showCloud(c shop.Cloud) CoupledCloud {
	first := c.Couplings[0]
	out := CoupledCloud{
		ID: c.ID, Name: cloudName(c), Key: c.PublicKey, URL: first.URL, Account: first.Account, Since: time.UnixMilli(first.MS), By: first.By,
		ByName: t.roster.name(first.By), Coupled: c.Coupled,
	}
	if seat, ok := c.Current(); ok {
		out.Replica = seat.Replica
	}
	if !first.Holds() {
		u := first.Ended[0]
		out.Ended = &Removal{State: "uncoupled", At: time.UnixMilli(u.MS), By: t.roster.name(u.By), Reason: u.Reason}
	}
	for _, o := range c.Couplings[1:] {
		if o.Holds() {
			out.Others = append(out.Others, o.Coupling)
		}
	}
	return out
}

// cloudName returns what a cloud is called.
func cloudName(c shop.Cloud) string { return "cloud (" + c.Couplings[0].Account + ")" }

// MayUplink reports whether tills link with this cloud: it is coupled with the shop. A cloud is no till: MayLink is false for it.
func (t *Till) MayUplink(cloud crdt.TillID) bool { return t.roster.coupled(cloud) }

// RosterProof returns the items that prove, to who knows the shop's ID alone, which tills belong to it: the admissions of all that are
// active, up to the founder's. A cloud that is coupled knows them all then, whichever calls first.
func (t *Till) RosterProof() []crdt.Piece {
	t.roster.mu.RLock()
	defer t.roster.mu.RUnlock()
	var out []crdt.Piece
	for _, till := range t.roster.r.Tills() {
		if till.State != shop.Active {
			continue
		}
		for _, p := range t.roster.r.Credentials(till.ID) {
			if !slices.ContainsFunc(out, func(o crdt.Piece) bool { return o.Type == p.Type && o.Object == p.Object && bytes.Equal(o.Raw, p.Raw) }) {
				out = append(out, p)
			}
		}
	}
	return out
}

// coupled reports whether a cloud is coupled with the shop.
func (r *roster) coupled(id crdt.TillID) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.ContainsFunc(r.now, func(c replication.Cloud) bool { return c.ID == id })
}

// coupledClouds is for replication: the clouds that are coupled. The list must not be changed.
func (r *roster) coupledClouds() []replication.Cloud {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.now
}

func (r *roster) clouds() []shop.Cloud {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.r.Clouds()
}

func (r *roster) cloud(id crdt.TillID) (shop.Cloud, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.r.Cloud(id)
}

func (r *roster) couplings() []shop.Coupled {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.r.Couplings()
}

// agreeing returns who has to agree before starts are joined, and whose copies count for what would be lost: the active tills and
// the clouds that are coupled.
func (r *roster) agreeing() []crdt.TillID {
	out := r.activeTills()
	for _, c := range r.coupledClouds() {
		out = append(out, c.ID)
	}
	return out
}

// note looks again which clouds are coupled. r.mu is held.
func (r *roster) note() {
	r.now = nil
	for _, c := range r.r.Clouds() {
		if seat, _ := c.Current(); c.Coupled {
			r.now = append(r.now, replication.Cloud{ID: c.ID, Replica: seat.Replica})
		}
	}
}
