package accounts_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
)

func TestAnAccountFromTheBeginning(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		ctx := t.Context()
		made := b.account(" " + name + " ")
		require.Equal(t, name, made.Name)
		require.Equal(t, accounts.RoleOwner, made.Role)
		require.Equal(t, b.now(), made.Created)

		opened := b.signIn(strings.ToUpper(name))
		require.Equal(t, made, opened.Account)
		require.Equal(t, b.now().Add(accounts.SessionTime), opened.Expires)
		c, err := b.Authenticate(ctx, opened.Token)
		require.NoError(t, err)
		require.Equal(t, made.ID, c.Account)
		require.Equal(t, "session Laptop", c.By())
		for _, r := range []accounts.Right{accounts.RightRead, accounts.RightWrite, accounts.RightArchive, accounts.RightManage} {
			require.True(t, c.May(r))
		}

		b.pass(2 * time.Minute)
		_, err = b.Authenticate(ctx, opened.Token)
		require.NoError(t, err)
		list, err := b.Sessions(ctx, c)
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Equal(t, b.now(), list[0].Seen)

		require.NoError(t, b.SignOut(ctx, c))
		_, err = b.Authenticate(ctx, opened.Token)
		refused(t, accounts.CodeUnauthorized, err)
		refused(t, accounts.CodeUnknown, b.EndSession(ctx, c, c.Session))

		acts, err := b.Acts(ctx, c, accounts.Act{}, 10)
		require.NoError(t, err)
		require.Len(t, acts, 3)
		require.Equal(t, accounts.ActSignedOut, acts[0].Act)
		rest, err := b.Acts(ctx, c, acts[0], 10)
		require.NoError(t, err)
		require.ElementsMatch(t, acts[1:], rest)
	})
}

func TestSecretsAreNotStored(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		ctx := t.Context()
		c := b.owner(name)
		opened := b.signIn(name)
		key, err := b.CreateKey(ctx, c, "DATEV", []accounts.Right{accounts.RightRead})
		require.NoError(t, err)
		code, err := b.CreateCode(ctx, c, "Kasse 1")
		require.NoError(t, err)
		require.Len(t, code.Code, 8)
		for _, table := range []string{"accounts", "sessions", "api_keys", "coupling_codes", "account_acts", "attempts"} {
			require.NoError(t, b.db.View(ctx, func(tx *database.Tx) error {
				rows, err := tx.Query(ctx, `SELECT * FROM `+table)
				require.NoError(t, err)
				columns, err := rows.Columns()
				require.NoError(t, err)
				n := 0
				for ; rows.Next(); n++ {
					values, into := make([]any, len(columns)), make([]any, len(columns))
					for i := range values {
						into[i] = &values[i]
					}
					require.NoError(t, rows.Scan(into...))
					for i, v := range values {
						text, _ := v.(string)
						if b, ok := v.([]byte); ok {
							text = string(b)
						}
						for _, secret := range []string{password, opened.Token, opened.Token[30:], key.Token, key.Token[30:], code.Code} {
							require.NotContains(t, text, secret, "%s.%s", table, columns[i])
						}
					}
				}
				require.NoError(t, rows.Err())
				require.Positive(t, n, table)
				return rows.Close()
			}))
		}
	})
}

func TestOneNameIsOneAccount(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.account(name)
		_, err := b.Create(t.Context(), accounts.NewAccount{Name: strings.ToUpper(name), Password: password, From: from(1)})
		refused(t, accounts.CodeNameTaken, err)
	})
}

func TestOneNameIsOneAccountAlsoAtOnce(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		servers := []*accounts.Accounts{b.Accounts, b.server(cheap)}
		const n = 12
		var wg sync.WaitGroup
		errs := make([]error, n)
		for i := range n {
			wg.Go(func() {
				spelled := name
				if i%2 == 0 {
					spelled = strings.ToUpper(name)
				}
				_, errs[i] = servers[i%2].Create(t.Context(), accounts.NewAccount{Name: spelled, Password: password, From: from(i)})
			})
		}
		wg.Wait()
		made := 0
		for _, err := range errs {
			if err == nil {
				made++
				continue
			}
			refused(t, accounts.CodeNameTaken, err)
		}
		require.Equal(t, 1, made)
		b.signIn(name)
	})
}

func TestPasswordsKeepTheRules(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		_, err := b.Create(t.Context(), accounts.NewAccount{Name: name, Password: "aaaaaaaa1", From: from(1)})
		r := refused(t, accounts.CodePassword, err)
		require.Len(t, r.Rules, 7)
		require.Contains(t, r.Next, "upper case")
		require.NotContains(t, r.Text+r.Next, "aaaaaaaa1")
	})
}

