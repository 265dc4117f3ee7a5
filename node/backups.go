package node

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/node/backup"
	"github.com/tillmesh/tillmesh/node/backup/found"
	"github.com/tillmesh/tillmesh/replication/mesh"
)

// CodeBackupRuns refuses a backup while another one is written.
const CodeBackupRuns = "backup-runs"

// Gate returns what the replicator writes through, in place of the store: a backup ends in a moment in which it lets
// nothing through.
func (t *Till) Gate() *backup.Gate { return t.gate }

// BackupState is how the backup is doing that this till writes, or how the last one since its start ended.
type BackupState struct {
	Running       bool
	Began         time.Time // zero: none was written since this till started
	Ended         time.Time // zero while it runs
	Commits       int64
	Bytes         int64
	Hash          string // SHA-256 of the file, hexadecimal; empty unless it ended well
	Problem       string // why it did not end well
	FounderSecret bool   // it holds the founder secret
}

// backups lets one backup at a time be written.
type backups struct {
	mu    sync.Mutex
	state BackupState
}

// BackupState returns how the backup is doing.
func (t *Till) BackupState() BackupState {
	t.backups.mu.Lock()
	defer t.backups.mu.Unlock()
	return t.backups.state
}

func (b *backups) change(f func(*BackupState)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(&b.state)
}

// Backup writes everything this till holds into w as one backup, in the format of package backup, while it goes on
// selling. After an error what was written is no backup. Whoever calls it keeps the bytes and reads them back:
// backup.SaveFile.
func (t *Till) Backup(ctx context.Context, w io.Writer) error {
	about, err := t.aboutBackup(ctx)
	if err != nil {
		return err
	}
	busy := false
	t.backups.change(func(s *BackupState) {
		if busy = s.Running; !busy {
			*s = BackupState{Running: true, Began: about.Header.Made, FounderSecret: t.founder != nil}
		}
	})
	if busy {
		return refuse(CodeBackupRuns, "wait until it is done", "another backup of this till is being written")
	}
	t.events.post(Event{What: "backup", Change: "begun"})
	written, err := backup.Write(ctx, w, t.gate, about, func(p backup.Progress) {
		t.backups.change(func(s *BackupState) { s.Commits, s.Bytes = p.Commits, p.Bytes })
	})
	end := "done"
	t.backups.change(func(s *BackupState) {
		s.Running, s.Ended = false, t.clock.Now()
		if err != nil {
			s.Problem, end = err.Error(), "failed"
			return
		}
		s.Commits, s.Bytes, s.Hash = written.Commits, written.Bytes, hex.EncodeToString(written.Hash[:])
	})
	t.events.post(Event{What: "backup", Change: end})
	return err
}

func (t *Till) aboutBackup(ctx context.Context) (backup.About, error) {
	settings, err := t.Settings(ctx)
	if err != nil {
		return backup.About{}, err
	}
	about := backup.About{Header: backup.Header{
		Shop: t.id.Shop, ShopName: settings.Shop.Name, Till: t.id.Till, TillName: t.roster.name(t.id.Till), Replica: t.id.Replica,
		Prefix: t.series.Prefix(), Program: cmp.Or(t.version, "unknown"), Made: t.clock.Now(),
	}}
	about.Notes = []string{found.MarkNote, lineageNotes}
	if about.Secrets.Gossip, err = keptKeys(t.GossipKeys(), t.id.ShopKey); err != nil {
		return about, err
	}
	if t.founder != nil {
		about.Secrets.Founder = t.founder.Seed()
	}
	return about, nil
}

// lineageNotes is how the notes begin that tell of doubts about this store, see package lineage.
const lineageNotes = "lineage/"

// keptKey is how a gossip key lies in a backup: how many revocations were known when it was made, then the key.
const keptKey = 4 + 32

// keptKeys returns the gossip keys for a backup: the one in use first, the shop key last.
func keptKeys(set mesh.GossipKeys, shopKey string) ([][]byte, error) {
	first, err := firstKeys(shopKey)
	if err != nil {
		return nil, err
	}
	list := set.All()
	if !set.Equal(first) {
		list = append(list, first.All()...)
	}
	var out [][]byte
	for _, k := range list {
		out = append(out, append(binary.BigEndian.AppendUint32(nil, k.Revocations), k.Secret[:]...))
	}
	return out, nil
}

// readKeptKeys reads what keptKeys wrote.
func readKeptKeys(list [][]byte) (set mesh.GossipKeys, shopKey string, err error) {
	for i, b := range list {
		if len(b) != keptKey {
			return set, "", fmt.Errorf("gossip key %d of the backup has %d bytes, not %d", i+1, len(b), keptKey)
		}
		var key [32]byte
		copy(key[:], b[4:])
		set = set.Rotated(binary.BigEndian.Uint32(b), key)
		shopKey = hex.EncodeToString(key[:])
	}
	if shopKey == "" {
		return set, "", errors.New("the backup holds no gossip key")
	}
	return set, shopKey, nil
}
