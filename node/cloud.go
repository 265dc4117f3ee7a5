package node

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/server/password"
	"github.com/tillmesh/tillmesh/cloudlink/server/serverclient"
	"github.com/tillmesh/tillmesh/crdt"
)

// Codes of refusals about accounts at a cloud and coupling. They are part of the API: append, never change. Those that a cloud
// gives itself are passed on: sign-in, too-many-attempts, account-name, account-name-taken, password-rules, wrong-account,
// coupling-code, code-of-another-till, coupling-proof, device-revoked, shop-not-coupled.
const (
	CodeNoUplink    = "no-uplink"     // this till has no way to any cloud
	CodeCloudURL    = "cloud-address" // what was given is no address of a cloud
	CodeCloudAway   = "cloud-away"    // the cloud gives no answer
	CodeCloudError  = "cloud-error"   // the cloud answers with an error of its own
	CodeOtherCloud  = "other-cloud"   // another cloud answers than the one that was asked
	CodeNoTerms     = "no-terms"      // nothing waits for a confirmation under that ID
	CodeNotSignedIn = "not-signed-in" // nobody is signed in at this till
	CodeLogin       = "login"         // neither name and password nor a code, or both
)

const (
	// confirmTime is how long a person may take between the terms and the confirmation.
	confirmTime = 10 * time.Minute
	// sessionTime is how long a till stays signed in.
	sessionTime = 12 * time.Hour
	// maxOffers bounds the terms that wait for a confirmation.
	maxOffers = 8
)

// CloudLogin says by what a shop is to be coupled: name and password, a code, or neither if somebody is signed in at this till.
type CloudLogin struct {
	URL            string // of the cloud; empty: of the one that the shop is coupled with, or where somebody is signed in
	Name, Password string
	Code           string
}

// CloudTerms are what a person sees before a shop is coupled: with whom, and what they may read and write then.
type CloudTerms struct {
	ID       crdt.ObjectID // under which it is confirmed or refused; zero: nothing is left to be done
	Expires  time.Time
	URL      string
	Cloud    crdt.TillID
	Account  string
	ShopName string
	TillName string
	Known    bool                  // the shop belongs to the account already
	Coupled  *CoupledCloud         // the shop is coupled with it; nil: it is not
	Access   serverclient.Terms    // what the account may read and write
	Missing  []string              // what should be done before, in whole sentences
	Devices  []serverclient.Device // tills of the shop that the cloud knows; only by name and password
}

// CoupledNow is what came of a confirmation.
type CoupledNow struct {
	Cloud CoupledCloud
	First bool // the shop was not known to the account before
	Again bool // the roster said so before
}

// CloudSession is who is signed in at this till. The device key is what a till forwards with; a session is for people.
type CloudSession struct {
	URL     string
	Account string
	Since   time.Time
}

// coupler is what a till keeps while somebody couples the shop, in memory only: a session can do everything with an account.
type coupler struct {
	line Line          // nil: this till has no way to a cloud
	look chan struct{} // the archive is to be looked at now; nil: as the line

	mu      sync.Mutex
	offers  []*offer // the oldest first
	session *signedIn

	revoked revokedAtCloud
}

// signedIn is a session at a cloud.
type signedIn struct {
	client *serverclient.Client
	shown  CloudSession
	until  time.Duration // Steady
}

// offer is what waits for a confirmation.
type offer struct {
	terms    CloudTerms
	until    time.Duration // Steady
	client   *serverclient.Client
	session  *signedIn // nil: by a code
	asked    serverclient.Asked
	prepared serverclient.Prepared

	confirming sync.Mutex
	done       *serverclient.Coupled // the cloud took it, the roster does not say so yet
}

// ConnectCloud gives the till its way to clouds. It is called once, before the till is asked for anything; a till without one has no
// cloud.
func (t *Till) ConnectCloud(l Line) { t.coupler.line = l }

// lineTo returns the line and the address that is meant.
func (t *Till) lineTo(url string) (Line, string, error) {
	if t.coupler.line == nil {
		return nil, "", refuse(CodeNoUplink, "", "this till has no way to a cloud")
	}
	if url = strings.TrimRight(strings.TrimSpace(url), "/"); url != "" {
		return t.coupler.line, url, nil
	}
	if s := t.CloudSession(); s != nil {
		return t.coupler.line, s.URL, nil
	}
	if to := t.calls(); to != nil {
		return t.coupler.line, to.Base, nil
	}
	return nil, "", refuse(CodeCloudURL, "name it, such as https://cloud.example", "it was not said which cloud is meant")
}

func (t *Till) cloudClient(url string) (*serverclient.Client, error) {
	line, url, err := t.lineTo(url)
	if err != nil {
		return nil, err
	}
	client, err := line.Client(url)
	if err != nil {
		return nil, refuse(CodeCloudURL, or(hintOf(err), "write it as https://cloud.example"), "%v", err)
	}
	return client, nil
}

// CheckCloudPassword says which rules a password for an account keeps, without asking any cloud.
func (t *Till) CheckCloudPassword(text, name string) password.Checked {
	return password.Check(text, name)
}

// CreateCloudAccount makes an account at a cloud. Nobody is signed in by that, and nothing is coupled.
func (t *Till) CreateCloudAccount(ctx context.Context, l CloudLogin) (serverclient.Account, error) {
	client, err := t.cloudClient(l.URL)
	if err != nil {
		return serverclient.Account{}, err
	}
	defer client.Close()
	made, err := client.CreateAccount(ctx, l.Name, l.Password)
	return made, ofCloud(err)
}

// passedOn are codes of the cloud that mean the same when a till says them.
var passedOn = []string{
	"sign-in", "too-many-attempts", "account-name", "account-name-taken", "password-rules", "wrong-account", "coupling-code", "code-of-another-till",
	"coupling-proof", "device-revoked", "shop-not-coupled",
}

// ofCloud turns what a cloud answered into a refusal.
func ofCloud(err error) error {
	if u, ok := errors.AsType[*serverclient.Unreachable](err); ok {
		return refuse(CodeCloudAway, u.Hint(), "%v", u)
	}
	p, ok := errors.AsType[*serverclient.Problem](err)
	if !ok {
		return err
	}
	code, text, next := CodeCloudError, p.Error(), p.Hint()
	switch {
	case slices.Contains(passedOn, p.Code):
		code = p.Code
	case p.Status == http.StatusUnauthorized:
		code, next = CodeNotSignedIn, "sign in again"
	case p.Status >= http.StatusInternalServerError:
		code = CodeCloudAway
	}
	if p.Wait > 0 {
		next = strings.TrimPrefix(next+"; try again in "+p.Wait.String(), "; ")
	}
	return refuse(code, next, "%s", text)
}
