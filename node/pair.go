package node

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/discovery"
	"github.com/tillmesh/tillmesh/discovery/mdns"
	"github.com/tillmesh/tillmesh/node/pairing"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/mesh"
)

// Invite issues a token with which one till can join the shop within 15 minutes.
func (t *Till) Invite() (pairing.Invitation, error) { return t.invites.Issue() }

// OwnAddresses returns where other tills can reach this one, for people who type them in.
func (t *Till) OwnAddresses() []string {
	if t.o.Advertise != "" {
		return []string{t.o.Advertise}
	}
	addr := t.LinkAddr()
	if !addr.Addr().IsUnspecified() {
		return []string{addr.String()}
	}
	var out, own []string
	for _, p := range t.localPrefixes() {
		at := netip.AddrPortFrom(p.Addr(), addr.Port()).String()
		switch {
		case !p.Addr().Is4():
		case p.Addr().IsLoopback():
			own = append(own, at)
		default:
			out = append(out, at)
		}
	}
	if len(out) == 0 {
		return own // no network: only tills on this machine can come
	}
	return out
}

// pair admits whoever proves a token on a pairing connection.
func (t *Till) pair(ctx context.Context, conn net.Conn, peer crdt.TillID) {
	key, err := peerKey(conn)
	if err != nil {
		t.log.Warn("a till that wants to join was refused", "error", err)
		return
	}
	req, err := t.invites.Accept(ctx, pairing.Channel{Conn: conn, Self: t.key.Public().(ed25519.PublicKey), Peer: key}, t.admit)
	switch {
	case errors.Is(err, pairing.ErrUnconfirmed):
		t.log.Info("till admitted, its last word is missing", "name", req.Name, "till", peer.Short())
	case err != nil:
		t.log.Warn("a till that wants to join was refused", "error", err, "till", peer.Short())
	default:
		t.log.Info("till admitted", "name", req.Name, "till", peer.Short())
	}
	if errors.Is(err, pairing.ErrWithdrawn) {
		t.events.post(Event{What: "mesh"})
	}
}

func peerKey(conn net.Conn) (ed25519.PublicKey, error) {
	c, ok := conn.(*tls.Conn)
	if !ok || len(c.ConnectionState().PeerCertificates) == 0 {
		return nil, errors.New("the connection shows no device key")
	}
	key, ok := c.ConnectionState().PeerCertificates[0].PublicKey.(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("the device key is of another kind")
	}
	return key, nil
}

// maxAdmission is about how many bytes of the roster travel with an admission; links bring the rest.
const maxAdmission = 48 << 10

