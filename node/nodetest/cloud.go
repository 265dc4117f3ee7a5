package nodetest

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/server/serverclient"
	"github.com/tillmesh/tillmesh/node/client"
)

// The account of every cloud of this package.
const (
	CloudAccount  = "inhaber@example.org"
	CloudPassword = "Sonnenschein1!"
)

// Cloud is a cloud of real servers on one database. Its methods belong to the goroutine of the test.
type Cloud struct {
	// Servers are all that were started, in that order, running or not.
	Servers []*Server

	t        testing.TB
	program  string
	launcher *launcher
	options  database.Options
	next     func() Place
	data     func(name string) string
	db       *database.DB // nil: not looked into yet
}

// Server is one server of a cloud.
type Server struct {
	Name string
	HTTP netip.AddrPort

	cloud   *Cloud
	log     string
	process *Process
}

// NewCloud makes a cloud that has no server yet, on a database that nobody else uses; without a name of one it is SQLite.
func (s *Shop) NewCloud(o database.Options) *Cloud {
	s.t.Helper()
	if o.Dir == "" && o.DSN == "" {
		o.Dir = s.Data("cloud")
	}
	c := &Cloud{t: s.t, program: CloudProgram(s.t), launcher: s.launcher, options: o, next: loopback(s.t), data: s.Data}
	s.t.Cleanup(c.close)
	return c
}

func (c *Cloud) close() {
	for _, s := range c.Servers {
		if err := s.process.Kill(); err != nil {
			c.t.Errorf("kill %s: %v", s.Name, err)
		}
		judgeLog(c.t, s.Name, s.Log())
	}
	if c.db != nil {
		if err := c.db.Close(); err != nil {
			c.t.Errorf("close the database of the cloud: %v", err)
		}
	}
}

// flags name the database for a command.
func (c *Cloud) flags() []string {
	if c.options.DSN != "" {
		return []string{"--db", c.options.DSN}
	}
	return []string{"--data", c.options.Dir}
}

// Serve starts one more server and waits until it answers. public is where tills reach the cloud.
func (c *Cloud) Serve(public ...string) *Server {
	c.t.Helper()
	n := len(c.Servers) + 1
	s := &Server{Name: fmt.Sprintf("server %d", n), HTTP: c.next().HTTP, cloud: c, log: c.data(fmt.Sprintf("cloud%d.log", n))}
	args := append([]string{c.program, "serve", "--http", s.HTTP.String(), "--address", s.URL()}, c.flags()...)
	for _, url := range public {
		args = append(args, "--public", url)
	}
	var err error
	s.process, err = c.launcher.spawn(s.log, args)
	require.NoError(c.t, err)
	c.Servers = append(c.Servers, s)
	Eventually(c.t, startTime, s.Name+" answers", func() error {
		if !s.Running() {
			return fmt.Errorf("%s: %w: %s", s.Name, errEnded, s.Log())
		}
		resp, err := http.Get(s.URL() + "/healthz")
		if err == nil {
			err = resp.Body.Close()
		}
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("status %d", resp.StatusCode)
		}
		return err
	})
	http.DefaultClient.CloseIdleConnections()
	return s
}

// Addresses are those of all servers.
func (c *Cloud) Addresses() (list []netip.AddrPort) {
	for _, s := range c.Servers {
		list = append(list, s.HTTP)
	}
	return list
}

// Running are the servers that run.
func (c *Cloud) Running() (list []*Server) {
	for _, s := range c.Servers {
		if s.Running() {
			list = append(list, s)
		}
	}
	return list
}

// URL is the root of the server's HTTP interface.
func (s *Server) URL() string { return "http://" + s.HTTP.String() }

// Running reports whether its process runs.
func (s *Server) Running() bool { return s.process.Running() }

// Kill ends it as a power cut does.
func (s *Server) Kill() {
	s.cloud.t.Helper()
	require.NoError(s.cloud.t, s.process.Kill())
}

// Stop ends it as a service manager does; it must end by itself with exit code 0.
func (s *Server) Stop() {
	s.cloud.t.Helper()
	require.NoError(s.cloud.t, s.process.Stop(stopTime), "stop %s", s.Name)
}

