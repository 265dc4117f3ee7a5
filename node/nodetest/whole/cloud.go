package whole

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"math/rand/v2"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
	"github.com/tillmesh/tillmesh/cloudlink/server/coupling"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/replication/simulation"
)

// Cloud is the cloud of a simulated shop: the real parts of it on a real SQLite database, called over the simulated network. Only
// HTTP is left out. Time, chance and the order of things are the world's, so a seed is one run with it, too.
//
// The database is used by one goroutine at a time, inside of the bubble, and never waits; its engine stays the same when a server
// dies: whatever a transaction had not ended by then is undone by SQLite, as after a real death.
type Cloud struct {
	shop     *Shop
	dir      string
	db       *database.DB
	logs     *merkle.Logs
	account  archive.AccountID
	servers  []*server
	parts    uint64 // sources of chance so far
	coupled  bool
	down     bool          // nobody is to start it again
	ahead    time.Duration // of its clock
	full     bool          // its database has no room
	restored bool          // an older backup took its place at some time
	relapsed bool          // it did, and not all is caught up yet
	restores int
	drops    int // connections that are to end after a commit
	leases   leases
	rand     *rand.Rand // of what goes wrong
}

const (
	cloudHost    = "cloud.example"
	cloudURL     = "https://" + cloudHost
	cloudAccount = "inhaber@example.org"
	cloudSecret  = "Sonnenschein1!"
)

// cheapHash is for passwords that protect nothing.
var cheapHash = accounts.HashParams{Memory: 64, Passes: 1, Threads: 1}

// freshCloud returns the database file of a cloud with one account and nothing else, emptyCloud one without that. They are made once: to
// migrate takes longer than the day of a shop.
var (
	freshCloud = sync.OnceValues(func() ([]byte, error) { return cloudFile(true) })
	emptyCloud = sync.OnceValues(func() ([]byte, error) { return cloudFile(false) })
)

func cloudFile(account bool) (file []byte, err error) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "cloud")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	random := reader{rand.New(rand.NewPCG(1, 2))}
	db, err := database.Open(ctx, database.Options{Dir: dir, Random: random})
	if err != nil {
		return nil, err
	}
	a, err := accounts.New(accounts.Options{DB: db, Cloud: db.Installation().ID, Random: random, Hash: cheapHash, Now: func() time.Time { return simulation.Epoch }})
	if err == nil && account {
		_, err = a.Create(ctx, accounts.NewAccount{Name: cloudAccount, Password: cloudSecret})
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, database.File))
}

// AddCloud gives the shop a cloud of so many servers, which is not coupled with it yet.
func (s *Shop) AddCloud(servers int) *Cloud {
	c := &Cloud{shop: s, dir: filepath.Join(s.files, "cloud"), leases: leases{holders: make(map[uint64]crdt.TillID)}}
	c.rand = c.random(4)
	s.Cloud = c
	err := c.place(freshCloud)
	if err == nil {
		err = c.open()
	}
	if err != nil {
		s.W.Fail("the cloud: %v", err)
		return c
	}
	for n := range servers {
		v := &server{cloud: c}
		v.machine = s.W.AddKeyed(fmt.Sprintf("C%d", n+1), c.db.Installation().Key, v)
		c.servers = append(c.servers, v)
	}
	s.keepApart()
	for _, v := range c.servers {
		c.start(v)
	}
	for _, t := range s.Tills {
		if t.life != nil {
			t.forward(t.life)
		}
	}
	return c
}

// place puts a database in place.
func (c *Cloud) place(made func() ([]byte, error)) error {
	file, err := made()
	if err == nil {
		err = os.MkdirAll(c.dir, 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(c.dir, database.File), file, 0o600)
	}
	return err
}

func (c *Cloud) open() (err error) {
	ctx := context.Background()
	if c.db, err = database.Open(ctx, database.Options{Dir: c.dir}); err != nil {
		return err
	}
	c.logs = merkle.New(c.db)
	// The machine on which the simulator runs does not lose its power, and syncing is all the time that a commit takes.
	write, _ := c.db.Pools()
	_, err = write.ExecContext(ctx, `PRAGMA synchronous = OFF`)
	return err
}

// keepApart lets servers of the cloud link with tills only when these call.
func (s *Shop) keepApart() {
	if s.Cloud == nil {
		return
	}
	for _, v := range s.Cloud.servers {
		for _, m := range s.W.Machines() {
			if m != v.machine {
				s.W.Never(v.machine, m)
			}
		}
	}
}

// now is the clock of the cloud.
func (c *Cloud) now() time.Time {
	c.shop.see()
	return c.shop.W.Now().Add(c.ahead)
}

