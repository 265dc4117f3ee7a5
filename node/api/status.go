package api

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"net/http"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node"
)

const program = "tillmesh"

// status is how a till is doing.
type status struct {
	Program   string        `json:"program" example:"tillmesh"`
	Version   string        `json:"version"`
	Shop      *shopName     `json:"shop,omitempty"`
	Till      *tillIdentity `json:"till,omitempty"`
	Since     string        `json:"since" doc:"When it started, RFC 3339"`
	Clock     clock         `json:"clock"`
	Store     storeState    `json:"store"`
	Peers     []peer        `json:"peers" nullable:"false" doc:"The other active tills of the shop"`
	Equal     bool          `json:"equal" doc:"Every other active till is linked and holds the same"`
	StateHash string        `json:"state_hash" doc:"The same on two tills exactly when they hold the same, hexadecimal"`
	Scopes    []scopeState  `json:"scopes" nullable:"false"`
	Disk      disk          `json:"disk"`
	Doctor    doctorState   `json:"doctor"`
	Halted    *haltState    `json:"halted,omitempty" doc:"While the till does not sell: why. Then little more than shop.id, till and disk is there"`
	OpenTabs  int           `json:"open_tabs"`
	// NextNumber is what the next receipt of this till gets.
	NextNumber string         `json:"next_number" doc:"Of the next receipt of this till" example:"K2-000419"`
	LastNumber string         `json:"last_number" doc:"Of the last one, empty if there was none" example:"K2-000418"`
	Alarms     []alarm        `json:"alarms" nullable:"false" doc:"That nobody saw yet"`
	Again      bool           `json:"again,omitempty" doc:"What the number series before wrote is being said again, so that all tills have it"`
	Risk       *risk          `json:"risk,omitempty" doc:"What would be lost if this till vanished now"`
	Terminal   *terminalState `json:"terminal,omitempty" doc:"The card terminal; left out if this till has none and asked none"`
	Signing    *signingStatus `json:"signing,omitempty" doc:"The signing device; left out if this till has none"`
	Prints     int            `json:"open_prints,omitempty" doc:"Receipts that were to be printed here and are not known to be: GET /api/v1/prints"`
	Removed    *removal       `json:"removed,omitempty" doc:"This till was removed from the shop: it only shows what it has"`
	Told       []toldRemoved  `json:"told_removed,omitempty" nullable:"false" doc:"Tills that say that this one was removed from the shop, while it has not heard of it itself; it goes on"`
	Cloud      *cloudBrief    `json:"cloud,omitempty" doc:"The cloud; left out if the shop is coupled with none. More: GET /api/v1/cloud"`
	Found      []foundShop    `json:"found,omitempty" nullable:"false" doc:"Before the till belongs to a shop: the shops it sees"`
}

// shopName names a shop.
type shopName struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// tillIdentity is who a till is.
type tillIdentity struct {
	ID      string `json:"id" doc:"52 characters"`
	Name    string `json:"name"`
	Prefix  string `json:"prefix" doc:"Of its receipt numbers" example:"K2"`
	Replica string `json:"replica" doc:"Lineage of its store, 26 characters"`
}

// storeState is the store in figures.
type storeState struct {
	Receipts     uint64 `json:"receipts" doc:"Receipts of all tills that are held here"`
	WaitingBytes int    `json:"waiting_bytes" doc:"Changes that wait for the disk"`
	Doubt        string `json:"doubt" doc:"Why nothing is written any more, empty if all is well"`
}

// peer is another till.
type peer struct {
	Till     string `json:"till"`
	Name     string `json:"name"`
	Prefix   string `json:"prefix"`
	Linked   bool   `json:"linked" doc:"There is a link to it now"`
	Equal    bool   `json:"equal" doc:"It is linked and known to hold the same now"`
	EqualAt  string `json:"equal_at" doc:"When both last held the same, RFC 3339; empty if not since this start"`
	LastSeen string `json:"last_seen" doc:"RFC 3339; empty if not since this start"`
	Pulling  bool   `json:"pulling" doc:"This till is fetching what it lacks from it"`
}

// scopeState is the state of one scope.
type scopeState struct {
	Scope   string `json:"scope"`
	Context string `json:"context" doc:"Hash of what is known of it, hexadecimal"`
	Digest  string `json:"digest" doc:"Hash of what it holds, hexadecimal"`
}

// foundShop is a shop seen on the network.
type foundShop struct {
	ShopID string      `json:"shop_id"`
	Tills  []foundTill `json:"tills" nullable:"false"`
}

// foundTill is a till seen on the network.
type foundTill struct {
	Till      string   `json:"till"`
	Addresses []string `json:"addresses" nullable:"false" doc:"Where it takes links, host:port"`
}

func (s *server) addStatus() {
	add(s, operation(http.MethodGet, "/api/v1/status", "Till", "get-status", "How the till is doing", ``), s.getStatus)
	add(s, operation(http.MethodGet, "/api/v1/mesh", "Till", "get-mesh", "The tills of the shop and how they are reached", ``), s.getMesh)
}

func (s *server) getStatus(ctx context.Context, _ *struct{}) (status, error) {
	v, err := s.till.Status(ctx)
	if err != nil {
		return status{}, err
	}
	out := showStatus(v)
	out.Cloud = s.showBrief(v.Cloud)
	return out, nil
}

