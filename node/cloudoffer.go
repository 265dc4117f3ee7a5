package node

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/greeting"
	"github.com/tillmesh/tillmesh/cloudlink/server/serverclient"
	"github.com/tillmesh/tillmesh/crdt"
)

// PrepareCoupling signs in, or looks at a code, and returns what a person has to confirm. Nothing is coupled yet. If the shop is
// coupled so already there is nothing to confirm: a till of a coupled shop is coupled with it.
func (t *Till) PrepareCoupling(ctx context.Context, l CloudLogin) (CloudTerms, error) {
	l.Name, l.Code = strings.TrimSpace(l.Name), strings.TrimSpace(l.Code)
	switch {
	case l.Code != "" && (l.Name != "" || l.Password != ""):
		return CloudTerms{}, refuse(CodeLogin, "", "a shop is coupled by name and password or by a code, not by both")
	case (l.Name == "") != (l.Password == ""):
		return CloudTerms{}, refuse(CodeLogin, "", "a name and a password belong together")
	}
	if err := t.mayWrite(); err != nil {
		return CloudTerms{}, err
	}
	client, err := t.cloudClient(l.URL)
	if err != nil {
		return CloudTerms{}, err
	}
	if known, ok := t.coupledAt(client.URL()); ok {
		switch {
		case l.Name != "" && !strings.EqualFold(known.Account, l.Name):
			client.Close()
			return CloudTerms{}, refuse(CodeCoupled, "uncouple that first", "the shop is coupled with %s at %s", known.Account, known.URL)
		case l.Name == "" && !t.coupleAgain():
			client.Close()
			return CloudTerms{URL: known.URL, Cloud: known.ID, Account: known.Account, Known: true, Coupled: &known,
				TillName: t.roster.name(t.id.Till), Missing: []string{}}, nil
		}
	}
	o, err := t.offer(ctx, client, l)
	if err != nil {
		return CloudTerms{}, err
	}
	t.keepOffer(ctx, o)
	return o.terms, nil
}

// coupledAt returns the cloud at an address that the shop is coupled with.
func (t *Till) coupledAt(url string) (CoupledCloud, bool) {
	list := t.Clouds()
	i := slices.IndexFunc(list, func(c CoupledCloud) bool { return c.Coupled && c.URL == url })
	if i < 0 {
		return CoupledCloud{}, false
	}
	return list[i], true
}

// coupleAgain reports whether the cloud refuses this till for a cause that coupling it again may mend.
func (t *Till) coupleAgain() bool {
	switch t.coupler.line.Status().Cause {
	case cloudlink.OtherCloud, cloudlink.Cause(greeting.NotCoupled), cloudlink.Cause(greeting.WrongAccount), cloudlink.Cause(greeting.UnknownKey), cloudlink.Cause(greeting.Revoked):
		return true
	}
	return false
}

