package accounts_test

import (
	"crypto/ed25519"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
	"github.com/tillmesh/tillmesh/cloudlink/server/coupling"
	"github.com/tillmesh/tillmesh/crdt"
)

func TestCouplingBySession(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		ctx := t.Context()
		c := b.owner(name)
		m := founder(t, 1)
		_, err := b.Device(ctx, m.shop, m.id)
		refused(t, accounts.CodeNotCoupled, err)

		p, err := b.Prepare(ctx, accounts.Warrant{Caller: &c}, m.shop, m.id)
		require.NoError(t, err)
		require.Equal(t, accounts.ShopNew, p.Shop)
		require.Equal(t, name, p.Account.Name)
		list, err := b.Shops(ctx, c)
		require.NoError(t, err)
		require.Empty(t, list, "showing what would be couples nothing")

		got, err := b.Couple(ctx, accounts.Warrant{Caller: &c}, m.ask(t, p))
		require.NoError(t, err)
		require.True(t, got.First)
		require.Equal(t, m.id, got.Device.Till)
		require.EqualValues(t, m.key.Public(), got.Device.Key)
		require.Equal(t, "session Laptop", got.Device.CoupledBy)
		d, err := b.Device(ctx, m.shop, m.id)
		require.NoError(t, err)
		require.Equal(t, got.Device, d)

		// The same request again: its nonce is used up.
		_, err = b.Couple(ctx, accounts.Warrant{Caller: &c}, m.ask(t, p))
		refused(t, accounts.CodeProof, err)
		// Asked anew it changes nothing.
		again, err := b.couple(accounts.Warrant{Caller: &c}, m)
		require.NoError(t, err)
		require.False(t, again.First)
		require.Equal(t, got.Device.Coupled, again.Device.Coupled)
		list, err = b.Shops(ctx, c)
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Equal(t, "Café Sonnenschein", list[0].Name)
	})
}

func TestCouplingByCode(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		ctx := t.Context()
		c := b.owner(name)
		m := founder(t, 1)
		made, err := b.CreateCode(ctx, c, "kasse 1 ")
		require.NoError(t, err)
		w := accounts.Warrant{Code: coupling.ShowCode(made.Code), From: from(3)}
		w.TillName = m.name
		for range 2 { // looking does not use it up
			_, err = b.Prepare(ctx, w, m.shop, m.id)
			require.NoError(t, err)
		}
		got, err := b.couple(w, m)
		require.NoError(t, err)
		require.Equal(t, "code for Kasse 1", got.Device.CoupledBy)
		require.Equal(t, c.Account, got.Account.ID)
		_, err = b.couple(w, m)
		refused(t, accounts.CodeCoupling, err) // once
		codes, err := b.Codes(ctx, c)
		require.NoError(t, err)
		require.Equal(t, m.id, codes[0].Till)
		require.Equal(t, b.now(), codes[0].Used)

		old, err := b.CreateCode(ctx, c, m.name)
		require.NoError(t, err)
		b.pass(accounts.CodeTime)
		_, err = b.couple(accounts.Warrant{Code: old.Code, From: from(3)}, m)
		refused(t, accounts.CodeCoupling, err) // 15 minutes

		gone, err := b.CreateCode(ctx, c, m.name)
		require.NoError(t, err)
		require.NoError(t, b.WithdrawCode(ctx, c, gone.ID))
		_, err = b.couple(accounts.Warrant{Code: gone.Code, From: from(3)}, m)
		refused(t, accounts.CodeCoupling, err)
		_, err = b.couple(accounts.Warrant{Code: "hello", From: from(3)}, m)
		refused(t, accounts.CodeCoupling, err)
	})
}

func TestACodeIsForOneTill(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		ctx := t.Context()
		c := b.owner(name)
		m := founder(t, 1)
		made, err := b.CreateCode(ctx, c, "Kasse 9")
		require.NoError(t, err)
		for i := range 5 {
			_, err = b.couple(accounts.Warrant{Code: made.Code, From: from(i)}, m)
			refused(t, accounts.CodeOtherTill, err)
		}
		m.name = "Kasse 9"
		_, err = b.couple(accounts.Warrant{Code: made.Code, From: from(9)}, m)
		refused(t, accounts.CodeCoupling, err) // tried too often
	})
}

func TestGuessingCodesHasToWait(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		ctx := t.Context()
		m := founder(t, 1)
		codes := map[string]int{}
		for range 40 {
			_, err := b.Prepare(ctx, accounts.Warrant{Code: "00000000", TillName: m.name, From: from(3)}, m.shop, m.id)
			codes[refusal(t, err).Code]++
		}
		require.Equal(t, map[string]int{accounts.CodeCoupling: 21, accounts.CodeAttempts: 19}, codes)
	})
}

