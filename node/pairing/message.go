package pairing

import (
	"crypto/ed25519"
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tillmesh/tillmesh/crdt"
)

// Limits of the fields, in runes where text is meant. Both sides check them, on the way out and on the way in.
const (
	MaxName      = 200 // runes of a till's or shop's name
	MaxVersion   = 64  // runes of a program version
	MaxMode      = 40  // runes of a mode
	MaxCode      = 40  // bytes of a reason code
	MaxText      = 500 // runes of a reason text
	MaxAdmission = 256 // pieces of admission
	MaxPeers     = 64  // addresses of peers
	MaxPeer      = 262 // bytes of one address: a host name of 255, a colon, a port, and brackets around an IPv6 address
	MaxKeys      = 16  // gossip keys beside the shop key
)

// Reason codes that this package puts into an [Answer] itself. A caller's codes must differ.
const (
	CodeUsed      = "used"      // the token belongs to another till
	CodeExpired   = "expired"   // the token expired or was withdrawn during the admission
	CodeMalformed = "malformed" // the request breaks the protocol
	CodeFailed    = "failed"    // the inviting till could not complete the admission

	// Of six digits.
	CodeRefused    = "refused"    // the person at the till said no
	CodeUnanswered = "unanswered" // nobody decided in time
	CodeClosed     = "closed"     // the door was closed meanwhile
	CodeBusy       = "busy"       // the last seat was taken meanwhile
)

// Request is what the new till says about itself.
type Request struct {
	// DeviceKey is the public device key. [Join] and [Ask] set it to the key of the TLS connection, and Accept checks that.
	DeviceKey ed25519.PublicKey
	// Name is what people call the till, 1 to [MaxName] runes.
	Name string
	// Replica is the replica ID of the new till's fresh store.
	Replica crdt.ReplicaID
	// WallClock is the new till's clock, from 1970 on, kept to the millisecond.
	WallClock time.Time
	// Version is the version of its program, 1 to [MaxVersion] runes.
	Version string
	// Mode is how it was asked to join, empty or up to [MaxMode] runes.
	Mode string
	// Replaces is the till whose place this one takes, or zero. It is a wish: who decides on the request decides on that too.
	// A program from before this field admits without replacing.
	Replaces crdt.TillID
}

// GossipKey is a gossip key that replaced the shop key after a revocation.
type GossipKey struct {
	// Key is the key. It is secret.
	Key [32]byte
	// Revocations is how many revocations its maker knew.
	Revocations uint32
}

// Answer is what the inviting till replies. If Accepted is false only Code and Text count, the other fields do not travel.
type Answer struct {
	// Accepted says that the new till is a member as soon as it has kept this answer.
	Accepted bool
	// Code names the reason for machines, up to [MaxCode] characters of a-z, 0-9 and '-'. It must be set if declined.
	Code string
	// Text is the reason for people, up to [MaxText] runes.
	Text string
	// Shop is the ID of the shop.
	Shop crdt.ShopID
	// ShopName is the name of the shop, 1 to [MaxName] runes.
	ShopName string
	// ShopKey is the gossip key of the shop. It is secret.
	ShopKey [32]byte
	// Admission holds the encoded commits that the new till must hold before it speaks to anyone, in the order to apply
	// them: up to [MaxAdmission], none empty. All of the answer must fit into one message of 64 KiB.
	Admission [][]byte
	// Peers are addresses (host:port) of tills of the shop, up to [MaxPeers].
	Peers []string
	// LinkPort is the port on which the inviting till takes links.
	LinkPort uint16
	// GossipKeys are the gossip keys beside ShopKey, up to [MaxKeys], none twice; empty while nobody was revoked. A program
	// from before this field learns them over its links.
	GossipKeys []GossipKey
}