// offer asks the cloud. It closes the client if nothing comes of it.
func (t *Till) offer(ctx context.Context, client *serverclient.Client, l CloudLogin) (o *offer, err error) {
	o = &offer{client: client}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.leaveOffer(ctx, o))
		}
	}()
	settings, err := t.Settings(ctx)
	if err != nil {
		return o, err
	}
	o.asked = serverclient.Asked{Code: l.Code, Shop: t.id.Shop.String(), Till: t.id.Till.String(), TillName: t.roster.name(t.id.Till)}
	switch {
	case l.Name != "":
		in, err := client.SignIn(ctx, serverclient.SignIn{Name: l.Name, Password: l.Password, Label: o.asked.TillName + ", " + settings.Shop.Name})
		if err != nil {
			return o, ofCloud(err)
		}
		o.client = client.With(in.Token)
		o.session = &signedIn{client: o.client, until: t.env.Steady() + sessionTime,
			shown: CloudSession{URL: client.URL(), Account: in.Account.Name, Since: t.env.Now()}}
	case l.Code == "":
		t.coupler.mu.Lock()
		o.session = t.coupler.session
		t.coupler.mu.Unlock()
		if o.session == nil || o.session.shown.URL != client.URL() {
			o.session = nil
			return o, refuse(CodeLogin, "give name and password, or a code", "nobody is signed in at this till")
		}
		o.client = o.session.client
	}
	if o.prepared, err = o.client.PrepareCoupling(ctx, o.asked); err != nil {
		return o, ofCloud(err)
	}
	id, err := crdt.ParseTillID(o.prepared.Cloud)
	if err != nil {
		return o, refuse(CodeCloudError, "update the program of this till", "the cloud says no ID of its key: %v", err)
	}
	if err := t.mayCouple(id, o.prepared.Name); err != nil {
		return o, err
	}
	o.until = t.env.Steady() + confirmTime
	o.terms = CloudTerms{
		ID: t.env.objectID(), Expires: t.env.Now().Add(confirmTime), URL: client.URL(), Cloud: id, Account: o.prepared.Name,
		ShopName: settings.Shop.Name, TillName: o.asked.TillName, Known: o.prepared.Shop == "known", Access: o.prepared.Terms,
	}
	if c, ok := t.cloud(id); ok && c.Coupled {
		o.terms.Coupled = &c
	}
	if o.terms.Missing, err = t.missingBefore(ctx); err != nil {
		return o, err
	}
	if o.session != nil && o.terms.Known {
		devices, err := o.client.Devices(ctx, o.asked.Shop)
		if err != nil {
			return o, ofCloud(err)
		}
		o.terms.Devices = devices.Items
	}
	return o, nil
}

// mayCouple refuses if the shop is coupled with another cloud or account.
func (t *Till) mayCouple(cloud crdt.TillID, account string) error {
	for _, known := range t.roster.couplings() {
		if known.Holds() && t.roster.coupled(known.Cloud()) && (known.Cloud() != cloud || known.Account != account) {
			return refuse(CodeCoupled, "uncouple that first", "the shop is coupled with %s at %s", known.Account, known.URL)
		}
	}
	return nil
}

// missingBefore returns what should be done at this till before everything is handed over. Nothing is locked by it.
func (t *Till) missingBefore(ctx context.Context) ([]string, error) {
	missing := []string{}
	last, err := t.lastClosing(ctx, seriesKey{till: t.id.Till, series: t.series.Prefix()})
	if err != nil {
		return nil, err
	}
	if last == nil {
		missing = append(missing, "This till was never closed: make a closing (Z) before, so that its book and the archive begin at the same place.")
	}
	if b := t.BackupState(); b.Hash == "" || b.Running {
		missing = append(missing, "No backup was made since this till started: write one and have it read back (till backup FILE).")
	}
	return missing, nil
}

// keepOffer remembers terms, and leaves the oldest if there are too many.
func (t *Till) keepOffer(ctx context.Context, o *offer) {
	t.coupler.mu.Lock()
	t.coupler.offers = append(t.coupler.offers, o)
	var old *offer
	if len(t.coupler.offers) > maxOffers {
		old = t.coupler.offers[0]
		t.coupler.offers = slices.Delete(t.coupler.offers, 0, 1)
	}
	t.coupler.mu.Unlock()
	if old != nil {
		t.left(t.leaveOffer(ctx, old))
	}
}

// left says in the log that a session could not be ended: it ends by itself.
func (t *Till) left(err error) {
	if err != nil {
		t.log.Warn("a session at the cloud was not signed out; it ends by itself", "error", err)
	}
}

// leaveOffer ends the session of an offer that nobody takes, unless it was open before.
func (t *Till) leaveOffer(ctx context.Context, o *offer) error {
	defer o.client.Close()
	if o.session == nil {
		return nil
	}
	t.coupler.mu.Lock()
	kept := t.coupler.session == o.session
	t.coupler.mu.Unlock()
	if kept {
		return nil
	}
	return o.session.end(ctx)
}
