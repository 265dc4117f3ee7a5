package main

import (
	"bufio"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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
}

// The demo with real processes, stores and connections; every step is checked by the demo itself.
func TestDemoOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole shop")
	}
	got := till(t, "demo", "--once", "--json")
	t.Log("\n" + got.out)
	require.Equal(t, exitDone, got.code, got.err)
	require.Empty(t, got.err)
	steps := 0
	for text := range strings.Lines(got.out) {
		var l told
		require.NoError(t, json.Unmarshal([]byte(text), &l), text)
		require.True(t, l.OK, text)
		require.Positive(t, l.MS, text)
		if l.Kind == "step" {
			steps++
			require.Equal(t, steps, l.Step)
		}
	}
	require.Equal(t, 7, steps)
}

// demoUp starts a demo and waits until it stays up. It returns where its tills serve HTTP.
func demoUp(t *testing.T, temp string) (cmd *exec.Cmd, addresses []string) {
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
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var l told
		require.NoError(t, json.Unmarshal(lines.Bytes(), &l), lines.Text())
		if l.Kind != "up" {
			continue
		}
		for _, place := range l.Tills {
			addresses = append(addresses, strings.TrimPrefix(place.URL, "http://"))
			require.True(t, listens(place.URL))
		}
		require.Len(t, addresses, 3)
		return cmd, addresses
	}
	require.NoError(t, lines.Err())
	require.Fail(t, "the demo ended before it was up")
	return nil, nil
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
	cmd, addresses := demoUp(t, temp)
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	require.NoError(t, cmd.Wait())
	for _, a := range addresses {
		require.False(t, listens(a), "till on %s still runs", a)
	}
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestAKilledDemoLeavesNoTillBehind(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends children with their parent")
	}
	cmd, addresses := demoUp(t, t.TempDir())
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	for _, a := range addresses {
		require.Eventually(t, func() bool { return !listens(a) }, wait, 10*time.Millisecond, "till on %s still runs", a)
	}
}
