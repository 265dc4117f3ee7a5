package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"
)

const usageHint = "hint: \"cloud --help\" lists the commands, \"cloud COMMAND --help\" what one takes\n"

func TestWrongUsage(t *testing.T) {
	none := "cloud: no database was named\nhint: give --data DIR, or --db DSN for PostgreSQL\n"
	for args, want := range map[string]string{
		"":                                 "cloud: no command was named\n" + usageHint,
		"admin":                            "cloud: no command was named\n" + usageHint,
		"frobnicate":                       "cloud: unexpected argument frobnicate\n" + usageHint,
		"serve --frobnicate":               "cloud: unknown flag --frobnicate\n" + usageHint,
		"verify":                           "cloud: expected \"<file>\"\n" + usageHint,
		"verify x --cloud y":               "cloud: --cloud: ",
		"export x":                         "cloud: missing flags: --account=NAME\n" + usageHint,
		"export x --account a":             none,
		"check --account a":                none,
		"backup x":                         none,
		"serve":                            none,
		"admin accounts":                   none,
		"admin servers":                    none,
		"admin holds --account a":          none,
		"admin release x --account a":      "cloud: missing flags: --by=NAME, --why=TEXT\n" + usageHint,
		"serve --data x --http 8490":       "cloud: --http \"8490\" is no address\nhint: write it as 127.0.0.1:8490\n",
		"serve --data x --http 0.0.0.0:80": "cloud: --http 0.0.0.0:80 is reached by other machines: passwords and receipts must not travel unprotected\nhint: give --cert and --key, or --behind-proxy if a proxy in front speaks HTTPS\n",
		"serve --data x --cert c":          "cloud: a certificate and its key belong together\nhint: give both --cert and --key, or neither\n",
		"serve --data x --proxy y":         "cloud: --proxy \"y\" is no network\nhint: write it as 10.0.0.0/8\n",
		"export x --account a --data d --from 1.1.2026":                   "cloud: --from \"1.1.2026\" is no day\nhint: write it as 2026-01-31\n",
		"export x --account a --data d --from 2026-02-01 --to 2026-01-31": "cloud: --to 2026-01-31 is before --from 2026-02-01\nhint: turn them round\n",
		"export x --account a --data d --shop y":                          "cloud: --shop: ",
		"admin hold --account a --data d --reason r --by b --shop y":      "cloud: --shop: ",
		"admin release y --account a --data d --why r --by b":             "cloud: hold \"y\": ",
		"admin hold --account a --data d --reason r --by b --from yonder": "cloud: --from \"yonder\" is no day\nhint: write it as 2026-01-31\n",
	} {
		t.Run(args, func(t *testing.T) {
			got := cloud(t, strings.Fields(args)...)
			require.Equal(t, exitUsage, got.code, got.err)
			require.Empty(t, got.out)
			if strings.HasSuffix(want, "\n") {
				require.Equal(t, want, got.err)
			} else {
				require.True(t, strings.HasPrefix(got.err, want), got.err)
				require.Contains(t, got.err, "\nhint: ")
			}
		})
	}
}

func TestWrongUsageAsJSON(t *testing.T) {
	got := cloud(t, "serve", "--frobnicate", "--json")
	require.Equal(t, exitUsage, got.code)
	require.Empty(t, got.out)
	var f failure
	require.NoError(t, json.Unmarshal([]byte(got.err), &f), got.err)
	require.Equal(t, "unknown flag --frobnicate", f.Error)
	require.NotEmpty(t, f.Hint)
}

// Every command has help, takes --json, and is in the list.
func TestHelp(t *testing.T) {
	var cmd commands
	parser, err := kong.New(&cmd, kong.Name("cloud"), kong.Vars{"version": version})
	require.NoError(t, err)
	all := cloud(t, "--help")
	require.Equal(t, exitDone, all.code)
	require.Empty(t, all.err)
	seen := 0
	require.NoError(t, kong.Visit(parser.Model, func(n kong.Visitable, next kong.Next) error {
		c, ok := n.(*kong.Command)
		if !ok || !c.Leaf() {
			return next(nil)
		}
		seen++
		path := strings.TrimPrefix(c.FullPath(), "cloud ")
		require.Contains(t, all.out, "\n  "+path+" ")
		require.NotEmpty(t, c.Help, path)
		require.True(t, strings.HasSuffix(c.Help, "."), "%s: %s", path, c.Help)
		one := cloud(t, append(strings.Fields(path), "--help")...)
		require.Equal(t, exitDone, one.code)
		require.Contains(t, one.out, "Usage: cloud "+path)
		require.Contains(t, one.out, "--json")
		for _, f := range c.Flags {
			require.NotEmpty(t, f.Help, "%s --%s", path, f.Name)
		}
		return next(nil)
	}))
	require.Equal(t, 15, seen)
	require.Equal(t, result{out: "dev\n"}, cloud(t, "--version"))
}

// Commands that look at a cloud make none.
func TestThereIsNoCloud(t *testing.T) {
	dir := t.TempDir()
	for _, args := range []string{"backup " + file(t), "export --account a@b.de " + file(t), "check --account a@b.de", "admin accounts", "admin servers"} {
		got := cloud(t, append(strings.Fields(args), "--data", dir)...)
		require.Equal(t, result{code: exitFailed, err: "cloud: there is no cloud in " + dir + "\nhint: name the directory that was given to \"cloud serve --data\"\n"}, got)
	}
	require.NoDirExists(t, dir+"/exports")
	require.NoFileExists(t, dir+"/cloud.db")
}
