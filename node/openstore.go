package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/node/backup/salvage"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/lineage"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/badger"
	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/store/rows/datadir"
)

const (
	// verifyAtOnce is up to how many bytes of tables are verified before a till sells; more of them are verified while it
	// does. It takes about a second on a slow machine.
	verifyAtOnce = 64 << 20
	// fileSuspect is there from when a store turned out damaged while the till ran until it was looked at.
	fileSuspect = "store.suspect"
)

// openStore opens the store, judges whether it is the one this till wrote last, and begins the start: as the lineage it
// was, or as a new one if there is any doubt. A store that is lost or damaged is made anew first.
func (m *Machine) openStore(ctx context.Context, id Identity, key ed25519.PrivateKey) (Begun, error) {
	out := m.outside(id)
	evidence, err := out.evidence()
	if err != nil {
		return Begun{}, err
	}
	lost, err := m.openRows(ctx, id, evidence.Record)
	if err != nil {
		return Begun{}, err
	}
	o := Origin{Identity: id, Key: key, Version: m.o.Version, Rows: m.rows, Outside: out, Evidence: evidence, Environment: m.o.Environment}
	if lost != nil {
		lost.evidence(&o.Evidence, id)
		o.Known = lost.known()
	}
	begun, err := o.Begin(ctx)
	switch {
	case errors.Is(err, ErrNoProof):
		return begun, m.noProof(err)
	case err != nil:
		return begun, err
	}
	for _, d := range begun.Doubts {
		m.o.Log.Warn("the till goes on in a new number series", "prefix", begun.Prefix, "kind", d.Kind, "reason", d.Text, "detail", d.Detail)
	}
	if lost != nil {
		if _, err := begun.Store.Apply(ctx, []replication.Op{{Notes: []replication.Note{lost.note(begun.Identity.Replica)}}}); err != nil {
			return begun, err
		}
		if err := m.endRebuild(); err != nil {
			return begun, err
		}
	}
	if err := keepProof(ctx, m.o.Data, begun.Store.Store); err != nil {
		m.o.Log.Warn("the roster was not kept beside the store", "error", err)
	}
	return begun, nil
}

// openRows opens the store, or one that is made anew in its place; then it says what was lost. m.rows is the store.
func (m *Machine) openRows(ctx context.Context, id Identity, rec lineage.RecordFound) (*rebuild, error) {
	r, err := m.pendingRebuild()
	if err != nil {
		return nil, err
	}
	if r == nil {
		r, err = m.openOld(ctx, id, rec)
		if err != nil || r == nil {
			return nil, err
		}
	}
	open, err := m.goOn(ctx, id, r)
	if err != nil {
		return nil, err
	}
	if m.rows, _, err = badger.Open(badger.Options{Dir: filepath.Join(m.o.Data, dirStore), Log: m.o.Log}); err != nil {
		return nil, fmt.Errorf("open the new store in %s: %w", m.o.Data, err)
	}
	if open {
		// What was cut off behind the new lineage has it: the store says so itself.
		if open, err = unnamed(ctx, m.rows); err != nil {
			return nil, err
		}
	}
	if !open {
		return nil, m.endRebuild()
	}
	return r, m.cleared()
}

// openOld opens the store that is there. If there is none, or it is damaged, it is closed, and the rebuild that is needed
// is returned.
func (m *Machine) openOld(ctx context.Context, id Identity, rec lineage.RecordFound) (*rebuild, error) {
	dir := filepath.Join(m.o.Data, dirStore)
	if checkEmpty(dir) == nil {
		return m.beginRebuild(lineage.StoreMissing, "there is no store in "+dir)
	}
	suspect := m.suspected()
	if problem, err := m.examine(ctx, dir); err != nil {
		return nil, err
	} else if problem != "" {
		return m.beginRebuild(lineage.StoreDamaged, problem)
	}
	opened, report, err := openBadger(badger.Options{Dir: dir, Log: m.o.Log})
	switch {
	case errors.Is(err, rows.ErrInUse):
		return nil, hint(fmt.Errorf("%s: %w", m.o.Data, err), "stop the till that runs on this directory, or name another one with --data")
	case errors.Is(err, rows.ErrNewerFormat):
		return nil, hint(fmt.Errorf("%s: %w", m.o.Data, err), "run the newer program; nothing was changed")
	case errors.Is(err, rows.ErrCorrupt), err != nil && report.FailedBefore > 0 && !ofSystem(err):
		return m.beginRebuild(lineage.StoreDamaged, err.Error())
	case err != nil:
		return nil, hint(fmt.Errorf("open the store in %s: %w", m.o.Data, err), "if this does not pass, start the till again: it then makes its store anew")
	}
	m.rows = opened
	lacking, err := m.lacks(ctx, opened, dir, id, rec)
	if errors.Is(err, codec.ErrMalformed) || errors.Is(err, rows.ErrCorrupt) {
		// What is read first may lie in the damaged table; a store of a newer program says so with another error.
		lacking, err = err.Error(), nil
	}
	if err != nil {
		return nil, err
	}
	if lacking != "" {
		err := m.rows.Close()
		if m.rows = nil; err != nil {
			return nil, err
		}
		return m.beginRebuild(lineage.StoreDamaged, lacking)
	}
	// The engine reads damaged tables without an error and shows less than there is.
	if m.verifyLater = tableBytes(dir) > verifyAtOnce && !suspect; m.verifyLater {
		return nil, nil
	}
	if err := m.rows.Verify(ctx); err != nil {
		if !errors.Is(err, rows.ErrCorrupt) {
			return nil, err
		}
		// A store that failed may not close cleanly; its files are kept as they are.
		if err := m.rows.Close(); err != nil {
			m.o.Log.Warn("the damaged store was not closed", "error", err)
		}
		m.rows = nil
		return m.beginRebuild(lineage.StoreDamaged, err.Error())
	}
	return nil, m.cleared()
}

