package client

import (
	"context"
	"net/http"
	"net/url"
)

// CoupledCloud is a cloud that is or was coupled with the shop.
type CoupledCloud struct {
	ID      string `json:"id"`
	URL     string `json:"url"`
	Account string `json:"account"`
	Coupled bool   `json:"coupled"`
	Since   Time   `json:"since"`
	By      string `json:"by"`
	ByName  string `json:"by_name"`
	Ended   Time   `json:"ended,omitzero"`
	EndedBy string `json:"ended_by,omitempty"`
	Why     string `json:"why,omitempty"`
}

// CloudState is how a till stands with the cloud. State is off, not-coupled, starting, waiting (another till forwards), connecting,
// stuck (see Cause), first-transfer, catching-up or up-to-date; FirstTransfer is unknown, runs or ended.
type CloudState struct {
	Clouds        []CoupledCloud `json:"clouds"`
	State         string         `json:"state"`
	Since         Time           `json:"since"`
	Cause         string         `json:"cause"`
	Text          string         `json:"text"`
	Advice        string         `json:"advice"`
	Detail        string         `json:"detail"`
	CloudSince    Time           `json:"cloud_since"`
	Uplink        *CloudUplink   `json:"uplink,omitempty"`
	Tills         []CloudTill    `json:"tills"`
	Connected     bool           `json:"connected"`
	Session       uint64         `json:"session,omitempty"`
	Term          uint64         `json:"term"`
	Holder        string         `json:"holder"`
	Seen          Time           `json:"seen"`
	Attempts      int            `json:"attempts"`
	NextTry       Time           `json:"next_try"`
	Progress      []CloudClass   `json:"progress"`
	Pending       uint64         `json:"pending"`
	FirstTransfer string         `json:"first_transfer"`
	Complete      Time           `json:"complete"`
	Archive       CloudArchive   `json:"archive"`
	SignedIn      *CloudSession  `json:"signed_in,omitempty"`
}

// CloudUplink is the till that forwards. State and what follows are what it says itself; State is empty if it does not answer.
type CloudUplink struct {
	Till     string `json:"till"`
	Name     string `json:"name"`
	Self     bool   `json:"self"`
	Before   string `json:"before"`
	Detector string `json:"detector"`
	Why      string `json:"why"`
	State    string `json:"state,omitempty"`
	Cause    string `json:"cause,omitempty"`
	Text     string `json:"text,omitempty"`
	Since    Time   `json:"since,omitzero"`
	Pending  uint64 `json:"pending,omitempty"`
	Complete Time   `json:"complete,omitzero"`
}

// CloudTill is what another till says of its own way to the cloud.
type CloudTill struct {
	Till    string `json:"till"`
	Name    string `json:"name"`
	Linked  bool   `json:"linked"`
	Reach   string `json:"reach"`
	Heard   Time   `json:"heard"`
	Missing string `json:"missing"`
}

// CloudClass is how far one class of data is, in records.
type CloudClass struct {
	Name    string `json:"name"`
	Done    uint64 `json:"done"`
	Total   uint64 `json:"total"`
	Pending uint64 `json:"pending"`
}

// CloudArchive is what a till knows of the archive. Verdict is first, same, grown, behind, rewritten, forked, unproven or unsigned,
// empty if nothing is known yet.
type CloudArchive struct {
	Size    int64  `json:"size"`
	Signed  Time   `json:"signed"`
	Looked  Time   `json:"looked"`
	Verdict string `json:"verdict"`
}

// CloudSession is who is signed in at a till.
type CloudSession struct {
	URL     string `json:"url"`
	Account string `json:"account"`
	Since   Time   `json:"since"`
}

// CloudBrief is the same in short, in [Status].
type CloudBrief struct {
	State      string `json:"state"`
	Since      Time   `json:"since"`
	Cause      string `json:"cause"`
	Text       string `json:"text"`
	URL        string `json:"url"`
	Account    string `json:"account"`
	Uplink     string `json:"uplink"`
	UplinkName string `json:"uplink_name"`
	Pending    uint64 `json:"pending"`
	Seen       Time   `json:"seen"`
}

// Cloud returns how the till stands with the cloud.
func (c *Client) Cloud(ctx context.Context) (out CloudState, err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/cloud", nil, nil, &out)
	return out, err
}

// CloudLook is how far the way to a cloud goes. Findings end with the first that is wrong.
type CloudLook struct {
	URL      string         `json:"url"`
	OK       bool           `json:"ok"`
	Program  string         `json:"program"`
	Version  string         `json:"version"`
	Till     string         `json:"oldest_till"`
	Oldest   int64          `json:"protocol_oldest"`
	Newest   int64          `json:"protocol_newest"`
	Cloud    string         `json:"cloud"`
	AheadMS  int64          `json:"ahead_ms"`
	Findings []CloudFinding `json:"findings"`
}

// CloudFinding is what came of one step: address, name, reach, trust, cloud, version, clock or coupling.
type CloudFinding struct {
	Step string `json:"step"`
	OK   bool   `json:"ok"`
	Text string `json:"text"`
	Do   string `json:"do,omitempty"`
}

