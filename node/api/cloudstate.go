package api

import (
	"context"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/election"
	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
	"github.com/tillmesh/tillmesh/node"
)

// cloudState is how the till stands with the cloud.
type cloudState struct {
	Clouds     []coupledCloud `json:"clouds" nullable:"false" doc:"That are or were coupled with the shop, those that are first"`
	State      string         `json:"state" enum:"off,not-coupled,starting,waiting,connecting,stuck,first-transfer,catching-up,up-to-date" doc:"waiting: another till forwards. stuck: this till forwards and cannot, see cause"`
	Since      string         `json:"since" doc:"Since when state and cause are so, RFC 3339"`
	Cause      string         `json:"cause" doc:"Stable; empty if there is none. While another till forwards: why this one could not" example:"no-internet"`
	Text       string         `json:"text" doc:"The cause in one sentence"`
	Advice     string         `json:"advice" doc:"What to do about it"`
	Detail     string         `json:"detail" doc:"What exactly happened last, for support"`
	CloudSince string         `json:"cloud_since" doc:"Since when the cloud itself says that the cause is so, RFC 3339; empty if it does not say"`

	Uplink    *cloudUplink `json:"uplink,omitempty" doc:"The till that forwards; left out while that is not decided"`
	Tills     []cloudTill  `json:"tills" nullable:"false" doc:"What the other tills say of their own way to the cloud"`
	Connected bool         `json:"connected" doc:"This till is connected with the cloud now"`
	Session   uint64       `json:"session,omitempty" doc:"Number of that connection at the cloud"`
	Term      uint64       `json:"term" doc:"Of the lease that this till holds; 0: it holds none"`
	Holder    string       `json:"holder" doc:"The till that holds it, as the cloud or the tills say; empty if nobody does"`
	Seen      string       `json:"seen" doc:"When the cloud last answered this till, RFC 3339; empty: never"`
	Attempts  int          `json:"attempts" doc:"Calls in a row that failed"`
	NextTry   string       `json:"next_try" doc:"When the cloud is called again, RFC 3339; empty: that is not planned"`

	Progress []cloudClass  `json:"progress" nullable:"false" doc:"By class, as far as this till knows; empty: it was not connected yet"`
	Pending  uint64        `json:"pending" doc:"Records that the cloud lacks, of all classes"`
	First    string        `json:"first_transfer" enum:"unknown,runs,ended" doc:"Sending everything there was for the first time. unknown: another till forwards"`
	Complete string        `json:"complete" doc:"When the cloud last had everything this till has, RFC 3339; empty: not since its start"`
	Archive  cloudArchive  `json:"archive"`
	SignedIn *cloudSession `json:"signed_in,omitempty" doc:"The person that is signed in at this till"`
}

// cloudUplink is the till that forwards.
type cloudUplink struct {
	Till     string `json:"till"`
	Name     string `json:"name"`
	Self     bool   `json:"self" doc:"It is this till"`
	Before   string `json:"before" doc:"The till that forwarded before; empty if none did"`
	Detector string `json:"detector" doc:"Why that one does not any more; empty if none did" example:"link-closed"`
	Why      string `json:"why" doc:"The same in one sentence"`

	State    string `json:"state,omitempty" doc:"How it stands with the cloud, as it says; left out if it does not answer"`
	Cause    string `json:"cause,omitempty"`
	Text     string `json:"text,omitempty" doc:"The cause in one sentence"`
	Since    string `json:"since,omitempty" doc:"RFC 3339"`
	Pending  uint64 `json:"pending,omitempty" doc:"Records that the cloud lacks, as it says"`
	Complete string `json:"complete,omitempty" doc:"When the cloud last had everything it has, RFC 3339"`
}

// cloudTill is what another till says of its own way to the cloud.
type cloudTill struct {
	Till    string `json:"till"`
	Name    string `json:"name"`
	Linked  bool   `json:"linked"`
	Reach   string `json:"reach" doc:"Whether it can reach the cloud, as it says" example:"can"`
	Heard   string `json:"heard" doc:"When it said that, RFC 3339; empty: it never did"`
	Missing string `json:"missing" doc:"Why it cannot be chosen; empty if it can"`
}

// cloudClass is how far one class of data is.
type cloudClass struct {
	Name    string `json:"name" example:"receipts"`
	Done    uint64 `json:"done"`
	Total   uint64 `json:"total"`
	Pending uint64 `json:"pending"`
}

// cloudArchive is what the till knows of the archive.
type cloudArchive struct {
	Size    int64  `json:"size" doc:"Records of the account"`
	Signed  string `json:"signed" doc:"When the cloud signed that, by its clock, RFC 3339; empty: nothing is known"`
	Looked  string `json:"looked" doc:"When this till looked last, RFC 3339; empty: not since its start"`
	Verdict string `json:"verdict" doc:"What came of it: first, same, grown, behind, rewritten, forked, unproven, unsigned; empty: nothing yet" example:"grown"`
}

// cloudSession is who is signed in.
type cloudSession struct {
	URL     string `json:"url"`
	Account string `json:"account"`
	Since   string `json:"since" doc:"RFC 3339"`
}

// cloudBrief is how the till stands with the cloud, in short.
type cloudBrief struct {
	State   string `json:"state" example:"up-to-date"`
	Since   string `json:"since" doc:"RFC 3339"`
	Cause   string `json:"cause" doc:"Empty if there is none"`
	Text    string `json:"text" doc:"The cause in one sentence"`
	URL     string `json:"url"`
	Account string `json:"account"`
	Uplink  string `json:"uplink" doc:"The till that forwards; empty while that is not decided"`
	Name    string `json:"uplink_name"`
	Pending uint64 `json:"pending" doc:"Records that the cloud lacks, as far as this till knows"`
	Seen    string `json:"seen" doc:"When the cloud last answered this till, RFC 3339; empty: never"`
}

