package api

import (
	"context"
	"net/http"

	"github.com/tillmesh/tillmesh/cloudlink/server/serverclient"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node"
)

func (s *server) addCloud() {
	add(s, operation(http.MethodGet, "/api/v1/cloud", "Cloud", "get-cloud", "How the till stands with the cloud",
		`Which clouds the shop is coupled with, which till forwards and why, what stops it and since when, how far the transfer is, and
what this till knows of the archive. The till goes on selling whatever is said here.`), s.getCloud)
	add(s, operation(http.MethodGet, "/api/v1/cloud/check", "Cloud", "check-cloud", "Find out how far the way to a cloud goes",
		`Name, network, certificate, the cloud itself, versions, clocks and the coupling, one after the other, up to the first that is
wrong. Nothing is changed.`), s.checkCloud)
	check := operation(http.MethodPost, "/api/v1/cloud/password-check", "Cloud", "check-password", "Say which rules a password keeps",
		`While somebody types it. The till answers by itself and keeps nothing.`)
	add(s, check, s.checkPassword)
	account := operation(http.MethodPost, "/api/v1/cloud/account", "Cloud", "create-cloud-account", "Make an account at a cloud",
		`Nobody is signed in by that and nothing is coupled. The request is not kept, whatever its Idempotency-Key: a repetition is told
that the name is taken.`)
	account.DefaultStatus = http.StatusCreated
	add(s, account, s.createAccount)
	prepare := operation(http.MethodPost, "/api/v1/cloud/prepare", "Cloud", "prepare-cloud", "Sign in, or look at a code, and show what is to be confirmed",
		`First of two steps: nothing is coupled yet. By name and password, by a coupling code made for this till, or by neither if somebody
is signed in here. Answers with the account and what it may read and write. Show that to a person, then confirm or refuse under the
ID; it waits ten minutes. If id is empty there is nothing to confirm: a till of a coupled shop is coupled with it. The request is not
kept, whatever its Idempotency-Key.`)
	add(s, prepare, s.prepareCloud)
	add(s, operation(http.MethodPost, "/api/v1/cloud/confirm", "Cloud", "confirm-cloud", "Couple the shop, as a person confirmed it",
		`Second step: at the cloud, then in the shop, for all its tills. Repeat it with the same ID until it answers.`), s.confirmCloud)
	addQuiet(s, operation(http.MethodPost, "/api/v1/cloud/refuse", "Cloud", "refuse-cloud", "Couple nothing, and sign out", ``), s.refuseCloud)
	sync := operation(http.MethodPost, "/api/v1/cloud/sync", "Cloud", "sync-cloud", "Call the cloud now",
		`Instead of waiting for the next time, if this till is the one that forwards. Answers before anything came of it: see GET /api/v1/cloud.`)
	sync.DefaultStatus = http.StatusAccepted
	add(s, sync, s.syncCloud)
	add(s, operation(http.MethodPost, "/api/v1/cloud/sign-out", "Cloud", "sign-out-of-cloud", "End the session of a person at this till",
		`The shop stays coupled: the tills forward with their own keys.`), s.signOutOfCloud)
	add(s, operation(http.MethodPost, "/api/v1/cloud/uncouple", "Cloud", "uncouple-cloud", "End the coupling of the shop with a cloud",
		`For all tills. Nothing is deleted: what the cloud holds stays there, and the tills keep what they have.`), s.uncoupleCloud)
	for _, path := range []string{check.Path, account.Path, prepare.Path} {
		s.routes["POST "+path].secret = true
	}
}

// coupledCloud is a cloud that is or was coupled with the shop.
type coupledCloud struct {
	ID      string `json:"id" doc:"Of its key, 52 characters"`
	URL     string `json:"url" example:"https://cloud.example"`
	Account string `json:"account" example:"anna@sonnenschein.example"`
	Coupled bool   `json:"coupled" doc:"The tills link with it"`
	Since   string `json:"since" doc:"When it was coupled, RFC 3339"`
	By      string `json:"by" doc:"The till that coupled it"`
	ByName  string `json:"by_name"`
	Ended   string `json:"ended,omitempty" doc:"When it was uncoupled, RFC 3339"`
	EndedBy string `json:"ended_by,omitempty"`
	Why     string `json:"why,omitempty" doc:"It was uncoupled"`
}

func showCoupled(c node.CoupledCloud) coupledCloud {
	out := coupledCloud{ID: c.ID.String(), URL: c.URL, Account: c.Account, Coupled: c.Coupled, Since: instant(c.Since), By: tillText(c.By), ByName: c.ByName}
	if c.Ended != nil {
		out.Ended, out.EndedBy, out.Why = instant(c.Ended.At), c.Ended.By, c.Ended.Reason
	}
	return out
}

