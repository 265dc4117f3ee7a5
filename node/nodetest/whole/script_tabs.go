package whole

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/book"
)

// tabVerbs are work on several tabs, and by several tills on one.
var tabVerbs = verbs{
	"moves": {Params: "subject word word [int]", Help: "the last lines of a tab to another one: K1 moves r s 2", Do: on(func(s *Script, t *Till, a args) error {
		from, to := s.tab(a.Word(0)), s.tab(a.Word(1))
		return s.say(t, "move", func(ctx context.Context, till *node.Till) error {
			ids, err := lastLines(till, from, a.Int(2, 1))
			if err == nil {
				_, err = till.MoveLines(ctx, from, to, ids)
			}
			return err
		}, nil)
	})},
	"splits": {Params: "subject word word [word]", Help: "the last lines of a tab into a new one, 5, or so many pieces of its first line, 1.5: K1 splits r s 5", Do: on(func(s *Script, t *Till, a args) error {
		from, to := s.tab(a.Word(0)), s.tab(a.Word(1))
		whole, decimals, part := strings.Cut(a.Word(2), ".")
		n, err := strconv.Atoi(whole + (decimals + "000")[:3])
		if err != nil {
			return fmt.Errorf("%q: %w", a.Word(2), err)
		}
		split := node.Split{To: to, Name: a.Word(1), User: t.Name}
		return s.splits(t, from, split, func(till *node.Till) ([]node.SplitPart, error) {
			if !part {
				ids, err := lastLines(till, from, n/1000)
				return wholeLines(ids), err
			}
			v, err := till.Tab(context.Background(), from)
			if err != nil || len(v.Lines) == 0 {
				return nil, errors.Join(err, errNothing)
			}
			return []node.SplitPart{{Line: v.Lines[0].ID, Quantity: receipt.Quantity(n)}}, nil
		})
	})},
	"merges": {Params: "subject word word", Help: "a tab into another one", Do: on(func(s *Script, t *Till, a args) error {
		return s.say(t, "merge", func(ctx context.Context, till *node.Till) error {
			_, err := till.MergeTab(ctx, s.tab(a.Word(0)), s.tab(a.Word(1)))
			return err
		}, func(fate) { s.told.tabs[s.tab(a.Word(0))] = unknown })
	})},
	"unmerges": {Params: "subject word", Help: "a tab out of the one it was merged into", Do: on(func(s *Script, t *Till, a args) error {
		return s.say(t, "unmerge", func(ctx context.Context, till *node.Till) error {
			_, err := till.UnmergeTab(ctx, s.tab(a.Word(0)))
			return err
		}, nil)
	})},
	"hands": {Params: "subject word word", Help: "a tab over to a till: K1 hands r K2", Do: on(func(s *Script, t *Till, a args) error {
		other, err := s.named(a.Word(1))
		if err != nil {
			return err
		}
		return s.say(t, "transfer", func(ctx context.Context, till *node.Till) error {
			_, err := till.TransferTab(ctx, s.tab(a.Word(0)), node.Transfer{Till: other.M.Till(), User: other.Name, By: t.Name})
			return err
		}, nil)
	})},
	"adopts": {Params: "subject word word", Help: "what is left over of a kind goes to a tab, which may be new: K1 adopts continuation s", Do: on(func(s *Script, t *Till, a args) error {
		to := s.tab(a.Word(1))
		return s.say(t, "adopt", func(ctx context.Context, till *node.Till) error {
			c, err := firstCase(ctx, till, book.CaseKind(a.Word(0)))
			if err == nil {
				_, err = till.AdoptCase(ctx, c, node.Adoption{To: to, Name: a.Word(1), User: t.Name})
			}
			return err
		}, func(f fate) { learn(s.told.tabs, to, f) })
	})},
	"paysback": {Params: "subject", Help: "a payment that is on no receipt", Do: on(func(s *Script, t *Till, _ args) error {
		var r node.Receipt
		return s.say(t, "pay back", func(ctx context.Context, till *node.Till) error {
			c, err := firstCase(ctx, till, book.CaseOrphan)
			if err == nil {
				r, err = till.PayBack(ctx, c, t.Name, "")
			}
			return err
		}, func(f fate) {
			if f == saved {
				s.issued(t, r)
				s.returned(r)
			}
		})
	})},
	"cards": {Params: "subject word word", Help: "a payment is asked of the terminal: K1 cards r 4.00", Do: on(func(s *Script, t *Till, a args) error {
		sum, err := amount(a.Word(1))
		if err != nil {
			return err
		}
		n := node.NewPayment{ID: s.object(), Type: "ECKarte", Amount: sum, Tendered: sum, User: t.Name, Terminal: true}
		s.told.cards[n.ID] = toldCard{t, sum}
		return s.say(t, "card", func(ctx context.Context, till *node.Till) error {
			_, err := till.Pay(ctx, s.tab(a.Word(0)), n)
			return err
		}, nil)
	})},
	"looks": {Params: "subject word", Help: "at a tab, for a while", Do: on(func(s *Script, t *Till, a args) error {
		return s.say(t, "look", func(ctx context.Context, till *node.Till) error { return till.EnterTab(ctx, s.tab(a.Word(0)), t.Name) }, nil)
	})},
}

