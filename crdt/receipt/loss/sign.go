package loss

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// signatureDomain is before what is signed, so that no other signature of the key is one of a statement.
const signatureDomain = "tillmesh loss statement 1\x00"

// MaxFile bounds a signed statement in a file, in bytes.
const MaxFile = 4 << 20

var (
	// ErrStatement means that bytes are no statement, or one that contradicts itself.
	ErrStatement = errors.New("not a loss statement")
	// ErrSignature means that a statement is not signed as it says.
	ErrSignature = errors.New("the signature of the loss statement does not hold")
)

// Signed is a statement with its signature, as it is kept in a file and travels over HTTP.
type Signed struct {
	// Statement is for reading; what counts is Canonical.
	Statement json.RawMessage `json:"statement" doc:"The statement, an object"`
	Canonical []byte          `json:"canonical" doc:"Its exact bytes (RFC 8785), base64: what was signed"`
	Signature string          `json:"signature" doc:"Ed25519 signature, hexadecimal"`
	Key       string          `json:"key" doc:"Public key of who signs, hexadecimal; the SHA-256 of it is the ID in the member by"`
}

// Canonical returns the canonical bytes of a statement.
func Canonical(s Statement) ([]byte, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStatement, err)
	}
	v, err := valueOf(raw)
	if err != nil {
		return nil, err
	}
	out, err := receipt.AppendCanonical(nil, v)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStatement, err)
	}
	return out, nil
}

// Sign signs a statement with the key of who is named in By.
func Sign(s Statement, key ed25519.PrivateKey) (Signed, error) {
	if len(key) != ed25519.PrivateKeySize {
		return Signed{}, fmt.Errorf("%w: a key of %d bytes cannot sign", ErrSignature, len(key))
	}
	public, _ := key.Public().(ed25519.PublicKey)
	if id := crdt.TillIDOf(public); s.By.ID != id.String() {
		return Signed{}, fmt.Errorf("%w: it is by %s, the key is that of %s", ErrSignature, s.By.ID, id)
	}
	if err := s.Check(); err != nil {
		return Signed{}, err
	}
	canonical, err := Canonical(s)
	if err != nil {
		return Signed{}, err
	}
	signature := ed25519.Sign(key, append([]byte(signatureDomain), canonical...))
	return Signed{Statement: canonical, Canonical: canonical, Signature: hex.EncodeToString(signature), Key: hex.EncodeToString(public)}, nil
}

// Verify returns the statement of a signed one whose signature holds, whose readable form says the same as what was signed, and that does not
// contradict itself. by is who should have signed it; zero: whoever it names. It returns [ErrSignature] or [ErrStatement].
func Verify(s Signed, by crdt.TillID) (Statement, error) {
	var out Statement
	key, err1 := hex.DecodeString(s.Key)
	signature, err2 := hex.DecodeString(s.Signature)
	if err := errors.Join(err1, err2); err != nil || len(key) != ed25519.PublicKeySize {
		return out, fmt.Errorf("%w: key or signature cannot be read", ErrSignature)
	}
	if !ed25519.Verify(key, append([]byte(signatureDomain), s.Canonical...), signature) {
		return out, fmt.Errorf("%w: it is of other bytes or of another key", ErrSignature)
	}
	if _, err := receipt.ParseCanonical(s.Canonical); err != nil {
		return out, fmt.Errorf("%w: %w", ErrStatement, err)
	}
	if err := json.Unmarshal(s.Canonical, &out); err != nil {
		return out, fmt.Errorf("%w: %w", ErrStatement, err)
	}
	if out.Version > Version {
		return out, fmt.Errorf("loss statement of version %d: %w", out.Version, crdt.ErrVersion)
	}
	signer := crdt.TillIDOf(key)
	switch {
	case out.By.ID != signer.String():
		return out, fmt.Errorf("%w: it says to be by %.60s, and is signed by %s", ErrSignature, out.By.ID, signer)
	case !by.IsZero() && signer != by:
		return out, fmt.Errorf("%w: it is signed by %s, not by %s", ErrSignature, signer, by)
	}
	if len(s.Statement) > 0 {
		v, err := valueOf(s.Statement)
		if err != nil {
			return out, err
		}
		if again, err := receipt.AppendCanonical(nil, v); err != nil || !bytes.Equal(again, s.Canonical) {
			return out, fmt.Errorf("%w: its readable form does not say what was signed", ErrStatement)
		}
	}
	return out, out.Check()
}

// Parse reads a signed statement from a file, which [Verify] has to look at.
func Parse(b []byte) (Signed, error) {
	var s Signed
	if len(b) > MaxFile {
		return s, fmt.Errorf("%w: %d bytes, at most %d", ErrStatement, len(b), MaxFile)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("%w: %w", ErrStatement, err)
	}
	if len(s.Canonical) == 0 {
		return s, fmt.Errorf("%w: it has no member canonical", ErrStatement)
	}
	return s, nil
}

// Like reports whether a file that begins with these bytes may be a signed statement.
func Like(head []byte) bool {
	return strings.HasPrefix(strings.TrimLeft(string(head), " \t\r\n"), "{")
}

// valueOf turns JSON into a value of the model of documents.
func valueOf(raw []byte) (receipt.Value, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStatement, err)
	}
	return convert(v, 0)
}

func convert(v any, depth int) (receipt.Value, error) {
	if depth > receipt.MaxDepth {
		return nil, fmt.Errorf("%w: too deep", ErrStatement)
	}
	switch v := v.(type) {
	case map[string]any:
		out := make(receipt.Object, 0, len(v))
		for name, x := range v {
			c, err := convert(x, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, receipt.Member{Name: name, Value: c})
		}
		return out, nil
	case []any:
		out := make(receipt.Array, 0, len(v))
		for _, x := range v {
			c, err := convert(x, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, c)
		}
		return out, nil
	case string:
		return receipt.String(v), nil
	case bool:
		return receipt.Bool(v), nil
	case json.Number:
		n, err := v.Int64()
		if err != nil {
			return nil, fmt.Errorf("%w: %s is no integer", ErrStatement, v)
		}
		return receipt.Int(n), nil
	}
	return receipt.Null{}, nil
}
