package receipt

import "github.com/tillmesh/tillmesh/crdt"

// Examined is a signed document with all that can be said of it alone, which is nearly all that a verification costs. None
// needs another one, so several may be examined at once and then be verified in their order, see [VerifyExamined].
type Examined struct {
	Document Document // zero if Err is not nil
	Err      error    // why the document cannot be read: an error of [ParseDocument]
	Hash     Digest

	header    Header
	headerErr error // why there is no header, which every version can read
	signer    crdt.TillID
	signed    bool // the signature is that of the key
}

// Examine reads a document once and verifies its signature. The result does not share s.
func Examine(s Signed) *Examined {
	e, v := examine(s)
	if e.Err == nil {
		e.Document, e.Err = documentOf(v, s.Document)
	}
	return e
}

// examine does what a chain needs, which is all but the document. It returns the parsed bytes, nil if Err is set.
func examine(s Signed) (*Examined, Value) {
	e := &Examined{Hash: Hash(s.Document), signer: crdt.TillIDOf(s.Key), signed: s.SignatureValid()}
	v, err := ParseCanonical(s.Document)
	if err != nil {
		e.Err, e.headerErr = err, err
		return e, nil
	}
	e.header, e.headerErr = headerOf(v)
	return e, v
}
