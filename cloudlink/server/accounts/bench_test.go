package accounts_test

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/database/databasetest"
	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
	"github.com/tillmesh/tillmesh/cloudlink/server/coupling"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

const (
	name     = "anna@sonnenschein.example"
	password = "Drei.Loewen7am!Fenster"
)

// cheap parameters: what they cost is measured elsewhere.
var cheap = accounts.HashParams{Memory: 64, Passes: 1, Threads: 1}

// bench is a database with the accounts of one or more servers, and a clock.
type bench struct {
	*accounts.Accounts
	t    *testing.T
	db   *database.DB
	mu   sync.Mutex
	time time.Time
}

func newBench(t *testing.T, db *database.DB) *bench {
	b := &bench{t: t, db: db, time: time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)}
	b.Accounts = b.server(cheap)
	return b
}

// server returns the accounts of another server on the same database.
func (b *bench) server(p accounts.HashParams) *accounts.Accounts {
	a, err := accounts.New(accounts.Options{DB: b.db, Cloud: b.db.Installation().ID, Hosts: []string{"Cloud.Example:443"}, Now: b.now, Hash: p, Hashes: 2})
	require.NoError(b.t, err)
	return a
}

func (b *bench) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.time
}

func (b *bench) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.time = b.time.Add(d)
}

// each runs a test on every engine.
func each(t *testing.T, test func(t *testing.T, b *bench)) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) { test(t, newBench(t, db)) })
}

// from returns one of many addresses.
func from(n int) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, byte(n >> 8), byte(n)}) }

func (b *bench) account(name string) accounts.Account {
	b.t.Helper()
	a, err := b.Create(b.t.Context(), accounts.NewAccount{Name: name, Password: password, From: from(rand.IntN(60000))})
	require.NoError(b.t, err)
	return a
}

func (b *bench) signIn(name string) accounts.Opened {
	b.t.Helper()
	o, err := b.SignIn(b.t.Context(), accounts.Credentials{Name: name, Password: password, Label: "Laptop", From: from(1)})
	require.NoError(b.t, err)
	return o
}

// owner makes an account and returns who is signed in to it.
func (b *bench) owner(name string) accounts.Caller {
	b.t.Helper()
	b.account(name)
	c, err := b.Authenticate(b.t.Context(), b.signIn(name).Token)
	require.NoError(b.t, err)
	return c
}

// refused says that an error is a refusal with this code.
func refused(t *testing.T, code string, err error) *accounts.Refusal {
	t.Helper()
	r, ok := errors.AsType[*accounts.Refusal](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, code, r.Code, r.Text)
	require.NotEmpty(t, r.Text)
	return r
}

// member is a till of a shop.
type member struct {
	key    ed25519.PrivateKey
	id     crdt.TillID
	name   string
	shop   crdt.ShopID
	roster []accounts.Item
}

func itemOf(p crdt.Piece) accounts.Item { return accounts.Item{Type: p.Type, ID: p.Object, Raw: p.Raw} }

// founder makes a shop.
func founder(t *testing.T, seed byte) member {
	t.Helper()
	key := ed25519.NewKeyFromSeed([]byte(fmt.Sprintf("%032d", seed)))
	public := key.Public().(ed25519.PublicKey)
	a, id := shop.Found(public, [shop.NonceSize]byte{seed}, "Kasse 1", 1_700_000_000_000)
	piece, err := a.Sign(id, key)
	require.NoError(t, err)
	return member{key, crdt.TillIDOf(public), "Kasse 1", id, []accounts.Item{itemOf(piece)}}
}

// admit makes another till of the shop.
func (m member) admit(t *testing.T, seed byte, name string) member {
	t.Helper()
	key := ed25519.NewKeyFromSeed([]byte(fmt.Sprintf("%032d", int(seed)+1000)))
	public := key.Public().(ed25519.PublicKey)
	a := shop.Admission{PublicKey: public, Name: name, Prefix: fmt.Sprintf("K%d", seed), By: m.id, MS: 1_700_000_000_000}
	piece, err := a.Sign(m.shop, m.key)
	require.NoError(t, err)
	return member{key, crdt.TillIDOf(public), name, m.shop, append([]accounts.Item{itemOf(piece)}, m.roster...)}
}

// ask is what the till sends once somebody confirmed.
func (m member) ask(t *testing.T, p accounts.Prepared) accounts.Coupling {
	t.Helper()
	c := accounts.Coupling{Shop: m.shop, ShopName: "Café Sonnenschein", Till: m.id, TillName: m.name, Host: "cloud.example", Nonce: p.Nonce, Roster: m.roster}
	claim := coupling.Claim{Nonce: p.Nonce, Cloud: p.Cloud, Host: c.Host, Account: p.Account.ID, Shop: m.shop, Till: m.id, Name: m.name}
	var err error
	c.Signature, err = claim.Sign(m.key)
	require.NoError(t, err)
	return c
}

func (b *bench) couple(w accounts.Warrant, m member) (accounts.Coupled, error) {
	b.t.Helper()
	w.TillName = m.name
	p, err := b.Prepare(b.t.Context(), w, m.shop, m.id)
	if err != nil {
		return accounts.Coupled{}, err
	}
	return b.Couple(b.t.Context(), w, m.ask(b.t, p))
}
