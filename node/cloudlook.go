package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/mod/semver"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/greeting"
	"github.com/tillmesh/tillmesh/cloudlink/server/serverclient"
	"github.com/tillmesh/tillmesh/crdt"
)

// Steps on the way to a cloud, in their order.
const (
	LookAddress  = "address"  // the text is an address of a cloud
	LookName     = "name"     // its name leads to addresses
	LookReach    = "reach"    // something answers there
	LookTrust    = "trust"    // and proves to be who it says
	LookCloud    = "cloud"    // it is a cloud, and in order
	LookVersion  = "version"  // it works with this till's program
	LookClock    = "clock"    // its clock and this till's say the same
	LookCoupling = "coupling" // it takes this till
)

// CloudFinding is what came of one step.
type CloudFinding struct {
	Step string
	OK   bool
	Text string // what is, in one sentence
	Do   string // what to do about it; empty if it is OK
}

// CloudLook is how far the way to a cloud goes.
type CloudLook struct {
	URL      string
	Program  string      // of this till
	Version  string      // of the cloud's program; empty: not known
	Till     string      // oldest program of a till that it lets in; empty: all that speak its protocol
	Oldest   int64       // version of the uplink that it speaks; 0: it does not say
	Newest   int64       // newest one
	Cloud    crdt.TillID // its ID; zero: not known
	Ahead    time.Duration
	Findings []CloudFinding // up to the first that is not OK
}

// OK reports whether every step was.
func (l CloudLook) OK() bool {
	return len(l.Findings) > 0 && l.Findings[len(l.Findings)-1].OK
}

func (l *CloudLook) add(step string, ok bool, do, format string, args ...any) bool {
	f := CloudFinding{Step: step, OK: ok, Text: fmt.Sprintf(format, args...)}
	if !ok {
		f.Do = do
	}
	l.Findings = append(l.Findings, f)
	return ok
}

// lookName bounds how long finding a name may take.
const lookName = 5 * time.Second

// Look is a method of Line.
func (l machineLine) Look(ctx context.Context, at string) CloudLook {
	out := CloudLook{URL: at, Program: l.m.version}
	client, err := l.Client(at)
	if err != nil {
		out.add(LookAddress, false, "write it as https://cloud.example", "%v", err)
		return out
	}
	defer client.Close()
	out.URL = client.URL()
	base, err := url.Parse(out.URL)
	if err != nil {
		out.add(LookAddress, false, "write it as https://cloud.example", "%v", err)
		return out
	}
	out.add(LookAddress, true, "", "%s is an address of a cloud", out.URL)
	if l.lookName(ctx, &out, base) && l.lookReach(ctx, &out, base) {
		l.lookCloud(ctx, &out, client)
	}
	return out
}

func (l machineLine) lookName(ctx context.Context, out *CloudLook, base *url.URL) bool {
	if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: base}); err == nil && proxy != nil {
		return out.add(LookName, true, "", "the proxy %s finds it", proxy.Host)
	}
	if net.ParseIP(base.Hostname()) != nil {
		return out.add(LookName, true, "", "%s needs no name", base.Hostname())
	}
	ctx, cancel := context.WithTimeout(ctx, lookName)
	defer cancel()
	found, err := net.DefaultResolver.LookupHost(ctx, base.Hostname())
	if err != nil {
		return out.add(LookName, false, "check the address, and the router and the internet connection", "the name %s is not found: %v", base.Hostname(), err)
	}
	return out.add(LookName, true, "", "%s is %s", base.Hostname(), found[0])
}

func (l machineLine) lookReach(ctx context.Context, out *CloudLook, base *url.URL) bool {
	err := l.dialer.Probe(ctx, cloudlink.Coupling{Base: out.URL})
	f := cloudlink.FailureOf(err)
	switch {
	case err == nil:
	case f.Cause == cloudlink.Untrusted:
		out.add(LookReach, true, "", "something answers at %s", base.Host)
		return out.add(LookTrust, false, f.Cause.Advice(), "%v", f)
	default:
		return out.add(LookReach, false, f.Cause.Advice(), "%v", f)
	}
	out.add(LookReach, true, "", "%s answers", base.Host)
	if base.Scheme == "http" {
		return out.add(LookTrust, true, "", "it is on this machine, and needs no certificate")
	}
	return out.add(LookTrust, true, "", "its certificate is valid for %s", base.Hostname())
}

