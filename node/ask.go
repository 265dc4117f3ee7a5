package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/discovery"
	"github.com/tillmesh/tillmesh/node/pairing"
	"github.com/tillmesh/tillmesh/replication/mesh"
)

// SeveralShops means that more than one shop was found, and nobody said which one to ask.
type SeveralShops struct{ Shops []discovery.Shop }

// Error lists them.
func (s *SeveralShops) Error() string {
	text := fmt.Sprintf("%d shops were found:", len(s.Shops))
	for _, shop := range s.Shops {
		text += fmt.Sprintf(" %v with %d till(s);", shop.ID, len(shop.Tills))
	}
	return text[:len(text)-1]
}

// Hint says what to do.
func (s *SeveralShops) Hint() string {
	return `say which one with --shop ID; "till status" at a till of the shop shows its ID`
}

// Joiner is a machine that wants to become a till. Its device key stays the same however often it asks, so whatever a till of
// the shop said yes to is still good if the last word was lost. It is not safe for concurrent use.
type Joiner struct {
	o        JoinOptions
	key      ed25519.PrivateKey
	identity *mesh.Identity
	replica  crdt.ReplicaID
	dir      *newDir            // being made already, with what a backup held; nil: from nothing
	founder  ed25519.PrivateKey // the founder secret of that backup, nil if it has none
}

// NewJoiner makes the device key of a new till. The directory must be empty or missing.
func NewJoiner(o JoinOptions) (*Joiner, error) {
	if err := checkEmpty(o.Data); err != nil {
		return nil, err
	}
	j := &Joiner{o: o.ready()}
	j.key = j.o.deviceKey()
	var err error
	if j.identity, err = mesh.NewIdentity(j.key); err != nil {
		return nil, err
	}
	j.o.draw(j.replica[:])
	return j, nil
}

// Till returns the ID that the till will have.
func (j *Joiner) Till() crdt.TillID { return crdt.TillIDOf(j.key.Public().(ed25519.PublicKey)) }

// Shop is a place to ask at: the tills of one shop, or addresses that were given.
type Shop struct {
	ID    crdt.ShopID // zero for addresses that were given
	Addrs []string
}

// Asked says how asking ended.
type Asked struct {
	Joined Joined
	// Compared: the digits were shown. Then only a person may say that it is asked again.
	Compared bool
}

// Ask asks the tills of a shop for admission by six digits, one after the other until one takes the request. compare shows
// the digits; see [pairing.Compare]. The tills that cannot be reached, have no room, or speak another version are passed over,
// but never after compare was called.
func (j *Joiner) Ask(ctx context.Context, at Shop, replaces crdt.TillID, compare pairing.Compare) (Asked, error) {
	if len(at.Addrs) == 0 {
		return Asked{}, ErrNoTill
	}
	var errs []error
	for _, addr := range at.Addrs {
		out, err := j.askAt(ctx, addr, at.ID, replaces, compare)
		if err == nil || out.Compared || ctx.Err() != nil || errors.Is(err, errFinal) {
			return out, err
		}
		errs = append(errs, err)
	}
	return Asked{}, errors.Join(errs...)
}

func (j *Joiner) askAt(ctx context.Context, addr string, want crdt.ShopID, replaces crdt.TillID, compare pairing.Compare) (out Asked, err error) {
	conn, other, err := mesh.DialPairing(ctx, j.identity, nil, addr)
	if err != nil {
		return out, err
	}
	defer func() {
		// The peer may have hung up first; what was agreed stands.
		_ = conn.Close()
	}()
	peer, err := peerKey(conn)
	if err != nil {
		return out, err
	}
	shown := make(chan struct{}, 1)
	_, err = pairing.Ask(ctx, j.o.Random, pairing.Channel{Conn: conn, Self: j.key.Public().(ed25519.PublicKey), Peer: peer}, j.key,
		j.request(replaces),
		func(ctx context.Context, d pairing.Digits) error {
			shown <- struct{}{}
			return compare(ctx, d)
		},
		func(ctx context.Context, a pairing.Answer) error {
			if !want.IsZero() && a.Shop != want {
				return hint(fmt.Errorf("the till at %s belongs to shop %v, not %v", addr, a.Shop, want), "nothing was joined; ask again")
			}
			out.Joined, err = j.keep(ctx, a, other, conn.RemoteAddr())
			return err
		})
	out.Compared = len(shown) > 0
	switch {
	case err == nil, errors.Is(err, pairing.ErrUnconfirmed):
		return out, nil
	case errors.Is(err, pairing.ErrDeclined) && !errors.Is(err, pairing.ErrBusy) && !errors.Is(err, pairing.ErrDoorClosed):
		return out, errors.Join(err, errFinal)
	}
	return out, fmt.Errorf("%s: %w", addr, err)
}

func (j *Joiner) request(replaces crdt.TillID) pairing.Request {
	return pairing.Request{
		Name: j.o.Name, Replica: j.replica, WallClock: j.o.Now(), Version: or(j.o.Version, "unknown"), Mode: j.o.Mode, Replaces: replaces,
	}
}

// Find returns whom to ask: the given addresses, else the one shop on the network, or the one with this ID. It returns
// ErrNoTill or a *SeveralShops.
func (j *Joiner) Find(ctx context.Context, want crdt.ShopID) (Shop, error) {
	if len(j.o.Peers) > 0 {
		return Shop{ID: want, Addrs: j.o.Peers}, nil
	}
	return ChooseShop(j.search(ctx), want)
}

// ChooseShop returns the one shop of a list, or the one with this ID. It returns ErrNoTill or a *SeveralShops.
func ChooseShop(shops []discovery.Shop, want crdt.ShopID) (Shop, error) {
	var found []discovery.Shop
	for _, s := range shops {
		if want.IsZero() || s.ID == want {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 0:
		return Shop{}, ErrNoTill
	case 1:
		out := Shop{ID: found[0].ID}
		for _, c := range found[0].Tills {
			for _, a := range c.Addrs {
				out.Addrs = append(out.Addrs, a.String())
			}
		}
		return out, nil
	}
	return Shop{}, &SeveralShops{found}
}
