package coupling_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/greeting"
	"github.com/tillmesh/tillmesh/cloudlink/server/serverclient"
	"github.com/tillmesh/tillmesh/node"
)

// slow is for what waits until a till calls again by itself.
const slow = 2 * time.Minute

// stands checks that a till says everywhere why a receipt does not get to the archive: its state, its status and the way of the receipt, each
// with since when and what to do. It calls the cloud until it is so.
func (k *till) stands(cause cloudlink.Cause, r node.Receipt, told string, from time.Time) {
	t, ctx := k.t, k.t.Context()
	t.Helper()
	var s cloudlink.Status
	require.Eventually(t, func() bool {
		s = k.CloudState(ctx).Status
		if s.Cause != cause && s.State != cloudlink.Connecting {
			_ = k.CallCloud() // it may be calling
		}
		return s.State == cloudlink.Stuck && s.Cause == cause
	}, slow, 20*time.Millisecond, "%s: %+v", cause, &s)
	require.Contains(t, s.Text, told)
	require.WithinRange(t, s.Since, from.Add(-time.Second), time.Now())
	require.Error(t, s.Err, "what exactly happened")
	status, err := k.Status(ctx)
	require.NoError(t, err)
	require.Equal(t, cause, status.Cloud.Cause)
	require.Contains(t, status.Cloud.Text, told)
	var step node.Step
	k.eventually("the way of the receipt says it", func() bool {
		step = k.step(r.Number, node.StepUplink)
		return strings.Contains(step.Cause, told)
	})
	require.Contains(t, step.Cause, "since 20")
	require.Equal(t, cause.Advice(), step.Do)
	require.NotEqual(t, node.StepDone, k.step(r.Number, node.StepArchive).State)
	// It is broken what does not pass by itself.
	passes := cause == cloudlink.ServerDown || cause == cloudlink.NoInternet
	require.Equal(t, passes, step.State == node.StepWaits, "%s", step.State)
	if !cause.Lasting() {
		return
	}
	k.eventually("an alarm", func() bool {
		return slices.ContainsFunc(k.alarms(node.AlarmCloudRefused), func(a node.Alarm) bool { return strings.Contains(a.Text, told) && a.Next == cause.Advice() })
	})
}

// arrives waits until a receipt is archived, calling the cloud meanwhile.
func (k *till) arrives(r node.Receipt) {
	k.t.Helper()
	require.Eventually(k.t, func() bool {
		if s := k.CloudState(k.t.Context()).Status; !s.Connected && s.State != cloudlink.Connecting {
			_ = k.CallCloud() // it may be calling
		}
		return k.step(r.Number, node.StepArchive).State == node.StepDone
	}, slow, 20*time.Millisecond, "%s is archived", r.Number)
}

// TestWhatStandsBetween: whatever a network puts between a till and the cloud, the till sells, names it, and what was sold arrives when it is gone.
func TestWhatStandsBetween(t *testing.T) {
	t.Parallel()
	c := startCloud(t)
	one, b := coupledThrough(t, c)

	page := func(code int, head ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			for i := 0; i+1 < len(head); i += 2 {
				w.Header().Set(head[i], head[i+1])
			}
			w.WriteHeader(code)
			_, _ = w.Write([]byte("<!doctype html><title>Willkommen im Gäste-WLAN</title>")) // the till may have gone
		}
	}
	for _, x := range []struct {
		name   string
		answer http.HandlerFunc
		cause  cloudlink.Cause
		told   string
	}{
		{"a sign-in page", page(http.StatusOK), cloudlink.Intercepted, "answers in the cloud's place"},
		{"one that leads elsewhere", page(http.StatusFound, "Location", "http://portal.example/"), cloudlink.Intercepted, "answers in the cloud's place"},
		{"a proxy that wants a password", page(http.StatusProxyAuthRequired, "Proxy-Authenticate", "Basic"), cloudlink.ProxyFails, "does not let the till through"},
		{"a proxy without WebSockets", func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("Upgrade")
			r.Header.Del("Connection")
			b.proxy.ServeHTTP(w, r)
		}, cloudlink.ProxyFails, "does not let the till through"},
		{"a proxy that does not reach the cloud", page(http.StatusBadGateway), cloudlink.ServerDown, "does not answer"},
	} {
		t.Logf("between is %s", x.name)
		from := time.Now()
		b.become(x.answer)
		r := one.sell()
		one.stands(x.cause, r, x.told, from)
		b.become(nil)
		one.arrives(r)
	}

	from, good := time.Now(), b.certificate
	b.show(newAuthority(t).issue(t))
	r := one.sell()
	one.stands(cloudlink.Untrusted, r, "cannot prove by its certificate", from)
	b.show(good)
	one.arrives(r)

	// It ends each connection after a moment, as some proxies do with what is quiet: nothing stays behind for that.
	b.become(func(w http.ResponseWriter, r *http.Request) {
		end := time.AfterFunc(100*time.Millisecond, b.hangUp)
		defer end.Stop()
		b.proxy.ServeHTTP(w, r)
	})
	for range 3 {
		one.arrives(one.sell())
	}
	require.Empty(t, one.Alarms())
}