func (l machineLine) lookCloud(ctx context.Context, out *CloudLook, client *serverclient.Client) {
	asked := l.m.env.Steady()
	s, err := client.Status(ctx)
	round := l.m.env.Steady() - asked
	if err != nil {
		out.add(LookCloud, false, hintOf(err), "%v", err)
		return
	}
	out.Version, out.Till, out.Oldest, out.Newest = s.Version, s.Till, s.Oldest, s.Newest
	if out.Cloud, err = crdt.ParseTillID(s.Cloud); err != nil {
		out.add(LookCloud, false, "check the address", "what answers there is no cloud: %v", err)
		return
	}
	if !s.OK {
		problem := "it says that not everything works"
		if len(s.Problems) > 0 {
			problem = s.Problems[0]
		}
		out.add(LookCloud, false, "nothing needs to be done here; the till sends everything when it works again", "%s", problem)
		return
	}
	out.add(LookCloud, true, "", "the cloud works")
	if !out.lookVersion() {
		return
	}
	now, err := time.Parse(time.RFC3339, s.Now)
	if err != nil {
		out.add(LookClock, false, "update the program of this till", "the time of the cloud cannot be read: %v", err)
		return
	}
	// By the middle of the question; the till's own clock, not the business time, which the cloud corrects.
	out.Ahead = l.m.env.Now().Add(-round / 2).Sub(now)
	if off := out.Ahead.Abs(); off > round/2+clockTolerance {
		out.add(LookClock, false, "set the clock of this machine, or let it be set by the network", "the clock of this till and that of the cloud differ by %s", off.Round(time.Second))
		return
	}
	out.add(LookClock, true, "", "the clocks agree")
}

// clockTolerance is how far two clocks may be apart without a word.
const clockTolerance = 2 * time.Second

// lookVersion compares what both speak. Programs of other versions work together as long as they have a version of the uplink in common.
func (l *CloudLook) lookVersion() bool {
	both := fmt.Sprintf("this till has version %s, the cloud %s", or(l.Program, "unknown"), or(l.Version, "unknown"))
	switch {
	case l.Newest != 0 && l.Newest < greeting.Oldest:
		return l.add(LookVersion, false, "ask who runs the cloud to update it", "%s: the cloud is too old for this till", both)
	case l.Oldest > greeting.Newest, semver.IsValid(versionText(l.Program)) && semver.Compare(versionText(l.Program), versionText(l.Till)) < 0:
		return l.add(LookVersion, false, "update the program of this till", "%s: this till is too old for the cloud", both)
	}
	return l.add(LookVersion, true, "", "%s", both)
}

func versionText(s string) string {
	if s != "" && s[0] != 'v' {
		return "v" + s
	}
	return s
}

// hintOf returns what to do about an error, if it says so.
func hintOf(err error) string {
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		return h.Hint()
	}
	return ""
}

// CheckCloud finds out how far the way to a cloud goes; an empty address stands for the cloud that the shop is coupled with.
func (t *Till) CheckCloud(ctx context.Context, url string) (CloudLook, error) {
	line, url, err := t.lineTo(url)
	if err != nil {
		return CloudLook{}, err
	}
	out := line.Look(ctx, url)
	if out.OK() {
		t.lookCoupling(&out)
	}
	return out, nil
}

func (t *Till) lookCoupling(out *CloudLook) {
	known, ok := t.cloud(out.Cloud)
	to := t.calls()
	switch s := t.coupler.line.Status(); {
	case !ok || !known.Coupled:
		out.add(LookCoupling, false, "till cloud login, or till cloud couple CODE", "this shop is not coupled with this cloud")
	case to == nil || to.Cloud != out.Cloud:
		out.add(LookCoupling, false, "till cloud uncouple", "this shop is coupled with this cloud, and the tills call another one")
	case s.Cause.Lasting():
		out.add(LookCoupling, false, s.Cause.Advice(), "the cloud refuses this till: %s, since %s", s.Text, clockText(s.Since))
	case s.Connected:
		out.add(LookCoupling, true, "", "coupled with %s; this till forwards for the shop", known.Account)
	case s.State == cloudlink.Waiting:
		out.add(LookCoupling, true, "", "coupled with %s; %s forwards for the shop", known.Account, t.roster.name(s.Uplink))
	default:
		out.add(LookCoupling, true, "", "coupled with %s; this till is not connected yet", known.Account)
	}
}

func clockText(at time.Time) string { return at.Local().Format("2006-01-02 15:04") }
