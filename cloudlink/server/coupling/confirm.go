package coupling

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
)

const confirmHeading = "tillmesh coupled 1\n"

// ErrCloud says that what came back was not signed with the key of the cloud that was asked.
var ErrCloud = errors.New("the answer is not signed with the key of the cloud")

// Confirm signs with the cloud's key that it took the claim. The text is a heading of its own and [Claim.Text].
func (c Claim) Confirm(key ed25519.PrivateKey) ([]byte, error) {
	text, err := c.confirmation()
	if err != nil {
		return nil, err
	}
	return ed25519.Sign(key, text), nil
}

// Confirmed returns [ErrCloud] unless the key is that of the cloud of this claim and signed that it took it.
func (c Claim) Confirmed(key ed25519.PublicKey, signature []byte) error {
	text, err := c.confirmation()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCloud, err)
	}
	if len(key) != ed25519.PublicKeySize || crdt.TillIDOf(key) != c.Cloud || !ed25519.Verify(key, text, signature) {
		return ErrCloud
	}
	return nil
}

func (c Claim) confirmation() ([]byte, error) {
	text, err := c.Text()
	return slices.Concat([]byte(confirmHeading), text), err
}