// CheckCloud finds out how far the way to a cloud goes; an empty address stands for the one that the shop is coupled with.
func (c *Client) CheckCloud(ctx context.Context, address string) (out CloudLook, err error) {
	q := url.Values{}
	if address != "" {
		q.Set("url", address)
	}
	err = c.call(ctx, http.MethodGet, "/api/v1/cloud/check", q, nil, &out)
	return out, err
}

// PasswordCheck says what there is to say about a password.
type PasswordCheck struct {
	OK     bool           `json:"ok"`
	Rules  []PasswordRule `json:"rules"`
	Advice []string       `json:"advice"`
}

// PasswordRule is one rule for passwords.
type PasswordRule struct {
	Code string `json:"code"`
	Text string `json:"text"`
	Met  bool   `json:"met"`
}

// CheckPassword says which rules a password keeps; name, for the advice, may be empty.
func (c *Client) CheckPassword(ctx context.Context, password, name string) (out PasswordCheck, err error) {
	in := map[string]string{"password": password, "name": name}
	err = c.call(ctx, http.MethodPost, "/api/v1/cloud/password-check", nil, in, &out)
	return out, err
}

// CloudLogin says by what a shop is coupled: name and password, a code, or neither if somebody is signed in at the till.
type CloudLogin struct {
	URL      string `json:"url,omitempty"`
	Name     string `json:"name,omitempty"`
	Password string `json:"password,omitempty"`
	Code     string `json:"code,omitempty"`
}

// CloudAccount is an account at a cloud.
type CloudAccount struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Created Time   `json:"created"`
}

// CreateCloudAccount makes an account at a cloud; nobody is signed in by that.
func (c *Client) CreateCloudAccount(ctx context.Context, l CloudLogin) (out CloudAccount, err error) {
	l.Code = ""
	err = c.call(ctx, http.MethodPost, "/api/v1/cloud/account", nil, l, &out)
	return out, err
}

// CloudTerms are what a person has to confirm. ID is empty if the shop is coupled so already.
type CloudTerms struct {
	ID       string        `json:"id"`
	Expires  Time          `json:"expires"`
	URL      string        `json:"url"`
	Cloud    string        `json:"cloud"`
	Account  string        `json:"account"`
	ShopName string        `json:"shop_name"`
	TillName string        `json:"till_name"`
	Known    bool          `json:"known"`
	Coupled  *CoupledCloud `json:"coupled,omitempty"`
	Access   []CloudAccess `json:"access"`
	NotRead  string        `json:"not_read"`
	Missing  []string      `json:"missing"`
	Devices  []CloudDevice `json:"devices"`
}

// CloudAccess is what an account may do with one kind of data.
type CloudAccess struct {
	Kind  string `json:"kind"`
	Text  string `json:"text"`
	Read  bool   `json:"read"`
	Write bool   `json:"write"`
}

// CloudDevice is a till of the shop as the cloud knows it.
type CloudDevice struct {
	Till    string `json:"till"`
	Name    string `json:"name"`
	Seen    Time   `json:"seen"`
	Revoked Time   `json:"revoked,omitzero"`
	Why     string `json:"why,omitempty"`
}

// PrepareCloud signs in, or looks at a code, and returns what is to be confirmed. Nothing is coupled yet.
func (c *Client) PrepareCloud(ctx context.Context, l CloudLogin) (out CloudTerms, err error) {
	err = c.call(ctx, http.MethodPost, "/api/v1/cloud/prepare", nil, l, &out)
	return out, err
}

// CoupledNow is what came of a confirmation.
type CoupledNow struct {
	Cloud CoupledCloud `json:"cloud"`
	First bool         `json:"first"`
	Again bool         `json:"again"`
}

// ConfirmCloud couples the shop as a person confirmed it.
func (c *Client) ConfirmCloud(ctx context.Context, id string) (out CoupledNow, err error) {
	err = c.call(ctx, http.MethodPost, "/api/v1/cloud/confirm", nil, map[string]string{"id": id}, &out)
	return out, err
}

// RefuseCloud couples nothing, and signs out.
func (c *Client) RefuseCloud(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodPost, "/api/v1/cloud/refuse", nil, map[string]string{"id": id}, nil)
}

// SyncCloud has the till call the cloud now, and returns how it stood before anything came of that.
func (c *Client) SyncCloud(ctx context.Context) (out CloudState, err error) {
	err = c.call(ctx, http.MethodPost, "/api/v1/cloud/sync", nil, nil, &out)
	return out, err
}

// SignedOut says whose session ended. Told: the cloud knows.
type SignedOut struct {
	URL     string `json:"url"`
	Account string `json:"account"`
	Told    bool   `json:"told"`
}

// SignOutOfCloud ends the session of a person at the till; the shop stays coupled.
func (c *Client) SignOutOfCloud(ctx context.Context) (out SignedOut, err error) {
	err = c.call(ctx, http.MethodPost, "/api/v1/cloud/sign-out", nil, nil, &out)
	return out, err
}

// UncoupleCloud ends the coupling of the shop with a cloud; ref may be empty if there is one alone.
func (c *Client) UncoupleCloud(ctx context.Context, ref, reason string) (out CoupledCloud, err error) {
	err = c.call(ctx, http.MethodPost, "/api/v1/cloud/uncouple", nil, map[string]string{"ref": ref, "reason": reason}, &out)
	return out, err
}
