package password_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/server/password"
)

func TestPasswordRules(t *testing.T) {
	unmet := func(text string) (out []string) {
		c := password.Check(text, "")
		require.Len(t, c.Rules, 7)
		for _, r := range c.Rules {
			require.NotEmpty(t, r.Text)
			if !r.Met {
				out = append(out, r.Code)
			}
		}
		require.Equal(t, len(out) == 0, c.OK())
		return out
	}
	require.Equal(t, []string{"length", "upper", "lower", "digit", "special"}, unmet(""))
	require.Empty(t, unmet("Aa1!aaaa"))
	require.Equal(t, []string{"length"}, unmet("Aa1!aaa"))
	require.Equal(t, []string{"length"}, unmet("Aa1!aao\u0308"), "a letter of two code points is one character")
	require.Equal(t, []string{"upper"}, unmet("aa1!aaaa"))
	require.Equal(t, []string{"lower"}, unmet("AA1!AAAA"))
	require.Equal(t, []string{"digit"}, unmet("Aaa!aaaa"))
	require.Equal(t, []string{"special"}, unmet("Aa1aaaaa"))
	require.Equal(t, []string{"special"}, unmet("Aa1a@a?a"), "others are allowed and do not count")
	require.Equal(t, []string{"space"}, unmet("Aa1! aaaa"))
	require.Equal(t, []string{"space"}, unmet("Aa1!\u00a0aaaa"))
	require.Equal(t, []string{"longest"}, unmet("Aa1!"+strings.Repeat("a", 1021)))
	require.Equal(t, []string{"longest"}, unmet("Aa1!"+strings.Repeat("a", 1<<20)))
	for _, r := range "!§$%&=+*#-.:,;<>" {
		require.Empty(t, unmet("Aa1aaaaa"+string(r)))
	}
	require.Empty(t, unmet("Ää1§äääö"), "letters of any alphabet")

	require.Empty(t, password.Check("Drei.Äpfel7im!Korb", "anna@shop.example").Advice)
	require.Len(t, password.Check("Passwort1!", "").Advice, 2, "a common word, and short")
	require.Len(t, password.Check("7!Lange-Anna-im-Wald", "anna@shop.example").Advice, 1)
}
