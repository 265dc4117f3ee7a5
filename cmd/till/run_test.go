package main

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// running is a till of a fresh shop that runs on loopback.
type running struct {
	data, url string
	tokenFile string
	cmd       *exec.Cmd
	logs      string
}

// start founds a shop and runs its till.
func start(t *testing.T) running {
	t.Helper()
	r := running{data: filepath.Join(t.TempDir(), "till"), logs: filepath.Join(t.TempDir(), "log")}
	got := till(t, "init", "--data", r.data, "--shop", "Teestube", "--name", "Theke", "--json")
	require.Equal(t, exitDone, got.code, got.err)
	var m made
	require.NoError(t, json.Unmarshal([]byte(got.out), &m))
	require.Equal(t, "Teestube", m.ShopName)
	require.NotEmpty(t, m.Prefix)

	r.cmd = exec.Command(program, "run", "--data", r.data, "--http", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--no-mdns", "--json")
	logs, err := os.Create(r.logs)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, logs.Close()) })
	r.cmd.Stderr = logs
	out, err := r.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, r.cmd.Start())
	t.Cleanup(func() {
		if r.cmd.ProcessState == nil {
			_ = r.cmd.Process.Kill()
			_ = r.cmd.Wait()
		}
	})
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan(), "till run prints where it is")
	var place struct {
		URL       string `json:"url"`
		TokenFile string `json:"token_file"`
	}
	require.NoError(t, json.Unmarshal(lines.Bytes(), &place))
	r.url, r.tokenFile = place.URL, place.TokenFile
	return r
}

func TestARunningTill(t *testing.T) {
	r := start(t)
	require.Equal(t, filepath.Join(r.data, "token"), r.tokenFile)

	got := till(t, "status", "--http", r.url, "--data", r.data)
	require.Equal(t, exitDone, got.code, got.err)
	require.Regexp(t, `^Teestube: Theke \(`, got.out)
	require.Contains(t, got.out, "this is the only till of the shop\n")

	token, err := os.ReadFile(r.tokenFile)
	require.NoError(t, err)
	got = tillWith(t, []string{"TILL_TOKEN=" + strings.TrimSpace(string(token))}, "mesh", "--http", r.url, "--json")
	require.Equal(t, exitDone, got.code, got.err)
	var mesh struct {
		Tills []struct {
			Name string `json:"name"`
			Self bool   `json:"self"`
		} `json:"tills"`
	}
	require.NoError(t, json.Unmarshal([]byte(got.out), &mesh))
	require.Len(t, mesh.Tills, 1)
	require.True(t, mesh.Tills[0].Self)

	got = till(t, "invite", "--http", r.url, "--token-file", r.tokenFile)
	require.Equal(t, exitDone, got.code, got.err)
	require.Regexp(t, `^([0-9a-z]{4}-){6}[0-9a-z]{4}\n`, got.out)
	require.Contains(t, got.out, "till join --data DIR --name NAME --token ")

	got = tillWith(t, []string{"TILL_TOKEN=wrong"}, "status", "--http", r.url)
	require.Equal(t, exitFailed, got.code)
	require.Regexp(t, `^till: .+\nhint: .*token.*\n$`, got.err)

	got = till(t, "run", "--data", r.data, "--http", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--no-mdns")
	require.Equal(t, exitFailed, got.code)
	require.Regexp(t, `^till: .*another process.*\nhint: .+\n$`, got.err, "a directory in use")

	got = till(t, "run", "--data", r.data, "--http", strings.TrimPrefix(r.url, "http://"))
	require.Equal(t, result{code: exitFailed, err: "till: the port of " + strings.TrimPrefix(r.url, "http://") +
		" is in use by another program\nhint: another till may be running: \"till status\" shows it; else choose another port with --http\n"}, got)

	require.NoError(t, r.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, r.cmd.Wait(), "it stops cleanly")
	logs, err := os.ReadFile(r.logs)
	require.NoError(t, err)
	for line := range strings.Lines(string(logs)) {
		require.True(t, json.Valid([]byte(line)), "logs are JSON: %s", line)
	}
}

func TestRunWithoutAShopListsShopsAndWaits(t *testing.T) {
	data := filepath.Join(t.TempDir(), "till")
	cmd := exec.Command(program, "run", "--data", data, "--http", freeAddress(t), "--listen", "127.0.0.1:0", "--no-mdns")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	require.Equal(t, "no shop was found on the network yet", lines.Text())
	require.True(t, lines.Scan())
	require.Contains(t, lines.Text(), "till join")

	got := till(t, "init", "--data", data, "--shop", "Teestube", "--name", "Theke")
	require.Equal(t, exitDone, got.code, got.err)
	require.True(t, lines.Scan(), "it goes on by itself")
	require.Regexp(t, `^till runs at http://.+/api, its token is in `, lines.Text())
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait())
}

func TestRunOnFilesThatAreNoTill(t *testing.T) {
	data := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(data, "letter.txt"), []byte("Liebe Anna"), 0o600))
	got := till(t, "run", "--data", data, "--http", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--no-mdns")
	require.Equal(t, exitFailed, got.code)
	require.Regexp(t, `^till: .*not the data of a till\nhint: .+--data\n$`, got.err)
}

func TestJoinWithNobodyThere(t *testing.T) {
	data := filepath.Join(t.TempDir(), "till")
	got := till(t, "join", "--data", data, "--name", "N", "--no-mdns")
	require.Equal(t, exitFailed, got.code)
	require.Regexp(t, `^till: no till of a shop answered\nhint: .*--peer.*\n$`, got.err)
	require.NoDirExists(t, data)
}
