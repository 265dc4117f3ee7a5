package node

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/badger"
	"github.com/tillmesh/tillmesh/replication/store/highwater"
)

// FoundOptions say what shop to found. Empty fields have the defaults of the command: DE, EUR, full mode.
type FoundOptions struct {
	Data, Shop, Name, Country, Currency, Mode string
}

// Founded says what was made.
type Founded struct {
	Shop   crdt.ShopID
	Till   crdt.TillID
	Prefix string // of this till's receipt numbers
}

// Found makes a new shop whose first till is this one. The directory must be empty or missing.
func Found(ctx context.Context, o FoundOptions) (Founded, error) {
	if err := checkEmpty(o.Data); err != nil {
		return Founded{}, err
	}
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Founded{}, fmt.Errorf("make device key: %w", err)
	}
	now := time.Now()
	var nonce [shop.NonceSize]byte
	var shopKey [32]byte
	var replica crdt.ReplicaID
	_, _ = rand.Read(nonce[:])
	_, _ = rand.Read(shopKey[:])
	_, _ = rand.Read(replica[:])
	admission, shopID := shop.Found(public, nonce, o.Name, now.UnixMilli())
	till := admission.Till()
	out := Founded{Shop: shopID, Till: till, Prefix: admission.Prefix}

	country, currency := or(o.Country, shop.DefaultCountry), or(o.Currency, shop.DefaultCurrency)
	settings, err := shop.EditSettings(nil, shop.SettingsEdit{
		Business: &shop.Business{Name: o.Shop, Country: country},
		Money:    &shop.Money{Currency: currency},
		Shop:     &shop.Shop{Name: o.Shop},
	})
	if err != nil {
		return Founded{}, fmt.Errorf("found shop: %w", err)
	}
	member, err := admission.Sign(shopID, key)
	if err != nil {
		return Founded{}, fmt.Errorf("found shop: %w", err)
	}
	own, err := ownPieces(shopID, key, replica, admission.Prefix, o.Name, o.Mode, now)
	if err != nil {
		return Founded{}, fmt.Errorf("found shop: %w", err)
	}
	id := identityFile{Shop: shopID, Till: till, Prefix: admission.Prefix, ShopKey: hex.EncodeToString(shopKey[:]),
		Mode: or(o.Mode, string(shop.DefaultMode)), Replica: replica}
	err = build(o.Data, func(tmp string) error {
		pieces := append(append([]crdt.Piece{member}, own...), settings...)
		return firstStore(ctx, tmp, id, key, nil, pieces, now)
	})
	if err != nil {
		return Founded{}, fmt.Errorf("found shop: %w", err)
	}
	return out, nil
}

func or(s, byDefault string) string {
	if s == "" {
		return byDefault
	}
	return s
}

// ownPieces are what every till says of itself in its first commit: its lineage, name and mode.
func ownPieces(shopID crdt.ShopID, key ed25519.PrivateKey, replica crdt.ReplicaID, prefix, name, mode string, now time.Time) ([]crdt.Piece, error) {
	till := crdt.TillIDOf(key.Public().(ed25519.PublicKey))
	lineage, err := shop.Lineage{Till: till, Replica: replica, Prefix: prefix, MS: now.UnixMilli()}.Sign(shopID, key)
	if err != nil {
		return nil, err
	}
	m := shop.Mode(or(mode, string(shop.DefaultMode)))
	if !m.Known() {
		return nil, fmt.Errorf("mode %q: %w", mode, shop.ErrInvalid)
	}
	self, err := shop.EditTill(till, nil, shop.TillEdit{Name: &name, Mode: &m})
	if err != nil {
		return nil, err
	}
	return append([]crdt.Piece{lineage}, self...), nil
}

// firstStore fills a new data directory: the store with what was received and the till's own first commit, the
// high-water record, the keys and last the identity.
func firstStore(ctx context.Context, dir string, id identityFile, key ed25519.PrivateKey, received []*crdt.Commit,
	own []crdt.Piece, now time.Time,
) (err error) {
	engine, _, err := badger.Open(badger.Options{Dir: filepath.Join(dir, dirStore), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	st, err := store.Open(ctx, engine)
	if err != nil {
		return err
	}
	if err := st.SetIdentity(ctx, store.Identity{Shop: id.Shop, Till: id.Till, Replica: id.Replica}); err != nil {
		return err
	}
	boot, err := st.NextBoot(ctx, now.Unix())
	if err != nil {
		return err
	}
	ops := make([]replication.Op, 0, len(received)+1)
	for _, c := range received {
		ops = append(ops, replication.Op{Commit: c})
	}
	commit := &crdt.Commit{
		Scope: crdt.Shop, Dot: crdt.Dot{Replica: id.Replica, Seq: crdt.NewSeq(boot, 1)},
		Stamp: crdt.Stamp{Trusted: true, MS: now.UnixMilli()}, WallMS: now.UnixMilli(), Schema: shop.Schema, Pieces: own,
	}
	if err := commit.Seal(); err != nil {
		return err
	}
	ops = append(ops, replication.Op{Commit: commit, Own: true})
	if _, err := st.Apply(ctx, ops); err != nil {
		return err
	}
	water, err := highwater.Create(filepath.Join(dir, fileHighWater), store.Record{Replica: id.Replica, Boot: boot}.Encode())
	if err != nil {
		return err
	}
	if err := water.Close(); err != nil {
		return err
	}
	return writeIdentity(dir, id, key, rand.Reader)
}
