//go:build linux

package databasetest

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver
	"github.com/stretchr/testify/require"
)

// places are where distributions keep the programs of the server.
var places = []string{"/usr/local/bin", "/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin", "/opt/homebrew/bin"}

// patience is how long a server may take to start, or to be gone.
const patience = 30 * time.Second

// Server is a PostgreSQL of the tests.
type Server struct {
	dir     string
	program string
	args    []string
	as      *syscall.SysProcAttr
	process *os.Process
	ended   chan error
	log     *os.File
	number  atomic.Int64
}

// Start starts a server for one test, that ends with it. Settings are as on the command line of postgres: "fsync=on"; by
// default it runs without fsync, which a killed process does not need. It skips the test where PostgreSQL is not installed.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	s := newServer(t, settings)
	t.Cleanup(func() { require.NoError(t, s.remove()) })
	return s
}

func newServer(t testing.TB, settings []string) *Server {
	t.Helper()
	initdb, postgres := find("initdb"), find("postgres")
	if initdb == "" || postgres == "" {
		lacks(t, "PostgreSQL (initdb, postgres) is not installed")
	}
	s := &Server{program: postgres, as: new(syscall.SysProcAttr)}
	var err error
	s.dir, err = os.MkdirTemp("", "tillmesh-pg-") // short, because a socket has no long path
	require.NoError(t, err)
	ready := false
	defer func() {
		if !ready {
			_ = s.remove()
		}
	}()
	if reason := s.ordinary(); reason != "" {
		lacks(t, reason)
	}
	data := filepath.Join(s.dir, "data")
	init := exec.Command(initdb, "-D", data, "-U", user, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions")
	init.SysProcAttr, init.Dir, init.Env = s.as, s.dir, []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	out, err := init.CombinedOutput()
	require.NoError(t, err, "initdb: %s", out)
	hba := fmt.Sprintf("local all %s scram-sha-256\nlocal all all trust\n", Locked)
	require.NoError(t, os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte(hba), 0o644))
	s.args = []string{"-D", data, "-k", s.dir, "-c", "listen_addresses="}
	for _, setting := range append([]string{"fsync=off", "max_connections=200", "shared_buffers=64MB"}, settings...) {
		s.args = append(s.args, "-c", setting)
	}
	s.log, err = os.Create(filepath.Join(s.dir, "log"))
	require.NoError(t, err)
	s.Run(t)
	ready = true
	return s
}

func find(name string) string {
	for _, place := range places {
		found, _ := filepath.Glob(filepath.Join(place, name))
		if len(found) > 0 {
			return found[len(found)-1]
		}
	}
	path, _ := exec.LookPath(name)
	return path
}

// Run starts the server in its directory, again after Kill, and waits until it answers.
func (s *Server) Run(t testing.TB) {
	t.Helper()
	started := make(chan error)
	s.ended = make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the system ends the server when the thread that started it does
		defer runtime.UnlockOSThread()
		cmd := exec.Command(s.program, s.args...)
		cmd.SysProcAttr, cmd.Dir, cmd.Stdout, cmd.Stderr = s.as, s.dir, s.log, s.log
		cmd.Env = []string{"LC_ALL=C", "TZ=UTC"}
		err := cmd.Start()
		s.process = cmd.Process
		started <- err
		if err == nil {
			s.ended <- cmd.Wait()
		}
	}()
	require.NoError(t, <-started)
	db, err := sql.Open("pgx", s.DSN("postgres"))
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	look, late := time.NewTicker(5*time.Millisecond), time.NewTimer(patience)
	defer look.Stop()
	defer late.Stop()
	for {
		err := db.Ping()
		if err == nil {
			return
		}
		select {
		case end := <-s.ended:
			s.ended <- end
			t.Fatalf("PostgreSQL ended: %v\n%s", end, s.said())
		case <-late.C:
			t.Fatalf("PostgreSQL does not answer: %v\n%s", err, s.said())
		case <-look.C:
		}
	}
}

func (s *Server) said() []byte {
	text, _ := os.ReadFile(s.log.Name())
	return text[max(0, len(text)-4000):]
}

