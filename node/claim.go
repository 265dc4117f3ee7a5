package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/handover"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/replication/engine"
)

const (
	topicClaim    = "claim"
	claimPatience = 300 * time.Millisecond // how long the holder has to answer
	claimIdle     = 90 * time.Second       // after this without a change here the holder lets go at once
)

// CodeHeldPayment means that a card payment runs at another till.
const CodeHeldPayment = "held-payment"

// touch notes that somebody worked on a tab at this till just now.
func (t *Till) touch(tab crdt.ObjectID) { t.works(tab, "") }

// forget notes that nobody works on a tab here any more.
func (t *Till) forget(tab crdt.ObjectID) {
	t.work.Delete(tab)
	t.LeaveTab(tab, "")
}

// Claim asks for the right to take payment for a tab. The till that holds it is asked; without a link to it, or an
// answer in 300 ms, the claim is taken and Unreachable says so. force means that whoever asks may take it over from
// somebody who works on it. A card payment that runs at a till that answers is a refusal with CodeHeldPayment, whoever asks;
// if that till does not answer, force takes the tab over and Warning says what may come of it.
func (t *Till) Claim(ctx context.Context, tab crdt.ObjectID, user string, force bool) (Claimed, error) {
	v, err := t.openTab(ctx, tab)
	if err != nil {
		return Claimed{}, err
	}
	out, how, err := t.askHolders(ctx, v, user, force)
	if err != nil || !out.Granted {
		return out, err
	}
	if v.Holder.Till == t.id.Till {
		t.works(v.ID, user)
		return out, nil
	}
	err = t.writeClaim(ctx, v, handover.Takeover{Till: t.id.Till, User: user, How: how, Payment: out.Warning != ""}, &out)
	return out, err
}

// askHolders asks whoever has a say in who takes payment for a tab. how is what has to be written down about it, empty if
// nothing.
func (t *Till) askHolders(ctx context.Context, v receipt.TabView, user string, force bool) (out Claimed, how string, err error) {
	holder := v.Holder
	out = Claimed{Holder: holder.Till, HolderUser: holder.User, Epoch: holder.Epoch, Granted: true}
	paying := runningPayments(v)
	for _, till := range paying {
		if till == t.id.Till || till == holder.Till {
			continue
		}
		a, err := t.askForClaim(ctx, till, v.ID, user, force)
		if err != nil {
			return out, "", err
		}
		if out.Warning, err = t.judgePayment(till, a, true, force); err != nil {
			return out, "", err
		}
		if a.unreachable {
			how = handover.Unreachable
		}
	}
	if holder.Till.IsZero() || holder.Till == t.id.Till {
		return out, how, nil
	}
	a, err := t.askForClaim(ctx, holder.Till, v.ID, user, force)
	if err != nil {
		return out, "", err
	}
	warning, err := t.judgePayment(holder.Till, a, slices.Contains(paying, holder.Till), force)
	if err != nil {
		return out, "", err
	}
	if warning != "" {
		out.Warning = warning
	}
	switch {
	case a.unreachable:
		out.Unreachable, how = true, handover.Unreachable
	case !a.granted:
		out.Granted, out.Working = false, a.user
		out.Reason = a.text
		if a.worked {
			out.Reason, out.Since = a.reason(), t.clock.Now().Add(-a.since)
		}
	case a.worked:
		how = handover.Forced
	}
	return out, how, nil
}

// runningPayments returns the tills where a card payment for a tab runs, as far as this one knows.
func runningPayments(v receipt.TabView) (tills []crdt.TillID) {
	for _, p := range v.Payments {
		if (p.State == receipt.PaymentIntended || p.State == receipt.PaymentSent) && !slices.Contains(tills, p.Payment.Till) {
			tills = append(tills, p.Payment.Till)
		}
	}
	return tills
}