// Log returns what it printed.
func (s *Server) Log() string {
	b, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Exec runs a command of the program on the database of the cloud to its end.
func (c *Cloud) Exec(command string, args ...string) Output {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 4*commandTime)
	defer cancel()
	all := append([]string{c.program, command}, args...)
	if command != "verify" {
		all = append(all, c.flags()...)
	}
	out, err := c.launcher.run(ctx, all)
	require.NoError(c.t, err, "cloud %s %s", command, strings.Join(args, " "))
	return out
}

// Couple makes the account at a till and couples its shop with it; url is where tills reach the cloud.
func (c *Cloud) Couple(till *Till, url string) {
	t, ctx := c.t, c.t.Context()
	t.Helper()
	login := client.CloudLogin{URL: url, Name: CloudAccount, Password: CloudPassword}
	_, err := till.API().CreateCloudAccount(ctx, login)
	require.NoError(t, err, "make the account at %s", till.Name)
	terms, err := till.API().PrepareCloud(ctx, login)
	require.NoError(t, err, "sign in at %s", till.Name)
	now, err := till.API().ConfirmCloud(ctx, terms.ID)
	require.NoError(t, err, "couple the shop at %s", till.Name)
	require.True(t, now.Cloud.Coupled)
}

// Person is somebody who signed in at a server with the account. Close it.
func (c *Cloud) Person(s *Server) (*serverclient.Client, archive.AccountID) {
	c.t.Helper()
	stranger, err := serverclient.New(serverclient.Config{URL: s.URL()})
	require.NoError(c.t, err)
	defer stranger.Close()
	opened, err := stranger.SignIn(c.t.Context(), serverclient.SignIn{Name: CloudAccount, Password: CloudPassword, Label: "test"})
	require.NoError(c.t, err)
	account, err := archive.ParseAccountID(opened.Account.ID)
	require.NoError(c.t, err)
	return stranger.With(opened.Token), account
}

// Database looks into the database of the cloud; the servers go on.
func (c *Cloud) Database() *database.DB {
	c.t.Helper()
	if c.db == nil {
		var err error
		c.db, err = database.Open(c.t.Context(), c.options)
		require.NoError(c.t, err)
	}
	return c.db
}

// Archived returns how often the archive holds each receipt, by number, read from the database.
func (c *Cloud) Archived(account archive.AccountID) map[string]int {
	t := c.t
	t.Helper()
	times := make(map[string]int)
	query := merkle.Query{Kinds: []archive.Kind{archive.Receipt}, Bare: true}
	for stored, err := range merkle.New(c.Database()).Leaves(t.Context(), account, query) {
		require.NoError(t, err)
		leaf, err := archive.ParseLeaf(stored.Leaf)
		require.NoError(t, err)
		times[archive.NameOf(leaf)]++
	}
	return times
}

// Seat returns the server that works on the only shop of the cloud; nil: none that runs.
func (c *Cloud) Seat() *Server {
	t := c.t
	t.Helper()
	_, read := c.Database().Pools()
	found, err := read.QueryContext(t.Context(), `SELECT servers.address FROM seats JOIN servers ON servers.server = seats.server`)
	require.NoError(t, err)
	var address string
	for found.Next() {
		require.Empty(t, address, "more than one shop")
		require.NoError(t, found.Scan(&address))
	}
	require.NoError(t, found.Err())
	require.NoError(t, found.Close())
	for _, s := range c.Running() {
		if s.URL() == address {
			return s
		}
	}
	return nil
}

// AwaitForwarder waits until one of the tills holds the lease of the cloud, and returns it.
func (s *Shop) AwaitForwarder(within time.Duration, tills ...*Till) (up *Till) {
	s.t.Helper()
	Eventually(s.t, within, "a till forwards", func() error {
		for _, till := range tills {
			state, err := till.API().Cloud(s.t.Context())
			if err != nil {
				return fmt.Errorf("%s: %w", till.Name, err)
			}
			if state.Connected && state.Term > 0 {
				up = till
				return nil
			}
		}
		return errNobody
	})
	return up
}

var errNobody = fmt.Errorf("none of them holds the lease")
