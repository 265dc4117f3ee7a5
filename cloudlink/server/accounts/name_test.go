package accounts_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
)

func TestNames(t *testing.T) {
	for spelling, other := range map[string]string{
		"anna@shop.example":            " ANNA@Shop.Example\n",
		"stra\u00dfe@shop.example":     "STRASSE@shop.example",
		"k\u00f6ln@shop.example":       "KO\u0308LN@shop.example",
		"касса@магазин.example":        "КАССА@МАГАЗИН.example",
		"a.b+c'd@shop-1.two.example":   "A.B+C'D@SHOP-1.TWO.EXAMPLE",
		"\u03c3\u03c2@shop.example":    "\u03a3\u03a3@shop.example",
		"doesnotexist@nowhere.invalid": "doesNotExist@nowhere.invalid",
		"\ufb01le@shop.example":        "FILE@shop.example",
	} {
		a, err := accounts.ParseName(spelling)
		require.NoError(t, err, spelling)
		b, err := accounts.ParseName(other)
		require.NoError(t, err, other)
		require.Equal(t, a.Key, b.Key, spelling)
	}
	for _, bad := range []string{"", "anna", "anna@", "@shop.example", "anna@shop", "anna@@shop.example", "an na@shop.example", "anna@shop..example",
		".anna@shop.example", "anna.@shop.example", "an..na@shop.example", "anna@-shop.example", "anna@shop-.example", "anna@sh_op.example",
		"anna@shop.example.", "anna\x00@shop.example", "anna\u200b@shop.example", "\xff@shop.example", strings.Repeat("a", 65) + "@shop.example",
		"a@" + strings.Repeat("b", 64) + ".example", "a@" + strings.Repeat("b.", 200) + "example", strings.Repeat("x", 1<<20)} {
		_, err := accounts.ParseName(bad)
		refused(t, accounts.CodeName, err)
	}
}

func FuzzNames(f *testing.F) {
	f.Add("anna@shop.example")
	f.Add("KO\u0308LN@stra\u00dfe.example")
	f.Add("\u0130@a.b")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := accounts.ParseName(s)
		if err != nil {
			return
		}
		again, err := accounts.ParseName(n.Shown)
		require.NoError(t, err)
		require.Equal(t, n, again)
	})
}
