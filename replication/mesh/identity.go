package mesh

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

// The application protocols that share the TCP port. The number changes when the bytes after the handshake do.
const (
	protocolLink = "tillmesh-link/1"
	protocolPair = "tillmesh-pair/1"
)

// Reasons why a peer is refused. They are matched with errors.Is to count the refusal.
var (
	errUnknownKey    = errors.New("the peer's key is not in the roster of this shop")
	errRemoved       = errors.New("the till was removed from this shop")
	errWrongProtocol = errors.New("the peer speaks no protocol of this port")
	errOtherShop     = errors.New("the peer belongs to another shop")
	errSelf          = errors.New("the address leads back to this till")
)

// Identity is the device key of a till with the self-signed certificate that carries it through TLS. The certificate
// says nothing but the key: its subject is the same for all tills and its validity is never looked at, because a till
// with a wrong clock must still reach the others.
type Identity struct {
	till        crdt.TillID
	certificate tls.Certificate
}

// NewIdentity makes the identity of a device key. It fails only if the key is not a whole Ed25519 private key.
func NewIdentity(key ed25519.PrivateKey) (*Identity, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("device key has %d bytes, want %d: restore the key file", len(key), ed25519.PrivateKeySize)
	}
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("device key has no public half: restore the key file")
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "till"},
		NotBefore:    time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, public, key)
	if err != nil {
		return nil, fmt.Errorf("make the certificate of the device key: %w", err)
	}
	return &Identity{
		till:        crdt.TillIDOf(public),
		certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
	}, nil
}

// Till returns the ID that the key gives this till.
func (id *Identity) Till() crdt.TillID { return id.till }

// linkConfig is the TLS of a link, for either side. check decides about the peer's till; its error ends the handshake.
func (id *Identity) linkConfig(shop crdt.ShopID, check func(crdt.TillID) error) *tls.Config {
	c := id.baseConfig(protocolLink, check)
	c.ServerName = linkServerName(shop)
	return c
}

// pairConfig is the TLS of a pairing connection, for either side; every Ed25519 key is taken but our own.
func (id *Identity) pairConfig() *tls.Config {
	return id.baseConfig(protocolPair, func(crdt.TillID) error { return nil })
}

// baseConfig holds what both uses share. Certificates are compared by key only, so the chain check of the standard
// library is off and VerifyConnection does ours. Sessions are never resumed: a resumed one would skip nothing here,
// but a till that was revoked must not hold a ticket either.
func (id *Identity) baseConfig(protocol string, check func(crdt.TillID) error) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		Certificates:           []tls.Certificate{id.certificate},
		ClientAuth:             tls.RequireAnyClientCert,
		InsecureSkipVerify:     true,
		SessionTicketsDisabled: true,
		NextProtos:             []string{protocol},
		VerifyConnection: func(state tls.ConnectionState) error {
			if state.NegotiatedProtocol != protocol {
				return errWrongProtocol
			}
			peer, err := peerOf(state)
			if err != nil {
				return err
			}
			if peer == id.till {
				return errSelf
			}
			return check(peer)
		},
	}
}

// linkServerName tells an accepting till which shop the caller means, before either shows its key.
func linkServerName(shop crdt.ShopID) string { return shop.String() + ".till" }

// peerOf computes the till from the key that the peer proved to hold.
func peerOf(state tls.ConnectionState) (crdt.TillID, error) {
	if len(state.PeerCertificates) == 0 {
		return crdt.TillID{}, fmt.Errorf("%w: it showed no certificate", errUnknownKey)
	}
	key, ok := state.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
	if !ok || len(key) != ed25519.PublicKeySize {
		return crdt.TillID{}, fmt.Errorf("%w: it is not an Ed25519 key", errUnknownKey)
	}
	return crdt.TillIDOf(key), nil
}