func (r Request) check() error {
	if len(r.DeviceKey) != ed25519.PublicKeySize {
		return fmt.Errorf("%w: the device key has %d bytes, not %d", ErrMalformed, len(r.DeviceKey), ed25519.PublicKeySize)
	}
	if r.Replica == (crdt.ReplicaID{}) {
		return fmt.Errorf("%w: the replica ID is not set", ErrMalformed)
	}
	if ms := r.WallClock.UnixMilli(); ms < 0 || ms > maxMillis {
		return fmt.Errorf("%w: the wall clock is not between the years 1970 and 9999", ErrMalformed)
	}
	if err := checkText("name", r.Name, 1, MaxName); err != nil {
		return err
	}
	if err := checkText("version", r.Version, 1, MaxVersion); err != nil {
		return err
	}
	if err := checkText("mode", r.Mode, 0, MaxMode); err != nil {
		return err
	}
	if r.Replaces == crdt.TillIDOf(r.DeviceKey) {
		return fmt.Errorf("%w: the till wants to replace itself", ErrMalformed)
	}
	return nil
}

// maxMillis is the last millisecond of the year 9999, the last that every format of a time can spell.
const maxMillis = 253402300799999

func (a Answer) check() error {
	if err := checkCode(a.Code); err != nil {
		return err
	}
	if err := checkText("reason", a.Text, 0, MaxText); err != nil {
		return err
	}
	if !a.Accepted {
		if a.Code == "" {
			return fmt.Errorf("%w: declined without a reason code", ErrMalformed)
		}
		return nil
	}
	if a.Shop == (crdt.ShopID{}) || a.ShopKey == [32]byte{} || a.LinkPort == 0 {
		return fmt.Errorf("%w: accepted without shop ID, shop key or link port", ErrMalformed)
	}
	if err := checkText("shop name", a.ShopName, 1, MaxName); err != nil {
		return err
	}
	if len(a.Admission) > MaxAdmission {
		return fmt.Errorf("%w: %d pieces of admission, at most %d", ErrMalformed, len(a.Admission), MaxAdmission)
	}
	for i, piece := range a.Admission {
		if len(piece) == 0 {
			return fmt.Errorf("%w: piece %d of the admission is empty", ErrMalformed, i)
		}
	}
	if len(a.Peers) > MaxPeers {
		return fmt.Errorf("%w: %d peers, at most %d", ErrMalformed, len(a.Peers), MaxPeers)
	}
	for _, peer := range a.Peers {
		if len(peer) > MaxPeer {
			return fmt.Errorf("%w: the address of a peer has %d bytes, at most %d", ErrMalformed, len(peer), MaxPeer)
		}
		if err := checkText("address of a peer", peer, 1, MaxPeer); err != nil {
			return err
		}
	}
	return checkKeys(a.GossipKeys)
}

func checkKeys(keys []GossipKey) error {
	if len(keys) > MaxKeys {
		return fmt.Errorf("%w: %d gossip keys, at most %d", ErrMalformed, len(keys), MaxKeys)
	}
	seen := make(map[[32]byte]bool, len(keys))
	for i, k := range keys {
		if k.Key == [32]byte{} || seen[k.Key] {
			return fmt.Errorf("%w: gossip key %d is zero or comes twice", ErrMalformed, i)
		}
		seen[k.Key] = true
	}
	return nil
}

// checkText refuses what would spoil a screen or a log line: bytes that are not UTF-8, and control characters.
func checkText(field, s string, least, most int) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%w: the %s is not UTF-8", ErrMalformed, field)
	}
	if n := utf8.RuneCountInString(s); n < least || n > most {
		return fmt.Errorf("%w: the %s has %d characters, allowed are %d to %d", ErrMalformed, field, n, least, most)
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return fmt.Errorf("%w: the %s contains the control character %U", ErrMalformed, field, r)
		}
	}
	return nil
}

func checkCode(code string) error {
	if len(code) > MaxCode {
		return fmt.Errorf("%w: the reason code has %d characters, at most %d", ErrMalformed, len(code), MaxCode)
	}
	for _, c := range []byte(code) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return fmt.Errorf("%w: the reason code contains %q", ErrMalformed, c)
		}
	}
	return nil
}
