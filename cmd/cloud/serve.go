package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tillmesh/tillmesh/cloudlink/accept"
	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/server"
	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
	"github.com/tillmesh/tillmesh/cloudlink/server/books"
	"github.com/tillmesh/tillmesh/cloudlink/server/replicas"
	"github.com/tillmesh/tillmesh/cloudlink/server/seats"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

type serveCommand struct {
	databaseFlags
	HTTP    string   `name:"http" default:"127.0.0.1:8490" placeholder:"HOST:PORT" help:"Where to serve (${default})."`
	Cert    string   `name:"cert" placeholder:"FILE" help:"Certificate chain in PEM form; with --key."`
	Key     string   `name:"key" placeholder:"FILE" help:"Private key of the certificate in PEM form."`
	Proxied bool     `name:"behind-proxy" help:"A proxy in front of this server speaks HTTPS with everybody else."`
	Proxies []string `name:"proxy" placeholder:"NET" help:"Network of such a proxy, such as 10.0.0.0/8; only it says for whom it asks."`
	Public  []string `name:"public" placeholder:"URL" help:"Address under which tills reach this cloud. May be given more than once."`
	Address string   `name:"address" placeholder:"URL" help:"Where other servers of this cloud reach this one."`
	Oldest  string   `name:"oldest-till" placeholder:"VERSION" help:"Refuse tills whose program is older; all are let in without it."`
	Metrics string   `name:"metrics-token" env:"CLOUD_METRICS_TOKEN" placeholder:"TOKEN" help:"Who asks for /metrics from elsewhere sends it."`
	Debug   bool     `name:"debug" help:"Log every request and session."`
}

const (
	// databasePatience is how long a server waits at its start for a database that does not answer.
	databasePatience = time.Minute
	// stopTime is how long requests under way may take at the end.
	stopTime = 5 * time.Second
)

// Run serves until ctx is done.
func (f *serveCommand) Run(ctx context.Context, c *console) error {
	if err := f.check(); err != nil {
		return err
	}
	proxies, err := f.networks()
	if err != nil {
		return err
	}
	level := slog.LevelInfo
	if f.Debug {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(c.err, &slog.HandlerOptions{Level: level}))
	listener, err := f.listen(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }() // http.Server closes it, too
	db, err := openDatabase(ctx, f.databaseFlags, log)
	if err != nil {
		return err
	}
	err = f.serve(ctx, c, log, db, listener, proxies)
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	log.Info("the cloud has stopped")
	return nil
}

// openDatabase opens the database and waits a while for one that does not answer yet.
func openDatabase(ctx context.Context, f databaseFlags, log *slog.Logger) (*database.DB, error) {
	ctx, cancel := context.WithTimeout(ctx, databasePatience)
	defer cancel()
	for {
		db, err := database.Open(ctx, database.Options{Dir: f.Data, DSN: f.DB})
		if err == nil {
			for _, warning := range db.Warnings() {
				log.Warn(warning)
			}
			return db, nil
		}
		if !errors.Is(err, rows.ErrUnreachable) {
			return nil, err
		}
		log.Warn("the database does not answer; it is asked again", "error", err)
		select {
		case <-ctx.Done():
			return nil, &advice{err, "start the database, or check --db"}
		case <-time.After(time.Second):
		}
	}
}

