//go:build bench

package cloud

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/accept"
	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
	"github.com/tillmesh/tillmesh/cloudlink/server/replicas"
	"github.com/tillmesh/tillmesh/cloudlink/server/seats"
	"github.com/tillmesh/tillmesh/cloudlink/socket"
)

const (
	childEnv   = "TILLMESH_BENCH_CLOUD" // the address to listen at: be the server
	childDir   = "TILLMESH_BENCH_DIR"
	childDSN   = "TILLMESH_BENCH_DSN"
	profileEnv = "BENCH_CPUPROFILE"
)

// keyed makes an installation have the same key whatever the database.
func keyed(o database.Options) database.Options {
	o.Random = bytes.NewReader(bytes.Repeat([]byte{0xc1}, 1024))
	return o
}

// process is a server of the cloud in a process of its own.
type process struct {
	t     *testing.T
	addr  string
	cmd   *exec.Cmd
	input io.WriteCloser
	lines *bufio.Reader
}

// startServer starts a server and waits until it takes calls; addr is where, "127.0.0.1:0" for any free port.
func startServer(t *testing.T, o database.Options, addr string) *process {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	p := &process{t: t, cmd: exec.Command(self)}
	p.cmd.Env = append(os.Environ(), childEnv+"="+addr, childDir+"="+o.Dir, childDSN+"="+o.DSN)
	p.cmd.Stderr = os.Stderr
	p.input, err = p.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	p.lines = bufio.NewReader(out)
	t.Cleanup(p.stop)
	require.NoError(t, json.Unmarshal(p.line(), &p.addr))
	return p
}

func (p *process) line() []byte {
	p.t.Helper()
	line, err := p.lines.ReadBytes('\n')
	require.NoError(p.t, err, "the server says nothing any more")
	return line
}

// usage is what a server takes after a collection.
type usage struct {
	Heap, Stacks uint64 // bytes
	Goroutines   int
	Shops        int
}

func (p *process) usage() (u usage) {
	p.t.Helper()
	_, err := io.WriteString(p.input, "usage\n")
	require.NoError(p.t, err)
	require.NoError(p.t, json.Unmarshal(p.line(), &u))
	return u
}

// stop ends the server in order, as a signal does, and waits until it is gone.
func (p *process) stop() {
	if p.cmd != nil {
		require.NoError(p.t, p.input.Close())
		require.NoError(p.t, p.cmd.Wait())
		p.cmd = nil
	}
}

// cpu returns the processor time that a process had so far. It is told in hundredths of a second.
func cpu(t *testing.T, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	ticks := 0
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		require.NoError(t, err)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// runServer is the server's process; it ends when its input does.
func runServer() int {
	if err := beServer(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func beServer() (err error) {
	ctx := context.Background()
	stopProfile, err := profile()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopProfile()) }()
	db, err := database.Open(ctx, database.Options{Dir: os.Getenv(childDir), DSN: os.Getenv(childDSN)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	listener, err := net.Listen("tcp", os.Getenv(childEnv))
	if err != nil {
		return err
	}
	addr := listener.Addr().String()
	people, err := accounts.New(accounts.Options{DB: db, Cloud: db.Installation().ID})
	if err != nil {
		return err
	}
	// All shops call from one address here, as behind a proxy: the limits of greetings are those of the product.
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	shops, err := replicas.New(ctx, replicas.Config{DB: db, Seats: seats.New(db, rand.Text(), "http://"+addr), Logs: merkle.New(db), Accounts: people,
		Version: "bench", Log: log, Draw: func(b []byte) { _, _ = rand.Read(b) }})
	if err != nil {
		return err
	}
	uplinks := accept.New(accept.Config{Key: db.Installation().Key, Mine: func(host string) bool { return host == addr }, Admit: shops.Admit, Log: log})
	mux := http.NewServeMux()
	mux.Handle("GET "+socket.Path, shops.Route(uplinks))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	run, cancel := context.WithCancel(ctx)
	var parts sync.WaitGroup
	parts.Go(func() { _ = server.Serve(listener) })
	parts.Go(func() { shops.Run(run) })
	err = answer(addr, shops)
	err = errors.Join(err, server.Close())
	uplinks.Close()
	cancel()
	parts.Wait()
	return errors.Join(err, shops.Close(ctx))
}

// answer says where the server is, and what it takes whenever it is asked.
func answer(addr string, shops *replicas.Replicas) error {
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(addr); err != nil {
		return err
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		runtime.GC()
		runtime.GC() // what pools held
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
		metrics.Read(sample)
		if err := heapProfile(); err != nil {
			return err
		}
		if err := out.Encode(usage{sample[0].Value.Uint64(), sample[1].Value.Uint64(), runtime.NumGoroutine(), shops.Open()}); err != nil {
			return err
		}
	}
	return nil
}

// heapProfile records what the memory of the server holds, if somebody wants to know.
func heapProfile() error {
	dir := os.Getenv(profileEnv)
	if dir == "" {
		return nil
	}
	f, err := os.Create(filepath.Join(dir, fmt.Sprintf("cloud-%d.heap.pprof", os.Getpid())))
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup("heap").WriteTo(f, 0), f.Close())
}

// profile records where the time of the server goes, if somebody wants to know.
func profile() (stop func() error, err error) {
	dir := os.Getenv(profileEnv)
	if dir == "" {
		return func() error { return nil }, nil
	}
	runtime.MemProfileRate = 8 << 10
	name := filepath.Join(dir, fmt.Sprintf("cloud-%d", os.Getpid()))
	f, err := os.Create(name + ".cpu.pprof")
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}
