// Package greeting is how a till and the cloud find out whom they speak to, before the first frame of package wire: the cloud
// says a Challenge, the till answers with a Proof, the cloud ends it with a Welcome or a Refusal. cloudlink/PROTOCOL.md describes the
// bytes; golden bytes in testdata/uplink pin them.
//
// It is pure: random bytes, keys and times come from the caller, and messages are byte slices. [Open] is the cloud's side,
// [Answer] the till's; each value serves one connection and is not safe for concurrent use.
//
// # What is proved
//
// Each signature covers the messages before it as they travelled, so both nonces, the keys, the versions and the time. A Proof is
// of no use on another connection, because the cloud's nonce is new each time, and of no use to a server that stands in between under
// another name, because the till names the host that it called and the cloud takes its own names only. A Welcome proves that the cloud whose
// key the shop's roster knows is at the other end. A Refusal after a Proof is signed, so nobody else can tell a till that it was
// revoked. Who can decrypt the connection under the cloud's own name, with a certificate that the till trusts, can read what
// passes; greeting does not prevent that, the choice of certificates does.
package greeting