func (f *serveCommand) serve(ctx context.Context, c *console, log *slog.Logger, db *database.DB, listener net.Listener, proxies []netip.Prefix) error {
	hosts, err := f.hosts(listener.Addr())
	if err != nil {
		return err
	}
	var names []string
	for _, h := range hosts {
		name, _, err := net.SplitHostPort(h)
		if err != nil {
			name = h
		}
		names = append(names, name)
	}
	people, err := accounts.New(accounts.Options{DB: db, Cloud: db.Installation().ID, Hosts: names})
	if err != nil {
		return err
	}
	address := f.Address
	if address == "" {
		address = f.scheme() + "://" + listener.Addr().String()
	}
	logs := merkle.New(db)
	shops, err := replicas.New(ctx, replicas.Config{
		DB: db, Seats: seats.New(db, serverID(), address), Logs: logs, Accounts: people, Version: version, Oldest: f.Oldest, Log: log,
		Draw: func(b []byte) { _, _ = rand.Read(b) }, // never fails
	})
	if err != nil {
		return err
	}
	uplinks := accept.New(accept.Config{Key: db.Installation().Key, Mine: func(host string) bool { return mine(hosts, host) }, Admit: shops.Admit, Log: log})
	shelf, err := books.New(books.Options{DB: db, Logs: logs})
	if err != nil {
		return err
	}
	exports, err := books.NewExports(books.ExportOptions{Books: shelf, Dir: f.exports(), Log: log})
	if err != nil {
		return err
	}
	s, err := server.New(server.Options{
		Accounts: people, DB: db, Replicas: shops, Seats: shops, Uplink: shops.Route(uplinks), Version: version, Log: log,
		Documents: shelf, Archive: shelf, Reports: shelf, Holds: shelf, Exports: exports, Watch: shops, OldestTill: f.Oldest, Collectors: []prometheus.Collector{newNoticed(shops.Noticed)},
		Proxies: proxies, Metrics: f.Metrics,
	})
	if err != nil {
		return err
	}

	// What answers ends first, then the sessions, then the shops, which need the database.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var parts sync.WaitGroup
	parts.Go(func() { s.Run(work) })
	parts.Go(func() { shops.Run(work) })
	parts.Go(func() {
		if err := exports.Run(work); err != nil {
			log.Error("exports are not made", "error", err)
		}
	})
	if err := c.print(map[string]string{"url": f.scheme() + "://" + listener.Addr().String(), "cloud": db.Installation().ID.String()},
		fmt.Sprintf("the cloud serves at %s://%s\n", f.scheme(), listener.Addr())); err != nil {
		return err
	}
	err = f.answer(ctx, s.HTTP(), listener)
	uplinks.Close()
	stop()
	parts.Wait()
	return errors.Join(err, shops.Close(context.WithoutCancel(ctx)))
}

// answer serves requests until ctx is done, and gives those under way a moment.
func (f *serveCommand) answer(ctx context.Context, s *http.Server, listener net.Listener) error {
	failed := make(chan error, 1)
	go func() {
		if f.Cert != "" {
			s.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
			failed <- s.ServeTLS(listener, f.Cert, f.Key)
			return
		}
		failed <- s.Serve(listener)
	}()
	select {
	case err := <-failed:
		return fmt.Errorf("serve on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	grace, done := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer done()
	err := s.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.Close() // whoever is not through by now gets no answer
	}
	if served := <-failed; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// exports is where files of exports lie while this server runs; a new temporary directory if it has no data directory.
func (f *serveCommand) exports() string {
	if f.Data == "" {
		return ""
	}
	return filepath.Join(f.Data, "exports")
}

// listen takes the port, and refuses to speak plain HTTP with other machines.
func (f *serveCommand) listen(ctx context.Context) (net.Listener, error) {
	host, _, err := net.SplitHostPort(f.HTTP)
	if err != nil {
		return nil, usage(fmt.Errorf("--http %q is no address", f.HTTP), "write it as 127.0.0.1:8490")
	}
	if (f.Cert == "") != (f.Key == "") {
		return nil, usage(errors.New("a certificate and its key belong together"), "give both --cert and --key, or neither")
	}
	ip, err := netip.ParseAddr(host)
	if local := host == "localhost" || err == nil && ip.IsLoopback(); !local && f.Cert == "" && !f.Proxied {
		return nil, usage(fmt.Errorf("--http %s is reached by other machines: %w", f.HTTP, errNoPlainHTTP),
			"give --cert and --key, or --behind-proxy if a proxy in front speaks HTTPS")
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", f.HTTP)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, &advice{fmt.Errorf("the port of %s is in use by another program", f.HTTP), "stop it, or choose another port with --http"}
	}
	return l, err
}

func (f *serveCommand) scheme() string {
	if f.Cert != "" {
		return "https"
	}
	return "http"
}

// hosts are the names, with port where it is not the usual one, under which tills reach this cloud.
func (f *serveCommand) hosts(at net.Addr) ([]string, error) {
	hosts := []string{strings.ToLower(at.String())}
	for _, text := range f.Public {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return nil, usage(fmt.Errorf("--public %q is no address", text), "write it as https://cloud.example")
		}
		hosts = append(hosts, strings.ToLower(u.Host))
	}
	return hosts, nil
}

// mine reports whether a host is one of this cloud. Whoever calls this machine by a loopback address is no stranger.
func mine(hosts []string, host string) bool {
	if slices.Contains(hosts, host) {
		return true
	}
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	ip, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return name == "localhost" || err == nil && ip.IsLoopback()
}

func (f *serveCommand) networks() (out []netip.Prefix, err error) {
	for _, text := range f.Proxies {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, usage(fmt.Errorf("--proxy %q is no network", text), "write it as 10.0.0.0/8")
		}
		out = append(out, p)
	}
	return out, nil
}

// serverID names a server for one run.
func serverID() string { return strings.ToLower(rand.Text()) }