func TestAShopHasOneAccount(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		ctx := t.Context()
		anna, bela := b.owner(name), b.owner("bela@shop.example")
		m := founder(t, 1)
		// Both are shown the terms before one of them confirms.
		pa, err := b.Prepare(ctx, accounts.Warrant{Caller: &anna}, m.shop, m.id)
		require.NoError(t, err)
		pb, err := b.Prepare(ctx, accounts.Warrant{Caller: &bela}, m.shop, m.id)
		require.NoError(t, err)
		_, err = b.Couple(ctx, accounts.Warrant{Caller: &anna}, m.ask(t, pa))
		require.NoError(t, err)
		_, err = b.Couple(ctx, accounts.Warrant{Caller: &bela}, m.ask(t, pb))
		r := refused(t, accounts.CodeWrongAccount, err)
		require.NotContains(t, r.Text+r.Next, "anna")
		_, err = b.couple(accounts.Warrant{Caller: &bela}, m)
		refused(t, accounts.CodeWrongAccount, err)
		_, err = b.Shop(ctx, bela, m.shop)
		refused(t, accounts.CodeNoShop, err)
		_, err = b.RevokeDevice(ctx, bela, m.shop, m.id, "x")
		refused(t, accounts.CodeNoShop, err)
		s, err := b.Shop(ctx, anna, m.shop)
		require.NoError(t, err)
		require.Equal(t, anna.Account, s.Account)
	})
}

func TestAShopHasOneAccountAlsoAtOnce(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		m := founder(t, 1)
		var wg sync.WaitGroup
		var start []func()
		errs := make([]error, 6)
		for i := range errs {
			c := b.owner(string(rune('a'+i)) + "@shop.example")
			p, err := b.Prepare(t.Context(), accounts.Warrant{Caller: &c}, m.shop, m.id)
			require.NoError(t, err)
			ask := m.ask(t, p)
			server := b.server(cheap)
			start = append(start, func() { _, errs[i] = server.Couple(t.Context(), accounts.Warrant{Caller: &c}, ask) })
		}
		for _, f := range start {
			wg.Go(f)
		}
		wg.Wait()
		first := 0
		for _, err := range errs {
			if err == nil {
				first++
				continue
			}
			refused(t, accounts.CodeWrongAccount, err)
		}
		require.Equal(t, 1, first)
	})
}

func TestOneCodeCouplesOnceAlsoAtOnce(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		c := b.owner(name)
		made, err := b.CreateCode(t.Context(), c, "Kasse 1")
		require.NoError(t, err)
		var wg sync.WaitGroup
		var start []func()
		errs := make([]error, 4)
		for i := range errs {
			m := founder(t, byte(i+1))
			w := accounts.Warrant{Code: made.Code, TillName: m.name, From: from(i)}
			p, err := b.Prepare(t.Context(), w, m.shop, m.id)
			require.NoError(t, err)
			ask := m.ask(t, p)
			start = append(start, func() { _, errs[i] = b.Couple(t.Context(), w, ask) })
		}
		for _, f := range start {
			wg.Go(f)
		}
		wg.Wait()
		coupled := 0
		for _, err := range errs {
			if err == nil {
				coupled++
				continue
			}
			refused(t, accounts.CodeCoupling, err)
		}
		require.Equal(t, 1, coupled)
		shops, err := b.Shops(t.Context(), c)
		require.NoError(t, err)
		require.Len(t, shops, 1)
	})
}

func TestAProofCountsOnlyForWhatItSays(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		ctx := t.Context()
		c := b.owner(name)
		m := founder(t, 1)
		other := founder(t, 2)
		stranger := ed25519.NewKeyFromSeed(make([]byte, 32))
		for what, change := range map[string]func(*accounts.Coupling){
			"signature":         func(c *accounts.Coupling) { c.Signature[0]++ },
			"no signature":      func(c *accounts.Coupling) { c.Signature = nil },
			"nonce":             func(c *accounts.Coupling) { c.Nonce[0]++ },
			"name":              func(c *accounts.Coupling) { c.TillName += "x" },
			"unknown host":      func(c *accounts.Coupling) { c.Host = "evil.example" },
			"another host":      func(c *accounts.Coupling) { c.Host = "localhost" },
			"shop":              func(c *accounts.Coupling) { c.Shop = other.shop },
			"roster of another": func(c *accounts.Coupling) { c.Roster = other.roster },
			"no roster":         func(c *accounts.Coupling) { c.Roster = nil },
			"roster of junk":    func(c *accounts.Coupling) { c.Roster = []accounts.Item{{Type: "admission", Raw: []byte("x")}} },
			"till not admitted": func(c *accounts.Coupling) { c.Till = crdt.TillIDOf(stranger.Public().(ed25519.PublicKey)) },
			"too many items":    func(c *accounts.Coupling) { c.Roster = make([]accounts.Item, 5000) },
		} {
			p, err := b.Prepare(ctx, accounts.Warrant{Caller: &c}, m.shop, m.id)
			require.NoError(t, err)
			ask := m.ask(t, p)
			change(&ask)
			_, err = b.Couple(ctx, accounts.Warrant{Caller: &c}, ask)
			require.Error(t, err, what)
			refused(t, accounts.CodeProof, err)
		}
		p, err := b.Prepare(ctx, accounts.Warrant{Caller: &c}, m.shop, m.id)
		require.NoError(t, err)
		b.pass(11 * time.Minute)
		_, err = b.Couple(ctx, accounts.Warrant{Caller: &c}, m.ask(t, p))
		refused(t, accounts.CodeProof, err)
		// A proof for one account is none for another.
		bela := b.owner("bela@shop.example")
		p, err = b.Prepare(ctx, accounts.Warrant{Caller: &c}, m.shop, m.id)
		require.NoError(t, err)
		_, err = b.Couple(ctx, accounts.Warrant{Caller: &bela}, m.ask(t, p))
		refused(t, accounts.CodeProof, err)
		list, err := b.Shops(ctx, c)
		require.NoError(t, err)
		require.Empty(t, list)
	})
}

