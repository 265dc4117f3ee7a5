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
//     right may depend on it. Links work without it.
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
// # Concurrency
//
// Links, Gossip and Link are safe for concurrent use. Every goroutine is owned by a Run method, which returns after all
// of them have ended.
package mesh
