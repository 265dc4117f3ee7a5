package health_test

import (
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/health"
)

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// Every cause has a sentence in every language, which names the same things.
func TestTextsAreComplete(t *testing.T) {
	require.Len(t, health.Texts, len(health.Severities))
	for code, all := range health.Texts {
		require.NotZero(t, health.Severities[code], code)
		var want []string
		for l, text := range all {
			require.NotEmpty(t, text[0], "%s, language %d", code, l)
			require.Equal(t, all[0][1] == "", text[1] == "", "%s, language %d", code, l)
			require.NotRegexp(t, `[.!]$`, text[0]+"", "%s", code)
			got := placeholder.FindAllString(text[0]+text[1], -1)
			slices.Sort(got)
			got = slices.Compact(got)
			if l == 0 {
				want = got
			}
			require.Equal(t, want, got, "%s, language %d", code, l)
		}
		if health.Severities[code] > health.Info {
			require.NotEmpty(t, all[0][1], "%s: what to do", code)
		}
	}
}
