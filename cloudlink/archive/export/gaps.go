package export

import (
	"context"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
)

// proofs writes what stands for the leaves that are not in the file. Each gap ends at the size of a checkpoint at the latest, so that every
// checkpoint can be verified.
func (w *writer) proofs(ctx context.Context, notes [][]byte) error {
	var stops []int64
	for _, msg := range notes {
		c, err := archive.OpenCheckpoint(msg, w.o.Account, w.verifier)
		if err != nil {
			return err
		}
		stops = append(stops, c.Size)
	}
	g := gaps{w: w, stops: stops}
	err := w.each(ctx, FileProofs, w.query(true), func(s merkle.Stored, _ archive.Leaf) error {
		err := g.upTo(ctx, s.Index)
		g.next = s.Index + 1
		return err
	})
	if err == nil {
		err = g.upTo(ctx, w.m.Size)
	}
	if err != nil {
		return err
	}
	return g.flush(ctx)
}

// gaps gathers gaps, to read the hashes of many at once.
type gaps struct {
	w       *writer
	stops   []int64
	next    int64 // first leaf that is in no gap and no line yet
	waiting [][2]int64
	cover   []archive.Subtree
}

// gapBatch is how many hashes are read at once.
const gapBatch = 256

func (g *gaps) upTo(ctx context.Context, end int64) error {
	for g.next < end {
		for len(g.stops) > 0 && g.stops[0] <= g.next {
			g.stops = g.stops[1:]
		}
		stop := end
		if len(g.stops) > 0 {
			stop = min(stop, g.stops[0])
		}
		g.waiting = append(g.waiting, [2]int64{g.next, stop})
		g.cover = append(g.cover, archive.Cover(g.next, stop)...)
		g.next = stop
		if len(g.cover) >= gapBatch {
			if err := g.flush(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *gaps) flush(ctx context.Context) error {
	hashes, err := g.w.logs.Subtrees(ctx, g.w.o.Account, g.cover)
	if err != nil {
		return err
	}
	for _, gap := range g.waiting {
		n := len(archive.Cover(gap[0], gap[1]))
		line, err := writeGap(gap[0], gap[1], hashes[:n])
		if err == nil {
			err = g.w.line(line)
		}
		if err != nil {
			return err
		}
		hashes = hashes[n:]
	}
	g.waiting, g.cover = nil, nil
	return nil
}
