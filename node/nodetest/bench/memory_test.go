//go:build bench

package bench

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	bdgr "github.com/dgraph-io/badger/v4"
	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/nodetest"
	"github.com/tillmesh/tillmesh/node/nodetest/bench/figures"
)

const (
	childEnv    = "TILLMESH_BENCH_CHILD" // "take" or "start": be the floor's process
	childDir    = "TILLMESH_BENCH_DIR"
	childFrom   = "TILLMESH_BENCH_FROM"
	memoryLimit = 48 << 20         // GOMEMLIMIT of the program
	rest        = 30 * time.Second // before memory at rest is read
)

// memoryFigures measure the processes of a till and of its floor: Badger alone with the same options and limit.
func memoryFigures(t *testing.T, table *report) {
	articles := sized(100_000, 2000)
	records, _ := catalogue(t, articles)
	full := openFloor(t)
	require.NoError(t, fillFloor(full, records))
	dir := t.TempDir()
	taker := startChild(t, "take", dir, full)
	floorPeak := memory(t, taker.cmd.Process.Pid, "VmHWM")

	real := nodetest.New(t)
	first := real.Found()
	ids := sell(t, first.API(), articles)
	second := real.Join(first)
	took := real.EqualWithin(patience)
	peak := memory(t, second.Process().Pid(), "VmHWM")
	pause := time.NewTimer(time.Duration(sized(int(rest), int(time.Second))))
	<-pause.C
	floorRest, atRest := memory(t, taker.cmd.Process.Pid, "VmRSS"), memory(t, second.Process().Pid(), "VmRSS")
	firstRest := memory(t, first.Process().Pid(), "VmRSS")
	taker.end(t)

	var floorStarts, starts []time.Duration
	for range sized(5, 1) {
		began := time.Now()
		c := startChild(t, "start", dir, nil)
		floorStarts = append(floorStarts, time.Since(began))
		c.end(t)
		second.Stop()
		began = time.Now()
		second.Start()
		tab, err := second.API().OpenTab(t.Context(), client.NewTab{Name: "Tisch 1"})
		require.NoError(t, err)
		_, err = second.API().AddLine(t.Context(), tab.ID, client.NewLine{Article: ids[7]})
		require.NoError(t, err)
		starts = append(starts, time.Since(began))
	}
	again := memory(t, second.Process().Pid(), "VmRSS")
	table.add(figure{fmt.Sprintf("memory of a till with %d articles: peak while joining", articles), figures.Megabytes(floorPeak),
		fmt.Sprintf("%s (joined in %s)", figures.Megabytes(peak), figures.Duration(took)), "<= 96 MB", peak <= 96_000_000})
	table.add(figure{"  at rest", figures.Megabytes(floorRest), fmt.Sprintf("%s (%s where they were entered, %s after a restart)",
		figures.Megabytes(atRest), figures.Megabytes(firstRest), figures.Megabytes(again)), "<= 64 MB", max(atRest, again) <= 64_000_000})
	table.add(figure{"  start of the process to the first line durable by HTTP", figures.Duration(figures.Median(floorStarts)), figures.Duration(figures.Median(starts)),
		"<= 1 s", figures.Median(starts) <= time.Second})
	require.NoError(t, full.Close())
}

// memory reads a field of /proc/PID/status in bytes.
func memory(t *testing.T, pid int, field string) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			require.NoError(t, err)
			return kb * 1024
		}
	}
	require.Fail(t, "no such field", field)
	return 0
}

// child is a process of the floor; it ends when its input does.
type child struct {
	cmd   *exec.Cmd
	input io.WriteCloser
}

// startChild starts this test program in another role and waits until it is ready. With a store it sends its rows.
func startChild(t *testing.T, role, dir string, full *bdgr.DB) *child {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	c := &child{cmd: exec.Command(self)}
	c.cmd.Env = append(os.Environ(), childEnv+"="+role, childDir+"="+dir, childFrom+"="+listener.Addr().String())
	c.cmd.Stderr = os.Stderr
	c.input, err = c.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := c.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.cmd.Start())
	if full != nil {
		conn, err := listener.Accept()
		require.NoError(t, err)
		cfg, err := floorTLS()
		require.NoError(t, err)
		require.NoError(t, sendAll(full, tls.Server(conn, cfg)))
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", line)
	require.NoError(t, listener.Close())
	return c
}

func (c *child) end(t *testing.T) {
	t.Helper()
	require.NoError(t, c.input.Close())
	require.NoError(t, c.cmd.Wait())
}

// runChild is the floor's process: it opens a store, takes what is sent or writes one row, and waits.
func runChild(role string) int {
	if err := beChild(role); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func beChild(role string) (err error) {
	debug.SetMemoryLimit(memoryLimit)
	db, err := bdgr.Open(floorOptions(os.Getenv(childDir)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if role == "take" {
		cfg, err := floorTLS()
		if err != nil {
			return err
		}
		c, err := tls.Dial("tcp", os.Getenv(childFrom), cfg)
		if err != nil {
			return err
		}
		if _, err := takeAll(db, c); err != nil {
			return err
		}
		if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
	} else if err := db.Update(func(txn *bdgr.Txn) error { return txn.Set([]byte("first"), make([]byte, commitRow)) }); err != nil {
		return err
	}
	if _, err := fmt.Println("ready"); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