// admit writes the admission of a till, once for every device key, and returns what it needs to begin.
func (t *Till) admit(ctx context.Context, req pairing.Request) (pairing.Answer, error) {
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
		item, err := shop.Admission{PublicKey: req.DeviceKey, Name: req.Name, Prefix: prefix, By: t.id.Till, MS: time.Now().UnixMilli()}.Sign(t.id.Shop, t.key)
		if err != nil {
			return pairing.Answer{Code: "request", Text: err.Error()}, nil
		}
		if _, err := t.commit(ctx, crdt.Shop, shop.Schema, []crdt.Piece{item}); err != nil {
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
	ans := pairing.Answer{Accepted: true, Shop: t.id.Shop, ShopName: settings.Shop.Name, Admission: roster, LinkPort: t.LinkAddr().Port()}
	key, err := hex.DecodeString(t.id.ShopKey)
	if err != nil {
		return pairing.Answer{}, fmt.Errorf("shop key in identity.json: %w", err)
	}
	copy(ans.ShopKey[:], key)
	ans.Peers = t.OwnAddresses()
	for _, p := range t.candidates() {
		if !p.Till.IsZero() && p.Till != joining && len(p.Addrs) > 0 && len(ans.Peers) < pairing.MaxPeers {
			ans.Peers = append(ans.Peers, p.Addrs[0].String())
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

// JoinOptions say how to join a shop.
type JoinOptions struct {
	Data, Name, Token, Mode string
	Peers                   []string // "host:port" of tills of the shop; else they are searched on the LAN
	Iface                   string
	NoMDNS                  bool
	Version                 string
	Log                     *slog.Logger
}

// Joined says what was joined.
type Joined struct {
	Shop     crdt.ShopID
	ShopName string
	Till     crdt.TillID
	Prefix   string
}

// ErrTokenNeeded means that Join found shops but was given no token.
var ErrTokenNeeded = errors.New("a token is needed to join")

// ErrNoTill means that no till of a shop answered.
var ErrNoTill = hint(errors.New("no till of a shop answered"),
	"is a till running in the same network? Name its address with --peer HOST:PORT; \"till status\" there shows it")

const searchTime = 4 * time.Second

// Join makes this machine a till of an existing shop. The directory must be empty or missing.
func Join(ctx context.Context, o JoinOptions) (Joined, error) {
	if err := checkEmpty(o.Data); err != nil {
		return Joined{}, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Token == "" {
		return Joined{}, tokenNeeded(ctx, o)
	}
	token, err := pairing.ParseToken(o.Token)
	if err != nil {
		return Joined{}, fmt.Errorf("token: %w", err)
	}
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Joined{}, fmt.Errorf("make device key: %w", err)
	}
	identity, err := mesh.NewIdentity(key)
	if err != nil {
		return Joined{}, err
	}
	var replica crdt.ReplicaID
	_, _ = rand.Read(replica[:])
	j := joining{o: o, token: token, key: key, public: public, identity: identity, replica: replica}
	addrs := o.Peers
	if len(addrs) == 0 {
		for _, s := range FindShops(ctx, o.Iface, o.NoMDNS, searchTime) {
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
		out, err := j.at(ctx, addr)
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

// errFinal marks a failure that another address would not mend.
var errFinal = errors.New("not tried elsewhere")

type joining struct {
	o        JoinOptions
	token    pairing.Token
	key      ed25519.PrivateKey
	public   ed25519.PublicKey
	identity *mesh.Identity
	replica  crdt.ReplicaID
}

func (j *joining) at(ctx context.Context, addr string) (out Joined, err error) {
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
	_, err = pairing.Join(ctx, rand.Reader, pairing.Channel{Conn: conn, Self: j.public, Peer: peer}, j.token,
		pairing.Request{Name: j.o.Name, Replica: j.replica, WallClock: time.Now(), Version: or(j.o.Version, "unknown"), Mode: j.o.Mode},
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

// keep makes the membership durable: what the shop sent and this till's own first commit, in a new directory.
func (j *joining) keep(ctx context.Context, a pairing.Answer, inviter crdt.TillID, at net.Addr) (Joined, error) {
	till := crdt.TillIDOf(j.public)
	roster := shop.NewRoster(a.Shop)
	commits := make([]*crdt.Commit, 0, len(a.Admission))
	for _, raw := range a.Admission {
		c, err := crdt.DecodeCommit(raw)
		if err != nil {
			return Joined{}, fmt.Errorf("roster of the shop: %w", err)
		}
		if c.Scope != crdt.Shop {
			return Joined{}, fmt.Errorf("roster of the shop: it holds changes of %v", c.Scope)
		}
		if err := roster.AddCommit(c); err != nil {
			return Joined{}, fmt.Errorf("roster of the shop: %w", err)
		}
		commits = append(commits, c)
	}
	self, ok := roster.Till(till)
	if !ok || self.State != shop.Active {
		return Joined{}, errors.New("the shop's answer does not prove that this till was admitted")
	}
	now := time.Now()
	own, err := ownPieces(a.Shop, j.key, j.replica, self.Prefix, j.o.Name, j.o.Mode, now)
	if err != nil {
		return Joined{}, err
	}
	id := identityFile{Shop: a.Shop, Till: till, Prefix: self.Prefix, ShopKey: hex.EncodeToString(a.ShopKey[:]),
		Mode: or(j.o.Mode, string(shop.DefaultMode)), Replica: j.replica}
	err = build(j.o.Data, func(tmp string) error {
		if err := firstStore(ctx, tmp, id, j.key, commits, own, now); err != nil {
			return err
		}
		return remember(tmp, inviter, at, now)
	})
	if err != nil {
		return Joined{}, err
	}
	return Joined{Shop: a.Shop, ShopName: a.ShopName, Till: till, Prefix: self.Prefix}, nil
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

// FindShops lists the shops on the LAN.
func FindShops(ctx context.Context, iface string, noMDNS bool, wait time.Duration) []discovery.Shop {
	if noMDNS {
		return nil
	}
	return discovery.Shops(ctx, mdns.New(mdns.Options{Iface: iface}), wait)
}

func tokenNeeded(ctx context.Context, o JoinOptions) error {
	var b strings.Builder
	for _, s := range FindShops(ctx, o.Iface, o.NoMDNS, searchTime) {
		fmt.Fprintf(&b, "; found shop %v with %d tills", s.ID, len(s.Tills))
	}
	return hint(fmt.Errorf("%w%s", ErrTokenNeeded, b.String()), `make one at a till of the shop with "till invite" and give it with --token`)
}
