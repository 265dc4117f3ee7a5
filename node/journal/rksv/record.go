package rksv

import (
	"fmt"
	"strings"

	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// Signed is a receipt of the chain.
type Signed struct {
	JWS     JWS
	Failure string // why it is not signed; empty if it is, or if it was found again
}

const recordKind = "rksv"

// Object returns the form that a document carries as its security. It is of kind "rksv" and holds the JWS verbatim.
func (s Signed) Object() receipt.Object {
	const most = 200 // characters
	o := receipt.Object{{Name: "jws", Value: receipt.String(s.JWS.Text)}, {Name: "kind", Value: receipt.String(recordKind)}}
	if s.Failure != "" {
		text := []rune(strings.ToValidUTF8(s.Failure, "\uFFFD"))
		o = append(o, receipt.Member{Name: "failure", Value: receipt.String(text[:min(len(text), most)])})
	}
	return o
}

// ParseRecord reads the security of a document. Members it does not know are ignored. It returns [ErrFormat] if it is of
// another kind of device, or holds no receipt of a chain.
func ParseRecord(o receipt.Object) (Signed, error) {
	kind, _ := o.Get("kind").(receipt.String)
	text, _ := o.Get("jws").(receipt.String)
	failure, _ := o.Get("failure").(receipt.String)
	if kind != recordKind {
		return Signed{}, fmt.Errorf("%w: the security of a document is of kind %.20q", ErrFormat, string(kind))
	}
	j, err := ParseJWS(string(text))
	return Signed{JWS: j, Failure: string(failure)}, err
}
