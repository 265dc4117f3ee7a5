// Package mesh connects the tills of one shop: it carries bytes and says who is there, and knows nothing of what
// the bytes mean.
//
// It has three rooms:
//
//   - [Identity] is the device key of a till and the TLS 1.3 that it implies. Who a peer is follows from its key
//     alone; names, addresses and certificate fields prove nothing.
//   - [Links] keeps at most one authenticated connection to every other till, for ever: it dials, accepts, settles
//     which of two crossing connections stays, and hands each link to a session.
//   - [Gossip] adapts memberlist: it says which tills are alive, quickly and approximately. Nothing that must be
//     right may depend on it. Links work without it. [GossipKeys] are the keys it is encrypted with.
//
// # One port, two uses
//
// Links and pairing share a TCP port and are told apart by ALPN. "tillmesh-link/1" is for tills of the roster: the
// server name carries the shop, both sides check the other's key against the roster, and a key that is not in it gets
// no byte beyond the TLS handshake. "tillmesh-pair/1" takes any key, because a till that wants to join is in no roster
// yet; such connections are few, short and rate limited.
//
// # Which connection stays
//
// Two tills that find each other dial each other at the same moment. After the TLS handshake the till with the higher
// ID says "ready" and the one with the lower ID answers "go" on the connection it chose, or closes it. Only the lower
// one decides, so both sides always keep the same connection, and one that carries a session is not disturbed by a
// late rival. The higher till dials only while it has no link; so a connection from it which arrives well after the
// link was made means that its end of that link is gone (it restarted, its cable was out), and the new one replaces it.
//
// A till that calls although it was removed from the shop gets "removed" in place of "ready" or "go", after it has proved its
// key, and nothing more; so it learns why nobody talks to it. It is the word of one till.
//
// Other refusals are TLS alerts, sent before the called till shows its key: 112 (unrecognized_name) to who means another
// shop, 120 (no_application_protocol) to who speaks no protocol of this port, such as a later version of links; 42
// (bad_certificate) to a key that is not in the roster. [Links.LastDial] says which one an address answered with.
//
// # Strangers
//
// Everybody on the network can speak to both ports, so nothing is spent on a caller before it proved a key. A link's
// caller has three seconds for its handshake; how many are looked at is bounded in all, by source address, and by second
// and source; an address from which a till of the shop came has places that others cannot take. Gossip is decrypted here
// before memberlist sees it: the library would answer copies of what was said before, log every junk packet and read
// 20 MiB from anybody. Addresses that never led to a till are dialled within a rate, since discovery can be told
// anything. All that is refused is counted by its reason, and the addresses it came from are remembered.
//
// # Concurrency
//
// Links, Gossip and Link are safe for concurrent use. Every goroutine is owned by a Run method, which returns after all
// of them have ended.
package mesh
