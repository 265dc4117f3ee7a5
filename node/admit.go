package node

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node/pairing"
	"github.com/tillmesh/tillmesh/replication"
)

// Invite issues a token with which one till can join the shop within 15 minutes.
func (t *Till) Invite() (pairing.Invitation, error) { return t.invites.Issue() }

// maxAdmission is about how many bytes of the roster travel with an admission; links bring the rest.
const maxAdmission = 48 << 10

// Admit writes the admission of a till, once for every device key, and returns what it needs to begin. Whoever calls it
// has made sure that the till may join.
func (t *Till) Admit(ctx context.Context, req pairing.Request) (pairing.Answer, error) {
	if err := t.mayWrite(); err != nil {
		return declineReplacing(err) // who left the shop lets nobody in
	}
	t.masterData.Lock()
	defer t.masterData.Unlock()
	joining := crdt.TillIDOf(req.DeviceKey)
	if known, ok := t.roster.till(joining); ok && known.State != shop.Active {
		return pairing.Answer{Code: "departed", Text: "this till was removed from the shop; set it up anew with a new device key"}, nil
	} else if !ok {
		prefix, err := t.roster.nextPrefix(t.id.Replica)
		if err != nil {
			return pairing.Answer{}, err
		}
		replaces, err := t.replacing(req)
		if err != nil {
			return declineReplacing(err)
		}
		item, err := shop.Admission{PublicKey: req.DeviceKey, Name: req.Name, Prefix: prefix, By: t.id.Till, MS: t.clock.MS(),
			Replaces: replaces}.Sign(t.id.Shop, t.key)
		if err != nil {
			return pairing.Answer{Code: "request", Text: err.Error()}, nil
		}
		if err := t.commit(ctx, crdt.Shop, shop.Schema, []crdt.Piece{item}); err != nil {
			return pairing.Answer{}, err
		}
	}
	settings, err := t.Settings(ctx)
	if err != nil {
		return pairing.Answer{}, err
	}
	roster, err := t.rosterCommits(ctx, joining)
	if err != nil {
		return pairing.Answer{}, err
	}
	view := t.network.View()
	ans := pairing.Answer{Accepted: true, Shop: t.id.Shop, ShopName: settings.Shop.Name, Admission: roster, LinkPort: view.LinkPort}
	key, err := hex.DecodeString(t.id.ShopKey)
	if err != nil {
		return pairing.Answer{}, fmt.Errorf("shop key in identity.json: %w", err)
	}
	copy(ans.ShopKey[:], key)
	ans.GossipKeys = t.travelKeys(ans.ShopKey)
	ans.Peers = view.Own
	for _, till := range t.roster.tills() {
		reach := view.Reach[till.ID]
		if till.ID != joining && till.State == shop.Active && len(reach.Addresses) > 0 && len(ans.Peers) < pairing.MaxPeers {
			ans.Peers = append(ans.Peers, reach.Addresses[0])
		}
	}
	return ans, nil
}

// rosterCommits returns the commits of the shop scope; if they are too many only those that prove the joining till's way
// back to the founder.
func (t *Till) rosterCommits(ctx context.Context, joining crdt.TillID) ([][]byte, error) {
	have := t.store.Contexts()[crdt.Shop]
	var all [][]byte
	size := 0
	for at := (replication.Cursor{}); !at.Done; {
		list, next, err := t.store.Live(ctx, crdt.Shop, have, at, 1<<20)
		if err != nil {
			return nil, err
		}
		at = next
		for _, raw := range list {
			all = append(all, raw)
			size += len(raw) + 8
		}
	}
	if size <= maxAdmission && len(all) <= pairing.MaxAdmission {
		return all, nil
	}
	needed := make(map[crdt.ObjectID]bool)
	for id := joining; ; {
		needed[shop.AdmissionID(id)] = true
		till, ok := t.roster.till(id)
		if !ok || till.Founder {
			break
		}
		id = till.AdmittedBy
	}
	var out [][]byte
	for _, raw := range all {
		c, err := crdt.DecodeCommit(raw)
		if err != nil {
			return nil, err
		}
		for i := range c.Pieces {
			if c.Pieces[i].Type == shop.TypeAdmission && needed[c.Pieces[i].Object] {
				out = append(out, raw)
				break
			}
		}
	}
	return out, nil
}