// judgePayment refuses while a card payment runs at a till that answered, and without the right if it did not answer; then
// the warning says what may come of going on.
func (t *Till) judgePayment(till crdt.TillID, a claimAnswer, known, force bool) (warning string, err error) {
	name := t.roster.name(till)
	switch {
	case a.payment:
		r := refuse(CodeHeldPayment, "wait until the payment there is over", "a card payment for this tab runs at %s", name)
		r.Ref = name
		return "", r
	case !a.unreachable || !known:
		return "", nil
	case !force:
		r := refuse(CodeHeldPayment, "look at its terminal, or take the tab over with claim and force",
			"a card payment for this tab was begun at %s, which does not answer", name)
		r.Ref = name
		return "", r
	}
	return fmt.Sprintf("a card payment was begun at %s; if it was captured, it is shown as a case when %s is back", name, name), nil
}

// askForClaim asks one till; it answers within claimPatience or counts as unreachable.
func (t *Till) askForClaim(ctx context.Context, till crdt.TillID, tab crdt.ObjectID, user string, force bool) (claimAnswer, error) {
	asking, cancel := context.WithTimeout(ctx, claimPatience)
	body, err := t.replicator.Ask(asking, till, topicClaim, encodeClaim(tab, user, force))
	cancel()
	switch {
	case ctx.Err() != nil:
		return claimAnswer{}, ctx.Err()
	case errors.Is(err, engine.ErrNotLinked), errors.Is(err, context.DeadlineExceeded), errors.Is(err, engine.ErrRefused):
		return claimAnswer{unreachable: true}, nil
	case err != nil:
		return claimAnswer{}, err
	}
	return decodeClaimAnswer(body), nil
}

// writeClaim makes a till the holder of a tab. what says which one, and how that came about; without How nothing is kept of it.
func (t *Till) writeClaim(ctx context.Context, v receipt.TabView, what handover.Takeover, out *Claimed) error {
	tab := v.ID
	defer t.tabs.own(tab)()
	obj, err := t.store.Object(ctx, salesKey(receipt.TypeTab, tab))
	if err != nil {
		return err
	}
	what.Tab, what.From, what.FromUser, what.MS = tab, v.Holder.Till, v.Holder.User, t.clock.MS()
	what.Epoch = max(receipt.HolderOf(obj).Epoch, v.Holder.Epoch) + 1
	var pieces []crdt.Piece
	if !obj.Gone && !obj.Empty() { // of a continuation there is no tab any more, or not yet, and so nobody to take it from
		if pieces, err = receipt.EditTab(tab, obj, receipt.TabEdit{Claim: &receipt.Claim{Till: what.Till, User: what.User, Epoch: what.Epoch, MS: what.MS}}); err != nil {
			return refuseInvalid(err)
		}
		if what.How != "" && !what.From.IsZero() {
			note, err := handover.NewTakeover(what)
			if err != nil {
				return refuseInvalid(err)
			}
			pieces = append(pieces, note...)
		}
	}
	if len(pieces) > 0 {
		if err := t.commit(ctx, crdt.Sales, receipt.Schema, pieces); err != nil {
			return err
		}
	}
	if what.Till == t.id.Till {
		t.works(tab, what.User)
	} else {
		t.forget(tab)
	}
	out.Granted, out.Holder, out.HolderUser, out.Epoch = true, what.Till, what.User, what.Epoch
	return nil
}

// mustHold claims a tab for a payment, and refuses if another till works on it.
func (t *Till) mustHold(ctx context.Context, tab crdt.ObjectID, user string) error {
	c, err := t.Claim(ctx, tab, user, false)
	if err != nil || c.Granted {
		return err
	}
	return t.held(c)
}

// held is the refusal of a claim that was not granted.
func (t *Till) held(c Claimed) error {
	name := t.roster.name(c.Holder)
	r := refuse(CodeHeld, "ask there, wait until it is idle for 90 s, or take it over with claim and force", "%s works on this tab: %s",
		name, c.Reason)
	r.Ref, r.Since, r.User = name, c.Since, c.Working
	return r
}