// TestWhyTheCloudRefuses: a program that is too old and an account that is not that of the shop are each named with since when and what to do,
// and when that is mended everything arrives.
func TestWhyTheCloudRefuses(t *testing.T) {
	t.Parallel()
	ctx, c := t.Context(), startCloud(t)
	one := found(t, "Café Mitte")
	one.account(c, anna)
	one.account(c, bela)
	one.couple(c, anna)
	one.arrives(one.sell())

	// Tills of this test run "1.4.0".
	from := time.Now()
	c.with(func(c *cloud) { c.oldest = "1.5" })
	r := one.sell()
	one.stands(cloudlink.Cause(greeting.VersionTooOld), r, "it is 1.4.0, the cloud works with 1.5 and newer", from)
	c.says(from, "1.5")
	c.with(func(c *cloud) { c.oldest = "1.4" })
	one.arrives(r)

	// The shop belongs to another account now, as in a cloud that was restored and coupled anew by somebody else.
	shop, _, _ := one.Self()
	give := func(to string) {
		c.stop()
		db, err := database.Open(ctx, database.Options{Dir: c.data})
		require.NoError(t, err)
		require.NoError(t, db.Tx(ctx, func(tx *database.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE shops SET account = (SELECT account FROM accounts WHERE folded = ?) WHERE shop = ?`, to, shop[:])
			return err
		}))
		require.NoError(t, db.Close())
		c.start()
	}
	from = time.Now()
	give(bela)
	r = one.sell()
	one.stands(cloudlink.Cause(greeting.WrongAccount), r, "coupled with another account at this cloud than "+anna, from)
	s := one.CloudState(ctx).Status
	require.False(t, s.CloudSince.IsZero(), "since when, by the cloud")
	give(anna)
	one.arrives(r)

	// The other way to mend it: the shop is coupled with the account that it has now.
	give(bela)
	from = time.Now()
	r = one.sell()
	one.stands(cloudlink.Cause(greeting.WrongAccount), r, "coupled with another account at this cloud than "+anna, from)
	_, err := one.Uncouple(ctx, "", "")
	require.NoError(t, err)
	one.couple(c, bela)
	one.arrives(r)
}

// says checks that the cloud, which runs anew since a time, says to everybody which programs it lets in: it works, and the till is what has to be updated.
func (c *cloud) says(from time.Time, oldest string) {
	t := c.t
	t.Helper()
	anybody, err := serverclient.New(serverclient.Config{URL: c.url()})
	require.NoError(t, err)
	defer anybody.Close()
	s, err := anybody.Status(t.Context())
	require.NoError(t, err)
	require.True(t, s.OK)
	require.Empty(t, s.Problems)
	require.Equal(t, oldest, s.Till)
	require.EqualValues(t, greeting.Oldest, s.Oldest)
	require.EqualValues(t, greeting.Newest, s.Newest)
	since, err := time.Parse(time.RFC3339, s.Since)
	require.NoError(t, err)
	require.WithinRange(t, since, from.Add(-time.Second), time.Now())
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url()+"/status", nil)
	require.NoError(t, err)
	w, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	require.NoError(t, err)
	page, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	require.NoError(t, w.Body.Close())
	require.Equal(t, http.StatusOK, w.StatusCode)
	require.Contains(t, string(page), "<dt>Oldest program of a till that is let in</dt><dd>"+oldest+"</dd>")
	for _, no := range []string{anna, bela, "Café Mitte", "Kasse 1"} {
		require.NotContains(t, string(page), no)
	}
}

// TestNoInternet: the name of the cloud cannot be found.
func TestNoInternet(t *testing.T) {
	t.Parallel()
	one := found(t, "Café Mitte")
	r := one.sell()
	from := time.Now()
	_, _, err := one.Couple(t.Context(), node.NewCoupling{Key: newAuthority(t).public(), URL: "https://cloud.invalid", Account: anna})
	require.NoError(t, err)
	one.stands(cloudlink.NoInternet, r, "the internet cannot be reached from here", from)
	require.NotZero(t, one.sell().Number)
}

// TestACutOffTillIsPassedOn: a till that is cut off at the cloud is named at every other till of the shop, not only at the one that forwards, once,
// and after a restart it still is.
func TestACutOffTillIsPassedOn(t *testing.T) {
	t.Parallel()
	ctx, c := t.Context(), startCloud(t)
	one := found(t, "Café Mitte")
	two, three := one.join("Kasse 2"), one.join("Kasse 3")
	one.account(c, anna)
	one.couple(c, anna)
	r := three.sell()
	for _, k := range []*till{one, two, three} {
		k.eventually("it is archived", func() bool { return k.step(r.Number, node.StepArchive).State == node.StepDone })
	}
	three.eventually("the cloud knows it", func() bool { return reached(t, c, three) })
	shop, id, _ := three.Self()
	_, err := c.as(anna).RevokeDevice(ctx, shop.String(), id.String(), "gestohlen")
	require.NoError(t, err)
	for _, k := range []*till{one, two} {
		require.Eventually(t, func() bool { return len(k.alarms(node.AlarmCloudRevoked)) == 1 }, slow, 20*time.Millisecond)
		a := k.alarms(node.AlarmCloudRevoked)[0]
		require.Contains(t, a.Text, "Kasse 3 was cut off")
		require.Contains(t, a.Text, "gestohlen")
		require.Contains(t, a.Next, "till revoke K3")
	}
	two.stop()
	two.start(one.LinkAddr().String())
	two.eventually("it is linked", func() bool { return len(two.Linked()) > 0 })
	require.Len(t, two.alarms(node.AlarmCloudRevoked), 1)
	r = two.sell()
	two.arrives(r)
	require.Len(t, one.alarms(node.AlarmCloudRevoked), 1)
	require.Len(t, two.alarms(node.AlarmCloudRevoked), 1)
}
