package verify

import (
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/journal/rksv"
	"github.com/tillmesh/tillmesh/node/journal/tse"
)

// TSE checks what a TSE-like device said: that its signature holds under the key it names, and that what it signed is what the
// document says. Whose key that is, nobody can tell from the document.
func TSE(Series) Device { return tseDevice{} }

type tseDevice struct{}

// Add is a method of Device.
func (tseDevice) Add(d *receipt.Document) (wrong []string) {
	if d.Security.Get("kind") != receipt.String("tse") {
		return nil
	}
	r, err := tse.ParseRecord(d.Security)
	switch {
	case err != nil:
		return []string{fmt.Sprintf("what the signing device said cannot be read: %v", err)}
	case r.Failure != "":
		return nil // it says so, and is counted
	}
	if err := tse.Verify(r); err != nil {
		wrong = append(wrong, err.Error())
	}
	if d.Kind == receipt.KindReceipt || d.Kind == receipt.KindAborted {
		if p, err := tse.Kassenbeleg(d); err != nil {
			wrong = append(wrong, fmt.Sprintf("no device signs such a document: %v", err))
		} else if p != r.Process {
			wrong = append(wrong, "the signing device signed other amounts than the document has")
		}
	}
	return wrong
}

// RKSV checks what an RKSV-like device said, with the keys of a series; keys reports whether they are known. Without them only
// what is signed is compared with the document. It keeps some 40 bytes for each document of a series with keys.
func RKSV(keys func(Series) (rksv.Keys, bool)) func(Series) Device {
	return func(s Series) Device {
		var d rksvDevice
		if k, ok := keys(s); ok {
			d.verifier = rksv.NewVerifier(k)
		}
		return &d
	}
}

type rksvDevice struct{ verifier *rksv.Verifier }

// Add is a method of Device.
func (r *rksvDevice) Add(d *receipt.Document) (wrong []string) {
	if d.Security.Get("kind") != receipt.String("rksv") {
		return nil
	}
	signed, err := rksv.ParseRecord(d.Security)
	if err != nil {
		return []string{fmt.Sprintf("what the signing device said cannot be read: %v", err)}
	}
	if r.verifier != nil {
		for _, p := range r.verifier.Add(rksv.Entry{JWS: signed.JWS.Text}) {
			wrong = append(wrong, p.Text)
		}
	}
	of, err := rksv.Of(d)
	if err == nil {
		err = same(of, signed.JWS.Payload)
	}
	if err != nil {
		wrong = append(wrong, err.Error())
	}
	return wrong
}

var errOther = errors.New("the signing device signed another number, date or amount than the document has")

// same compares what was signed with what the document says.
func same(of rksv.Receipt, payload rksv.Payload) error {
	a, err := payload.Parse()
	if err != nil {
		return err
	}
	if payload.Number != of.Number || payload.Date != of.Date || payload.CashBox != of.CashBox || a != of.Amounts {
		return errOther
	}
	return nil
}