type checkPasswordIn struct {
	Body struct {
		Password string `json:"password" maxLength:"4096"`
		Name     string `json:"name,omitempty" maxLength:"254" doc:"Of the account, for the advice"`
	}
}

// passwordRule is one rule for passwords.
type passwordRule struct {
	Code string `json:"code" example:"upper"`
	Text string `json:"text" example:"an upper case letter"`
	Met  bool   `json:"met"`
}

// passwordChecked says what there is to say about a password.
type passwordChecked struct {
	OK     bool           `json:"ok" doc:"All rules are met"`
	Rules  []passwordRule `json:"rules" nullable:"false" doc:"All of them, in the order in which to show them"`
	Advice []string       `json:"advice" nullable:"false" doc:"What would make it better; none of it is demanded"`
}

func (s *server) checkPassword(_ context.Context, in *checkPasswordIn) (passwordChecked, error) {
	c := s.till.CheckCloudPassword(in.Body.Password, in.Body.Name)
	out := passwordChecked{OK: c.OK(), Rules: []passwordRule{}, Advice: orEmpty(c.Advice)}
	for _, r := range c.Rules {
		out.Rules = append(out.Rules, passwordRule{r.Code, r.Text, r.Met})
	}
	return out, nil
}

type createAccountIn struct {
	Body struct {
		URL      string `json:"url,omitempty" maxLength:"300" doc:"Of the cloud; left out: of the one the shop is coupled with" example:"https://cloud.example"`
		Name     string `json:"name" minLength:"1" maxLength:"254" doc:"In the form of a mail address, which need not exist as one" example:"anna@sonnenschein.example"`
		Password string `json:"password" minLength:"1" maxLength:"4096"`
	}
}

// cloudAccount is an account at a cloud.
type cloudAccount struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Created string `json:"created" doc:"RFC 3339"`
}

func (s *server) createAccount(ctx context.Context, in *createAccountIn) (cloudAccount, error) {
	a, err := s.till.CreateCloudAccount(ctx, node.CloudLogin{URL: in.Body.URL, Name: in.Body.Name, Password: in.Body.Password})
	return cloudAccount{a.ID, a.Name, a.Created}, err
}

type prepareCloudIn struct {
	Body struct {
		URL      string `json:"url,omitempty" maxLength:"300" doc:"Of the cloud; left out: of the one the shop is coupled with, or where somebody is signed in" example:"https://cloud.example"`
		Name     string `json:"name,omitempty" maxLength:"254" example:"anna@sonnenschein.example"`
		Password string `json:"password,omitempty" maxLength:"4096"`
		Code     string `json:"code,omitempty" maxLength:"64" doc:"As it was typed" example:"7K3M-9QXA"`
	}
}

// cloudTerms are what a person has to confirm.
type cloudTerms struct {
	ID       string        `json:"id" doc:"To confirm or refuse; empty: nothing is to be confirmed, the shop is coupled so already"`
	Expires  string        `json:"expires" doc:"RFC 3339; empty without id"`
	URL      string        `json:"url"`
	Cloud    string        `json:"cloud" doc:"ID of its key, 52 characters"`
	Account  string        `json:"account"`
	ShopName string        `json:"shop_name"`
	TillName string        `json:"till_name"`
	Known    bool          `json:"known" doc:"The shop belongs to the account already"`
	Coupled  *coupledCloud `json:"coupled,omitempty" doc:"The shop is coupled with it already"`
	Access   []cloudAccess `json:"access" nullable:"false" doc:"What the account may read and write"`
	NotRead  string        `json:"not_read" doc:"What never leaves the shop"`
	Missing  []string      `json:"missing" nullable:"false" doc:"What should be done before, for people. Nothing is locked by it"`
	Devices  []cloudDevice `json:"devices" nullable:"false" doc:"Tills of the shop that the cloud knows; only by name and password"`
}

// cloudAccess is what an account may do with one kind of data.
type cloudAccess struct {
	Kind  string `json:"kind" example:"articles"`
	Text  string `json:"text" doc:"For people"`
	Read  bool   `json:"read"`
	Write bool   `json:"write"`
}

// cloudDevice is a till of the shop as the cloud knows it.
type cloudDevice struct {
	Till    string `json:"till"`
	Name    string `json:"name"`
	Seen    string `json:"seen" doc:"When the cloud last heard of it, RFC 3339"`
	Revoked string `json:"revoked,omitempty" doc:"When it was cut off there, RFC 3339"`
	Why     string `json:"why,omitempty" doc:"It was cut off"`
}

