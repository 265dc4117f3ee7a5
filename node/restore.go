package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node/backup"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/badger"
)

// RestoreOptions say what to restore and how the new till gets into the shop.
type RestoreOptions struct {
	JoinOptions // Name may be empty: that of the till in the backup. Shop and Replaces come from the backup
	File        string
	// Alone: no other till is asked; the founder secret in the backup admits the new one. Only for when no till is left.
	Alone bool
	// Show is given what the backup holds, before anything is made; its error ends the restore. May be nil.
	Show     func(backup.Report) error
	Progress func(backup.Progress) // may be nil
}

// Restored says what was made.
type Restored struct {
	Joined
	Report        backup.Report
	Name          string
	FounderSecret bool // the new till has the founder secret, and its backups will
}

// ErrNoFounderSecret means that a backup cannot be restored without a till of the shop.
var ErrNoFounderSecret = hint(errors.New("the backup holds no founder secret, so no till can be restored from it alone"),
	"let a till of the shop admit the new one: leave --alone out; or use a backup of the till that founded the shop")

// Restore makes a new till that holds what a backup holds and takes the place of the till that wrote it, with numbers of its
// own. The directory must be empty or missing. Nothing is there before everything is; after an error nothing is left.
func Restore(ctx context.Context, o RestoreOptions) (out Restored, err error) {
	o.JoinOptions = o.JoinOptions.ready()
	if err := checkEmpty(o.Data); err != nil {
		return out, err
	}
	if out.Report, err = backup.VerifyFile(ctx, o.File, o.Progress); err != nil {
		return out, badBackup(err)
	}
	h := out.Report.Header
	o.Name, o.Shop, o.Replaces = or(o.Name, h.TillName), h.Shop, h.Till
	if o.Alone && !out.Report.HasFounderSecret {
		return out, ErrNoFounderSecret
	}
	if o.Show != nil {
		if err := o.Show(out.Report); err != nil {
			return out, err
		}
	}
	dir, err := makeDir(o.Data)
	if err != nil {
		return out, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, dir.discard())
		}
	}()
	contents, err := o.load(ctx, dir.tmp, out.Report)
	if err != nil {
		return out, err
	}
	// Whoever has the backup has its secret; the till that goes on from it keeps it for its own backups.
	founder, problem := recoveryKeyOf(contents.Secrets.Founder, out.Report.Roster)
	out.Name, out.FounderSecret = o.Name, founder != nil
	if o.Alone {
		if problem != nil {
			return out, hint(problem, "let a till of the shop admit the new one: leave --alone out")
		}
		out.Joined, err = o.alone(ctx, dir, contents, founder)
		return out, err
	}
	j, err := NewJoiner(o.JoinOptions)
	if err != nil {
		return out, err
	}
	j.dir, j.founder = dir, founder
	out.Joined, err = j.join(ctx)
	return out, err
}

// badBackup says what to do about a file that cannot be used.
func badBackup(err error) error {
	switch {
	case errors.Is(err, backup.ErrDamaged):
		return hint(err, "nothing was made; copy the file again from where it comes, or use another backup")
	case errors.Is(err, backup.ErrNoBackup):
		return hint(err, "nothing was made; name a file that \"till backup\" wrote")
	}
	return err
}

// load fills the store of a directory that is being made.
func (o RestoreOptions) load(ctx context.Context, dir string, report backup.Report) (c backup.Contents, err error) {
	rowStore, _, err := badger.Open(badger.Options{Dir: filepath.Join(dir, dirStore), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, rowStore.Close()) }()
	st, err := store.Open(ctx, rowStore)
	if err != nil {
		return c, err
	}
	return backup.LoadFile(ctx, o.File, st, report, o.Progress)
}

// alone lets the new till in by the founder secret.
func (o RestoreOptions) alone(ctx context.Context, dir *newDir, c backup.Contents, founder ed25519.PrivateKey) (Joined, error) {
	key := o.deviceKey()
	var replica crdt.ReplicaID
	o.draw(replica[:])
	n, err := newRestored(c, key, founder, replica, o.JoinOptions)
	if err != nil {
		return Joined{}, fmt.Errorf("restore: %w", err)
	}
	err = dir.put(func(tmp string) error { return n.writeTo(ctx, tmp, home{o.Data, o.StateDir}, o.Environment) })
	return Joined{Shop: n.Identity.Shop, ShopName: c.Report.Header.ShopName, Till: n.Identity.Till, Prefix: n.Identity.Prefix}, err
}

// newRestored returns the till with this device key, admitted by the founder secret in place of the one that was backed up.
func newRestored(c backup.Contents, key, founder ed25519.PrivateKey, replica crdt.ReplicaID, o JoinOptions) (Newcomer, error) {
	public, now := key.Public().(ed25519.PublicKey), o.Now().UnixMilli()
	prefix, err := c.Report.Roster.RecoveryPrefix(public)
	if err != nil {
		return Newcomer{}, err
	}
	h := c.Report.Header
	member, err := shop.Admission{
		PublicKey: public, Name: o.Name, Prefix: prefix, By: crdt.TillIDOf(founder.Public().(ed25519.PublicKey)), MS: now, Replaces: h.Till,
	}.Sign(h.Shop, founder)
	if err != nil {
		return Newcomer{}, err
	}
	keys, shopKey, err := readKeptKeys(c.Secrets.Gossip)
	if err != nil {
		return Newcomer{}, err
	}
	n := Newcomer{Key: key, Founder: founder, Identity: Identity{
		Shop: h.Shop, Till: crdt.TillIDOf(public), Prefix: prefix, ShopKey: shopKey, Mode: or(o.Mode, string(shop.DefaultMode)), Replica: replica,
	}}
	first, err := firstKeys(shopKey)
	if err != nil {
		return n, err
	}
	if !keys.Equal(first) {
		n.Keys = keys
	}
	own, err := ownPieces(n.Identity, key, o.Name, now)
	n.Own = append([]crdt.Piece{member}, own...)
	return n, err
}
