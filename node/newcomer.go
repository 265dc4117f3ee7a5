package node

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node/pairing"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/mesh"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/badger"
	"github.com/tillmesh/tillmesh/replication/store/highwater"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// Newcomer is a till that was founded or admitted and has no store yet.
type Newcomer struct {
	Identity Identity
	Key      ed25519.PrivateKey // of the device
	Received []*crdt.Commit     // the roster as the shop handed it over
	Own      []crdt.Piece       // what the till says of itself in its first commit
	Keys     mesh.GossipKeys    // to gossip with, if there are others than the shop key
	Founder  ed25519.PrivateKey // the founder secret, nil if this till does not get it
}

// deviceKey makes the key of a new till.
func (e Environment) deviceKey() ed25519.PrivateKey {
	var seed [ed25519.SeedSize]byte
	e.draw(seed[:])
	return ed25519.NewKeyFromSeed(seed[:])
}

// ownPieces are what every till says of itself in its first commit: its lineage, name and mode.
func ownPieces(id Identity, key ed25519.PrivateKey, name string, ms int64) ([]crdt.Piece, error) {
	lineage, err := shop.Lineage{Till: id.Till, Replica: id.Replica, Prefix: id.Prefix, MS: ms}.Sign(id.Shop, key)
	if err != nil {
		return nil, err
	}
	m := shop.Mode(id.Mode)
	if !m.Known() {
		return nil, fmt.Errorf("mode %q: %w", id.Mode, shop.ErrInvalid)
	}
	self, err := shop.EditTill(id.Till, nil, shop.TillEdit{Name: &name, Mode: &m})
	if err != nil {
		return nil, err
	}
	return append([]crdt.Piece{lineage}, self...), nil
}

// NewMember returns the till with this key after a till of the shop answered that it is admitted. An answer that does not
// prove it is refused.
func NewMember(a pairing.Answer, key ed25519.PrivateKey, replica crdt.ReplicaID, name, mode string, now time.Time) (Newcomer, error) {
	n := Newcomer{Key: key, Received: make([]*crdt.Commit, 0, len(a.Admission))}
	roster := shop.NewRoster(a.Shop)
	for _, raw := range a.Admission {
		c, err := crdt.DecodeCommit(raw)
		if err != nil {
			return n, fmt.Errorf("roster of the shop: %w", err)
		}
		if c.Scope != crdt.Shop {
			return n, fmt.Errorf("roster of the shop: it holds changes of %v", c.Scope)
		}
		if err := roster.AddCommit(c); err != nil {
			return n, fmt.Errorf("roster of the shop: %w", err)
		}
		n.Received = append(n.Received, c)
	}
	self, ok := roster.Till(crdt.TillIDOf(key.Public().(ed25519.PublicKey)))
	if !ok || self.State != shop.Active {
		return n, errors.New("the shop's answer does not prove that this till was admitted")
	}
	n.Identity = Identity{Shop: a.Shop, Till: self.ID, Prefix: self.Prefix, ShopKey: hex.EncodeToString(a.ShopKey[:]),
		Mode: or(mode, string(shop.DefaultMode)), Replica: replica}
	var err error
	n.Own, err = ownPieces(n.Identity, key, name, now.UnixMilli())
	if len(a.GossipKeys) > 0 {
		n.Keys = answeredKeys(a)
	}
	return n, err
}

// Fill writes the first rows of the till: whose store it is, what was received, and the till's own first commit, unless
// Own is empty and the till is to say that later. It returns the record to be kept beside the rows.
func (n Newcomer) Fill(ctx context.Context, r rows.Store, now time.Time) (store.Record, error) {
	st, err := store.Open(ctx, r)
	if err != nil {
		return store.Record{}, err
	}
	id := n.Identity
	if err := st.SetIdentity(ctx, store.Identity{Shop: id.Shop, Till: id.Till, Replica: id.Replica}); err != nil {
		return store.Record{}, err
	}
	boot, err := st.NextBoot(ctx, now.Unix())
	if err != nil {
		return store.Record{}, err
	}
	ops := make([]replication.Op, 0, len(n.Received)+1)
	for _, c := range n.Received {
		ops = append(ops, replication.Op{Commit: c})
	}
	if len(n.Own) > 0 {
		commit, err := n.first(boot, now)
		if err != nil {
			return store.Record{}, err
		}
		ops = append(ops, replication.Op{Commit: commit, Own: true})
	}
	_, err = st.Apply(ctx, ops)
	return store.Record{Replica: id.Replica, Boot: boot}, err
}

// first returns the till's own first commit.
func (n Newcomer) first(boot uint32, now time.Time) (*crdt.Commit, error) {
	id := n.Identity
	commit := &crdt.Commit{
		Scope: crdt.Shop, Dot: crdt.Dot{Replica: id.Replica, Seq: crdt.NewSeq(boot, 1)},
		Stamp: crdt.Stamp{Trusted: true, MS: now.UnixMilli()}, WallMS: now.UnixMilli(), Schema: shop.Schema, Pieces: n.Own,
	}
	return commit, commit.Seal()
}

// writeTo fills a new data directory: the store, the high-water record, the keys and last the identity.
func (n Newcomer) writeTo(ctx context.Context, dir string, at home, env Environment) (err error) {
	rowStore, _, err := badger.Open(badger.Options{Dir: filepath.Join(dir, dirStore), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rowStore.Close()) }()
	rec, err := n.Fill(ctx, rowStore, env.Now())
	if err != nil {
		return err
	}
	water, err := highwater.Create(filepath.Join(dir, fileHighWater), rec.Encode())
	if err != nil {
		return err
	}
	if err := water.Close(); err != nil {
		return err
	}
	if !n.Keys.IsZero() {
		if err := writeKeys(dir, n.Keys); err != nil {
			return err
		}
	}
	if n.Founder != nil {
		if err := writeFounder(dir, n.Founder); err != nil {
			return err
		}
	}
	if err := at.bind(dir, n.Identity, rec); err != nil {
		return err
	}
	return writeIdentity(dir, n.Identity, n.Key, env.Random)
}
