package export

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/crdt"
)

// joining reads the list of leaves together with everything that belongs to them.
type joining struct {
	v        *verifier
	tree     archive.Frontier
	broken   bool // the tree cannot be computed any more, and why was said
	stops    []archive.Checkpoint
	proofs   *lines
	contents map[string]*lines
	shops    map[crdt.ShopID]*shopBooks
	count    int64
}

func (j *joining) run(ctx context.Context) error {
	j.proofs, j.contents = j.v.lines(FileProofs), make(map[string]*lines)
	for _, name := range []string{FileDocuments, FileMasterData, FileNotes} {
		j.contents[name] = j.v.lines(name)
	}
	if err := j.readCheckpoints(); err != nil {
		return err
	}
	if err := j.readLeaves(ctx); err != nil {
		return err
	}
	return j.end()
}

// readCheckpoints reads the checkpoints, which the tree is compared with later.
func (j *joining) readCheckpoints() error {
	r, in := j.v.r, j.v.lines(FileCheckpoints)
	for {
		line, err := in.read()
		if errors.Is(err, io.EOF) {
			break
		}
		var c archive.Checkpoint
		var msg []byte
		if err == nil {
			msg, err = readNote(line)
		}
		if err == nil && j.v.key != nil {
			c, err = archive.OpenCheckpoint(msg, r.Manifest.Account, j.v.key)
			if err == nil && len(j.stops) > 0 && (c.Size <= j.stops[len(j.stops)-1].Size || c.Time < j.stops[len(j.stops)-1].Time) {
				err = fmt.Errorf("%w: it is not later than the one before it", archive.ErrCheckpoint)
			}
		}
		switch {
		case err != nil && !foreign(err):
			return err
		case err != nil:
			r.find(FileCheckpoints, in.number, "", "This checkpoint was changed: %s.", clip(err.Error()))
		case j.v.key != nil:
			j.stops = append(j.stops, c)
			r.Checkpoint = c
		}
	}
	if last := r.Checkpoint; j.v.key != nil && !r.found(FileCheckpoints) && (last.Size != r.Manifest.Size || last.Root != r.Manifest.Root) {
		r.find(FileCheckpoints, 0, "", "The checkpoint that the file is of is missing.")
	}
	return nil
}

// foreign reports whether an error is about what was read, not about reading it.
func foreign(err error) bool {
	for _, known := range []error{errLine, errLong, archive.ErrCheckpoint, archive.ErrProof} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

func (j *joining) readLeaves(ctx context.Context) error {
	r, in := j.v.r, j.v.lines(FileLeaves)
	for last := int64(-1); ; {
		line, err := in.read()
		if errors.Is(err, io.EOF) {
			break
		}
		var index int64
		var leaf archive.Leaf
		if err == nil {
			index, leaf, err = readLeaf(line)
		}
		if err == nil {
			err = j.fits(index, last, leaf)
		}
		if err != nil && !foreign(err) {
			return err
		}
		if j.count++; j.v.o.Progress != nil && j.count%1000 == 0 {
			j.v.o.Progress(Progress{FileLeaves, index, r.Manifest.Size})
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err != nil {
			j.broken = true
			r.find(FileLeaves, in.number, archive.NameOf(leaf), "This record was changed: %s.", clip(err.Error()))
			continue
		}
		last = index
		if err := j.gapsUpTo(index); err != nil {
			return err
		}
		j.tree.Add(archive.RecordHash(leaf.Bytes()))
		j.compareRoot()
		if err := j.content(index, leaf, in.number); err != nil {
			return err
		}
	}
	if !j.broken && j.count != r.Manifest.Leaves {
		j.broken = true
		r.find(FileLeaves, 0, "", "It has %d records, and should have %d.", j.count, r.Manifest.Leaves)
	}
	if m := &r.Manifest; m.Whole() && m.Shop.IsZero() && m.Leaves != m.Size {
		r.find(FileLeaves, 0, "", "All records of the account were asked for, and %d of them are not here: the archive had lost them.", m.Size-m.Leaves)
	}
	return j.gapsUpTo(r.Manifest.Size)
}

// fits reports whether a leaf belongs into the file at this place.
func (j *joining) fits(index, last int64, l archive.Leaf) error {
	m := &j.v.r.Manifest
	switch {
	case index <= last || index >= m.Size:
		return fmt.Errorf("%w: number %d after %d of %d", errLine, index, last, m.Size)
	case !m.Shop.IsZero() && l.Shop != m.Shop, m.FromDay != "" && l.Day < m.FromDay, m.ToDay != "" && l.Day > m.ToDay:
		return fmt.Errorf("%w: of another shop or day than was asked for", errLine)
	}
	return nil
}

// gapsUpTo adds what stands for the leaves that are not in the file.
func (j *joining) gapsUpTo(end int64) error {
	for !j.broken && j.tree.Size() < end {
		line, err := j.proofs.read()
		if err == nil {
			err = j.gap(line, end)
		} else if errors.Is(err, io.EOF) {
			err = fmt.Errorf("%w: nothing stands for records %d to %d", errLine, j.tree.Size(), end-1)
		}
		if err != nil && !foreign(err) {
			return err
		}
		if err != nil {
			j.broken = true
			j.v.r.find(FileProofs, j.proofs.number, "", "This proof was changed, or records are missing: %s.", clip(err.Error()))
			return nil
		}
		j.compareRoot()
	}
	return nil
}

func (j *joining) gap(line []byte, end int64) error {
	x, hashes, err := readGap(line)
	if err != nil {
		return err
	}
	if x.First != j.tree.Size() || x.End > end {
		return fmt.Errorf("%w: for records %d to %d, where %d to %d are missing", errLine, x.First, x.End-1, j.tree.Size(), end-1)
	}
	for i, s := range archive.Cover(x.First, x.End) {
		if err := j.tree.AddSubtree(s.Level, hashes[i]); err != nil {
			return err
		}
	}
	return nil
}

// compareRoot compares the tree with the checkpoint of its size, if there is one.
func (j *joining) compareRoot() {
	for !j.broken && len(j.stops) > 0 && j.stops[0].Size <= j.tree.Size() {
		stop := j.stops[0]
		j.stops = j.stops[1:]
		if stop.Size != j.tree.Size() || stop.Root == j.tree.Root() {
			continue
		}
		j.broken = true
		file := FileProofs
		if j.v.bad[FileLeaves] || !j.v.bad[FileProofs] {
			file = FileLeaves
		}
		j.v.r.find(file, 0, "", "The first %d records do not come to what the archive signed.", stop.Size)
	}
}
