package database

import (
	"context"
	"crypto/ed25519"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// Installation is who this cloud is, however many servers it has. It is made once, in a new database, and moves with it.
type Installation struct {
	Key     ed25519.PrivateKey
	ID      crdt.TillID // of the key: the cloud is a peer of each shop
	Created time.Time   // by the clock of the database
}

// Installation returns who this cloud is.
func (d *DB) Installation() Installation { return d.installation }

// install reads the installation, or makes it: of several servers that do so at once one is first, and all read its key.
func (d *DB) install(ctx context.Context, random io.Reader) (in Installation, err error) {
	found, err := d.installed(ctx)
	if err == nil || !errors.Is(err, sql.ErrNoRows) {
		return found, err
	}
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return in, fmt.Errorf("draw the key of the installation: %w", err)
	}
	err = d.Tx(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO installation (one, seed, created) VALUES (1, ?, `+d.dialect.Now()+`) ON CONFLICT (one) DO NOTHING`, seed)
		return err
	})
	if err != nil {
		return in, fmt.Errorf("keep the key of the installation: %w", err)
	}
	return d.installed(ctx)
}

func (d *DB) installed(ctx context.Context) (in Installation, err error) {
	var seed []byte
	var created int64
	if err := d.read.QueryRowContext(ctx, `SELECT seed, created FROM installation WHERE one = 1`).Scan(&seed, &created); err != nil {
		return in, fmt.Errorf("read the installation: %w", d.reading(ctx, err))
	}
	if len(seed) != ed25519.SeedSize {
		return in, fmt.Errorf("%w: the key of the installation has %d bytes, not %d: restore the database from its backup",
			rows.ErrCorrupt, len(seed), ed25519.SeedSize)
	}
	in.Key = ed25519.NewKeyFromSeed(seed)
	in.ID = crdt.TillIDOf(in.Key.Public().(ed25519.PublicKey))
	in.Created = time.UnixMilli(created).UTC()
	return in, nil
}
