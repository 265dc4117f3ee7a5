package whole

import (
	"context"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node"
)

// memberVerbs are about tills that leave the shop.
var memberVerbs = verbs{
	"revokes": {Params: "subject word [word]", Help: "another till is lost or stolen; the last number known of it", Do: on(func(s *Script, t *Till, a args) error { return s.departs(t, a, shop.Revoked) })},
	"retires": {Params: "subject word", Help: "another till is no longer used", Do: on(func(s *Script, t *Till, a args) error { return s.departs(t, a, shop.Retired) })},
	"recovers": {Params: "subject word int", Help: "a till that is off was found: what nobody has is so many receipts, and is taken", Do: on(func(s *Script, t *Till, a args) error {
		return s.finds(t, a)
	})},
}

// departs lets a till say that another one left, and compares the last number known of it.
func (s *Script) departs(t *Till, a args, state shop.State) error {
	other, err := s.named(a.Word(0))
	if err != nil {
		return err
	}
	how := (*node.Till).Retire
	if state == shop.Revoked {
		how, other.left = (*node.Till).Revoke, true
	}
	var out node.Departed
	err = s.say(t, "departure", func(ctx context.Context, till *node.Till) (err error) {
		out, err = how(till, ctx, other.M.Till().String(), "stolen")
		return err
	}, nil)
	if err == nil && a.Len() > 1 && (len(out.Series) == 0 || out.Series[0].Last != a.Word(1)) {
		err = fmt.Errorf("known of it is %+v", out.Series)
	}
	return err
}

// finds takes over what a found till holds.
func (s *Script) finds(t *Till, a args) error {
	lost, err := s.named(a.Word(0))
	if err != nil {
		return err
	}
	if lost.life != nil {
		return fmt.Errorf("%s runs", lost.Name)
	}
	list := s.recover(t, lost)
	return errors.Join(s.W.Err(), same(len(list.Receipts), a.Int(1, 0)))
}