var errNoSuchCase = errors.New("there is no such case")

func firstCase(ctx context.Context, till *node.Till, kind book.CaseKind) (crdt.ObjectID, error) {
	all, err := till.Cases(ctx)
	if err != nil {
		return crdt.ObjectID{}, err
	}
	for _, c := range all {
		if c.Kind == kind {
			return c.ID(), nil
		}
	}
	return crdt.ObjectID{}, errNoSuchCase
}

// lastLines returns the last lines of a tab.
func lastLines(till *node.Till, tab crdt.ObjectID, n int) ([]crdt.ObjectID, error) {
	v, err := till.Tab(context.Background(), tab)
	if err != nil {
		return nil, err
	}
	if n < 1 || n > len(v.Lines) {
		return nil, fmt.Errorf("the tab has %d lines: %w", len(v.Lines), errNothing)
	}
	var ids []crdt.ObjectID
	for _, l := range v.Lines[len(v.Lines)-n:] {
		ids = append(ids, l.ID)
	}
	return ids, nil
}

func wholeLines(ids []crdt.ObjectID) (parts []node.SplitPart) {
	for _, id := range ids {
		parts = append(parts, node.SplitPart{Line: id})
	}
	return parts
}

// splits splits a tab, and learns what that made.
func (s *Script) splits(t *Till, from crdt.ObjectID, split node.Split, choose func(*node.Till) ([]node.SplitPart, error)) error {
	split.PartIDs = []crdt.ObjectID{s.object()}
	return s.say(t, "split", func(ctx context.Context, till *node.Till) (err error) {
		if split.Parts, err = choose(till); err == nil {
			_, err = till.SplitTab(ctx, from, split)
		}
		return err
	}, func(f fate) { s.learnSplit(split, f) })
}

// learnSplit notes the tab, the voids and the parts of lines that a split makes.
func (s *Shop) learnSplit(split node.Split, f fate) {
	learn(s.told.tabs, split.To, f)
	for i, p := range split.Parts {
		if p.Quantity != 0 && i < len(split.PartIDs) {
			learnPart(s.told.voids, split.PartIDs[i], f)
			learnPart(s.told.lines, node.PartOf(split.PartIDs[i]), f)
		}
	}
}

// learnPart notes something that a split may have made: if the part was all of a line, there is no such thing.
func learnPart(m map[crdt.ObjectID]fate, id crdt.ObjectID, f fate) {
	if f == saved {
		f = unknown
	}
	learn(m, id, f)
}

// returned notes the payment with which another one was given back.
func (s *Shop) returned(r node.Receipt) {
	for _, p := range r.Parsed.Payments {
		if p.Tendered < 0 {
			s.paid(p.ID, crdt.ObjectID{}, p.Tendered, saved)
		}
	}
}