func showTerms(t node.CloudTerms) cloudTerms {
	out := cloudTerms{
		ID: objectText(t.ID), Expires: instant(t.Expires), URL: t.URL, Cloud: tillText(t.Cloud), Account: t.Account, ShopName: t.ShopName, TillName: t.TillName,
		Known: t.Known, Access: []cloudAccess{}, NotRead: t.Access.NotRead, Missing: orEmpty(t.Missing), Devices: []cloudDevice{},
	}
	if t.Coupled != nil {
		out.Coupled = ref(showCoupled(*t.Coupled))
	}
	for _, a := range t.Access.Access {
		out.Access = append(out.Access, cloudAccess{a.Kind, a.Text, a.Read, a.Write})
	}
	for _, d := range t.Devices {
		out.Devices = append(out.Devices, showCloudDevice(d))
	}
	return out
}

func showCloudDevice(d serverclient.Device) cloudDevice {
	return cloudDevice{Till: d.Till, Name: d.Name, Seen: d.Seen, Revoked: d.Revoked, Why: d.Why}
}

func (s *server) prepareCloud(ctx context.Context, in *prepareCloudIn) (cloudTerms, error) {
	t, err := s.till.PrepareCoupling(ctx, node.CloudLogin{URL: in.Body.URL, Name: in.Body.Name, Password: in.Body.Password, Code: in.Body.Code})
	if err != nil {
		return cloudTerms{}, err
	}
	return showTerms(t), nil
}

type decideCloudIn struct {
	Body struct {
		ID string `json:"id" minLength:"26" maxLength:"26" doc:"As prepare-cloud gave it" example:"aaaqeayeaudaocajbifqydiob4"`
	}
}

func (in *decideCloudIn) id() (crdt.ObjectID, error) {
	id, err := crdt.ParseObjectID(in.Body.ID)
	if err != nil {
		return id, invalid("body.id", "body.id: %v", err)
	}
	return id, nil
}

// coupledNow is what came of a confirmation.
type coupledNow struct {
	Cloud coupledCloud `json:"cloud"`
	First bool         `json:"first" doc:"The shop was new to the account"`
	Again bool         `json:"again" doc:"The shop was coupled so before"`
}

func (s *server) confirmCloud(ctx context.Context, in *decideCloudIn) (coupledNow, error) {
	id, err := in.id()
	if err != nil {
		return coupledNow{}, err
	}
	c, err := s.till.ConfirmCoupling(ctx, id)
	if err != nil {
		return coupledNow{}, err
	}
	return coupledNow{showCoupled(c.Cloud), c.First, c.Again}, nil
}

func (s *server) refuseCloud(ctx context.Context, in *decideCloudIn) error {
	id, err := in.id()
	if err != nil {
		return err
	}
	return s.till.RefuseCoupling(ctx, id)
}

func (s *server) syncCloud(ctx context.Context, _ *struct{}) (cloudState, error) {
	if err := s.till.CallCloud(); err != nil {
		return cloudState{}, err
	}
	return s.getCloud(ctx, nil)
}

// signedOut says whose session ended.
type signedOut struct {
	URL     string `json:"url"`
	Account string `json:"account"`
	Told    bool   `json:"told" doc:"The cloud knows. Else it could not be reached: the session ends there by itself, and this till has forgotten it"`
}

func (s *server) signOutOfCloud(ctx context.Context, _ *struct{}) (signedOut, error) {
	who, told, err := s.till.SignOutOfCloud(ctx)
	return signedOut{who.URL, who.Account, told}, err
}

type uncoupleIn struct {
	Body struct {
		Ref    string `json:"ref,omitempty" maxLength:"300" doc:"ID, address or account; may be left out if there is one alone" example:"anna@sonnenschein.example"`
		Reason string `json:"reason,omitempty" maxLength:"200" doc:"Why, for people"`
	}
}

func (s *server) uncoupleCloud(ctx context.Context, in *uncoupleIn) (coupledCloud, error) {
	c, err := s.till.Uncouple(ctx, in.Body.Ref, in.Body.Reason)
	if err != nil {
		return coupledCloud{}, err
	}
	return showCoupled(c), nil
}

// cloudStatuses are the HTTP statuses of refusals about the cloud that have not 422.
var cloudStatuses = map[string]int{
	node.CodeNoUplink: http.StatusConflict, node.CodeCloudAway: http.StatusBadGateway, node.CodeCloudError: http.StatusBadGateway,
	node.CodeOtherCloud: http.StatusBadGateway, node.CodeNoTerms: http.StatusNotFound, node.CodeNotSignedIn: http.StatusConflict,
	node.CodeCoupled: http.StatusConflict, node.CodeNotCoupled: http.StatusConflict,
	"wrong-account": http.StatusConflict, "device-revoked": http.StatusConflict, "account-name-taken": http.StatusConflict,
	"too-many-attempts": http.StatusTooManyRequests, "shop-not-coupled": http.StatusConflict,
}
