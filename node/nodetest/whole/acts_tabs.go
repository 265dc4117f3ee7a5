package whole

import (
	"context"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
)

// tables does something with a tab and another one, as waiters do all evening.
func (s *Shop) tables(t *Till, v node.TabView) {
	other := s.anyTab(t)
	switch n := s.rand.IntN(10); {
	case n < 3 && len(v.Lines) > 0:
		s.split(t, v)
	case n < 5 && len(v.Lines) > 0 && other != nil:
		ids := []crdt.ObjectID{v.Lines[s.rand.IntN(len(v.Lines))].ID, v.Lines[s.rand.IntN(len(v.Lines))].ID}
		s.do(t, "move", fmt.Sprint(ids, " to ", other.ID), func(ctx context.Context, till *node.Till) error {
			_, err := till.MoveLines(ctx, v.ID, other.ID, ids)
			return err
		}, nil)
	case n < 7 && other != nil:
		s.do(t, "merge", fmt.Sprint(v.ID, " into ", other.ID), func(ctx context.Context, till *node.Till) error {
			_, err := till.MergeTab(ctx, v.ID, other.ID)
			return err
		}, func(fate) { s.told.tabs[v.ID] = unknown }) // without a line, it is nowhere if the other one is closed elsewhere
	case n < 9 && len(v.Merged) > 0:
		id := v.Merged[s.rand.IntN(len(v.Merged))].ID
		s.do(t, "unmerge", id, func(ctx context.Context, till *node.Till) error {
			_, err := till.UnmergeTab(ctx, id)
			return err
		}, nil)
	default:
		to := s.Tills[s.rand.IntN(len(s.Tills))]
		force := s.chance(20)
		s.do(t, "transfer", fmt.Sprint(v.ID, " to ", to.Name), func(ctx context.Context, till *node.Till) error {
			_, err := till.TransferTab(ctx, v.ID, node.Transfer{Till: to.M.Till(), User: to.Name, By: t.Name, Force: force})
			return err
		}, nil)
	}
}

// split puts some lines and parts of lines on a new tab.
func (s *Shop) split(t *Till, v node.TabView) {
	split := node.Split{To: s.object(), Name: "geteilt", User: t.Name}
	for i := range v.Lines {
		if !s.chance(40) {
			continue
		}
		l := &v.Lines[i]
		part := node.SplitPart{Line: l.ID}
		if left := l.Line.Quantity - l.Voided; left > 1000 && s.chance(50) {
			part.Quantity = receipt.Quantity(1 + s.rand.Int64N(int64(left)))
		}
		split.Parts, split.PartIDs = append(split.Parts, part), append(split.PartIDs, s.object())
	}
	if len(split.Parts) == 0 {
		return
	}
	s.do(t, "split", fmt.Sprint(v.ID, " ", len(split.Parts)), func(ctx context.Context, till *node.Till) error {
		_, err := till.SplitTab(ctx, v.ID, split)
		return err
	}, func(f fate) { s.learnSplit(split, f) })
}
