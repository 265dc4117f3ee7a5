package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/discovery"
	"github.com/tillmesh/tillmesh/discovery/mdns"
	"github.com/tillmesh/tillmesh/node/pairing"
	"github.com/tillmesh/tillmesh/replication/mesh"
)

// JoinOptions say how to join a shop.
type JoinOptions struct {
	Data, Name, Token, Mode string
	StateDir                string   // see [Options]
	Peers                   []string // "host:port" of tills of the shop; else they are searched on the LAN
	Iface                   string
	NoMDNS                  bool
	Version                 string
	Shop                    crdt.ShopID     // which of several to ask without a token; zero: the only one there is
	Replaces                crdt.TillID     // the till whose place this one takes, zero if none
	Compare                 pairing.Compare // shows the six digits, without a token
	Log                     *slog.Logger
	Environment
}

// Joined says what was joined.
type Joined struct {
	Shop     crdt.ShopID
	ShopName string
	Till     crdt.TillID
	Prefix   string
}

// ErrTokenNeeded means that Join was given neither a token nor a way to show digits.
var ErrTokenNeeded = hint(errors.New("a token is needed to join"), `make one at a till of the shop with "till invite" and give it with --token`)

// ErrNoTill means that no till of a shop answered.
var ErrNoTill = hint(errors.New("no till of a shop answered"),
	"is a till running in the same network? Name its address with --peer HOST:PORT; \"till status\" there shows it")

const (
	searchTime = 4 * time.Second
	// searches is how often the network is searched until somebody is found: where much goes on, the first answers get lost.
	searches = 3
)

// Join makes this machine a till of an existing shop: with a token if one is given, else by six digits that compare shows.
// The directory must be empty or missing.
func Join(ctx context.Context, o JoinOptions) (Joined, error) {
	j, err := NewJoiner(o)
	if err != nil {
		return Joined{}, err
	}
	return j.join(ctx)
}

func (j *Joiner) join(ctx context.Context) (Joined, error) {
	o := j.o
	if o.Token == "" {
		return j.byDigits(ctx)
	}
	token, err := pairing.ParseToken(o.Token)
	if err != nil {
		return Joined{}, fmt.Errorf("token: %w", err)
	}
	addrs := o.Peers
	if len(addrs) == 0 {
		for _, s := range j.search(ctx) {
			for _, c := range s.Tills {
				for _, a := range c.Addrs {
					addrs = append(addrs, a.String())
				}
			}
		}
	}
	if len(addrs) == 0 {
		return Joined{}, ErrNoTill
	}
	var errs []error
	for _, addr := range addrs {
		out, err := j.withToken(ctx, addr, token)
		if err == nil {
			return out, nil
		}
		errs = append(errs, err)
		if errors.Is(err, errFinal) || ctx.Err() != nil {
			break
		}
	}
	return Joined{}, fmt.Errorf("join: %w", errors.Join(errs...))
}

func (j *Joiner) byDigits(ctx context.Context) (Joined, error) {
	if j.o.Compare == nil {
		return Joined{}, ErrTokenNeeded
	}
	at, err := j.Find(ctx, j.o.Shop)
	if err != nil {
		return Joined{}, err
	}
	asked, err := j.Ask(ctx, at, j.o.Replaces, j.o.Compare)
	return asked.Joined, err
}

// errFinal marks a failure that another address would not mend.
var errFinal = errors.New("not tried elsewhere")

func (o JoinOptions) ready() JoinOptions {
	o.Environment = o.Environment.orReal()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func (j *Joiner) withToken(ctx context.Context, addr string, token pairing.Token) (out Joined, err error) {
	conn, inviter, err := mesh.DialPairing(ctx, j.identity, nil, addr)
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
	kept := false
	_, err = pairing.Join(ctx, j.o.Random, pairing.Channel{Conn: conn, Self: j.key.Public().(ed25519.PublicKey), Peer: peer}, token,
		j.request(j.o.Replaces),
		func(ctx context.Context, a pairing.Answer) error {
			out, err = j.keep(ctx, a, inviter, conn.RemoteAddr())
			kept = err == nil
			return err
		})
	switch {
	case errors.Is(err, pairing.ErrUnconfirmed), err == nil:
		return out, nil
	case kept, errors.Is(err, pairing.ErrUsed), errors.Is(err, pairing.ErrDeclined):
		return out, errors.Join(err, errFinal)
	}
	return out, fmt.Errorf("%s: %w", addr, err)
}

// keep makes the membership durable, in a new directory.
func (j *Joiner) keep(ctx context.Context, a pairing.Answer, inviter crdt.TillID, at net.Addr) (Joined, error) {
	if !j.o.Shop.IsZero() && a.Shop != j.o.Shop {
		return Joined{}, hint(fmt.Errorf("the till at %v belongs to shop %v, not %v", at, a.Shop, j.o.Shop), "nothing was joined; ask a till of the right shop")
	}
	n, err := NewMember(a, j.key, j.replica, j.o.Name, j.o.Mode, j.o.Now())
	if err != nil {
		return Joined{}, err
	}
	n.Founder = j.founder
	fill := func(tmp string) error {
		if err := n.writeTo(ctx, tmp, home{j.o.Data, j.o.StateDir}, j.o.Environment); err != nil {
			return err
		}
		return remember(tmp, inviter, at, j.o.Now())
	}
	if j.dir != nil {
		err = j.dir.put(fill)
	} else {
		err = build(j.o.Data, fill)
	}
	return Joined{Shop: a.Shop, ShopName: a.ShopName, Till: n.Identity.Till, Prefix: n.Identity.Prefix}, err
}

// remember writes down where the inviting till was reached, so that the first run finds it without multicast.
func remember(dir string, inviter crdt.TillID, at net.Addr, now time.Time) error {
	addr, err := netip.ParseAddrPort(at.String())
	if err != nil {
		return fmt.Errorf("address of the inviting till: %w", err)
	}
	r, err := discovery.LoadRemembered(filepath.Join(dir, filePeers))
	if err != nil {
		return err
	}
	r.Success(inviter, netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()), now)
	return r.Save()
}

// search lists the shops on the LAN, and searches on for a while if there is none.
func (j *Joiner) search(ctx context.Context) (shops []discovery.Shop) {
	for range searches {
		if shops = FindShops(ctx, j.o.Iface, j.o.NoMDNS, searchTime); len(shops) > 0 || j.o.NoMDNS || ctx.Err() != nil {
			break
		}
	}
	return shops
}

// FindShops lists the shops on the LAN.
func FindShops(ctx context.Context, iface string, noMDNS bool, wait time.Duration) []discovery.Shop {
	if noMDNS {
		return nil
	}
	return discovery.Shops(ctx, mdns.New(mdns.Options{Iface: iface}), wait)
}
