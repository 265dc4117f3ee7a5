package main

import (
	"bufio"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/server/serverclient"
)

// told is a line of the demo.
type told struct {
	Kind  string  `json:"kind"`
	Step  int     `json:"step"`
	OK    bool    `json:"ok"`
	MS    float64 `json:"ms"`
	Tills []struct {
		URL string `json:"url"`
	} `json:"tills"`
	Cloud struct {
		URL      string `json:"url"`
		Account  string `json:"account"`
		Password string `json:"password"`
	} `json:"cloud"`
	Text string `json:"text"`
}

// How many steps the play has, with a cloud and without.
const steps, stepsWithoutCloud = 12, 7

// The demo with real processes, stores and connections; every step is checked by the demo itself.
func TestDemoOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole shop")
	}
	got := till(t, "demo", "--once", "--json")
	t.Log("\n" + got.out)
	require.Equal(t, exitDone, got.code, got.err)
	require.Empty(t, got.err)
	seen := 0
	for text := range strings.Lines(got.out) {
		var l told
		require.NoError(t, json.Unmarshal([]byte(text), &l), text)
		require.True(t, l.OK, text)
		require.Positive(t, l.MS, text)
		if l.Kind == "step" {
			seen++
			require.Equal(t, seen, l.Step)
		}
	}
	require.Equal(t, steps, seen)
}

// demoUp starts the demo of a program and waits until it stays up. It returns where its tills and its cloud serve HTTP.
func demoUp(t *testing.T, program, temp string, steps int) (cmd *exec.Cmd, up told) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a whole shop")
	}
	cmd = exec.Command(program, "demo", "--json")
	cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	seen := 0
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var l told
		require.NoError(t, json.Unmarshal(lines.Bytes(), &l), lines.Text())
		switch l.Kind {
		case "note":
			require.Contains(t, l.Text, "the play goes on without a cloud")
			require.Equal(t, stepsWithoutCloud, steps)
		case "step":
			require.Equal(t, seen+1, l.Step)
			seen = l.Step
		case "up":
			require.Equal(t, steps, seen)
			require.Len(t, l.Tills, 3)
			for _, url := range l.addresses() {
				require.True(t, listens(url))
			}
			return cmd, l
		}
	}
	require.NoError(t, lines.Err())
	require.Fail(t, "the demo ended before it was up")
	return nil, told{}
}

// addresses are those of its tills and its cloud.
func (l told) addresses() (all []string) {
	for _, place := range l.Tills {
		all = append(all, place.URL)
	}
	if l.Cloud.URL != "" {
		all = append(all, l.Cloud.URL)
	}
	return all
}

func listens(url string) bool {
	c, err := net.DialTimeout("tcp", strings.TrimPrefix(url, "http://"), time.Second)
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}

func TestDemoStopsCleanly(t *testing.T) {
	temp := t.TempDir()
	cmd, up := demoUp(t, program, temp, steps)
	require.NotEmpty(t, up.Cloud.URL)
	person, err := serverclient.New(serverclient.Config{URL: up.Cloud.URL})
	require.NoError(t, err)
	defer person.Close()
	opened, err := person.SignIn(t.Context(), serverclient.SignIn{Name: up.Cloud.Account, Password: up.Cloud.Password, Label: "test"})
	require.NoError(t, err, "whoever reads what the demo prints can sign in")
	require.NotEmpty(t, opened.Token)
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	require.NoError(t, cmd.Wait())
	for _, a := range up.addresses() {
		require.False(t, listens(a), "what was on %s still runs", a)
	}
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestAKilledDemoLeavesNoTillBehind(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends children with their parent")
	}
	alone := filepath.Join(t.TempDir(), filepath.Base(program)) // no cloud beside it
	require.NoError(t, os.Link(program, alone))
	cmd, up := demoUp(t, alone, t.TempDir(), stepsWithoutCloud)
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	for _, a := range up.addresses() {
		require.Eventually(t, func() bool { return !listens(a) }, wait, 10*time.Millisecond, "till on %s still runs", a)
	}
}