func TestWrongPasswordsInAnyNumber(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		ctx := t.Context()
		c := b.owner(name)
		session := b.signIn(name).Token
		shop := founder(t, 1)
		_, err := b.couple(accounts.Warrant{Caller: &c}, shop)
		require.NoError(t, err)
		try := func(password string, address int) error {
			_, err := b.SignIn(ctx, accounts.Credentials{Name: name, Password: password, Label: "x", From: from(address)})
			return err
		}
		servers := []*accounts.Accounts{b.Accounts, b.server(cheap)}
		// From ever new addresses and at two servers: the name waits.
		waits := 0
		before := b.Hashes() + servers[1].Hashes()
		for i := range 60 {
			_, err := servers[i%2].SignIn(ctx, accounts.Credentials{Name: name, Password: "Wrong1!wrong", Label: "x", From: from(1000 + i)})
			r := refusal(t, err)
			if r.Code == accounts.CodeAttempts {
				waits++
				require.Positive(t, r.Wait)
				require.LessOrEqual(t, r.Wait, 15*time.Minute)
				continue
			}
			require.Equal(t, accounts.CodeSignIn, r.Code)
		}
		require.Equal(t, 54, waits, "5 are free, the 6th makes the next ones wait")
		require.EqualValues(t, before+6, b.Hashes()+servers[1].Hashes(), "who waits costs no hash")
		refused(t, accounts.CodeAttempts, try(password, 5000)) // the right one has to wait too: else waiting would tell that it is right

		// Meanwhile nothing else stops.
		_, err = b.Device(ctx, shop.shop, shop.id)
		require.NoError(t, err)
		_, err = b.Authenticate(ctx, session)
		require.NoError(t, err)

		b.pass(2 * time.Second)
		require.NoError(t, try(password, 5000))
		acts, err := b.Acts(ctx, c, accounts.Act{}, 1)
		require.NoError(t, err)
		require.Equal(t, "after 6 wrong passwords", acts[0].Detail)
		for range 5 { // it begins anew
			refused(t, accounts.CodeSignIn, try("Wrong1!wrong", 5001))
		}
		require.NoError(t, try(password, 5000))
	})
}

func TestWrongNamesFromOneAddress(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		ctx := t.Context()
		b.account(name)
		codes := map[string]int{}
		for i := range 40 {
			_, err := b.SignIn(ctx, accounts.Credentials{Name: strings.Repeat("x", i+1) + "@shop.example", Password: "Wrong1!wrong", Label: "x", From: from(7)})
			codes[refusal(t, err).Code]++
		}
		require.Equal(t, map[string]int{accounts.CodeSignIn: 21, accounts.CodeAttempts: 19}, codes)
		b.pass(2 * time.Second)
		_, err := b.SignIn(ctx, accounts.Credentials{Name: name, Password: password, Label: "x", From: from(7)})
		require.NoError(t, err)
		_, err = b.SignIn(ctx, accounts.Credentials{Name: "y@shop.example", Password: password, Label: "x", From: from(7)})
		refused(t, accounts.CodeSignIn, err)
		_, err = b.SignIn(ctx, accounts.Credentials{Name: name, Password: password, Label: "x", From: from(7)})
		refused(t, accounts.CodeAttempts, err) // an own account does not buy guesses
	})
}

func TestAWrongClockLocksNobodyOut(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.account(name)
		b.pass(1000 * time.Hour)
		for i := range 8 {
			_, err := b.SignIn(t.Context(), accounts.Credentials{Name: name, Password: "Wrong1!wrong", Label: "x", From: from(i)})
			require.Error(t, err)
		}
		b.pass(-900 * time.Hour)
		b.signIn(name)
	})
}

func TestUnknownNamesCostTheSameWork(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.account(name)
		for _, n := range []string{name, "nobody@shop.example", "no name at all"} {
			before := b.Hashes()
			_, err := b.SignIn(t.Context(), accounts.Credentials{Name: n, Password: "Wrong1!wrong", Label: "x", From: from(1)})
			r := refused(t, accounts.CodeSignIn, err)
			require.Equal(t, before+1, b.Hashes(), n)
			require.Equal(t, "the name or the password is wrong", r.Text)
		}
	})
}

func TestChangingThePassword(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		ctx := t.Context()
		c := b.owner(name)
		other := b.signIn(name)
		key, err := b.CreateKey(ctx, c, "DATEV", []accounts.Right{accounts.RightRead})
		require.NoError(t, err)
		const next = "Vier.Birnen8im!Korb"
		refused(t, accounts.CodeSignIn, b.ChangePassword(ctx, c, "Wrong1!wrong", next, from(1)))
		refused(t, accounts.CodePassword, b.ChangePassword(ctx, c, password, "short", from(1)))
		require.NoError(t, b.ChangePassword(ctx, c, password, next, from(1)))
		_, err = b.Authenticate(ctx, other.Token)
		refused(t, accounts.CodeUnauthorized, err)
		list, err := b.Sessions(ctx, c)
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Equal(t, c.Session, list[0].ID, "the one that asked goes on")
		byKey, err := b.Authenticate(ctx, key.Token)
		require.NoError(t, err)
		refused(t, accounts.CodeRight, b.ChangePassword(ctx, byKey, next, password, from(1)))
		_, err = b.SignIn(ctx, accounts.Credentials{Name: name, Password: password, Label: "x", From: from(1)})
		refused(t, accounts.CodeSignIn, err)
		_, err = b.SignIn(ctx, accounts.Credentials{Name: name, Password: next, Label: "x", From: from(1)})
		require.NoError(t, err)
	})
}