// DSN returns the address of a database by its name.
func (s *Server) DSN(name string) string {
	return "postgres://" + user + "@/" + name + "?host=" + url.QueryEscape(s.dir)
}

// Database makes an empty database and returns its address.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("db%d", s.number.Add(1))
	s.Exec(t, "postgres", "CREATE DATABASE "+name)
	return s.DSN(name)
}

// Exec runs a statement on a database by its name.
func (s *Server) Exec(t testing.TB, name, statement string) {
	t.Helper()
	db, err := sql.Open("pgx", s.DSN(name))
	require.NoError(t, err)
	_, err = db.Exec(statement)
	require.NoError(t, errors.Join(err, db.Close()))
}

// Kill ends the server and all its connections at once, as a crash does. Run starts it again.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	// Its children notice only when they look, would go on for a moment, and a new server refuses to start beside one. Who is
	// stopped starts no more of them.
	require.NoError(t, s.process.Signal(syscall.SIGSTOP))
	require.Eventually(t, func() bool { state, _ := stateOf(s.process.Pid); return state == "T" }, patience, time.Millisecond, "PostgreSQL stands still")
	children := s.children()
	for _, pid := range append(children, s.process.Pid) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			require.ErrorIs(t, err, syscall.ESRCH)
		}
	}
	<-s.ended
	s.process = nil
	require.Eventually(t, func() bool {
		return !slices.ContainsFunc(children, func(pid int) bool { return !ended(pid) })
	}, patience, time.Millisecond, "all processes of PostgreSQL are gone")
}

// stateOf is what the system says of a process: its state, "" if there is none, "Z" if it only waits to be asked how it ended; and who
// started it.
func stateOf(pid int) (state string, parent int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0 // it ended
	}
	_, rest, _ := bytes.Cut(text, []byte(") "))
	if _, err := fmt.Sscan(string(rest), &state, &parent); err != nil {
		return "", 0
	}
	return state, parent
}

func ended(pid int) bool {
	state, _ := stateOf(pid)
	return state == "" || state == "Z" || state == "X"
}

// children are the processes that this server started, and nobody else's.
func (s *Server) children() (pids []int) {
	places, _ := filepath.Glob("/proc/[0-9]*")
	for _, place := range places {
		if pid, err := strconv.Atoi(filepath.Base(place)); err == nil {
			if _, parent := stateOf(pid); parent == s.process.Pid {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// remove stops the server and takes its directory away.
func (s *Server) remove() (err error) {
	if s.process != nil {
		err = s.process.Signal(syscall.SIGINT) // fast shutdown
		select {
		case <-s.ended:
		case <-time.After(20 * time.Second):
			err = errors.Join(errors.New("it did not stop when asked"), s.process.Kill())
			<-s.ended
		}
		s.process = nil
	}
	if s.log != nil {
		err = errors.Join(err, s.log.Close())
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// owners may run the server if the test runs as root, which PostgreSQL refuses.
var owners = []string{"postgres", "nobody"}

// ordinary sets that the server is run by an ordinary user, who owns its directory, and ends with this program. It returns
// why that is not possible here.
func (s *Server) ordinary() string {
	s.as.Pdeathsig = syscall.SIGQUIT
	if os.Geteuid() != 0 {
		return ""
	}
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return err.Error()
	}
	for _, name := range owners {
		if uid, gid, found := ids(passwd, name); found {
			s.as.Credential = &syscall.Credential{Uid: uid, Gid: gid}
			if err := os.Chown(s.dir, int(uid), int(gid)); err != nil {
				return "root cannot give a directory away: " + err.Error()
			}
			return ""
		}
	}
	return "PostgreSQL refuses root, and there is no user postgres or nobody"
}

func ids(passwd []byte, name string) (uid, gid uint32, found bool) {
	for line := range strings.Lines(string(passwd)) {
		var field [4]string
		copy(field[:], strings.Split(line, ":"))
		if field[0] == name {
			n, err := fmt.Sscan(field[2]+" "+field[3], &uid, &gid)
			return uid, gid, err == nil && n == 2
		}
	}
	return 0, 0, false
}

// place is the directory of the server's socket.
func (s *Server) place() string { return s.dir }
