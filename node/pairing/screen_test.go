package pairing

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestScreenText(t *testing.T) {
	for in, want := range map[string]string{
		"Kasse 2":                      "Kasse 2",
		"  Café \u00a0 Süd  ":          "Café Süd",
		"Kasse 482 913":                "Kasse ### ###",
		"Kasse ４８２９１３":                 "Kasse ######",
		"Kasse ①②③ ⅣⅤⅥ":                "Kasse ### ###",
		"Filiale 1042 K3":              "Filiale 1042 K3",
		"a\u202eb\u200bc\u2028d\ue000": "a�b�c d�",
		"e\u0301\u0301\u0301\u0301":    "e\u0301\u0301",
		"   ":                          "",
		strings.Repeat("ä", 200):       strings.Repeat("ä", 39) + "…",
		"👨‍🍳":                          "👨�🍳",
		"касса Ёлка":                   "касса Ёлка",
	} {
		require.Equal(t, want, screenText(in), "%q", in)
	}
}
