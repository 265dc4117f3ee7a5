package cloudlink

import "github.com/tillmesh/tillmesh/cloudlink/greeting"

// State is where a till stands with the cloud.
type State string

// The states.
const (
	Off           State = "off"            // switched off at this till
	NotCoupled    State = "not-coupled"    // the shop has no cloud
	Starting      State = "starting"       // the tills of the shop are still finding each other
	Waiting       State = "waiting"        // another till forwards
	Connecting    State = "connecting"     // this till forwards and calls the cloud
	Stuck         State = "stuck"          // this till forwards and cannot, see Cause
	FirstTransfer State = "first-transfer" // everything there is goes to the cloud for the first time
	CatchingUp    State = "catching-up"    // the cloud lacks something
	UpToDate      State = "up-to-date"     // the cloud has all this till has
)

// Cause is why the cloud cannot be reached. Causes are stable and only grow.
type Cause string

// The causes. Those that the cloud names itself are the codes of package greeting.
const (
	NoCause     Cause = ""
	NoNetwork   Cause = "no-network"   // the till has no network
	NoInternet  Cause = "no-internet"  // the cloud's name cannot be found, or there is no way to it
	ServerDown  Cause = "server-down"  // refused, an error of the server, or no answer in time
	ProxyFails  Cause = "proxy"        // the proxy of this network does not let the till through
	Intercepted Cause = "intercepted"  // something else answers at the cloud's address
	Untrusted   Cause = "untrusted"    // the server's certificate is not trusted
	OtherCloud  Cause = "other-cloud"  // another cloud answers than the one the shop was coupled with
	Quiet       Cause = "no-answer"    // the connection stands and nothing comes any more
	BadAddress  Cause = "bad-address"  // the cloud's address cannot be used
	StoreFails  Cause = "store-failed" // this till could not go on itself; see its other messages
)

// text is one sentence about a cause, and what to do.
type text struct{ what, advice string }

var texts = map[Cause]text{
	NoNetwork:   {"this till has no network", "check the cable or the wireless network of this till; selling goes on"},
	NoInternet:  {"the internet cannot be reached from here", "check the router and the internet connection; everything is caught up by itself"},
	ServerDown:  {"the server of the cloud does not answer", "nothing needs to be done here; everything is caught up by itself"},
	ProxyFails:  {"the proxy of this network does not let the till through", "ask who looks after the network; check HTTPS_PROXY"},
	Intercepted: {"something between this till and the internet answers in the cloud's place", "a sign-in page of the network, a filter or a wrong address; check them"},
	Untrusted:   {"the server cannot prove by its certificate that it is the cloud", "check the date of this till and whether the network inspects connections"},
	OtherCloud:  {"another cloud answers than the one this shop is coupled with", "check the address; if the cloud was set up anew, couple the shop again"},
	Quiet:       {"the connection to the cloud stands still", "nothing needs to be done here; the till calls again"},
	BadAddress:  {"the address of the cloud cannot be used", "couple the shop again with an address that begins with https://"},
	StoreFails:  {"this till could not go on", "see the other messages of this till"},

	Cause(greeting.NotCoupled):    {greeting.NotCoupled.Text(), "couple the shop again"},
	Cause(greeting.WrongAccount):  {greeting.WrongAccount.Text(), "sign in with the account of this shop, or couple the shop again"},
	Cause(greeting.Revoked):       {greeting.Revoked.Text(), "if that was a mistake, couple this till again; what it holds stays here and is not lost"},
	Cause(greeting.Retired):       {greeting.Retired.Text(), "admit it again at another till of the shop"},
	Cause(greeting.VersionTooOld): {greeting.VersionTooOld.Text(), "update the program of this till"},
	Cause(greeting.VersionTooNew): {greeting.VersionTooNew.Text(), "update the cloud"},
	Cause(greeting.UnknownKey):    {greeting.UnknownKey.Text(), "wait until another till of the shop was connected once, or couple this till by a code"},
	Cause(greeting.BadProof):      {greeting.BadProof.Text(), "check that the address of the cloud is the one it knows itself by"},
	Cause(greeting.Elsewhere):     {greeting.Elsewhere.Text(), "nothing needs to be done"},
	Cause(greeting.Busy):          {greeting.Busy.Text(), "nothing needs to be done; the till calls again"},
	Cause(greeting.Full):          {greeting.Full.Text(), "tell who runs the cloud; nothing is lost, the tills keep everything"},
	Cause(greeting.Maintenance):   {greeting.Maintenance.Text(), "nothing needs to be done; everything is caught up by itself"},
}

// Text returns one sentence for people.
func (c Cause) Text() string {
	if t, ok := texts[c]; ok {
		return t.what
	}
	return "the cloud refused this till"
}

// Advice returns what to do.
func (c Cause) Advice() string {
	if t, ok := texts[c]; ok {
		return t.advice
	}
	return "update the program of this till; it does not know why"
}

// Lasting reports whether the cause stays until somebody does something, so that the till calls at the slowest pace.
func (c Cause) Lasting() bool {
	switch c {
	case OtherCloud, BadAddress:
		return true
	}
	return greeting.Code(c).Lasting()
}
