package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const usageHint = "hint: \"till --help\" lists the commands, \"till COMMAND --help\" what one takes\n"

func TestWrongUsage(t *testing.T) {
	for args, want := range map[string]string{
		"":                         "till: no command was named\n" + usageHint,
		"--json=false":             "till: no command was named\n" + usageHint,
		"frobnicate":               "till: unexpected argument frobnicate\n" + usageHint,
		"status --frobnicate":      "till: unknown flag --frobnicate\n" + usageHint,
		"status now":               "till: unexpected argument now\n" + usageHint,
		"init --data x":            "till: missing flags: --name=NAME, --shop=NAME\n" + usageHint,
		"join --name x":            "till: missing flags: --data=DIR\n" + usageHint,
		"run":                      "till: missing flags: --data=DIR\n" + usageHint,
		"demo --tills three":       "till: --tills: expected a valid 64 bit int but got \"three\"\n" + usageHint,
		"demo --tills 6":           "till: --tills 6 is out of range\nhint: a demo has 3 to 5 tills\n",
		"run --data x --http 8480": "till: --http \"8480\" is no address\nhint: write it as 127.0.0.1:8480\n",
		"status":                   "till: the till wants a token\nhint: name its data directory with --data DIR, its token file with --token-file FILE, or set TILL_TOKEN\n",
		"init --data x --shop a --name b --country CH": "till: --country must be one of \"DE\",\"AT\" but got \"CH\"\n" + usageHint,
	} {
		t.Run(args, func(t *testing.T) {
			got := till(t, strings.Fields(args)...)
			require.Equal(t, result{err: want, code: exitUsage}, got)
		})
	}
}

func TestWrongUsageAsJSON(t *testing.T) {
	got := till(t, "status", "--frobnicate", "--json")
	require.Equal(t, exitUsage, got.code)
	require.Empty(t, got.out)
	var f failure
	require.NoError(t, json.Unmarshal([]byte(got.err), &f), got.err)
	require.Equal(t, "unknown flag --frobnicate", f.Error)
	require.NotEmpty(t, f.Hint)
}

func TestHelp(t *testing.T) {
	all := till(t, "--help")
	require.Equal(t, exitDone, all.code)
	require.Empty(t, all.err)
	for _, command := range []string{"init", "run", "invite", "join", "admit", "retire", "revoke", "status", "mesh", "doctor", "demo"} {
		require.Contains(t, all.out, "\n  "+command+" ")
		one := till(t, command, "--help")
		require.Equal(t, exitDone, one.code)
		require.Contains(t, one.out, "Usage: till "+command)
		require.Contains(t, one.out, "--json")
	}
	cloud := till(t, "cloud", "--help")
	for _, command := range []string{"create", "login", "couple", "logout", "uncouple", "status", "check", "sync"} {
		require.Contains(t, cloud.out, "cloud "+command+" ")
	}
	require.NotContains(t, cloud.out+till(t, "cloud", "create", "--help").out, "--password", "a password is never on the command line")
	require.Equal(t, result{out: "dev\n"}, till(t, "--version"))
}

func TestNoTillThere(t *testing.T) {
	addr := freeAddress(t)
	for _, command := range []string{"status", "mesh", "invite"} {
		got := tillWith(t, []string{"TILL_TOKEN=abc"}, command, "--http", "http://"+addr)
		require.Equal(t, result{code: exitFailed, err: "till: no till answers on " + addr +
			"\nhint: start one with \"till run --data DIR\", or name its address with --http\n"}, got)
	}
	got := tillWith(t, []string{"TILL_TOKEN=abc"}, "status", "--json", "--http", "http://"+addr)
	require.Equal(t, exitFailed, got.code)
	require.JSONEq(t, `{"error":"no till answers on `+addr+`","hint":"start one with \"till run --data DIR\", or name its address with --http"}`, got.err)
}

func TestTokenThatIsNotThere(t *testing.T) {
	dir := t.TempDir()
	got := till(t, "status", "--data", dir)
	require.Equal(t, exitFailed, got.code)
	require.Equal(t, "till: read the token from "+filepath.Join(dir, "token")+
		": no token there\nhint: name the directory that was given to \"till run --data\"\n", got.err)
}

func TestADirectoryThatHoldsDataIsRefused(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x"), nil, 0o600))
	for _, args := range [][]string{
		{"init", "--data", dir, "--shop", "S", "--name", "N"},
		{"join", "--data", dir, "--name", "N", "--token", "x", "--no-mdns"},
	} {
		got := till(t, args...)
		require.Equal(t, exitFailed, got.code)
		require.Regexp(t, `^till: .*already holds data\nhint: .+\n$`, got.err)
		require.Empty(t, got.out)
	}
	require.FileExists(t, filepath.Join(dir, "x"))
}