func showStatus(v node.Status) status {
	out := status{
		Program: program, Version: v.Program, Shop: &shopName{v.ShopID.String(), v.ShopName},
		Till:  &tillIdentity{v.Till.String(), v.Name, v.Prefix, v.Replica.String()},
		Since: instant(v.Since), Clock: showClock(v.Clock),
		Store: storeState{v.Receipts, v.Waiting, v.Doubt}, Peers: []peer{}, Equal: v.Equal,
		StateHash: v.StateHash, Scopes: []scopeState{}, Disk: diskOf(v), Doctor: showDoctor(v.Diagnosis), OpenTabs: v.OpenTabs,
		NextNumber: v.NextNumber, LastNumber: v.LastNumber, Alarms: showUnseen(v.Alarms), Again: v.Again,
	}
	out.Risk = ref(showRisk(v.Risk))
	out.Terminal, out.Prints = showTerminal(v.Terminal), v.Prints.Open
	out.Signing = showSigningStatus(v.Signing)
	if v.Removed != nil {
		out.Removed = ref(showRemoval(*v.Removed))
	}
	out.Told = showTold(v.Told)
	for _, p := range v.Peers {
		out.Peers = append(out.Peers, peer{p.Till.String(), p.Name, p.Prefix, p.Linked, p.Equal, instant(p.EqualAt), instant(p.Seen), p.Pulling})
	}
	for _, x := range v.Scopes {
		out.Scopes = append(out.Scopes, scopeState{x.Scope.String(), hex.EncodeToString(x.Context[:]), digestText(x.Digest)})
	}
	return out
}

func digestText(d crdt.Digest) string { return fmt.Sprintf("%016x%016x", d[0], d[1]) }

// mesh is how a till sees the others.
type mesh struct {
	Tills     []meshTill        `json:"tills" nullable:"false" doc:"All tills that ever belonged to the shop"`
	Own       []string          `json:"own_addresses" nullable:"false" doc:"Where this till takes links, host:port"`
	Counters  map[string]uint64 `json:"counters" doc:"Since the start: links, refused connections by reason, replication"`
	Discovery discoveryState    `json:"discovery"`
	Gossip    gossipState       `json:"gossip"`
	Problems  []string          `json:"problems" nullable:"false" doc:"Of the roster, and of addresses that were given"`
}

// meshTill is a till of the roster.
type meshTill struct {
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	Prefix    string   `json:"prefix" doc:"Of its receipt numbers"`
	State     string   `json:"state" doc:"active, retired or revoked"`
	Self      bool     `json:"self" doc:"It is this till"`
	Linked    bool     `json:"linked" doc:"There is a link to it now"`
	Equal     bool     `json:"equal" doc:"It is linked and known to hold the same now"`
	Address   string   `json:"address" doc:"Of the link, host:port; empty if there is none"`
	Alive     bool     `json:"alive" doc:"Gossip says so"`
	LastSeen  string   `json:"last_seen" doc:"RFC 3339; empty if not since this start"`
	EqualAt   string   `json:"equal_at" doc:"When both last held the same, RFC 3339; empty if not since this start"`
	Program   string   `json:"program" doc:"Version of its program, as far as it is known"`
	Addresses []string `json:"addresses" nullable:"false" doc:"Where it may be, the best first"`
}

// discoveryState is how tills are found.
type discoveryState struct {
	MDNS       string   `json:"mdns" doc:"running, off, or error: and why"`
	Interfaces []string `json:"interfaces" nullable:"false" doc:"In use"`
}

// gossipState is how tills learn who is alive.
type gossipState struct {
	Up      bool   `json:"up"`
	Address string `json:"address" doc:"host:port"`
	Problem string `json:"problem" doc:"Why it is not up, empty if it is"`
}

func (s *server) getMesh(context.Context, *struct{}) (mesh, error) {
	v := s.till.Mesh()
	out := mesh{
		Tills: []meshTill{}, Own: orEmpty(v.Own), Counters: make(map[string]uint64), Problems: orEmpty(v.Problems),
		Discovery: discoveryState{"off", []string{}}, Gossip: gossipState{Up: v.Gossip.Up},
	}
	if v.Gossip.Addr.IsValid() {
		out.Gossip.Address = v.Gossip.Addr.String()
	}
	if v.Gossip.Problem != nil {
		out.Gossip.Problem = v.Gossip.Problem.Error()
	}
	for _, c := range meshCounters {
		out.Counters[c.name] = c.value(&v)
	}
	if v.MDNS != nil {
		out.Discovery = discoveryState{"running", orEmpty(v.MDNS.Interfaces)}
		if problem := cmp.Or(v.MDNS.AnnounceError, v.MDNS.WatchError); problem != "" {
			out.Discovery.MDNS = "error: " + problem
		}
	}
	for _, p := range v.Tills {
		out.Tills = append(out.Tills, meshTill{
			ID: p.Till.String(), Name: p.Name, Prefix: p.Prefix, State: p.State, Self: p.Self, Linked: p.Linked, Equal: p.Equal, Address: p.Address,
			Alive: p.Alive, LastSeen: instant(p.Seen), EqualAt: instant(p.EqualAt), Program: p.Program, Addresses: orEmpty(p.Addresses),
		})
	}
	return out, nil
}
