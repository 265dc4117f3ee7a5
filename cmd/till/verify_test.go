package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
)

func TestVerifyNamesWhatIsWrongAndFails(t *testing.T) {
	dir := t.TempDir()
	got := till(t, "verify", dir)
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.err, "there are no documents of a till\nhint: name a data directory")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "receipts-K1.jsonl"), []byte("paper\n"), 0o600))
	got = till(t, "verify", dir)
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.out, "the export "+dir+": 0 documents and 0 closings read\n")
	require.Contains(t, got.out, "!! Document 0 of the input cannot be read")
	require.Contains(t, got.err, "till: 1 things are wrong\nhint: ")
	got = till(t, "verify", dir, "--json")
	require.Equal(t, exitFailed, got.code)
	var v client.Verification
	require.NoError(t, json.Unmarshal([]byte(got.out), &v))
	require.False(t, v.OK)
	require.Equal(t, "malformed", v.Findings[0].Code)
	require.Equal(t, exitUsage, till(t, "verify", "--export", dir).code)
}

func TestATerminalIsNamed(t *testing.T) {
	for _, wrong := range []string{"zvt", "simulated", "simulated:", "simulated:x", "simulated@", "simulated@host"} {
		got := till(t, "run", "--data", "x", "--terminal", wrong)
		require.Equal(t, exitUsage, got.code, wrong)
		require.Contains(t, got.err, "is no terminal\nhint: use none, simulated:SEED or simulated@HOST:PORT")
	}
	for _, right := range []string{"", "none", "simulated:0", "simulated:17", "simulated@127.0.0.1:8470"} {
		f := terminalFlag{right}
		require.NoError(t, f.check(), right)
	}
	card := &cardTerminal{flag: terminalFlag{"simulated:0"}}
	nothing, err := card.of(t.TempDir())
	require.NoError(t, err)
	require.Nil(t, nothing, "before the directory holds a till nothing is written into it")
	require.NoError(t, card.close())
	require.Equal(t, exitUsage, till(t, "payments", "--query", "--http", "http://127.0.0.1:1", "--token-file", tokenFile(t)).code)
}

func tokenFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("a", 43)+"\n"), 0o600))
	return path
}

func TestWhyAndExplainInWords(t *testing.T) {
	text := whyText(client.Why{Asked: "K2-000418", Number: "K2-000418", First: "tills", Steps: []client.WhyStep{
		{Name: "issued", State: "done", Text: "Theke closed it"}, {Name: "here", State: "done", Text: "it is saved on the disk of this till"},
		{Name: "tills", State: "broken", Text: "0 of 1 other tills have it", Cause: "no till that lacks it is linked", Do: "switch it on",
			Tills: []client.WhyTill{{Name: "Bar", Text: "no link"}}},
		{Name: "uplink", State: "none", Text: "no cloud"}, {Name: "archive", State: "none", Text: "no cloud"}}})
	require.Equal(t, `K2-000418
ok  issued       Theke closed it
ok  saved here   it is saved on the disk of this till
!!  other tills  0 of 1 other tills have it
                   Bar: no link
                 because: no till that lacks it is linked
                 to do: switch it on
-   uplink       no cloud
-   archive      no cloud
`, text)
	text, err := explainText(client.Explanation{Kind: "article", Title: "Espresso", State: "in use", Events: []client.Happened{{Name: "Bar", User: "Anna", What: "names", Text: "called"}},
		Beside: []client.Beside{{Register: "names", Rule: "the first is shown", Values: []client.BesideValue{{Text: "one"}, {Text: "two"}}}}, Notes: []string{"a rule"}})
	require.NoError(t, err)
	for _, want := range []string{"article Espresso\nnow: in use\n", "names was written apart:\n  > one", "    two", "note: a rule"} {
		require.Contains(t, text, want)
	}
}
