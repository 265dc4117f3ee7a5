package node

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

// The founder secret is the private half of the shop's recovery key (shop.Recovery). With it a till is restored from a
// backup when no other till is left that could admit it. It is made with the shop, lies in the founder's directory and in the
// backups made there, and goes to the till that is restored from one of them. No link carries it, and no till that joins
// gets it.

// founderKey makes the founder secret of a new shop and the item that makes its public half known.
func (e Environment) founderKey(shopID crdt.ShopID, device ed25519.PrivateKey, ms int64) (ed25519.PrivateKey, crdt.Piece, error) {
	secret := e.deviceKey()
	known, err := shop.Recovery{
		PublicKey: secret.Public().(ed25519.PublicKey), By: crdt.TillIDOf(device.Public().(ed25519.PublicKey)), MS: ms,
	}.Sign(shopID, device)
	return secret, known, err
}

// writeFounder keeps the founder secret in a data directory.
func writeFounder(dir string, secret ed25519.PrivateKey) error {
	return writeFile(filepath.Join(dir, fileFounder), []byte(hex.EncodeToString(secret.Seed())+"\n"))
}

// readFounder reads the founder secret of a data directory. nil: this till does not have it; then problem says why, if it
// should and cannot be read.
func readFounder(dir string) (secret ed25519.PrivateKey, problem error) {
	seed, err := readHex(filepath.Join(dir, fileFounder), ed25519.SeedSize)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("the founder secret is left out of backups: %w", err)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// recoveryKeyOf returns the key that a founder secret of a backup is, if the shop knows it.
func recoveryKeyOf(secret []byte, r *shop.Roster) (ed25519.PrivateKey, error) {
	if len(secret) != ed25519.SeedSize {
		return nil, fmt.Errorf("the founder secret in the backup has %d bytes, not %d", len(secret), ed25519.SeedSize)
	}
	key := ed25519.NewKeyFromSeed(secret)
	id := crdt.TillIDOf(key.Public().(ed25519.PublicKey))
	for _, known := range r.RecoveryKeys() {
		if known.ID() == id {
			return key, nil
		}
	}
	return nil, errors.New("the founder secret in the backup is not one of this shop")
}