func (s *server) showBrief(c *node.CloudBrief) *cloudBrief {
	if c == nil {
		return nil
	}
	out := &cloudBrief{State: string(c.State), Since: instant(c.Since), Cause: string(c.Cause), Text: c.Text, URL: c.URL, Account: c.Account,
		Uplink: tillText(c.Uplink), Pending: c.Pending, Seen: instant(c.Seen)}
	if !c.Uplink.IsZero() {
		out.Name = s.names.name(c.Uplink)
	}
	return out
}

func (s *server) getCloud(ctx context.Context, _ *struct{}) (cloudState, error) {
	return s.showCloud(s.till.CloudState(ctx)), nil
}

func (s *server) showCloud(c node.CloudState) cloudState {
	v := c.Status
	out := cloudState{
		Clouds: []coupledCloud{}, State: string(v.State), Since: instant(v.Since), Cause: string(v.Cause), Text: v.Text, Advice: c.Advice,
		CloudSince: instant(v.CloudSince), Uplink: s.showUplink(c), Tills: s.showCloudTills(c.Tills), Connected: v.Connected, Session: v.Session, Term: v.Term,
		Holder: tillText(v.Holder), Seen: instant(v.Seen), Attempts: v.Attempts, NextTry: instant(v.Next), Progress: []cloudClass{}, Pending: v.Progress.Pending(),
		First: string(c.First), Complete: instant(v.Complete),
		Archive: cloudArchive{c.Archive.Size, instant(c.Archive.At), instant(c.Archive.Looked), c.Archive.Verdict},
	}
	if v.Err != nil {
		out.Detail = httpapi.Clip(v.Err.Error(), 1000)
	}
	for _, one := range c.Clouds {
		out.Clouds = append(out.Clouds, showCoupled(one))
	}
	for _, p := range v.Progress.Classes {
		out.Progress = append(out.Progress, cloudClass{p.Name, p.Done, p.Total, p.Pending})
	}
	if c.Session != nil {
		out.SignedIn = &cloudSession{c.Session.URL, c.Session.Account, instant(c.Session.Since)}
	}
	return out
}

func (s *server) showUplink(c node.CloudState) *cloudUplink {
	v := c.Status
	if v.Uplink.IsZero() || v.State == cloudlink.NotCoupled {
		return nil
	}
	_, self, _ := s.till.Self()
	out := &cloudUplink{Till: v.Uplink.String(), Name: s.names.name(v.Uplink), Self: v.Uplink == self, Before: tillText(v.Before)}
	if v.Detector != election.None {
		out.Detector, out.Why = string(v.Detector), v.Detector.Text()
	}
	if f := c.Forwards; f != nil {
		out.State, out.Cause, out.Text, out.Since = string(f.State), string(f.Cause), f.Text, instant(f.Since)
		out.Pending, out.Complete = f.Pending, instant(f.Complete)
	}
	return out
}

func (s *server) showCloudTills(list []election.Known) []cloudTill {
	_, self, _ := s.till.Self()
	out := []cloudTill{}
	for _, k := range list {
		if k.Till == self {
			continue
		}
		one := cloudTill{Till: k.Till.String(), Name: s.names.name(k.Till), Linked: k.Linked, Reach: k.Claim.Reach.String(), Heard: instant(k.Heard)}
		if k.Missing != election.None {
			one.Missing = k.Missing.Text()
		}
		out = append(out, one)
	}
	return out
}

type checkCloudIn struct {
	URL string `query:"url" maxLength:"300" doc:"Of the cloud; left out: of the one the shop is coupled with" example:"https://cloud.example"`
}

// cloudLook is how far the way to a cloud goes.
type cloudLook struct {
	URL      string         `json:"url"`
	OK       bool           `json:"ok" doc:"Nothing is wrong"`
	Program  string         `json:"program" doc:"Version of this till"`
	Version  string         `json:"version" doc:"Of the cloud; empty if it did not say"`
	Till     string         `json:"oldest_till" doc:"Oldest program of a till that it lets in; empty: all that speak its protocol"`
	Oldest   int64          `json:"protocol_oldest" doc:"Oldest version of the uplink that it speaks; 0 if it did not say"`
	Newest   int64          `json:"protocol_newest" doc:"Newest one"`
	Cloud    string         `json:"cloud" doc:"ID of its key; empty if it did not say"`
	AheadMS  int64          `json:"ahead_ms" doc:"By how much the clock of this machine is ahead of that of the cloud; negative if it is behind"`
	Findings []cloudFinding `json:"findings" nullable:"false" doc:"Up to the first that is wrong"`
}

// cloudFinding is what came of one step.
type cloudFinding struct {
	Step string `json:"step" enum:"address,name,reach,trust,cloud,version,clock,coupling"`
	OK   bool   `json:"ok"`
	Text string `json:"text" doc:"What is"`
	Do   string `json:"do,omitempty" doc:"What to do about it"`
}

func (s *server) checkCloud(ctx context.Context, in *checkCloudIn) (cloudLook, error) {
	l, err := s.till.CheckCloud(ctx, in.URL)
	if err != nil {
		return cloudLook{}, err
	}
	out := cloudLook{URL: l.URL, OK: l.OK(), Program: l.Program, Version: l.Version, Till: l.Till, Oldest: l.Oldest, Newest: l.Newest, Cloud: tillText(l.Cloud),
		AheadMS: int64(l.Ahead / time.Millisecond), Findings: []cloudFinding{}}
	for _, f := range l.Findings {
		out.Findings = append(out.Findings, cloudFinding{f.Step, f.OK, f.Text, f.Do})
	}
	return out, nil
}
