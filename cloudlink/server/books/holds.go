package books

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/cloudlink/server"
	"github.com/tillmesh/tillmesh/crdt"
)

// Holds is a method of server.Holds.
func (b *Books) Holds(ctx context.Context, account crdt.ObjectID) ([]server.Hold, error) {
	list, err := b.logs.Holds(ctx, archive.AccountID(account))
	out := make([]server.Hold, 0, len(list))
	for i := range list {
		out = append(out, holdOf(&list[i]))
	}
	return out, err
}

func holdOf(h *merkle.Hold) server.Hold {
	out := server.Hold{ID: h.ID, Range: server.ExportRange{Shop: h.Shop, From: h.FromDay, To: h.ToDay}, Reason: h.Reason, Since: time.UnixMilli(h.SetAt), By: h.SetBy}
	if h.ReleasedBy != "" {
		out.Released, out.ReleasedBy, out.Why = time.UnixMilli(h.ReleasedAt), h.ReleasedBy, h.ReleasedWhy
	}
	return out
}

// SetHold is a method of server.Holds.
func (b *Books) SetHold(ctx context.Context, account crdt.ObjectID, want server.ExportRange, reason, by string) (server.Hold, error) {
	id, err := b.newID()
	if err != nil {
		return server.Hold{}, err
	}
	h := merkle.Hold{ID: id, Shop: want.Shop, FromDay: want.From, ToDay: want.To, Reason: reason, SetBy: who(by), SetAt: b.now().UnixMilli()}
	if err := b.logs.SetHold(ctx, archive.AccountID(account), h); err != nil {
		return server.Hold{}, err
	}
	return holdOf(&h), nil
}

// ReleaseHold is a method of server.Holds. One that was released before stays as it is.
func (b *Books) ReleaseHold(ctx context.Context, account crdt.ObjectID, id crdt.ObjectID, by, why string) (server.Hold, error) {
	hold, err := b.hold(ctx, account, id)
	if err != nil || !hold.Released.IsZero() {
		return hold, err
	}
	err = b.logs.ReleaseHold(ctx, archive.AccountID(account), id, who(by), why, b.now())
	if err != nil {
		return server.Hold{}, found(err)
	}
	return b.hold(ctx, account, id)
}

func (b *Books) hold(ctx context.Context, account crdt.ObjectID, id crdt.ObjectID) (server.Hold, error) {
	list, err := b.Holds(ctx, account)
	if err != nil {
		return server.Hold{}, err
	}
	i := slices.IndexFunc(list, func(h server.Hold) bool { return h.ID == id })
	if i < 0 {
		return server.Hold{}, fmt.Errorf("%w: legal hold %s", server.ErrNotFound, id)
	}
	return list[i], nil
}

// who is a name as the archive takes it: names of sessions can be longer.
func who(by string) string {
	const most = 200
	if r := []rune(by); len(r) > most {
		return string(r[:most])
	}
	return by
}