// Couple couples the shop with the account of the cloud, as the person at a till does.
func (c *Cloud) Couple(t *Till) {
	v := c.serving()
	if v == nil {
		c.shop.W.Fail("the cloud does not serve")
		return
	}
	c.shop.W.MembersChange() // what comes before the roster is refused, and comes again
	t.Do("couples the shop", func(ctx context.Context, till *node.Till) error { return c.couple(ctx, v.accounts, t, till) })
	c.coupled = c.shop.W.Err() == nil
}

func (c *Cloud) couple(ctx context.Context, a *accounts.Accounts, t *Till, till *node.Till) error {
	in, err := a.SignIn(ctx, accounts.Credentials{Name: cloudAccount, Password: cloudSecret, Label: "Kasse"})
	if err != nil {
		return err
	}
	c.account = archive.AccountID(in.Account.ID)
	caller, err := a.Authenticate(ctx, in.Token)
	if err != nil {
		return err
	}
	shop, w := t.newcomer.Identity.Shop, accounts.Warrant{Caller: &caller}
	prepared, err := a.Prepare(ctx, w, shop, t.M.Till())
	if err != nil {
		return err
	}
	claim := coupling.Claim{Nonce: prepared.Nonce, Cloud: prepared.Cloud, Host: cloudHost, Account: prepared.Account.ID, Shop: shop, Till: t.M.Till(), Name: t.Name}
	signature, err := claim.Sign(t.M.Key())
	if err != nil {
		return err
	}
	var roster []accounts.Item
	for _, p := range till.RosterProof() {
		roster = append(roster, accounts.Item{Type: p.Type, ID: p.Object, Raw: p.Raw})
	}
	if _, err = a.Couple(ctx, w, accounts.Coupling{Shop: shop, ShopName: "Café Mitte", Till: t.M.Till(), TillName: t.Name, Host: cloudHost,
		Nonce: prepared.Nonce, Signature: signature, Roster: roster}); err != nil {
		return err
	}
	key, _ := c.db.Installation().Key.Public().(ed25519.PublicKey) // it always is one
	_, _, err = till.Couple(ctx, node.NewCoupling{Key: key, URL: cloudURL, Account: cloudAccount})
	return err
}

// serving returns a server that answers, nil if there is none.
func (c *Cloud) serving() *server {
	for _, v := range c.servers {
		if v.up() && !v.mute {
			return v
		}
	}
	return nil
}

// errNoWay is that nothing comes back from the cloud.
var errNoWay = errors.New("there is no way to the cloud")

// called takes the call of a till: it may not get through.
func (c *Cloud) called(to *call) {
	v, delay, err := c.way(to.life)
	c.shop.W.At(delay, func() {
		if err == nil && !v.up() {
			err = &cloudlink.Failure{Cause: cloudlink.ServerDown, Err: errors.New("connection refused")}
		}
		if err != nil {
			to.reply(nil, err)
			return
		}
		v.called(to)
	})
}

// way returns where a word of a till to the cloud arrives, and when; or an error, and when it is noticed.
func (c *Cloud) way(l *life) (*server, time.Duration, error) {
	v := c.route()
	at := c.servers[0]
	if v != nil {
		at = v
	}
	delay, ok := c.shop.W.Reach(l.till.M, at.machine)
	_, back := c.shop.W.Reach(at.machine, l.till.M)
	switch {
	case !ok || !back:
		return nil, time.Second + c.shop.W.Under(4*time.Second), &cloudlink.Failure{Cause: cloudlink.NoInternet, Err: errNoWay}
	case v == nil:
		return nil, 2 * delay, &cloudlink.Failure{Cause: cloudlink.ServerDown, Err: errors.New("connection refused")}
	}
	return v, delay, nil
}

// probed takes a look of a till.
func (c *Cloud) probed(l *life, found chan<- error) {
	_, delay, err := c.way(l)
	c.shop.W.At(2*delay, func() { c.shop.answer(func() { found <- err }) })
}

// route returns the server that a call arrives at: the one that holds the seat of the shop, as a server in front would pass it on, else
// any that serves.
func (c *Cloud) route() *server {
	for _, v := range c.servers {
		if v.up() && v.replica != nil && !v.mute {
			return v
		}
	}
	return c.serving()
}

// silence has the database say that a server was not heard of for long: its clock is not the world's.
func (c *Cloud) silence(id string) {
	if c.db == nil {
		return
	}
	err := c.exec(func(ctx context.Context, tx *database.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE servers SET seen = 0 WHERE server = ?`, id)
		return err
	})
	if err != nil {
		c.shop.W.Fail("the database of the cloud: %v", err)
	}
}

// end ends all servers.
func (c *Cloud) end() {
	if c == nil {
		return
	}
	for _, v := range c.servers {
		v.end()
	}
}

// close closes the database, when no goroutine is left.
func (c *Cloud) close() error {
	if c == nil || c.db == nil {
		return nil
	}
	return c.db.Close()
}
