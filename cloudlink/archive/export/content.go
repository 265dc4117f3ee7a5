package export

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// content is what a line of the other files holds.
type content struct {
	index int64
	raw   []byte // as it was replicated
	salt  []byte
}

// writeDocument returns the line of a document: the canonical JSON as it was signed, with signature and key, and the rest of its item. What cannot be
// taken apart without loss is there whole.
func writeDocument(kind archive.Kind, c content) []byte {
	s, err := archive.SignedOf(kind, c.raw)
	if err == nil && json.Valid(s.Document) && !bytes.ContainsAny(s.Document, "\n\r") {
		if rest, whole := split(c.raw); whole {
			b := append([]byte(`{"document":`), s.Document...)
			return fmt.Appendf(b, `%s%d,"key":"%x","rest":"%s","signature":"%x"}`+"\n", boundary, c.index, []byte(s.Key), base64.StdEncoding.EncodeToString(rest), s.Signature)
		}
	}
	return writeRaw(c)
}

// boundary is what follows a document in its line. What comes after it has no quotes within texts, so the last one in the line is it.
const boundary = `,"index":`

func writeRaw(c content) []byte {
	return fmt.Appendf(nil, `{"index":%d,"raw":"%s"}`+"\n", c.index, base64.StdEncoding.EncodeToString(c.raw))
}

// The fields of the item of a document that are written apart; see crdt/receipt/DOCUMENTS.md.
const (
	fieldDocument, fieldSignature, fieldKey = "d", "s", "k"

	anySchema = 1<<32 - 1
)

// split returns an item without document, signature and key, and whether joining them gives the same bytes again.
func split(raw []byte) (rest []byte, whole bool) {
	rec, err := crdt.ParseRecord(raw, anySchema)
	if err != nil {
		return nil, false
	}
	document, err1 := rec.Binary(fieldDocument)
	signature, err2 := rec.Binary(fieldSignature)
	key, err3 := rec.Binary(fieldKey)
	if errors.Join(err1, err2, err3) != nil {
		return nil, false
	}
	for _, name := range []string{fieldDocument, fieldSignature, fieldKey} {
		rec.SetRaw(name, nil)
	}
	rest = rec.Bytes()
	again, err := join(rest, document, signature, key)
	return rest, err == nil && bytes.Equal(again, raw)
}

func join(rest, document, signature, key []byte) ([]byte, error) {
	rec, err := crdt.ParseRecord(rest, anySchema)
	if err != nil {
		return nil, err
	}
	rec.SetBinary(fieldDocument, document)
	rec.SetBinary(fieldSignature, signature)
	rec.SetBinary(fieldKey, key)
	return rec.Bytes(), nil
}

// readContent reads a line of any of the three files with contents. Whether it is written as it should be only its leaf can tell; see [check].
func readContent(line []byte) (c content, err error) {
	var x struct {
		Index     int64           `json:"index"`
		Key       string          `json:"key"`
		Note      json.RawMessage `json:"note"`
		Raw       []byte          `json:"raw"`
		Rest      []byte          `json:"rest"`
		Salt      string          `json:"salt"`
		Signature string          `json:"signature"`
	}
	const begin = `{"document":`
	text, document := line, []byte(nil)
	if at := bytes.LastIndex(line, []byte(boundary)); at > 0 && bytes.HasPrefix(line, []byte(begin)) {
		document, text = line[len(begin):at], append([]byte("{"), line[at+1:]...)
	}
	if err := json.Unmarshal(text, &x); err != nil {
		return c, fmt.Errorf("%w: %w", errLine, err)
	}
	c.index, c.raw = x.Index, x.Raw
	if c.salt, err = hex.DecodeString(x.Salt); err != nil {
		return c, fmt.Errorf("%w: %w", errLine, err)
	}
	switch {
	case x.Note != nil:
		c.raw = x.Note
	case document != nil:
		key, err1 := hex.DecodeString(x.Key)
		signature, err2 := hex.DecodeString(x.Signature)
		if err := errors.Join(err1, err2); err != nil {
			return c, fmt.Errorf("%w: %w", errLine, err)
		}
		if c.raw, err = join(x.Rest, document, signature, key); err != nil {
			return c, fmt.Errorf("%w: %w", errLine, err)
		}
	}
	return c, nil
}

// writeContent returns the line of a content of a leaf.
func writeContent(kind archive.Kind, c content) []byte {
	switch {
	case kind.Document():
		return writeDocument(kind, c)
	case kind == archive.Note:
		if _, err := receipt.ParseCanonical(c.raw); err != nil {
			return writeRaw(c)
		}
		return fmt.Appendf(nil, `{"index":%d,"note":%s}`+"\n", c.index, c.raw)
	}
	b := fmt.Appendf(nil, `{"index":%d,"raw":"%s"`, c.index, base64.StdEncoding.EncodeToString(c.raw))
	if len(c.salt) > 0 {
		b = fmt.Appendf(b, `,"salt":"%x"`, c.salt)
	}
	return fmt.Appendf(b, `,"value":%s}`+"\n", readable(c.raw))
}

// check compares a line with its leaf.
func check(l archive.Leaf, c content, line []byte) error {
	if archive.DigestOf(c.salt, c.raw) != l.Digest {
		return fmt.Errorf("%w: its content is not the one that was archived", errLine)
	}
	if !bytes.Equal(writeContent(l.Kind, c), line) {
		return errLine
	}
	return nil
}
