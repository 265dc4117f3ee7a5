package coupling_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/server/serverclient"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node"
)

// TestAShopIsCoupledInTwoSteps: nothing happens before a person confirmed, both sides say so after it, and the other till of the shop
// needs no step of its own.
func TestAShopIsCoupledInTwoSteps(t *testing.T) {
	t.Parallel()
	ctx, c := t.Context(), startCloud(t)
	one := found(t, "Café Mitte")
	two := one.join("Kasse 2")
	_, err := one.CreateCloudAccount(ctx, node.CloudLogin{URL: c.url(), Name: anna, Password: "schwach"})
	require.Equal(t, "password-rules", refused(t, err))
	require.False(t, one.CheckCloudPassword("schwach", anna).OK())
	require.True(t, one.CheckCloudPassword(password, anna).OK())
	_, err = one.CreateCloudAccount(ctx, node.CloudLogin{URL: c.url(), Name: "anna", Password: password})
	require.Equal(t, "account-name", refused(t, err))
	one.account(c, anna)
	_, err = two.CreateCloudAccount(ctx, node.CloudLogin{URL: c.url(), Name: strings.ToUpper(anna), Password: password})
	require.Equal(t, "account-name-taken", refused(t, err))

	for code, l := range map[string]node.CloudLogin{
		"sign-in":            {URL: c.url(), Name: anna, Password: "Falsch.Geraten1!"},
		node.CodeLogin:       {URL: c.url()},
		node.CodeCloudURL:    {URL: "cloud.example", Code: "7K3M9QXA"},
		"coupling-code":      {URL: c.url(), Code: "7K3M9QXA"},
		node.CodeCloudAway:   {URL: "http://127.0.0.1:1", Name: anna, Password: password},
		node.CodeNotSignedIn: {},
	} {
		var err error
		if code == node.CodeNotSignedIn {
			_, _, err = one.SignOutOfCloud(ctx)
		} else {
			_, err = one.PrepareCoupling(ctx, l)
		}
		require.Equal(t, code, refused(t, err))
	}
	for _, both := range []node.CloudLogin{{URL: c.url(), Name: anna}, {URL: c.url(), Name: anna, Password: password, Code: "7K3M9QXA"}} {
		_, err = one.PrepareCoupling(ctx, both)
		require.Equal(t, node.CodeLogin, refused(t, err))
	}
	require.Zero(t, c.sessions(anna))

	// Refused: nothing is coupled, and nobody stays signed in.
	login := node.CloudLogin{URL: c.url(), Name: anna, Password: password}
	terms, err := one.PrepareCoupling(ctx, login)
	require.NoError(t, err)
	require.Equal(t, anna, terms.Account)
	require.Equal(t, "Café Mitte", terms.ShopName)
	require.False(t, terms.Known)
	require.NotEmpty(t, terms.Access.Access)
	require.Len(t, terms.Missing, 2, "neither a closing nor a backup was made")
	require.Empty(t, one.Clouds())
	require.Equal(t, 1, c.sessions(anna))
	require.NoError(t, one.RefuseCoupling(ctx, terms.ID))
	require.Zero(t, c.sessions(anna))
	require.Empty(t, one.Clouds())
	shops, err := c.as(anna).Shops(ctx)
	require.NoError(t, err)
	require.Empty(t, shops.Items)
	_, err = one.ConfirmCoupling(ctx, terms.ID)
	require.Equal(t, node.CodeNoTerms, refused(t, err))
	_, err = one.ConfirmCoupling(ctx, crdt.ObjectID{1})
	require.Equal(t, node.CodeNoTerms, refused(t, err))

	// Confirmed: both sides say so.
	before := one.Events().Last()
	terms, err = one.PrepareCoupling(ctx, login)
	require.NoError(t, err)
	now, err := one.ConfirmCoupling(ctx, terms.ID)
	require.NoError(t, err)
	require.True(t, now.First)
	require.Equal(t, terms.Cloud, now.Cloud.ID)
	require.Equal(t, anna, now.Cloud.Account)
	told, _, _ := one.Events().After(ctx, before)
	require.True(t, slices.ContainsFunc(told, func(e node.Event) bool { return e.What == "cloud" && e.Change == node.ChangeCoupled }))
	shops, err = c.as(anna).Shops(ctx)
	require.NoError(t, err)
	require.Equal(t, "Café Mitte", shops.Items[0].Name)
	require.Equal(t, anna, one.CloudSession().Account)
	require.Equal(t, 1, c.sessions(anna))
	_, told2, err := one.SignOutOfCloud(ctx)
	require.NoError(t, err)
	require.True(t, told2)
	require.Zero(t, c.sessions(anna))
	require.Nil(t, one.CloudSession())

	// The other till is coupled by that.
	two.eventually("it knows", func() bool { return len(two.Clouds()) == 1 })
	terms, err = two.PrepareCoupling(ctx, node.CloudLogin{URL: c.url(), Code: "7K3M9QXA"})
	require.NoError(t, err)
	require.True(t, terms.ID.IsZero())
	require.Equal(t, "Kasse 1", terms.Coupled.ByName)
	_, err = two.PrepareCoupling(ctx, node.CloudLogin{URL: c.url(), Name: bela, Password: password})
	require.Equal(t, node.CodeCoupled, refused(t, err))

	r := two.sell()
	for _, k := range []*till{one, two} {
		k.eventually("it is archived", func() bool { return k.step(r.Number, node.StepArchive).State == node.StepDone })
		require.Equal(t, node.StepDone, k.step(r.Number, node.StepUplink).State)
		k.eventually("since when", func() bool { return strings.Contains(k.step(r.Number, node.StepArchive).Text, "since") })
		k.eventually("the check is well", func() bool {
			look, err := k.CheckCloud(ctx, "")
			require.NoError(t, err)
			return look.OK() && look.Findings[len(look.Findings)-1].Step == node.LookCoupling
		})
		s, err := k.Status(ctx)
		require.NoError(t, err)
		require.Equal(t, anna, s.Cloud.Account)
	}
	up, other := one, two
	up.eventually("somebody forwards", func() bool {
		if two.CloudState(ctx).Status.Connected {
			up, other = two, one
		}
		return up.CloudState(ctx).Status.Connected
	})
	other.eventually("the other knows what that one says", func() bool {
		s := other.CloudState(ctx)
		return s.Status.State == cloudlink.Waiting && s.Forwards != nil && s.Forwards.State == cloudlink.UpToDate
	})
	up.eventually("the first transfer ended", func() bool { return up.CloudState(ctx).First == node.FirstEnded })
	require.NoError(t, up.CallCloud())

	_, err = one.Uncouple(ctx, "", "genug")
	require.NoError(t, err)
	one.eventually("nothing is called any more", func() bool { return one.CloudState(ctx).Status.State == cloudlink.NotCoupled })
	require.Equal(t, node.CodeNotCoupled, refused(t, one.CallCloud()))
	require.Equal(t, node.StepNone, one.step(r.Number, node.StepArchive).State)
}