func TestOldHashesAreMadeAnew(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		ctx := t.Context()
		b.account(name)
		stored := func() (s string) {
			require.NoError(t, b.db.View(ctx, func(tx *database.Tx) error { return tx.QueryRow(ctx, `SELECT password FROM accounts`).Scan(&s) }))
			return s
		}
		old := stored()
		b.Accounts = b.server(accounts.HashParams{Memory: 128, Passes: 1, Threads: 1})
		b.signIn(name)
		require.NotEqual(t, old, stored())
		require.Contains(t, stored(), "m=128")
		b.signIn(name)
	})
}

func TestSessionsEnd(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		ctx := t.Context()
		b.account(name)
		first := b.signIn(name)
		b.pass(time.Second)
		for range 100 {
			b.signIn(name)
		}
		_, err := b.Authenticate(ctx, first.Token)
		refused(t, accounts.CodeUnauthorized, err) // only 100 at once
		last := b.signIn(name)
		b.pass(accounts.SessionTime - time.Second)
		_, err = b.Authenticate(ctx, last.Token)
		require.NoError(t, err)
		b.pass(time.Second)
		_, err = b.Authenticate(ctx, last.Token)
		refused(t, accounts.CodeUnauthorized, err)
		require.NoError(t, b.Sweep(ctx))
		require.NoError(t, b.db.View(ctx, func(tx *database.Tx) error {
			for _, table := range []string{"sessions", "attempts"} {
				var n int
				require.NoError(t, tx.QueryRow(ctx, `SELECT count(*) FROM `+table).Scan(&n))
				require.Zero(t, n, table)
			}
			return nil
		}))
	})
}

func TestTokensThatAreNone(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.account(name)
		token := b.signIn(name).Token
		for _, bad := range []string{"", "x", token[:len(token)-1], token + "a", "tmk_" + token[4:], "tmx_" + token[4:], strings.ToUpper(token),
			token[:10] + "a" + token[11:], strings.Repeat("ä", 81), strings.Repeat("x", 1<<20)} {
			if bad == token {
				continue
			}
			_, err := b.Authenticate(t.Context(), bad)
			refused(t, accounts.CodeUnauthorized, err)
		}
	})
}

func TestKeys(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		ctx := t.Context()
		c := b.owner(name)
		_, err := b.CreateKey(ctx, c, "x", []accounts.Right{accounts.RightManage})
		refused(t, accounts.CodeRight, err)
		_, err = b.CreateKey(ctx, c, "x", nil)
		refused(t, accounts.CodeRight, err)
		_, err = b.CreateKey(ctx, c, " ", []accounts.Right{accounts.RightRead})
		refused(t, accounts.CodeLabel, err)
		made, err := b.CreateKey(ctx, c, "DATEV", []accounts.Right{accounts.RightRead, accounts.RightRead})
		require.NoError(t, err)
		require.Equal(t, []accounts.Right{accounts.RightRead}, made.Rights)
		by, err := b.Authenticate(ctx, made.Token)
		require.NoError(t, err)
		require.Equal(t, "key DATEV", by.By())
		require.True(t, by.May(accounts.RightRead))
		require.False(t, by.May(accounts.RightWrite))
		for _, err := range []error{b.SignOut(ctx, by), b.EndSession(ctx, by, c.Session), b.RevokeKey(ctx, by, made.ID)} {
			refused(t, accounts.CodeRight, err)
		}
		_, err = b.CreateKey(ctx, by, "more", []accounts.Right{accounts.RightRead})
		refused(t, accounts.CodeRight, err)
		_, err = b.CreateCode(ctx, by, "Kasse 1")
		refused(t, accounts.CodeRight, err)
		require.NoError(t, b.RevokeKey(ctx, c, made.ID))
		revoked := b.now()
		b.pass(time.Hour)
		require.NoError(t, b.RevokeKey(ctx, c, made.ID))
		_, err = b.Authenticate(ctx, made.Token)
		refused(t, accounts.CodeUnauthorized, err)
		list, err := b.Keys(ctx, c)
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Equal(t, revoked, list[0].Revoked)
		other := b.owner("bela@shop.example")
		refused(t, accounts.CodeUnknown, b.RevokeKey(ctx, other, made.ID))
	})
}

func refusal(t *testing.T, err error) *accounts.Refusal {
	t.Helper()
	r, ok := err.(*accounts.Refusal)
	require.True(t, ok, "%v", err)
	return r
}
