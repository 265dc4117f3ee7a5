package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/replication/engine"
)

const (
	topicClaim    = "claim"
	claimPatience = 300 * time.Millisecond // how long the holder has to answer
	claimIdle     = 90 * time.Second       // after this without a change here the holder lets go at once
)

// touch notes that somebody worked on a tab at this till just now.
func (t *Till) touch(tab crdt.ObjectID) { t.work.Store(tab, time.Now()) }

func (t *Till) forget(tab crdt.ObjectID) { t.work.Delete(tab) }

// Claim asks for the right to take payment for a tab. The till that holds it is asked; without a link to it, or an
// answer in 300 ms, the claim is taken and Unreachable says so. force means that whoever asks may take it over.
func (t *Till) Claim(ctx context.Context, tab crdt.ObjectID, user string, force bool) (Claimed, error) {
	v, err := t.openTab(ctx, tab)
	if err != nil {
		return Claimed{}, err
	}
	holder := v.Holder
	out := Claimed{Holder: holder.Till, HolderUser: holder.User, Epoch: holder.Epoch}
	if holder.Till == t.id.Till {
		out.Granted = true
		t.touch(tab)
		return out, nil
	}
	if !holder.Till.IsZero() {
		asking, cancel := context.WithTimeout(ctx, claimPatience)
		body, err := t.engine.Ask(asking, holder.Till, topicClaim, encodeClaim(tab, user, force))
		cancel()
		switch {
		case err == nil && len(body) > 0:
			out.Reason = string(body)
			return out, nil
		case ctx.Err() != nil:
			return out, ctx.Err()
		case err != nil && !errors.Is(err, engine.ErrNotLinked) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, engine.ErrRefused):
			return out, err
		}
		out.Unreachable = err != nil
	}
	defer t.tabs.own(tab)()
	obj, err := t.store.Object(ctx, salesKey(receipt.TypeTab, tab))
	if err != nil {
		return out, err
	}
	epoch := max(receipt.HolderOf(obj).Epoch, holder.Epoch) + 1
	pieces, err := receipt.EditTab(tab, obj, receipt.TabEdit{Claim: &receipt.Claim{Till: t.id.Till, User: user, Epoch: epoch, MS: time.Now().UnixMilli()}})
	if err != nil {
		return out, refuseInvalid(err)
	}
	if obj.Gone || obj.Empty() {
		// A continuation: there is no tab any more, or not yet, and so nobody to take it from.
		pieces = nil
	}
	if len(pieces) > 0 {
		if _, err := t.commit(ctx, crdt.Sales, receipt.Schema, pieces); err != nil {
			return out, err
		}
	}
	t.touch(tab)
	out.Granted, out.Holder, out.HolderUser, out.Epoch = true, t.id.Till, user, epoch
	return out, nil
}

// mustHold claims a tab for a payment, and refuses if another till works on it.
func (t *Till) mustHold(ctx context.Context, tab crdt.ObjectID, user string) error {
	c, err := t.Claim(ctx, tab, user, false)
	if err != nil || c.Granted {
		return err
	}
	r := refuse(CodeHeld, "ask there, wait until it is idle for 90 s, or take it over with claim and force", "%s works on this tab: %s",
		t.roster.name(c.Holder), c.Reason)
	r.Ref = t.roster.name(c.Holder)
	return r
}

// askedForClaim answers another till that wants a tab this till holds: an empty answer grants it, a text says why not.
func (t *Till) askedForClaim(ctx context.Context, _ crdt.TillID, body []byte) ([]byte, bool) {
	tab, _, force, err := decodeClaim(body)
	if err != nil {
		return []byte(err.Error()), false
	}
	v, _, ok := t.book.Tab(tab)
	if !ok || v.Holder.Till != t.id.Till || force {
		return nil, true
	}
	at, worked := t.work.Load(tab)
	since, isTime := at.(time.Time)
	if idle := time.Since(since); worked && isTime && idle < claimIdle {
		return fmt.Appendf(nil, "last change there %d s ago", int(idle.Seconds())), true
	}
	return nil, true
}

func encodeClaim(tab crdt.ObjectID, user string, force bool) []byte {
	b := codec.AppendBytes(codec.AppendArray(nil, 3), tab[:])
	return codec.AppendBool(codec.AppendString(b, user), force)
}

func decodeClaim(body []byte) (tab crdt.ObjectID, user string, force bool, err error) {
	if err := codec.Check(body); err != nil {
		return tab, "", false, err
	}
	r := codec.NewReader(body)
	more := r.ArrayOf(3)
	r.Fixed(tab[:])
	user, force = r.String(), r.Bool()
	r.Skip(more)
	return tab, user, force, r.Done()
}