// TestACodeCouplesOnceAndOneTill: a code is for the till it names and counts once; a shop of one account is not taken by another.
func TestACodeCouplesOnceAndOneTill(t *testing.T) {
	t.Parallel()
	ctx, c := t.Context(), startCloud(t)
	one, stranger := found(t, "Café Mitte"), found(t, "Imbiss")
	one.account(c, anna)
	one.account(c, bela)
	made, err := c.as(anna).CreateCode(ctx, "Kasse 1")
	require.NoError(t, err)
	other, err := c.as(anna).CreateCode(ctx, "Kasse 7")
	require.NoError(t, err)
	_, err = one.PrepareCoupling(ctx, node.CloudLogin{URL: c.url(), Code: other.Code})
	require.Equal(t, "code-of-another-till", refused(t, err))
	code := node.CloudLogin{URL: c.url(), Code: strings.ToLower(made.Code)}
	terms, err := one.PrepareCoupling(ctx, code)
	require.NoError(t, err)
	late, err := stranger.PrepareCoupling(ctx, code)
	require.NoError(t, err, "it is not used up by looking at it")
	_, err = one.ConfirmCoupling(ctx, terms.ID)
	require.NoError(t, err)
	require.Nil(t, one.CloudSession(), "a code signs nobody in")
	_, err = stranger.ConfirmCoupling(ctx, late.ID)
	require.Equal(t, "coupling-code", refused(t, err))
	require.Empty(t, stranger.Clouds())
	_, err = stranger.PrepareCoupling(ctx, code)
	require.Equal(t, "coupling-code", refused(t, err))

	_, err = one.Uncouple(ctx, "", "")
	require.NoError(t, err)
	_, err = one.PrepareCoupling(ctx, node.CloudLogin{URL: c.url(), Name: bela, Password: password})
	require.Equal(t, "wrong-account", refused(t, err))
	require.Zero(t, c.sessions(bela), "what came to nothing leaves nobody signed in")
	again := one.couple(c, anna)
	require.False(t, again.First)
}

