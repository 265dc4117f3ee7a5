package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/lineage"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/badger"
)

const (
	fileRebuild  = "rebuild.json" // a store is made anew in place of one that was lost or damaged; absent at other times
	dirNewStore  = "store.new"
	movedStore   = "store.damaged-" // then the time: a store that was moved aside; it stays until a person removes it
	rebuildsForm = 1
)

// rebuild is what is known of a store that is made anew. It is kept until the new lineage is durable, so that a start
// after a crash goes on where this one was.
type rebuild struct {
	Version int               `json:"version"`
	Kind    lineage.Kind      `json:"kind"`   // store-missing or store-damaged
	Detail  string            `json:"detail"` // what was found
	At      time.Time         `json:"at"`
	Moved   string            `json:"moved,omitempty"` // name in the data directory of the damaged store; empty if there was none
	Filled  bool              `json:"filled"`          // the new store holds what could be saved; what follows is known
	Commits int               `json:"commits"`         // that were saved
	Damage  []string          `json:"damage,omitempty"`
	Replica crdt.ReplicaID    `json:"replica"` // lineage and last start of the damaged store, zero if they could not be read
	Boot    uint32            `json:"boot"`
	Series  map[string]uint64 `json:"series,omitempty"` // own numbers on receipts that were saved
}

func (m *Machine) rebuildPath() string { return filepath.Join(m.o.Data, fileRebuild) }

// pendingRebuild returns the rebuild that an earlier start did not end, nil if there is none. One that was cut off while it
// was written says nothing: nothing had been moved yet.
func (m *Machine) pendingRebuild() (*rebuild, error) {
	b, err := os.ReadFile(m.rebuildPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", fileRebuild, err)
	}
	r, err := decodeRebuild(b)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", m.rebuildPath(), err)
	}
	return r, nil
}

func decodeRebuild(b []byte) (*rebuild, error) {
	r := new(rebuild)
	if err := json.Unmarshal(b, r); err != nil {
		return nil, err
	}
	if r.Version != rebuildsForm {
		return nil, hint(fmt.Errorf("version %d: %w", r.Version, crdt.ErrVersion), "run the newer program; nothing was changed")
	}
	return r, nil
}

func (m *Machine) keepRebuild(r *rebuild) error {
	b, err := r.encode()
	if err != nil {
		return fmt.Errorf("keep what is known of the damaged store: %w", err)
	}
	return replaceFile(m.rebuildPath(), b)
}

func (r *rebuild) encode() ([]byte, error) {
	b, err := json.MarshalIndent(r, "", "  ")
	return append(b, '\n'), err
}

// endRebuild forgets a rebuild: the store has its new lineage.
func (m *Machine) endRebuild() error {
	err := os.Remove(m.rebuildPath())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("end the rebuild: %w", err)
	}
	return syncDir(m.o.Data)
}

// replaceFile replaces a small file that only its owner may read: after a crash the old or the new one is there.
func replaceFile(path string, content []byte) error {
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	if err := writeFile(fresh, content); err != nil {
		return err
	}
	if err := os.Rename(fresh, path); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return syncDir(filepath.Dir(path))
}

// beginRebuild notes that the store is lost or damaged. The store must be closed.
func (m *Machine) beginRebuild(kind lineage.Kind, detail string) (*rebuild, error) {
	r := &rebuild{Version: rebuildsForm, Kind: kind, Detail: detail, At: m.o.Now().UTC(), Series: map[string]uint64{}}
	if kind == lineage.StoreDamaged {
		r.Moved = movedStore + r.At.Format("20060102T150405Z")
		for i := 2; ; i++ {
			_, err := os.Lstat(filepath.Join(m.o.Data, r.Moved))
			if errors.Is(err, fs.ErrNotExist) {
				break
			}
			r.Moved = fmt.Sprintf("%s%s-%d", movedStore, r.At.Format("20060102T150405Z"), i)
		}
	}
	m.o.Log.Error("the store is made anew", "reason", detail, "kind", kind, "moved", r.Moved)
	return r, m.keepRebuild(r)
}

// goOn does the steps of a rebuild that are left, each durable before the next: the damaged store is moved aside, a new one
// is filled beside its place with what can be saved, and put in place. It reports whether the store in place is that one and
// has no lineage yet; if not, the rebuild was over.
func (m *Machine) goOn(ctx context.Context, id Identity, r *rebuild) (bool, error) {
	place := filepath.Join(m.o.Data, dirStore)
	if r.Moved != "" {
		aside := filepath.Join(m.o.Data, r.Moved)
		if _, err := os.Lstat(aside); errors.Is(err, fs.ErrNotExist) {
			// The orphans first: if the power goes in between, the store is still in its place, and its orphans are found by name.
			if err := os.Rename(badger.OrphanDir(place), badger.OrphanDir(aside)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return false, fmt.Errorf("move the damaged store aside: %w", err)
			}
			if err := os.Rename(place, aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return false, fmt.Errorf("move the damaged store aside: %w", err)
			}
			if err := syncDir(m.o.Data); err != nil {
				return false, err
			}
		} else if err != nil {
			return false, fmt.Errorf("look for the damaged store: %w", err)
		}
	}
	if checkEmpty(place) == nil {
		if err := m.fillNew(ctx, id, r); err != nil {
			return false, err
		}
		if err := os.Remove(place); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, fmt.Errorf("put the new store in place: %w", err)
		}
		if err := os.Rename(filepath.Join(m.o.Data, dirNewStore), place); err != nil {
			return false, fmt.Errorf("put the new store in place: %w", err)
		}
		if err := syncDir(m.o.Data); err != nil {
			return false, err
		}
	}
	return r.Filled, nil
}

// fillNew makes the new store beside its place.
func (m *Machine) fillNew(ctx context.Context, id Identity, r *rebuild) (err error) {
	dir := filepath.Join(m.o.Data, dirNewStore)
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove the rest of an earlier attempt: %w", err)
	}
	into, _, err := badger.Open(badger.Options{Dir: dir, Log: m.o.Log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, into.Close()) }()
	st, err := store.Open(ctx, into)
	if err != nil {
		return err
	}
	proof, problem := readProof(m.o.Data)
	if problem != nil {
		m.o.Log.Warn("what proves that this till belongs to the shop cannot be read", "error", problem)
	}
	if err := takeProof(ctx, st, proof); err != nil {
		return err
	}
	r.Commits, r.Series = 0, map[string]uint64{}
	if r.Moved != "" {
		err := r.salvage(ctx, st, filepath.Join(m.o.Data, r.Moved), id.Till)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	r.Filled = true
	m.o.Log.Info("what could be saved of the store was saved", "changes", r.Commits, "damage", len(r.Damage))
	return m.keepRebuild(r)
}

// evidence adds what is known of the lost store.
func (r *rebuild) evidence(e *lineage.Evidence, id Identity) {
	e.Store.Condition, e.Store.Detail = lineage.Damaged, r.Detail
	if r.Kind == lineage.StoreMissing {
		e.Store.Condition = lineage.Missing
	}
	e.Store.Boot = r.Boot
	if !r.Replica.IsZero() {
		e.Store.Identity = store.Identity{Shop: id.Shop, Till: id.Till, Replica: r.Replica}
	}
}

// known returns the series that receipts name which were saved.
func (r *rebuild) known() []string {
	out := make([]string, 0, len(r.Series))
	for s := range r.Series {
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}
