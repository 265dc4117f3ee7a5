package node

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"

	"github.com/tillmesh/tillmesh/cloudlink/server/serverclient"
	"github.com/tillmesh/tillmesh/crdt"
)

// findOffer returns what waits under an ID.
func (t *Till) findOffer(id crdt.ObjectID, remove bool) (*offer, error) {
	t.coupler.mu.Lock()
	defer t.coupler.mu.Unlock()
	i := slices.IndexFunc(t.coupler.offers, func(o *offer) bool { return o.terms.ID == id })
	if i < 0 || t.coupler.offers[i].until <= t.env.Steady() {
		return nil, refuse(CodeNoTerms, "begin again", "nothing waits to be confirmed under this ID; terms wait for ten minutes, and not over a restart")
	}
	o := t.coupler.offers[i]
	if remove {
		t.coupler.offers = slices.Delete(t.coupler.offers, i, i+1)
	}
	return o, nil
}

// ConfirmCoupling couples the shop as a person confirmed it: at the cloud, then in the roster, for all tills. It may be repeated
// until it answers; a code is used up by it once.
func (t *Till) ConfirmCoupling(ctx context.Context, id crdt.ObjectID) (CoupledNow, error) {
	o, err := t.findOffer(id, false)
	if err != nil {
		return CoupledNow{}, err
	}
	o.confirming.Lock()
	defer o.confirming.Unlock()
	if _, err := t.findOffer(id, false); err != nil {
		return CoupledNow{}, err // confirmed or refused meanwhile
	}
	if err := errors.Join(t.mayWrite(), t.mayCouple(o.terms.Cloud, o.terms.Account)); err != nil {
		return CoupledNow{}, err
	}
	if err := t.coupleAtCloud(ctx, o); err != nil {
		return CoupledNow{}, err
	}
	claim, err := o.client.Claim(o.asked, o.prepared)
	if err != nil {
		return CoupledNow{}, refuse(CodeCloudError, "begin again", "%v", err)
	}
	key, err := o.done.CloudKey(claim)
	if err != nil {
		return CoupledNow{}, refuse(CodeOtherCloud, "check the address of the cloud", "%v", err)
	}
	out := CoupledNow{First: o.done.First}
	if out.Cloud, out.Again, err = t.Couple(ctx, NewCoupling{Key: key, URL: o.terms.URL, Account: o.terms.Account}); err != nil {
		return CoupledNow{}, err
	}
	if _, err := t.findOffer(id, true); err == nil {
		t.signIn(ctx, o)
	}
	t.coupler.line.Sync()
	t.log.Info("the shop is coupled with a cloud", "cloud", out.Cloud.ID.Short(), "url", out.Cloud.URL, "account", out.Cloud.Account, "again", out.Again)
	t.events.post(Event{What: "cloud", Change: ChangeCoupled, Till: t.id.Till.String()})
	return out, nil
}

// Changes of the event cloud that are none of how far it is.
const (
	ChangeCoupled   = "coupled"
	ChangeUncoupled = "uncoupled"
)

// coupleAtCloud couples at the cloud, once.
func (t *Till) coupleAtCloud(ctx context.Context, o *offer) error {
	if o.done != nil {
		return nil
	}
	claim, err := o.client.Claim(o.asked, o.prepared)
	if err != nil {
		return refuse(CodeCloudError, "begin again", "%v", err)
	}
	signature, err := claim.Sign(t.key)
	if err != nil {
		return err
	}
	var roster []serverclient.RosterItem
	for _, p := range t.RosterProof() {
		roster = append(roster, serverclient.RosterItem{Type: p.Type, ID: p.Object.String(), Raw: p.Raw})
	}
	done, err := o.client.Couple(ctx, serverclient.Couple{
		Code: o.asked.Code, Confirmed: true, Shop: o.asked.Shop, ShopName: o.terms.ShopName, Till: o.asked.Till, TillName: o.asked.TillName,
		Host: claim.Host, Nonce: o.prepared.Nonce, Signature: hex.EncodeToString(signature), Roster: roster,
	}, serverclient.WithKey(o.terms.ID.String()))
	if err != nil {
		return ofCloud(err)
	}
	o.done = &done
	return nil
}

// signIn keeps the session of an offer that was taken, in place of the one before.
func (t *Till) signIn(ctx context.Context, o *offer) {
	if o.session == nil {
		o.client.Close()
		return
	}
	t.coupler.mu.Lock()
	before := t.coupler.session
	t.coupler.session = o.session
	t.coupler.mu.Unlock()
	if before != nil && before != o.session {
		t.left(before.end(ctx))
	}
}

// RefuseCoupling couples nothing, and signs out.
func (t *Till) RefuseCoupling(ctx context.Context, id crdt.ObjectID) error {
	o, err := t.findOffer(id, true)
	if err != nil {
		return err
	}
	o.confirming.Lock()
	defer o.confirming.Unlock()
	t.coupler.mu.Lock()
	if o.session != nil && t.coupler.session == o.session {
		t.coupler.session = nil
	}
	t.coupler.mu.Unlock()
	t.left(t.leaveOffer(ctx, o))
	return nil
}