// TestWhyAReceiptIsNotInTheArchive: the server is down, and the receipt waits with the cause; then it is there, and the till that was
// cut off says so, as the others do.
func TestWhyAReceiptIsNotInTheArchive(t *testing.T) {
	t.Parallel()
	ctx, c := t.Context(), startCloud(t)
	one := found(t, "Café Mitte")
	two := one.join("Kasse 2")
	r := one.sell()
	require.Equal(t, "no cloud", one.step(r.Number, node.StepUplink).Text)
	one.account(c, anna)
	one.couple(c, anna)
	one.eventually("it is archived", func() bool { return one.step(r.Number, node.StepArchive).State == node.StepDone })
	two.eventually("it knows", func() bool { return two.step(r.Number, node.StepArchive).State == node.StepDone })

	c.stop()
	r = two.sell()
	for _, k := range []*till{one, two} {
		k.eventually("the cause is known", func() bool {
			w, err := k.Why(ctx, r.Number)
			require.NoError(t, err)
			s := w.Steps[3]
			return w.First == node.StepUplink && s.State == node.StepWaits && strings.Contains(s.Cause, "does not answer, since 20") && s.Do != ""
		})
	}
	require.NoError(t, one.CallCloud())
	look, err := one.CheckCloud(ctx, "")
	require.NoError(t, err)
	require.False(t, look.OK())
	require.Equal(t, node.LookReach, look.Findings[len(look.Findings)-1].Step)
	_, told, err := one.SignOutOfCloud(ctx)
	require.NoError(t, err)
	require.False(t, told)

	c.start()
	one.eventually("it is caught up", func() bool { return one.step(r.Number, node.StepArchive).State == node.StepDone })
	two.eventually("both know", func() bool { return two.step(r.Number, node.StepArchive).State == node.StepDone })

	// The second till is cut off at the cloud: it is told why, the other one asks to remove it.
	shop, id, _ := two.Self()
	two.eventually("the cloud knows it", func() bool { return reached(t, c, two) })
	_, err = c.as(anna).RevokeDevice(ctx, shop.String(), id.String(), "gestohlen")
	require.NoError(t, err)
	one.eventually("the other till asks to remove it", func() bool { return len(one.alarms(node.AlarmCloudRevoked)) == 1 })
	a := one.alarms(node.AlarmCloudRevoked)[0]
	require.Contains(t, a.Text, "Kasse 2 was cut off")
	require.Contains(t, a.Text, "gestohlen")
	require.Contains(t, a.Next, "till revoke K2")
	one.stop()
	two.eventually("it is told why", func() bool { return len(two.alarms(node.AlarmCloudRefused)) == 1 })
	require.Contains(t, two.alarms(node.AlarmCloudRefused)[0].Text, "It is so since")
	r = two.sell()
	s := two.step(r.Number, node.StepUplink)
	require.Equal(t, node.StepBroken, s.State)
	require.Contains(t, s.Cause, "the cloud says: since")
	require.NotEmpty(t, s.Do)
}

// reached makes a till known to the cloud as a device of its own, if it is not: the one that forwards alone would be.
func reached(t *testing.T, c *cloud, k *till) bool {
	t.Helper()
	shop, id, _ := k.Self()
	list, err := c.as(anna).Devices(t.Context(), shop.String())
	require.NoError(t, err)
	if slices.ContainsFunc(list.Items, func(d serverclient.Device) bool { return d.Till == id.String() }) {
		return true
	}
	terms, err := k.PrepareCoupling(t.Context(), node.CloudLogin{URL: c.url(), Name: anna, Password: password})
	require.NoError(t, err)
	_, err = k.ConfirmCoupling(t.Context(), terms.ID)
	require.NoError(t, err)
	return false
}