func TestLaterTillsNeedNoCode(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		ctx := t.Context()
		c := b.owner(name)
		m := founder(t, 1)
		second := m.admit(t, 2, "Kasse 2")
		key := second.key.Public().(ed25519.PublicKey)
		_, err := b.Enrol(ctx, m.shop, key, second.name)
		refused(t, accounts.CodeNotCoupled, err)
		_, err = b.couple(accounts.Warrant{Caller: &c}, m)
		require.NoError(t, err)
		_, err = b.Device(ctx, m.shop, second.id)
		refused(t, accounts.CodeNoDevice, err)
		for range 2 {
			d, err := b.Enrol(ctx, m.shop, key, second.name)
			require.NoError(t, err)
			require.Equal(t, "roster", d.CoupledBy)
		}
		b.pass(time.Hour)
		d, err := b.Device(ctx, m.shop, second.id)
		require.NoError(t, err)
		require.NoError(t, b.Heard(ctx, d))
		d, err = b.Device(ctx, m.shop, second.id)
		require.NoError(t, err)
		require.Equal(t, b.now(), d.Seen)
		list, err := b.Devices(ctx, m.shop)
		require.NoError(t, err)
		require.Len(t, list, 2)
		// A later till may couple by itself too, with the admission that leads to it.
		third := m.admit(t, 3, "Kasse 3")
		got, err := b.couple(accounts.Warrant{Caller: &c}, third)
		require.NoError(t, err)
		require.False(t, got.First)
	})
}

func TestARevokedTillStaysOut(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		ctx := t.Context()
		c := b.owner(name)
		m := founder(t, 1)
		_, err := b.couple(accounts.Warrant{Caller: &c}, m)
		require.NoError(t, err)
		_, err = b.RevokeDevice(ctx, c, m.shop, m.id, " ")
		refused(t, accounts.CodeLabel, err)
		_, err = b.RevokeDevice(ctx, c, m.shop, crdt.TillID{1}, "x")
		refused(t, accounts.CodeNoDevice, err)
		both := []crdt.ShopID{{9}, m.shop}
		gone, err := b.Revocations(ctx, both)
		require.NoError(t, err)
		require.Empty(t, gone)
		d, err := b.RevokeDevice(ctx, c, m.shop, m.id, "gestohlen")
		require.NoError(t, err)
		gone, err = b.Revocations(ctx, both)
		require.NoError(t, err)
		require.Equal(t, map[crdt.ShopID]int{m.shop: 1}, gone)
		since := b.now()
		require.Equal(t, since, d.Revoked)
		b.pass(time.Hour)
		d, err = b.RevokeDevice(ctx, c, m.shop, m.id, "again")
		require.NoError(t, err)
		require.Equal(t, since, d.Revoked)
		require.Equal(t, "gestohlen", d.Why)

		_, err = b.Device(ctx, m.shop, m.id)
		r := refused(t, accounts.CodeRevoked, err)
		require.Equal(t, since, r.Since)
		require.Contains(t, r.Text, "gestohlen")
		_, err = b.Enrol(ctx, m.shop, m.key.Public().(ed25519.PublicKey), m.name)
		refused(t, accounts.CodeRevoked, err)
		_, err = b.couple(accounts.Warrant{Caller: &c}, m)
		refused(t, accounts.CodeRevoked, err)
	})
}

func TestKeysDoNotCouple(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		c := b.owner(name)
		k, err := b.CreateKey(t.Context(), c, "x", accounts.KeyRights)
		require.NoError(t, err)
		by, err := b.Authenticate(t.Context(), k.Token)
		require.NoError(t, err)
		_, err = b.couple(accounts.Warrant{Caller: &by}, founder(t, 1))
		refused(t, accounts.CodeRight, err)
	})
}