// lacks says what a store that opened lacks, empty if nothing is known: it holds nothing, or not the entries of the roster that
// are kept beside it, or it ends before the record beside it and there are tables that it does not know, which hold the rest.
func (m *Machine) lacks(ctx context.Context, r rows.Store, dir string, id Identity, rec lineage.RecordFound) (string, error) {
	if empty, err := unnamed(ctx, r); err != nil || empty {
		return "it holds nothing of a till", err
	}
	st, err := store.Open(ctx, r)
	if err != nil {
		return "", err
	}
	if lost, err := m.lostEntries(ctx, st, id); err != nil || lost != "" {
		return lost, err
	}
	if checkEmpty(badger.OrphanDir(dir)) == nil || rec.Condition != lineage.Fine {
		return "", nil
	}
	err = st.Check(ctx, rec.Record, rec.Record.Replica)
	if errors.Is(err, store.ErrDoubt) {
		return fmt.Sprintf("the list of its tables lost its end: %v", err), nil
	}
	return "", err
}

// unnamed reports whether a store belongs to nobody yet.
func unnamed(ctx context.Context, r rows.Store) (bool, error) {
	st, err := store.Open(ctx, r)
	if err != nil {
		return false, err
	}
	_, err = st.Identity(ctx)
	if errors.Is(err, store.ErrNoIdentity) {
		return true, nil
	}
	return false, err
}

// openBadger opens a store. The engine panics on some damaged tables; then what it had opened stays open until the program
// ends, which harms nobody: the store is moved aside.
func openBadger(o badger.Options) (s *badger.Store, report datadir.OpenReport, err error) {
	defer func() {
		if recover() != nil {
			// What was recovered may hold data, so it is not shown.
			err = fmt.Errorf("%w: a table cannot be read", rows.ErrCorrupt)
		}
	}()
	return badger.Open(o)
}

// ofSystem reports whether an error is one that a healthy store has, too: no right, no room, no free file.
func ofSystem(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, rows.ErrFull) || temporary(err)
}

// examine looks at the files of a store before the engine touches them, which may end the whole program on damaged ones. It
// returns what is wrong, empty if nothing is known to be. If an earlier start did not come to the end of opening, or a table
// is cut off, another process tries first.
func (m *Machine) examine(ctx context.Context, dir string) (problem string, err error) {
	attempts, err := badger.Attempts(dir)
	if err != nil {
		return "", err
	}
	if attempts == 0 {
		files, err := salvage.Open(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return "", nil // a new one, or one without any file: the engine says which
		case err != nil:
			return "", err
		}
		damage, _ := files.Damage()
		if err := files.Close(); err != nil {
			return "", err
		}
		if len(damage) == 0 {
			return "", nil
		}
		m.o.Log.Warn("a file of the store looks damaged", "damage", damage)
	}
	if m.o.TryStore == nil {
		if attempts >= 2 {
			return fmt.Sprintf("it could not be opened %d times", attempts), nil
		}
		return "", nil
	}
	m.o.Log.Warn("the store is opened by another process first", "opened in vain", attempts)
	err = m.o.TryStore(ctx, dir)
	if errors.Is(err, rows.ErrCorrupt) {
		return err.Error(), nil
	}
	return "", err
}

func tableBytes(dir string) (total int64) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return 0
	}
	for _, e := range list {
		if info, err := e.Info(); err == nil && filepath.Ext(e.Name()) == ".sst" {
			total += info.Size()
		}
	}
	return total
}

// suspect notes that the store turned out damaged, so that the next start looks at all of it before it sells.
func (m *Machine) suspect(why error) error {
	return replaceFile(filepath.Join(m.o.Data, fileSuspect), []byte(why.Error()+"\n"))
}

func (m *Machine) suspected() bool {
	_, err := os.Lstat(filepath.Join(m.o.Data, fileSuspect))
	return err == nil
}

func (m *Machine) cleared() error {
	err := os.Remove(filepath.Join(m.o.Data, fileSuspect))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// noProof is why a till waits that lost everything that says it belongs to the shop.
func (m *Machine) noProof(err error) *Halt {
	return &Halt{
		Kind: HaltDoubt, At: m.o.Now(), Err: err,
		Text: "all data of this till is lost, also what proves that it belongs to the shop",
		Next: "let it join again in its place: \"till join\" into an empty directory, and choose this till with --replaces at the till that admits it; " +
			"what is left of the old data stays where it is",
	}
}

// TryStore opens a store, verifies it and closes it again. A damaged one may end the program, so this belongs into a process
// of its own; the error wraps rows.ErrCorrupt if it is only that.
func TryStore(ctx context.Context, dir string, log *slog.Logger) error {
	s, _, err := openBadger(badger.Options{Dir: dir, Log: log})
	if err != nil {
		return err
	}
	return errors.Join(s.Verify(ctx), s.Close())
}
