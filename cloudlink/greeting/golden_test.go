package greeting_test

import (
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/greeting"
)

var update = flag.Bool("update", false, "write the golden messages again from the present code")

// goldens are the messages of one greeting; testdata/uplink says what is in them.
func goldens(t testing.TB) map[string][]byte {
	g := open(1)
	_, proof := answer(t, g)
	early := g.Refuse(greeting.Refuse(greeting.Busy))
	_, refused := g.Check(proof, 0, mine)
	require.Nil(t, refused)
	return map[string][]byte{
		"challenge": g.Challenge(), "proof": proof, "welcome": g.Welcome(welcome), "refusal-early": early,
		"refusal": g.Refuse(&greeting.Refusal{Code: greeting.Revoked, Text: greeting.Revoked.Text(), SinceMS: nowMS, Retry: time.Hour}),
	}
}

func TestGoldenMessages(t *testing.T) {
	for name, message := range goldens(t) {
		file := filepath.Join("../../testdata/uplink/v1", "greeting-"+name+".hex")
		if *update {
			require.NoError(t, os.WriteFile(file, []byte(wrapped(message)), 0o600))
		}
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, string(want), wrapped(message), name)
	}
}

// The document says of each code what the program does.
func TestCodesAreDocumented(t *testing.T) {
	document, err := os.ReadFile("../PROTOCOL.md")
	require.NoError(t, err)
	for _, code := range codes {
		word := " | no |"
		if code.Lasting() {
			word = " | yes |"
		}
		i := strings.Index(string(document), "| `"+string(code)+"` |")
		require.Positive(t, i, code)
		line, _, _ := strings.Cut(string(document)[i:], "\n")
		require.True(t, strings.HasSuffix(line, word), line)
	}
	for _, begin := range []string{"tillmesh uplink proof 1", "tillmesh uplink welcome 1", "tillmesh uplink refusal 1", "4,096"} {
		require.Contains(t, string(document), begin)
	}
}

// wrapped writes bytes in hex, 32 in a line.
func wrapped(b []byte) string {
	var out strings.Builder
	for len(b) > 0 {
		n := min(32, len(b))
		out.WriteString(hex.EncodeToString(b[:n]) + "\n")
		b = b[n:]
	}
	return out.String()
}

func FuzzMessages(f *testing.F) {
	for _, message := range goldens(f) {
		f.Add(message)
	}
	f.Add(versions(1, 9))
	_, honest := answer(f, open(1))
	f.Fuzz(func(t *testing.T, b []byte) {
		g := open(1)
		if p, refused := g.Check(b, 0, mine); refused == nil {
			require.Equal(t, host, p.Audience)
			require.LessOrEqual(t, len(b), greeting.MaxMessage)
			require.LessOrEqual(t, len(p.Program), 64)
		} else {
			require.Equal(t, greeting.BadProof, refused.Code)
			require.LessOrEqual(t, len(g.Refuse(refused)), greeting.MaxMessage)
		}
		_, proof, err := greeting.Answer(b, self())
		require.True(t, err != nil || len(proof) <= greeting.MaxMessage)
		good := open(1)
		a, _ := answer(t, good)
		_, refused := good.Check(honest, 0, mine)
		require.Nil(t, refused)
		if w, err := a.End(b); err == nil {
			require.Equal(t, welcome, w, "only what the cloud signed")
		}
	})
}
