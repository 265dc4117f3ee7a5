package accounts_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
	"github.com/tillmesh/tillmesh/crdt"
)

func TestWhatAnOperatorLooksUp(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		ctx := t.Context()
		var made []accounts.Account
		for _, n := range []string{"Anna@example.org", "bert@example.org", "zoe@example.org"} {
			made = append(made, b.account(n))
		}
		list, err := b.List(ctx, "", 2)
		require.NoError(t, err)
		require.Equal(t, made[:2], list)
		list, err = b.List(ctx, list[1].Name, 2)
		require.NoError(t, err)
		require.Equal(t, made[2:], list)

		got, err := b.Named(ctx, " "+strings.ToUpper("anna@example.org"))
		require.NoError(t, err)
		require.Equal(t, made[0], got)
		_, err = b.Named(ctx, "nobody@example.org")
		refused(t, accounts.CodeUnknown, err)
		_, err = b.Named(ctx, "x")
		refused(t, accounts.CodeName, err)
		shops, err := b.ShopsOf(ctx, crdt.ObjectID{9})
		require.NoError(t, err)
		require.Empty(t, shops)
	})
}
